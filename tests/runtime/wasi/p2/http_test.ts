import assert from "node:assert/strict";
import { AppError, type ErrorCode } from "../../../../runtime/base/errors.ts";
import type { ClusterRequest, ClusterResponse } from "../../../../runtime/kube/cluster.ts";
import { httpInterfaces } from "../../../../runtime/wasi/p2/http.ts";
import { type IoError } from "../../../../runtime/wasi/p2/io.ts";
import { poll } from "../../../../runtime/wasi/p2/pollables.ts";
import { FakeCluster, testSandbox } from "../../../support/components.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);
const hasTag = (tag: string) => (error: unknown) => (error as { tag?: string }).tag === tag;

function open(answer: (request: ClusterRequest) => Promise<ClusterResponse> | ClusterResponse) {
  const cluster = new FakeCluster(answer);
  const refused: AppError[] = [];
  const http = httpInterfaces(testSandbox({ cluster }), (error) => void refused.push(error));
  const { handle } = http["wasi:http/outgoing-handler"];
  return { ...http["wasi:http/types"], handle, cluster, refused };
}

type Http = ReturnType<typeof open>;

/** A request to the cluster. */
function request({ Fields, OutgoingRequest }: Http, path = "/api", headers: [string, string][] = []) {
  const request = new OutgoingRequest(Fields.fromList(headers.map(([name, value]) => [name, bytes(value)])));
  request.setScheme({ tag: "HTTPS" });
  request.setAuthority("cluster.test:6443");
  request.setPathWithQuery(path);
  return request;
}

// deno-lint-ignore no-explicit-any -- nested results, checked by each test
async function answerOf(future: ReturnType<Http["handle"]>): Promise<any> {
  await poll([future.subscribe()]);
  return (future.get() as { val: unknown }).val;
}

Deno.test("headers of a request or a response can't be changed", async () => {
  const http = open(() => ({ status: 200, headers: [["x", "é"]], body: null }));
  const sent = request(http, "/", [["a", "1"]]);
  assert.throws(() => sent.headers().append("b", bytes("2")), hasTag("immutable"));
  assert.throws(() => sent.headers().delete("a"), hasTag("immutable"));
  const { val: response } = await answerOf(http.handle(sent, undefined));
  assert.deepEqual(response.headers().get("x"), [new Uint8Array([0xe9])]);
  assert.throws(() => response.headers().set("x", []), hasTag("immutable"));
});

Deno.test("an outgoing request refuses an invalid method, path, scheme or authority", () => {
  const http = open(() => assert.fail());
  const made = request(http);
  const refuses = (set: () => void) => assert.throws(set, (error) => error === undefined);
  refuses(() => made.setMethod({ tag: "other", val: "G ET" }));
  refuses(() => made.setPathWithQuery("/a b"));
  refuses(() => made.setPathWithQuery("/\r\nx"));
  refuses(() => made.setAuthority("a/b"));
  refuses(() => made.setAuthority("a\\b"));
  refuses(() => made.setScheme({ tag: "other", val: "a:b" }));
});

Deno.test("handle() sends the whole URL and the headers, and answers once", async () => {
  const http = open(() => ({ status: 204, headers: [], body: null }));
  const future = http.handle(request(http, "/api?watch=1", [["X-Y", "z"]]), undefined);
  assert.equal(future.get(), undefined);
  const { tag, val: response } = await answerOf(future);
  assert.equal(tag, "ok");
  assert.equal(response.status(), 204);
  assert.deepEqual(future.get(), { tag: "err" });
  const [seen] = http.cluster.requests;
  assert.equal(seen!.url, "https://cluster.test:6443/api?watch=1");
  assert.deepEqual(seen!.headers, [["X-Y", "z"]]);
});

Deno.test("handle() reports failures with wasi:http's codes", async () => {
  const cases: [ErrorCode, string][] = [
    ["DESTINATION_REFUSED", "HTTP-request-denied"],
    ["CLUSTER_UNREACHABLE", "connection-refused"],
    ["CLUSTER_TLS", "TLS-certificate-error"],
    ["NO_CLUSTER", "internal-error"],
  ];
  for (const [code, tag] of cases) {
    const http = open(() => {
      throw new AppError(code, "no");
    });
    const answer = await answerOf(http.handle(request(http), undefined));
    assert.equal(answer.tag, "err");
    assert.equal(answer.val.tag, tag);
    assert.equal(http.refused[0]!.code, code);
  }
});

Deno.test("a response's body streams, and dropping it closes the connection", async () => {
  let controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  let cancelled = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (given) => void (controller = given),
    cancel: () => void cancelled++,
  });
  const http = open(() => ({ status: 200, headers: [], body }));
  const { val: response } = await answerOf(http.handle(request(http), undefined));
  const incoming = response.consume();
  assert.throws(() => response.consume(), (error) => error === undefined);
  const stream = incoming.stream();
  for (const line of ["one", "two"]) {
    assert.equal(stream.read(100n).length, 0);
    const answer = poll([stream.subscribe()]);
    controller.enqueue(bytes(line));
    await answer;
    assert.equal(text(stream.read(100n)), line);
  }
  stream[Symbol.dispose]();
  incoming[Symbol.dispose]();
  assert.equal(cancelled, 1);
});

Deno.test("an unused response is released", async () => {
  let cancelled = 0;
  const answer = () => ({
    status: 200,
    headers: [],
    body: new ReadableStream<Uint8Array<ArrayBuffer>>({ cancel: () => void cancelled++ }),
  });
  const http = open(answer);
  const first = http.handle(request(http), undefined);
  await poll([first.subscribe()]);
  first[Symbol.dispose]();
  assert.equal(cancelled, 1);
  const { val: response } = await answerOf(http.handle(request(http), undefined));
  response[Symbol.dispose]();
  assert.equal(cancelled, 2);

  let aborted = false;
  const hanging = open(({ signal }) =>
    new Promise((_, reject) => signal!.addEventListener("abort", () => reject(aborted = true)))
  );
  const future = hanging.handle(request(hanging), undefined);
  await Promise.resolve().then(() => Promise.resolve());
  future[Symbol.dispose]();
  await poll([future.subscribe()]);
  assert.ok(aborted);
});

Deno.test("a request's body is sent while it is written, at the server's pace", async () => {
  const { promise, resolve } = Promise.withResolvers<ReadableStream<Uint8Array>>();
  const done = Promise.withResolvers<ClusterResponse>();
  const http = open(({ body }) => {
    resolve(body as ReadableStream<Uint8Array>);
    return done.promise;
  });
  const sent = request(http);
  sent.setMethod({ tag: "post" });
  const body = sent.body();
  assert.throws(() => sent.body(), (error) => error === undefined);
  http.handle(sent, undefined);
  const stream = body.write();
  const reader = (await promise).getReader();
  const size = Number(stream.checkWrite());
  stream.write(new Uint8Array(size));
  assert.equal(stream.checkWrite(), 0n);
  assert.ok(!stream.subscribe().ready());
  const room = poll([stream.subscribe()]);
  assert.equal((await reader.read()).value!.length, size);
  await room;
  assert.ok(stream.checkWrite() > 0n);
  stream.write(bytes("end"));
  stream[Symbol.dispose]();
  http.OutgoingBody.finish(body, undefined);
  assert.equal(text((await reader.read()).value!), "end");
  assert.equal((await reader.read()).done, true);
  done.resolve({ status: 200, headers: [], body: null });
});

Deno.test("a body with the wrong length, or a dropped one, fails the request", async () => {
  for (const end of ["finish", "drop"]) {
    const http = open(async ({ body }) => {
      await new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>).text();
      return { status: 200, headers: [], body: null };
    });
    const sent = request(http, "/", [["content-length", "5"]]);
    sent.setMethod({ tag: "put" });
    const body = sent.body();
    const future = http.handle(sent, undefined);
    const stream = body.write();
    stream.checkWrite();
    stream.write(bytes("abc"));
    stream[Symbol.dispose]();
    if (end === "drop") body[Symbol.dispose]();
    else assert.throws(() => http.OutgoingBody.finish(body, undefined), hasTag("HTTP-request-body-size"));
    assert.equal((await answerOf(future)).tag, "err");
  }
});

Deno.test("a request's time limits apply", async () => {
  const http = open(({ signal }) =>
    new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)))
  );
  const options = new http.RequestOptions();
  options.setFirstByteTimeout(1_000_000n);
  assert.equal((await answerOf(http.handle(request(http), options))).val.tag, "connection-timeout");

  const silent = open(() => ({
    status: 200,
    headers: [],
    body: new ReadableStream<Uint8Array<ArrayBuffer>>(),
  }));
  const between = new silent.RequestOptions();
  between.setBetweenBytesTimeout(1_000_000n);
  const { val: response } = await answerOf(silent.handle(request(silent), between));
  const stream = response.consume().stream();
  await assert.rejects(async () => await stream.blockingRead(1n), (error) => {
    const { tag, val } = error as { tag: string; val: IoError };
    assert.equal(tag, "last-operation-failed");
    assert.equal(silent.httpErrorCode(val)!.tag, "connection-read-timeout");
    return true;
  });
});

Deno.test("a GET waits for its body within the limit and refuses a non-empty one", async () => {
  const http = open(() => assert.fail("it is not sent"));
  const refused = request(http);
  const body = refused.body();
  const stream = body.write();
  const future = http.handle(refused, undefined);
  stream.checkWrite();
  stream.write(bytes("x"));
  assert.deepEqual(await answerOf(future), {
    tag: "err",
    val: { tag: "internal-error", val: "A GET request has no body" },
  });
  // Nothing is kept, because nothing would read it.
  assert.throws(() => stream.checkWrite(), hasTag("closed"));

  const unfinished = request(http);
  unfinished.body().write();
  const options = new http.RequestOptions();
  options.setFirstByteTimeout(1_000_000n);
  assert.deepEqual((await answerOf(http.handle(unfinished, options))).val, { tag: "connection-timeout" });
});

Deno.test("a late response to a dropped request has its body closed", async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({ cancel: () => void (cancelled = true) });
  const answer = Promise.withResolvers<ClusterResponse>();
  const http = open(() => answer.promise);
  const future = http.handle(request(http), undefined);
  answer.resolve({ status: 200, headers: [], body });
  future[Symbol.dispose]();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.ok(cancelled);
});
