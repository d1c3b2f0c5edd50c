import assert from "node:assert/strict";
import { AppError } from "../../../runtime/base/errors.ts";
import { type Grants, LEAST } from "../../../runtime/grants/grants.ts";
import { PermissionRequests } from "../../../runtime/sandbox/permission_requests.ts";
import { type RightsLeft, RunCluster } from "../../../runtime/sandbox/run_cluster.ts";
import { RunRecord } from "../../../runtime/sandbox/run_record.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const KUBECONFIG = `apiVersion: v1
kind: Config
current-context: demo
contexts: [{name: demo, context: {cluster: demo, user: jane}}]
clusters: [{name: demo, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: jane, user: {token: s3cr3t}}]
`;

function setUp(grants: Partial<Grants> = {}, text: string | undefined = KUBECONFIG) {
  const home = temporaryDirectory();
  Deno.mkdirSync(`${home}/.kube`);
  if (text !== undefined) Deno.writeTextFileSync(`${home}/.kube/config`, text);
  const record = RunRecord.silent();
  const ports: number[] = [];
  const rights: RightsLeft = {
    preloaded: undefined,
    mayRun: false,
    broker: undefined,
    restricted: { standing: "full", narrowTo: (port) => ports.push(port) },
  };
  const permissionRequests = new PermissionRequests({
    plugin: "foo",
    grants: { ...LEAST, ...grants },
    home,
    args: [],
    started: undefined,
    ask: undefined,
    administrator: undefined,
    record,
    keep: undefined,
  });
  const cluster = new RunCluster({
    whatIf: undefined,
    version: undefined,
    ...{ plugin: "foo", variables: {}, args: [], home, cwd: home, trace() {}, record, permissionRequests },
    rights,
  });
  return { cluster, rights, ports };
}

Deno.test("the redacted kubeconfig has the placeholder in the token's place", async () => {
  const { cluster } = setUp();
  const text = new TextDecoder().decode(await cluster.redacted());
  assert.ok(!text.includes("s3cr3t"));
  assert.ok(text.includes(cluster.placeholderToken()));
  assert.equal(cluster.redacted(), cluster.redacted(), "is made once");
});

Deno.test("connects once, and leaves the kernel one port", async () => {
  const { cluster, ports } = setUp();
  assert.equal(await cluster.cluster(), await cluster.cluster());
  assert.deepEqual(ports, [9]);
  cluster[Symbol.dispose]();
});

Deno.test("checks each request against the grants", async () => {
  for (const grants of [{ cluster: "none" }, { cluster: "read-only" }] as const) {
    const { cluster } = setUp(grants);
    const { status, body } = await (await cluster.cluster()).send({
      method: "DELETE",
      url: "/api/v1/namespaces/a/pods/b",
      headers: [],
    });
    await body?.cancel();
    assert.equal(status, 403, "nothing listens at the server, so krew-wasm answers");
  }
});

Deno.test("reads files from memory once they were preloaded", () => {
  const { cluster, rights } = setUp();
  assert.throws(() => cluster.readFile("/nowhere/x"), Deno.errors.NotFound);
  rights.preloaded = {
    texts: new Map(),
    kubeconfigs: new Map(),
    readFile: (path) => `from memory: ${path}`,
    keep: [],
    exec: false,
    findProgram: () => undefined,
  };
  assert.equal(cluster.readFile("/nowhere/x"), "from memory: /nowhere/x");
});

Deno.test("a run without a kubeconfig fails when it first uses the cluster", async () => {
  const { cluster } = setUp({}, "");
  await assert.rejects(
    () => cluster.cluster(),
    (error) => error instanceof AppError && /^(?:NO_CLUSTER|CONTEXT_NOT_FOUND)$/.test(error.code),
  );
});
