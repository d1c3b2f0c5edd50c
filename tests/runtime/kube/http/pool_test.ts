import assert from "node:assert/strict";
import { MAX_REQUESTS, Pool } from "../../../../runtime/kube/http/pool.ts";
import { httpInterfaces } from "../../../../runtime/wasi/p2/http.ts";
import { TestApiServer } from "../../../../scripts/servers/api_server.ts";
import { testSandbox } from "../../../support/components.ts";
import { connectionTest, lineReader, open } from "../../../support/connection.ts";

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

Deno.test("Pool admits up to its limit, the others in order", async () => {
  const pool = new Pool(2, 0);
  const order: string[] = [];
  const enter = async (name: string) => {
    const place = await pool.enter();
    order.push(name);
    return place;
  };
  const [one, two] = await Promise.all([enter("one"), enter("two")]);
  const [three, four] = [enter("three"), enter("four")];
  await turn();
  assert.deepEqual([order, pool.size, pool.queued], [["one", "two"], 2, 2]);
  two.leave();
  two.leave();
  await three;
  assert.deepEqual([order.at(-1), pool.size, pool.queued], ["three", 2, 1]);
  one.leave();
  (await four).leave();
  (await three).leave();
  assert.deepEqual([order.at(-1), pool.size, pool.queued], ["four", 0, 0]);
});

Deno.test("Pool lets a waiting request give up", async () => {
  const pool = new Pool(1, 0);
  const place = await pool.enter();
  const abort = new AbortController();
  const waiting = pool.enter(abort.signal);
  const next = pool.enter();
  abort.abort(new Error("enough"));
  await assert.rejects(waiting, { message: "enough" });
  assert.equal(pool.queued, 1);
  place.leave();
  (await next).leave();
  await assert.rejects(pool.enter(abort.signal), { message: "enough" });
  assert.deepEqual([pool.size, pool.queued], [0, 0]);
});

Deno.test("Pool turns old bodies into streams, up to a limit", async () => {
  const pool = new Pool(1, 2, 0);
  const places = [];
  for (let i = 0; i < 3; i++) {
    const place = await pool.enter();
    place.answered();
    places.push(place);
  }
  assert.equal(pool.size, 3);
  const fourth = pool.enter();
  await turn();
  assert.equal(pool.queued, 1); // two streams, and one request that may not become a third
  places[0]!.leave();
  (await fourth).leave();
  for (const place of places) place.leave();
  assert.equal(pool.size, 0);
});

Deno.test("Pool turns no unanswered request into a stream", async () => {
  const pool = new Pool(1, 10, 0);
  const place = await pool.enter();
  const next = pool.enter();
  await turn();
  assert.equal(pool.queued, 1);
  place.answered();
  await next;
  assert.equal(pool.size, 2);
});

connectionTest("ten watches and a thousand gets at once, over so many connections", async () => {
  await using api = await TestApiServer.start();
  let [now, most] = [0, 0];
  const together = Promise.withResolvers<void>();
  api.hook = async (_, url) => {
    if (url.searchParams.has("watch")) return undefined;
    most = Math.max(most, ++now);
    if (most > 1) together.resolve(); // the first is answered after another has arrived
    await together.promise;
    await turn();
    now--;
    return Response.json({ path: url.pathname });
  };
  api.add("events", { apiVersion: "v1", kind: "Event", metadata: { name: "a", namespace: "default" } });
  const cluster = await (await open(api.kubeconfig())).cluster();
  const watches = await Promise.all(
    Array.from(
      { length: 10 },
      () => cluster.send({ method: "GET", url: "/api/v1/events?watch=1", headers: [] }),
    ),
  );
  const readers = watches.map(({ body }) => lineReader(body!));
  for (const reader of readers) assert.match(await reader.read(), /"name":"a"/);
  const answers = await Promise.all(Array.from({ length: 1000 }, async (_, index) => {
    const { body } = await cluster.send({ method: "GET", url: `/n/${index}`, headers: [] });
    return (await new Response(body).json()).path;
  }));
  assert.deepEqual(answers, Array.from({ length: 1000 }, (_, index) => `/n/${index}`));
  assert.ok(most > 1 && most <= MAX_REQUESTS, `${most} at once`);
  // The watches are still open.
  api.add("events", { apiVersion: "v1", kind: "Event", metadata: { name: "b", namespace: "default" } });
  for (const reader of readers) {
    assert.match(await reader.read(), /"name":"b"/);
    await reader.cancel();
  }
});

connectionTest("a plugin that opens ten thousand requests and drops them leaves nothing behind", async () => {
  await using api = await TestApiServer.start();
  const never = Promise.withResolvers<Response>();
  let arrived = 0;
  api.hook = (_, url) => {
    if (url.pathname === "/version") return undefined;
    arrived++;
    return never.promise;
  };
  const cluster = await (await open(api.kubeconfig())).cluster();
  const http = httpInterfaces(testSandbox({ cluster }), () => {});
  const { Fields, OutgoingRequest } = http["wasi:http/types"];
  const futures = Array.from({ length: 10_000 }, (_, index) => {
    const request = new OutgoingRequest(new Fields());
    request.setScheme({ tag: "HTTPS" });
    request.setAuthority(new URL(api.server).host);
    request.setPathWithQuery(`/n/${index}`);
    return http["wasi:http/outgoing-handler"].handle(request, undefined);
  });
  while (arrived < MAX_REQUESTS) await turn();
  assert.equal(futures[0]!.get(), undefined);
  for (const future of futures) future[Symbol.dispose]();
  // A place is free again.
  const response = await cluster.send({ method: "GET", url: "/version", headers: [] });
  assert.equal(response.status, 200);
  await response.body?.cancel();
  assert.ok(arrived <= MAX_REQUESTS, `${arrived} arrived`);
  never.resolve(new Response());
});

connectionTest("a thousand answers whose bodies nobody reads are closed as they are dropped", async () => {
  await using api = await TestApiServer.start();
  let open_ = 0;
  api.hook = () => {
    open_++;
    return new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(10)),
        cancel: () => void open_--,
      }),
    );
  };
  const cluster = await (await open(api.kubeconfig())).cluster();
  for (let round = 0; round < 20; round++) {
    const responses = await Promise.all(
      Array.from({ length: 50 }, () => cluster.send({ method: "GET", url: "/x", headers: [] })),
    );
    for (const { body } of responses) await body!.cancel();
  }
  while (open_ > 0) await turn();
});
