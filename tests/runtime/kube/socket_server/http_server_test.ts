/** HTTP/1.1 on a plugin's socket: what the host takes for a request, and what it answers. */

import assert from "node:assert/strict";
import { AppError } from "../../../../runtime/base/errors.ts";
import type { ClusterRequest, ClusterResponse } from "../../../../runtime/kube/cluster.ts";
import { HostMemory, MAX_KEPT } from "../../../../runtime/wasi/host_memory.ts";
import { FakeCluster } from "../../../support/components.ts";
import { openClient } from "../../../support/socket_client.ts";

const ok = (
  text = "{}",
  headers: [string, string][] = [["content-length", String(text.length)]],
): ClusterResponse => ({
  status: 200,
  headers,
  body: new Blob([text]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>,
});

/** Reads a request's body whole, then answers. */
async function echo({ body }: ClusterRequest): Promise<ClusterResponse> {
  const bytes = body === undefined
    ? new Uint8Array()
    : new Uint8Array(await new Response(body).arrayBuffer());
  return ok(new TextDecoder().decode(bytes));
}

const HEAD = "Host: cluster.test:6443\r\n";
const CLOSE = `${HEAD}Connection: close\r\n`;

/** Says all of a text, and hears all until the end. */
async function exchange(text: string, answer: FakeCluster["answer"] = () => ok()) {
  const cluster = new FakeCluster(answer);
  const client = openClient(cluster);
  await client.say(text);
  const heard = await client.hearAll();
  return {
    heard,
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(heard)?.[1]),
    sent: cluster.requests,
    told: client.told,
  };
}

Deno.test("a request is sent to the server by its URL, and its answer comes back", async () => {
  const { heard, sent } = await exchange(
    `GET /api/v1/pods?limit=5 HTTP/1.1\r\n${CLOSE}Accept:  a/b \r\n\r\n`,
  );
  assert.equal(heard, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
  const [{ method, url, headers, body }] = sent as [ClusterRequest];
  assert.deepEqual({ method, url, headers, body }, {
    method: "GET",
    url: "https://cluster.test:6443/api/v1/pods?limit=5",
    headers: [["accept", "a/b"]],
    body: undefined,
  });
});

for (
  const [name, text, status] of [
    [
      "both framings",
      `POST / HTTP/1.1\r\n${HEAD}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ["two lengths", `POST / HTTP/1.1\r\n${HEAD}Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd`, 400],
    ["a list of lengths", `POST / HTTP/1.1\r\n${HEAD}Content-Length: 4, 4\r\n\r\nabcd`, 400],
    ["a signed length", `POST / HTTP/1.1\r\n${HEAD}Content-Length: +4\r\n\r\nabcd`, 400],
    ["an endless length", `POST / HTTP/1.1\r\n${HEAD}Content-Length: ${"9".repeat(20)}\r\n\r\nabcd`, 400],
    [
      "two codings",
      `POST / HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`,
      400,
    ],
    ["a coding behind another", `POST / HTTP/1.1\r\n${HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n`, 501],
    [
      "a coding that looks like chunked",
      `POST / HTTP/1.1\r\n${HEAD}Transfer-Encoding: xchunked\r\n\r\n`,
      501,
    ],
    ["chunks in HTTP/1.0", `POST / HTTP/1.0\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n`, 400],
    ["a folded header", `GET / HTTP/1.1\r\n${HEAD}Accept: a\r\n b\r\n\r\n`, 400],
    ["a folded first header", `GET / HTTP/1.1\r\n Host: x\r\n${HEAD}\r\n`, 400],
    ["a space before the colon", `GET / HTTP/1.1\r\n${HEAD}Content-Length : 4\r\n\r\n`, 400],
    ["no colon", `GET / HTTP/1.1\r\n${HEAD}Accept\r\n\r\n`, 400],
    ["no name", `GET / HTTP/1.1\r\n${HEAD}: a\r\n\r\n`, 400],
    ["a bare line feed", `GET / HTTP/1.1\r\n${HEAD}A: b\nTransfer-Encoding: chunked\r\n\r\n`, 400],
    ["bare line feeds alone", "GET / HTTP/1.1\nHost: cluster.test:6443\n\n", 400],
    ["a bare carriage return", `GET / HTTP/1.1\r\n${HEAD}A: b\rTransfer-Encoding: chunked\r\n\r\n`, 400],
    ["a NUL", `GET / HTTP/1.1\r\n${HEAD}A: b\0c\r\n\r\n`, 400],
    ["a control character", `GET / HTTP/1.1\r\n${HEAD}A: b\x01c\r\n\r\n`, 400],
    ["a NUL in the name", `GET / HTTP/1.1\r\n${HEAD}A\0: b\r\n\r\n`, 400],
    ["no Host", "GET / HTTP/1.1\r\n\r\n", 400],
    ["two Hosts", `GET / HTTP/1.1\r\n${HEAD}${HEAD}\r\n`, 400],
    ["a Host with a path", "GET / HTTP/1.1\r\nHost: cluster.test:6443/x\r\n\r\n", 400],
    ["two spaces", `GET  / HTTP/1.1\r\n${HEAD}\r\n`, 400],
    ["a tab", `GET\t/ HTTP/1.1\r\n${HEAD}\r\n`, 400],
    ["a space in the target", `GET /a b HTTP/1.1\r\n${HEAD}\r\n`, 400],
    ["a fragment", `GET /a#b HTTP/1.1\r\n${HEAD}\r\n`, 400],
    ["no version", `GET /\r\n${HEAD}\r\n`, 400],
    ["HTTP/0.9", `GET / HTTP/0.9\r\n${HEAD}\r\n`, 505],
    ["HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
    ["CONNECT", "CONNECT cluster.test:6443 HTTP/1.1\r\nHost: cluster.test:6443\r\n\r\n", 405],
    ["an asterisk", `OPTIONS * HTTP/1.1\r\n${HEAD}\r\n`, 400],
    ["another protocol", "SSH-2.0-OpenSSH_9.6\r\n", 400],
    ["an expectation there is not", `GET / HTTP/1.1\r\n${HEAD}Expect: a-miracle\r\n\r\n`, 417],
    [
      "an upgrade with a body",
      `GET / HTTP/1.1\r\n${HEAD}Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\na`,
      400,
    ],
    ["a head of a megabyte", `GET / HTTP/1.1\r\n${HEAD}A: ${"a".repeat(1 << 20)}`, 431],
  ] as const
) {
  Deno.test(`refuses a request with ${name}, and ends the connection`, async () => {
    const cluster = new FakeCluster(() => ok());
    const client = openClient(cluster);
    // A second request would show whether the connection goes on.
    const said = client.say(`${text}GET /smuggled HTTP/1.1\r\n${HEAD}\r\n`).then(
      () => client.socket.closeWrite(),
      () => {},
    );
    const heard = await client.hearAll();
    await said;
    assert.match(heard, new RegExp(`^HTTP/1\\.1 ${status} .*\r\n`), heard);
    assert.match(heard, /\r\nconnection: close\r\n/);
    assert.match(heard, /"kind":"Status".*"code":\d+\}\n$/);
    assert.equal(heard.split(/^HTTP\/1\.1 \d/m).length, 2, heard);
    assert.deepEqual(cluster.requests, []);
  });
}

for (
  const [name, target, host, url] of [
    ["a path", "/api", "cluster.test:6443", "https://cluster.test:6443/api"],
    ["another spelling of the host", "/api", "CLUSTER.test:06443", "https://cluster.test:6443/api"],
    ["a host without a port", "/api", "cluster.test", "https://cluster.test:6443/api"],
    ["an address of the server's", "/api", "10.0.0.1:6443", "https://cluster.test:6443/api"],
    ["another host", "/api", "evil.test:6443", "https://evil.test:6443/api"],
    ["another port", "/api", "cluster.test:80", "https://cluster.test:80/api"],
    ["another address", "/api", "10.0.0.2:6443", "https://10.0.0.2:6443/api"],
    ["a user before the host", "/api", "cluster.test@evil.test", "https://cluster.test@evil.test/api"],
    ["an empty host", "/api", "", "https:///api"],
    ["a URL", "http://cluster.test:6443/api?a", "evil.test", "https://cluster.test:6443/api?a"],
    ["a URL of TLS", "https://cluster.test:6443", "cluster.test", "https://cluster.test:6443/"],
    ["a URL with a query alone", "http://cluster.test:6443?a=b", "x", "https://cluster.test:6443/?a=b"],
    ["a URL of another host", "http://evil.test/api", "cluster.test:6443", "https://evil.test/api"],
    ["a URL with credentials", "http://a:b@cluster.test/", "cluster.test", "https://a:b@cluster.test/"],
    [
      "a path with two slashes",
      "//evil.test/api",
      "cluster.test",
      "https://cluster.test:6443//evil.test/api",
    ],
  ] as const
) {
  Deno.test(`takes ${name} for ${url}, which the rule on destinations judges`, async () => {
    const { sent } = await exchange(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    assert.deepEqual(sent.map(({ url }) => url), [url]);
  });
}

Deno.test("answers pipelined requests in order", async () => {
  const answers = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const cluster = new FakeCluster(async ({ url }) => {
    await answers[url.endsWith("/1") ? 0 : 1]!.promise;
    return ok(url.slice(-1));
  });
  const client = openClient(cluster);
  const requests = [
    `GET /1 HTTP/1.1\r\n${HEAD}`,
    `GET /2 HTTP/1.1\r\n${CLOSE}`,
    `GET /3 HTTP/1.1\r\n${HEAD}`,
  ];
  await client.say(requests.map((each) => `${each}\r\n`).join(""));
  answers[1]!.resolve();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(cluster.requests.length, 1, "the second waits for the first answer");
  answers[0]!.resolve();
  const heard = await client.hearAll();
  assert.deepEqual(heard.match(/\r\n\r\n\d/g), ["\r\n\r\n1", "\r\n\r\n2"], "nothing after connection: close");
});

Deno.test("reads a body by its length, then the next request", async () => {
  const { heard } = await exchange(
    `POST /1 HTTP/1.1\r\n${HEAD}Content-Length: 3\r\n\r\nabc` +
      `\r\nPUT /2 HTTP/1.1\r\n${CLOSE}Content-Length: 00002\r\n\r\nde`,
    echo,
  );
  assert.match(heard, /\r\n\r\nabcHTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nde$/);
});

Deno.test("reads a body by its chunks, past extensions and trailers", async () => {
  const trailers = "0000\r\nAuthorization: x\r\nContent-Length: 9\r\n\r\n";
  const chunks = `3;a="b\\"c";d\r\nabc\r\n0A \r\n0123456789\r\n${trailers}`;
  const { heard, sent } = await exchange(
    `POST /1 HTTP/1.1\r\n${HEAD}Transfer-Encoding: Chunked\r\n\r\n${chunks}GET /2 HTTP/1.1\r\n${CLOSE}\r\n`,
    echo,
  );
  assert.match(heard, /\r\n\r\nabc0123456789HTTP\/1\.1 200/);
  assert.deepEqual(sent[0]!.headers, []);
});

for (
  const chunks of [
    ...[
      "x\r\nabc",
      "-3\r\nabc",
      "3\r\nabcd\r\n0\r\n\r\n",
      "0x3\r\nabc\r\n0\r\n\r\n",
      "3 3\r\nabc",
      "\r\nabc",
      ";\r\n",
    ],
    ...["fffffffffffffffffff\r\n", `3;${"a".repeat(10_000)}`, `0\r\n${"a: b\r\n".repeat(20_000)}`],
  ]
) {
  Deno.test(`answers broken chunks with 400 only: ${JSON.stringify(chunks.slice(0, 20))}`, async () => {
    const client = openClient(new FakeCluster(echo));
    const smuggled = `GET / HTTP/1.1\r\n${HEAD}\r\n`;
    const said = client.say(
      `POST / HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n${chunks}${smuggled}`,
    )
      .then(() => client.socket.closeWrite(), () => {});
    const heard = await client.hearAll();
    await said;
    assert.match(heard, /^HTTP\/1\.1 400 /);
    assert.equal(heard.split(/^HTTP\/1\.1 \d/m).length, 2);
  });
}

Deno.test("tells a client that expects it to send the body, once somebody reads it", async () => {
  const client = openClient(new FakeCluster(echo));
  await client.say(`POST / HTTP/1.1\r\n${CLOSE}Content-Length: 3\r\nExpect: 100-Continue\r\n\r\n`);
  assert.equal(await client.hear("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  await client.say("abc");
  assert.match(await client.hearAll(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nabc$/);
});

Deno.test("refuses a request without reading the body that its client withholds", async () => {
  const { heard } = await exchange(
    `POST / HTTP/1.1\r\n${HEAD}Content-Length: 3\r\nExpect: 100-continue\r\n\r\n` +
      `GET /smuggled HTTP/1.1\r\n${HEAD}\r\n`,
    () => ({ ...ok(), status: 403 }),
  );
  assert.match(heard, /^HTTP\/1\.1 403 Forbidden\r\n[^]*connection: close\r\n\r\n\{\}$/);
});

Deno.test("skips the unread rest of a body, up to a limit", async () => {
  const cluster = new FakeCluster(() => ok());
  const client = openClient(cluster);
  const body = "x".repeat(200_000);
  const said = client.say(
    `POST /1 HTTP/1.1\r\n${HEAD}Content-Length: ${body.length}\r\n\r\n${body}GET /2 HTTP/1.1\r\n${CLOSE}\r\n`,
  );
  assert.equal((await client.hearAll()).split("HTTP/1.1 200 OK").length, 3);
  await said;
  const large = openClient(cluster);
  const writing = large.say(
    `POST /1 HTTP/1.1\r\n${HEAD}Content-Length: 5000000\r\n\r\n${"x".repeat(5_000_000)}`,
  );
  writing.catch(() => {});
  assert.equal((await large.hearAll()).split("HTTP/1.1 200 OK").length, 2);
  await assert.rejects(writing, Deno.errors.BrokenPipe);
});

const CHUNKED = /200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/;
for (
  const [name, answer, method, expected] of [
    ["HEAD", ok("{}", [["content-length", "2"]]), "HEAD", /content-length: 2\r\n\r\n$/],
    ["HEAD without a length", { ...ok(), headers: [], body: null }, "HEAD", /^HTTP\/1\.1 200 OK\r\n\r\n$/],
    [
      "204",
      { status: 204, headers: [["content-length", "5"]], body: null },
      "GET",
      /204 No Content\r\n\r\n$/,
    ],
    [
      "304",
      { status: 304, headers: [["content-length", "5"], ["etag", "x"]], body: null },
      "GET",
      /etag: x\r\ncontent-length: 5\r\n\r\n$/,
    ],
    ["an empty body", { status: 200, headers: [], body: null }, "GET", /content-length: 0\r\n\r\n$/],
    ["no length", ok("abc", []), "GET", CHUNKED],
    ["two lengths", ok("abc", [["content-length", "3"], ["content-length", "4"]]), "GET", CHUNKED],
    ["an odd length", ok("abc", [["content-length", "+3"]]), "GET", CHUNKED],
    ["framing of the server's", ok("abc", [["transfer-encoding", "x"], ["connection", "y"]]), "GET", CHUNKED],
  ] as [string, ClusterResponse, string, RegExp][]
) {
  Deno.test(`frames an answer with ${name} so that the next one is told apart`, async () => {
    const client = openClient(new FakeCluster(({ url }) => url.endsWith("/1") ? answer : ok()));
    await client.say(`${method} /1 HTTP/1.1\r\n${HEAD}\r\nGET /2 HTTP/1.1\r\n${CLOSE}\r\n`);
    const heard = await client.hearAll();
    const next = heard.lastIndexOf("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close");
    assert.match(heard.slice(0, next), expected);
  });
}

for (const [name, text, length] of [["longer", "abcdef", "3"], ["shorter", "ab", "3"]] as const) {
  Deno.test(`an answer that is ${name} than announced breaks the connection`, async () => {
    const client = openClient(new FakeCluster(() => ok(text, [["content-length", length]])));
    await client.say(`GET / HTTP/1.1\r\n${HEAD}\r\nGET / HTTP/1.1\r\n${HEAD}\r\n`);
    await assert.rejects(client.hearAll(), Deno.errors.ConnectionReset);
  });
}

for (const version of ["1.1", "1.0"]) {
  Deno.test(`an answer that breaks off is not ended as if it were whole, in HTTP/${version}`, async () => {
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => controller.enqueue(new Uint8Array([65])),
      pull: (controller) => controller.error(new Error("broken")),
    });
    const client = openClient(new FakeCluster(() => ({ status: 200, headers: [], body })));
    await client.say(`GET / HTTP/${version}\r\n${HEAD}\r\n`);
    await assert.rejects(client.hearAll(), Deno.errors.ConnectionReset, version);
  });
}

Deno.test("a client of HTTP/1.0 has its answer to the end of the connection", async () => {
  const { heard } = await exchange("GET / HTTP/1.0\r\n\r\n", () => ok("abc", []));
  assert.equal(heard, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc");
});

Deno.test("drops the connection's headers and the headers that it names", async () => {
  const { sent } = await exchange(
    `GET / HTTP/1.1\r\n${HEAD}Connection: close, Accept, X\r\nAccept: a\r\nX: y\r\nTE: trailers\r\n` +
      "Keep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nTrailer: x\r\nIf-Match: b\r\n\r\n",
  );
  assert.deepEqual(sent[0]!.headers, [["if-match", "b"]]);
});

for (const upgrade of ["h2c", "TLS/1.0", "websocket, h2c", "HTTP/2.0", ""]) {
  Deno.test(`an upgrade to "${upgrade}" is not asked for: the request is served as it is`, async () => {
    const { heard, sent } = await exchange(
      `GET / HTTP/1.1\r\n${HEAD}Connection: Upgrade, close\r\nUpgrade: ${upgrade}\r\n\r\n`,
    );
    assert.match(heard, /^HTTP\/1\.1 200 /);
    assert.equal(sent.length, 1);
  });
}

for (
  const [code, status, reason] of [
    ["DESTINATION_REFUSED", 403, "Forbidden"],
    ["REQUEST_INVALID", 400, "BadRequest"],
    ["CLUSTER_UNREACHABLE", 502, "BadGateway"],
    ["CLUSTER_TLS", 502, "BadGateway"],
    ["CREDENTIALS_FAILED", 502, "BadGateway"],
  ] as const
) {
  Deno.test(`${code} is a Status of ${status} with its words, on a connection that goes on`, async () => {
    const { heard, told } = await exchange(
      `GET / HTTP/1.1\r\n${HEAD}\r\nHEAD / HTTP/1.1\r\n${CLOSE}\r\n`,
      () => Promise.reject(new AppError(code, "the words\r\nx: y", { hint: "the hint" })),
    );
    const [first = "", second = ""] = heard.split(/(?<=\n)(?=HTTP)/);
    const answer = JSON.parse(first.split("\r\n\r\n")[1]!);
    assert.deepEqual([answer.code, answer.reason, answer.kind], [status, reason, "Status"]);
    assert.match(answer.message, /^the words.*\(the hint\)$/);
    assert.ok(second.endsWith("\r\n\r\n"), "HEAD has no body");
    assert.deepEqual(told.map((error) => error.code), [code, code]);
  });
}

Deno.test("a client that ends its side has its answer nevertheless", async () => {
  const answer = Promise.withResolvers<ClusterResponse>();
  const client = openClient(new FakeCluster(() => answer.promise));
  await client.say(`GET / HTTP/1.1\r\n${HEAD}\r\n`);
  await client.socket.closeWrite();
  answer.resolve(ok("late"));
  assert.match(await client.hearAll(), /late$/);
});

Deno.test("a client that ends in the middle of a head or a body hears 400", async () => {
  const body = `POST / HTTP/1.1\r\n${HEAD}Content-Length: 9\r\n\r\nabc`;
  for (const text of ["G", `GET / HTTP/1.1\r\n${HEAD}`, body]) {
    const client = openClient(new FakeCluster(echo));
    await client.say(text);
    await client.socket.closeWrite();
    assert.match(await client.hearAll(), /^HTTP\/1\.1 400 /, text);
  }
  const silent = openClient(new FakeCluster(echo));
  await silent.socket.closeWrite();
  assert.equal(await silent.hearAll(), "");
});

Deno.test("a client that closes its socket gives up its request, and its answer", async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  const client = openClient(
    new FakeCluster(({ signal }) => {
      asked.resolve(signal!);
      return new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
    }),
  );
  await client.say(`GET / HTTP/1.1\r\n${HEAD}\r\n`);
  const signal = await asked.promise;
  client.socket.close();
  await new Promise((resolve) => signal.aborted ? resolve(0) : signal.addEventListener("abort", resolve));
  const cancelled = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => controller.enqueue(new Uint8Array(1000)),
    cancel: () => cancelled.resolve(),
  });
  const other = openClient(new FakeCluster(() => ({ status: 200, headers: [], body })));
  await other.say(`GET / HTTP/1.1\r\n${HEAD}\r\n`);
  await other.hear("chunked");
  other.socket.close();
  await cancelled.promise;
});

Deno.test("a client that does not read stops the server, not the host's memory", async () => {
  let pulled = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      pulled += 65536;
      controller.enqueue(new Uint8Array(65536));
    },
  }, { highWaterMark: 0 });
  const client = openClient(new FakeCluster(() => ({ status: 200, headers: [], body })));
  await client.say(`GET / HTTP/1.1\r\n${HEAD}\r\n`);
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  assert.ok(pulled <= 4 * 65536, `${pulled}`);
  client.socket.close();
});

Deno.test("a server that does not read stops the client, not the host's memory", async () => {
  const client = openClient(new FakeCluster(() => new Promise(() => {})));
  await client.say(`POST / HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
  let written = 0;
  const writing = (async () => {
    for (;;) written += await client.socket.write(new Uint8Array(65536));
  })().catch(() => {});
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  assert.ok(written <= 4 * 65536, `${written}`);
  client.socket.close();
  await writing;
});

Deno.test("limits the memory of incomplete heads, and answers the next with an error", async () => {
  const memory = new HostMemory();
  memory.open().grow(MAX_KEPT - 100_000);
  const client = openClient(new FakeCluster(() => ok()), memory);
  const said = client.say(`GET / HTTP/1.1\r\n${HEAD}A: ${"a".repeat(400_000)}`).catch(() => {});
  assert.match(await client.hearAll(), /^HTTP\/1\.1 503 /);
  await said;
});
