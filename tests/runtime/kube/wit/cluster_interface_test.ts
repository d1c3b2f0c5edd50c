import assert from "node:assert/strict";
import { AppError, type ErrorCode } from "../../../../runtime/base/errors.ts";
import { clusterInterfaces } from "../../../../runtime/kube/wit/cluster_interface.ts";
import type { ClusterRequest, ClusterResponse } from "../../../../runtime/kube/cluster.ts";
import { FakeCluster, testSandbox } from "../../../support/components.ts";

function open(answer: (request: ClusterRequest) => Promise<ClusterResponse> | ClusterResponse) {
  const cluster = new FakeCluster(answer);
  const refused: AppError[] = [];
  const api = clusterInterfaces(testSandbox({ cluster }), (error) => void refused.push(error));
  return { ...api["krew-wasm:kubernetes/cluster"], cluster, refused };
}

const get = { method: "GET", path: "/api", headers: [] as [string, string][] };

Deno.test("current() returns context, server and namespace, and sends nothing", async () => {
  const { current, cluster } = open(() => assert.fail());
  assert.deepEqual(await current(), {
    context: "test",
    server: "https://cluster.test:6443",
    namespace: "default",
  });
  assert.equal(cluster.requests.length, 0);
});

Deno.test("send() passes the request on and streams the response", async () => {
  const { send, cluster } = open(() => ({
    status: 201,
    headers: [["a", "b"]],
    body: ReadableStream.from([new TextEncoder().encode("line\n")]) as ReadableStream<
      Uint8Array<ArrayBuffer>
    >,
  }));
  const body = new TextEncoder().encode("{}");
  const response = await send({ method: "PATCH", path: "/api/v1?x=1", headers: [["c", "d"]], body });
  assert.deepEqual(cluster.requests, [{ method: "PATCH", url: "/api/v1?x=1", headers: [["c", "d"]], body }]);
  assert.equal(response.status(), 201);
  assert.deepEqual(response.headers(), [["a", "b"]]);
  const stream = response.body();
  assert.throws(() => response.body(), (error) => error === undefined);
  assert.equal(new TextDecoder().decode(await stream.blockingRead(100n)), "line\n");
});

Deno.test("headers are UTF-8 in both directions", async () => {
  const { send, start, cluster } = open(() => ({
    status: 200,
    headers: [["warning", "299 - gr\xc3\xb6\xc3\x9fe \xe2\x9c\x93"], ["x", "\xf6"]],
    body: null,
  }));
  const headers: [string, string][] = [["user-agent", "größe ✓"]];
  const response = await send({ ...get, headers });
  assert.deepEqual(response.headers(), [["warning", "299 - größe ✓"], ["x", "ö"]]);
  const upload = await start({ method: "POST", path: "/x", headers });
  upload[Symbol.dispose]();
  for (const request of cluster.requests) {
    assert.deepEqual(request.headers, [["user-agent", "gr\xc3\xb6\xc3\x9fe \xe2\x9c\x93"]]);
  }
});

Deno.test("send() refuses anything but a path", async () => {
  const { send, cluster } = open(() => assert.fail());
  for (const path of ["", "api", "https://elsewhere.test/", "\\\\elsewhere"]) {
    await assert.rejects(send({ ...get, path }), { tag: "invalid" }, path);
  }
  assert.equal(cluster.requests.length, 0);
});

Deno.test("send() says why a request has no response", async () => {
  const cases: [ErrorCode, string][] = [
    ["DESTINATION_REFUSED", "denied"],
    ["REQUEST_INVALID", "invalid"],
    ["CREDENTIALS_FAILED", "credentials"],
    ["CLUSTER_UNREACHABLE", "unreachable"],
    ["CLUSTER_TLS", "unreachable"],
    ["NO_CLUSTER", "no-cluster"],
    ["KUBECONFIG_INVALID", "no-cluster"],
  ];
  for (const [code, tag] of cases) {
    const { send, refused } = open(() => {
      throw new AppError(code, "because", { hint: "do" });
    });
    await assert.rejects(send(get), { tag, val: "because (do)" });
    assert.equal(refused[0]!.code, code);
  }
});

Deno.test("dropping a response without its body closes the connection", async () => {
  let cancelled = 0;
  const { send } = open(() => ({
    status: 200,
    headers: [],
    body: new ReadableStream<Uint8Array<ArrayBuffer>>({ cancel: () => void cancelled++ }),
  }));
  (await send(get))[Symbol.dispose]();
  assert.equal(cancelled, 1);
});
