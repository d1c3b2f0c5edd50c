/** Measures the interfaces to the cluster, beside kubectl: a request, a command's output, client-go. */

import type { TestApiServer } from "../servers/api_server.ts";
import { ExecServer } from "../../tests/support/exec_server.ts";
import { canBuildGo } from "../fixtures.ts";

/** A command to time. */
interface Case {
  readonly name: string;
  readonly command: readonly string[];
}

/** What a topic gets from the benchmark. */
export interface Bench {
  readonly api: TestApiServer;
  /** Pulls a fixture with flags. Returns the path of its link. */
  install(fixture: string, ...flags: string[]): Promise<string>;
  /** Medians in milliseconds, by name. */
  measure(cases: readonly Case[], count?: number): Promise<Map<string, number>>;
  row(what: string, ours: number, baseline: number, of: string, goal: string): void;
}

const EXEC = "/api/v1/namespaces/default/pods/web/exec";
const FLOOD = 100 << 20;

/** Adds the rows. Needs `kubectl` on PATH. */
export async function benchInterfaces({ api, install, measure, row }: Bench): Promise<void> {
  const server = new ExecServer();
  api.hook = server.hook;
  const plugin = await install("kubernetes", "--allow-cluster=full");
  const requests = await measure([
    { name: "plugin", command: [plugin, "get", "/version"] },
    { name: "kubectl", command: ["kubectl", "get", "--raw", "/version"] },
  ]);
  row(
    "GET /version by a C plugin (krew_wasm_kubernetes)",
    requests.get("plugin")!,
    requests.get("kubectl")!,
    "kubectl get --raw",
    "1",
  );
  const floods = await measure([
    { name: "plugin", command: [plugin, "exec", `${EXEC}?command=flood&command=${FLOOD}&stdout=true`, ""] },
    { name: "kubectl", command: ["kubectl", "exec", "web", "--", "flood", String(FLOOD)] },
  ], 5);
  row(
    "100 MiB out of exec by a C plugin",
    floods.get("plugin")!,
    floods.get("kubectl")!,
    "kubectl exec",
    "2",
  );
  if (!canBuildGo()) return;
  const pods = await install("pods-go", "--allow-cluster=full");
  const execs = await measure([
    { name: "go", command: [pods, "exec", "web", "--", "echo", "hi"] },
    { name: "kubectl", command: ["kubectl", "exec", "web", "--", "echo", "hi"] },
  ], 9);
  row(
    "exec by a Go plugin with client-go (21 MB)",
    execs.get("go")!,
    execs.get("kubectl")!,
    "kubectl exec",
    "",
  );
}
