import assert from "node:assert/strict";
import { AppError } from "../../../../runtime/base/errors.ts";
import { upgradeInterfaces } from "../../../../runtime/kube/wit/upgrade_interface.ts";
import { TestApiServer } from "../../../../scripts/servers/api_server.ts";
import { FakeCluster, testSandbox } from "../../../support/components.ts";
import { connectionTest, open } from "../../../support/connection.ts";
import { ExecServer } from "../../../support/exec_server.ts";

const POD = "/api/v1/namespaces/default/pods/web";

async function setUp() {
  const api = await TestApiServer.start();
  const server = new ExecServer();
  api.hook = server.hook;
  const { cluster } = await open(api.kubeconfig());
  const refused: AppError[] = [];
  const interfaces = upgradeInterfaces(
    testSandbox({ cluster: await cluster() }),
    (error) => void refused.push(error),
  );
  return {
    ...interfaces["krew-wasm:kubernetes/upgrade"],
    server,
    refused,
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

connectionTest("channels are streams of wasi:io, to wait for and to drop", async () => {
  await using it = await setUp();
  const path = `${POD}/exec?command=cat&stdin=true&stdout=true`;
  const connection = await it.open({ path, headers: [], protocols: ["v5.channel.k8s.io"] });
  assert.equal(connection.protocol(), "v5.channel.k8s.io");
  const [stdin, stdout, status] = [connection.output(0), connection.input(1), connection.input(3)];
  assert.throws(() => connection.inputBytes(), (error) => error === undefined);
  assert.throws(() => connection.receive(), { code: 1003 });
  assert.equal(stdout.read(10n).length, 0);
  await stdin.blockingWriteAndFlush(bytes("hello"));
  await stdout.subscribe().block();
  assert.equal(text(stdout.read(10n)), "hello");
  assert.equal(connection.closed(), undefined);
  // A write within check-write's limit does not wait.
  const room = stdin.checkWrite();
  assert.ok(room > 0n && room <= 32768n);
  stdin.write(new Uint8Array(Number(room)));
  stdin[Symbol.dispose]();
  let rest = 0;
  await assert.rejects(async () => {
    for (;;) rest += (await stdout.blockingRead(65536n)).length;
  }, { tag: "closed" });
  assert.equal(rest, Number(room));
  assert.equal(JSON.parse(text(await status.blockingRead(1000n))).status, "Success");
  assert.deepEqual(connection.closed(), { code: 1000, reason: "" });
  connection[Symbol.dispose]();
});

connectionTest("receive() returns nothing yet, a message, then the end", async () => {
  await using it = await setUp();
  const connection = await it.open({ path: `${POD}/proxy`, headers: [], protocols: ["plain.kubevirt.io"] });
  assert.equal(connection.receive(), undefined);
  assert.equal(connection.send({ text: true, data: bytes("hi") }), true);
  await connection.subscribeSend().block();
  await connection.subscribeReceive().block();
  assert.deepEqual(connection.receive(), { text: true, data: bytes("hi") });
  assert.throws(() => connection.input(1), (error) => error === undefined);
  connection.close(42, "not a code that a client may send");
  await connection.subscribeReceive().block();
  assert.throws(() => connection.receive(), (error) => (error as { code: number }).code === 1000);
  assert.throws(() => connection.send({ text: true, data: bytes("late") }), { code: 1000 });
});

connectionTest("refused with the response, failed with the reason", async () => {
  await using it = await setUp();
  const refused = await it.open({
    path: `${POD.replace("web", "secret")}/exec`,
    headers: [],
    protocols: ["v4.channel.k8s.io"],
  })
    .then(() => assert.fail(), (error) => error);
  assert.equal(refused.tag, "refused");
  assert.equal(refused.val.status(), 403);
  assert.match(text(await refused.val.body().blockingRead(1000n)), /is forbidden/);
  const ask = (path: string) => it.open({ path, headers: [], protocols: [] });
  await assert.rejects(ask("https://evil.test/"), (error: { tag: string; val: { tag: string } }) => {
    assert.deepEqual([error.tag, error.val.tag], ["failed", "invalid"]);
    return true;
  });
  await assert.rejects(ask("//evil.test/"), (error: { val: { tag: string } }) => error.val.tag === "denied");
  assert.deepEqual(it.refused.map(({ code }) => code), ["REQUEST_INVALID", "DESTINATION_REFUSED"]);
});

connectionTest("a plugin has at most 256 connections at once", async () => {
  await using it = await setUp();
  const one = () => it.open({ path: `${POD}/proxy`, headers: [], protocols: ["plain.kubevirt.io"] });
  const asked = await Promise.allSettled(Array.from({ length: 260 }, one)); // pending ones count, too
  const connections = asked.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
  assert.equal(connections.length, 256);
  for (const each of asked) if (each.status === "rejected") assert.equal(each.reason.val.tag, "invalid");
  await assert.rejects(one(), (error: { val: { tag: string } }) => error.val.tag === "invalid");
  for (const connection of connections) connection[Symbol.dispose]();
  (await one())[Symbol.dispose]();
});

Deno.test("without a cluster an upgrade fails as a request does", async () => {
  const cluster = new FakeCluster(() => assert.fail());
  cluster.upgrade = () => Promise.reject(new AppError("CREDENTIALS_FAILED", "no token", { hint: "log in" }));
  const api = upgradeInterfaces(testSandbox({ cluster }), () => {});
  await assert.rejects(
    api["krew-wasm:kubernetes/upgrade"].open({ path: "/x", headers: [], protocols: [] }),
    (error: unknown) => {
      assert.deepEqual(error, { tag: "failed", val: { tag: "credentials", val: "no token (log in)" } });
      return true;
    },
  );
});
