/** What tests of connections share. */

import { openCluster } from "../../runtime/kube/access.ts";
import { temporaryDirectory } from "./temporary.ts";

/** Opens the cluster of a kubeconfig, as a plugin's run does. */
export async function open(config: string, args: string[] = []) {
  const path = `${temporaryDirectory()}/config`;
  await Deno.writeTextFile(path, config);
  const traced: string[] = [];
  const access = openCluster({
    env: { KUBECONFIG: path },
    args,
    home: "/none",
    cwd: "/",
    trace: (line) => traced.push(line),
  });
  return { access, traced, cluster: () => access.cluster() };
}

/** A test of connections, which a run keeps until its process ends. */
export function connectionTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeResources: false, sanitizeOps: false });
}
