/** Our HTTP/1.1: heads, bodies, connections. */

import assert from "node:assert/strict";
import { bodyReader, framingOf, keepsAlive } from "../../../../runtime/kube/http/http_body.ts";
import { fromLatin1 } from "../../../../runtime/base/bytes.ts";
import { LARGEST_HEAD, parseHead, readHead } from "../../../../runtime/kube/http/http_head.ts";
import { HttpConnection } from "../../../../runtime/kube/http/http_connection.ts";
import { Input } from "../../../../runtime/kube/http/http_input.ts";
import type { Duplex } from "../../../../runtime/wasi/streams/connection_streams.ts";
import { fc, fuzz } from "../../../support/fuzz.ts";

/** A connection that returns the given pieces. */
function saying(pieces: readonly string[], written: string[] = []): Duplex & { closed: boolean } {
  const waiting = pieces.map(fromLatin1);
  return {
    closed: false,
    read(into) {
      const next = waiting[0];
      if (next === undefined) return Promise.resolve(null);
      const count = Math.min(into.length, next.length);
      into.set(next.subarray(0, count));
      if (count === next.length) waiting.shift();
      else waiting[0] = next.subarray(count);
      return Promise.resolve(count);
    },
    write(bytes) {
      written.push(String.fromCharCode(...bytes));
      return Promise.resolve(bytes.length);
    },
    closeWrite: () => Promise.resolve(),
    close() {
      this.closed = true;
    },
  };
}

const head = (text: string) => parseHead(fromLatin1(text));
const inputOf = (...pieces: string[]) => new Input(saying(pieces));

Deno.test("parseHead() accepts only HTTP/1", () => {
  assert.deepEqual(head("HTTP/1.1 403 Forbidden\r\nContent-Type:  text/plain \r\nX:"), {
    status: 403,
    minor: 1,
    headers: [["content-type", "text/plain"], ["x", ""]],
  });
  assert.deepEqual(head("HTTP/1.0 200\nA: b\n c\r\n\td\nE: f"), {
    status: 200,
    minor: 0,
    headers: [["a", "b c d"], ["e", "f"]],
  }, "as net/http: a line may end without a carriage return, and go on in the next");
  assert.deepEqual(head("HTTP/1.9  200 größe\r\nA \t: b\tc"), {
    status: 200,
    minor: 1,
    headers: [["a", "b\tc"]],
  }, "a later version, and blanks where some servers put them");
  assert.throws(
    () => head("HTTP/1.1 200\r\nx-gr\xc3\xb6\xc3\x9fe: 1"),
    { message: 'the server sent a malformed header: "x-größe: 1"' },
  );
  for (
    const text of [
      "",
      "SSH-2.0-x",
      "HTTP/2 200",
      "http/1.1 200",
      "HTTP/1.10 200",
      "HTTP/1.1 20",
      "HTTP/1.1 020 OK",
      "HTTP/1.1 200 OK\r\n folded",
      "HTTP/1.1 200\r\na b: c",
      "HTTP/1.1 200\r\n: c",
      "HTTP/1.1 200\r\nnone",
      "HTTP/1.1 200\r\na: b\0c",
      "HTTP/1.1 200\r\na: b\rc",
      "HTTP/1.1 200\r\na: b\x01c",
      "HTTP/1.1 200\r\na: b\x7fc",
      "HTTP/1.1 200\r\n a: b",
    ]
  ) {
    assert.throws(() => head(text), /does not speak HTTP|malformed header/, text);
  }
});

Deno.test("parseHead() parses a head full of blanks in linear time", () => {
  const blanks = " \t".repeat(30_000);
  const { headers } = head(`HTTP/1.1 101 x\r\nA: b${blanks}c${blanks}\r\nB: ${blanks}`);
  assert.deepEqual(headers, [["a", `b${blanks}c`], ["b", ""]]);
});

Deno.test("readHead() accepts as many headers as net/http", async () => {
  const many = Array.from({ length: 20_000 }, (_, index) => `Warning: 299 - "${index}"\r\n`).join("");
  assert.equal((await readHead(inputOf(`HTTP/1.1 200 OK\r\n${many}\r\n`))).headers.length, 20_000);
  const large = `HTTP/1.1 200 OK\r\nA: ${"x".repeat(LARGEST_HEAD)}`;
  await assert.rejects(readHead(inputOf(large)), /headers without end/);
});

Deno.test("readHead() skips a limited number of informational answers, but not 101", async () => {
  const answer = "HTTP/1.1 200 OK\r\n\r\n";
  const interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
  assert.equal((await readHead(inputOf(interim + answer))).status, 200);
  assert.equal((await readHead(inputOf(`${interim}HTTP/1.1 101 Switching\r\n\r\n`))).status, 101);
  await assert.rejects(readHead(inputOf("HTTP/1.1 100 Continue\r\n\r\n".repeat(1000))), /without end/);
  await assert.rejects(readHead(inputOf()), /without an answer/);
  await assert.rejects(readHead(inputOf(interim)), /without an answer/);
  await assert.rejects(readHead(inputOf("HTTP/1.1 200 OK\r\nA: b")), /in the middle/);
});

Deno.test("framingOf() finds the end of a body", () => {
  const of = (lines: string, method = "GET", status = 200) =>
    framingOf(method, head(`HTTP/1.1 ${status} x${lines}`));
  assert.equal(of("\r\nContent-Length: 5"), 5);
  assert.equal(of("\r\nContent-Length: 5, 5\r\nContent-Length: 5"), 5);
  assert.equal(of("\r\nContent-Length: 0"), "none");
  assert.equal(of("\r\nTransfer-Encoding: Chunked\r\nContent-Length: 5"), "chunked");
  assert.equal(of(""), "connection");
  assert.equal(of("\r\nContent-Length: 5", "HEAD"), "none");
  for (const status of [204, 304]) assert.equal(of("\r\nContent-Length: 5", "GET", status), "none");
  for (
    const lines of [
      ...["Content-Length: 5, 6", "Content-Length: -1", "Content-Length: 0x5", "Content-Length: +5"],
      ...[
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
      ],
      ...["Content-Length:", "Content-Length: 99999999999999999999"],
    ]
  ) assert.throws(() => of(`\r\n${lines}`), /invalid content-length|unsupported transfer/, lines);
  assert.ok(keepsAlive(head("HTTP/1.1 200 x")));
  assert.ok(!keepsAlive(head("HTTP/1.1 200 x\r\nConnection: x, Close")));
  assert.ok(!keepsAlive(head("HTTP/1.0 200 x")));
  assert.ok(keepsAlive(head("HTTP/1.0 200 x\r\nConnection: Keep-Alive")));
});

async function bodyOf(framing: Parameters<typeof bodyReader>[1], ...pieces: string[]): Promise<string> {
  const read = bodyReader(inputOf(...pieces), framing);
  let text = "";
  for (let piece = await read(); piece; piece = await read()) text += String.fromCharCode(...piece);
  return text;
}

Deno.test("chunks are joined from any pieces, and malformed ones are errors", async () => {
  const whole = "3\r\nabc\r\n0A ;x=y\r\n0123456789\r\n0\r\nA: b\r\n\r\n";
  assert.equal(await bodyOf("chunked", whole), "abc0123456789");
  assert.equal(await bodyOf("chunked", ...whole), "abc0123456789");
  assert.equal(await bodyOf("chunked", "3\nabc\n0\n\n"), "abc");
  assert.equal(await bodyOf("chunked", "0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n"), "abc");
  for (
    const broken of [
      ...[
        "",
        "3\r\nab",
        "3\r\nabc",
        "3\r\nabcd\r\n0\r\n\r\n",
        "zz\r\nab",
        "00000000000000003\r\nabc\r\n0\r\n\r\n",
        "1000000000000000\r\nabc",

        "-3\r\nabc\r\n0\r\n\r\n",
        "0\r\nA: b\r\n",
      ],
      ...[
        "3\r\nabc\r\n0\r\n",
        "\r\n3\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffff\r\n",
        `3;${"x".repeat(10_000)}\r\nabc`,
      ],
      `0\r\n${"A: b\r\n".repeat(20_000)}`,
    ]
  ) {
    await assert.rejects(
      bodyOf("chunked", broken),
      /broken chunk|in the middle|without end/,
      broken.slice(0, 40),
    );
  }
  assert.equal(await bodyOf(3, "ab", "cd"), "abc");
  await assert.rejects(bodyOf(3, "ab"), /in the middle/);
  assert.equal(await bodyOf("connection", "ab", "c"), "abc");
});

Deno.test("a chunked body arrives unchanged, however it is split", async () => {
  const input = fc.record({
    chunks: fc.array(fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 300 }), { maxLength: 10 }),
    cuts: fc.array(fc.nat(4000), { maxLength: 20 }),
    extension: fc.constantFrom("", ";a", ";a=b"),
  });
  await fuzz(
    "chunks",
    fc.asyncProperty(input, async ({ chunks, cuts, extension }) => {
      const sent = chunks.map((text) => `${text.length.toString(16)}${extension}\r\n${text}\r\n`).join("") +
        "0\r\n\r\n";
      const at = [...new Set([0, ...cuts.filter((cut) => cut < sent.length), sent.length])].sort((a, b) =>
        a - b
      );
      const pieces = at.slice(1).map((end, index) => sent.slice(at[index], end));
      assert.equal(await bodyOf("chunked", ...pieces), chunks.join(""));
    }),
  );
});

const GET = { method: "GET", target: "/x", headers: [["host", "h"]] } as const;
const text = async (body: ReadableStream<Uint8Array<ArrayBuffer>> | null) => await new Response(body).text();

Deno.test("a connection is reused only after an answer with its own end", async () => {
  const answers: [answer: string, again: boolean][] = [
    ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true],
    ["HTTP/1.1 204 OK\r\n\r\n", true],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true],
    ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more", false],
    ["HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false],
    ["HTTP/1.1 200 OK\r\n\r\nok", false],
    ["HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false],
    ["HTTP/1.1 101 Switching\r\n\r\n", false],
  ];
  for (const [answer, again] of answers) {
    const duplex = saying([answer]);
    const { read } = duplex;
    // The connection ends only if nothing else ends the body.
    const ends = !again && !/length|101/i.test(answer);
    duplex.read = async (into) => await read(into) ?? (ends ? null : await new Promise<never>(() => {}));
    const connection = new HttpConnection(duplex);
    let over = 0;
    const { body } = await connection.exchange(GET, () => over++);
    await text(body);
    assert.deepEqual(
      [over, duplex.closed, connection.isFresh(1000)],
      again ? [1, false, true] : [0, true, false],
      answer,
    );
  }
});

Deno.test("an idle connection closes when data or its end arrives", async () => {
  const next = Promise.withResolvers<number | null>();
  const first = saying(["HTTP/1.1 204 OK\r\n\r\n"]);
  const { read } = first;
  let reads = 0;
  first.read = (into) => reads++ === 0 ? read(into) : next.promise;
  const connection = new HttpConnection(first);
  await connection.exchange(GET, () => {});
  assert.ok(connection.isFresh(1000));
  assert.ok(!connection.isFresh(0));
  next.resolve(null);
  await next.promise;
  await Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve));
  assert.ok(!connection.isFresh(1000) && first.closed);
});

Deno.test("a request is sent unchanged, with framing headers", async () => {
  const send = async (
    method: string,
    body?: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>,
  ) => {
    const written: string[] = [];
    const connection = new HttpConnection(saying(["HTTP/1.1 204 OK\r\n\r\n"], written));
    const request = {
      ...GET,
      method,
      headers: [["host", "h"], ["a", "b"], ["a", "\xc3\xa9"]],
      body,
    } as const;
    await connection.exchange(request, () => {});
    await new Promise((resolve) => setTimeout(resolve));
    return written.join("");
  };
  const start = (method: string) => `${method} /x HTTP/1.1\r\nhost: h\r\na: b\r\na: \xc3\xa9\r\n`;
  assert.equal(await send("GET"), `${start("GET")}\r\n`);
  assert.equal(await send("DELETE"), `${start("DELETE")}\r\n`);
  assert.equal(await send("POST"), `${start("POST")}content-length: 0\r\n\r\n`);
  assert.equal(await send("PUT", fromLatin1("abc")), `${start("PUT")}content-length: 3\r\n\r\nabc`);
  const large = new Uint8Array(100_000).fill(97);
  assert.equal(
    (await send("PUT", large)).length,
    `${start("PUT")}content-length: 100000\r\n\r\n`.length + 100_000,
  );
});

Deno.test("an early answer ends the upload; a failing upload ends the request", async () => {
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (!cancelled) controller.enqueue(fromLatin1("x"));
    },
    cancel: () => void (cancelled = true),
  });
  const early = saying(["HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"]);
  const answer = await new HttpConnection(early).exchange(
    { ...GET, method: "POST", body: endless },
    () => assert.fail(),
  );
  assert.equal(await text(answer.body), "no");
  assert.ok(early.closed && cancelled);

  const silent = saying([]);
  silent.read = () => new Promise(() => {});
  const failing = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: () => Promise.reject(new Error("given up")),
  });
  await assert.rejects(
    new HttpConnection(silent).exchange({ ...GET, method: "POST", body: failing }, () => assert.fail()),
    { message: "given up" },
  );
  assert.ok(silent.closed);
});
