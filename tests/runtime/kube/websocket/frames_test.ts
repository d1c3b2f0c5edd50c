import assert from "node:assert/strict";
import { upgrade } from "../../../../runtime/kube/websocket/handshake.ts";
import { UpgradedConnection } from "../../../../runtime/kube/websocket/channels.ts";
import {
  acceptOf,
  frame,
  type Piece,
  WebSocketConnection,
} from "../../../../runtime/kube/websocket/frames.ts";
import type { Duplex } from "../../../../runtime/wasi/streams/connection_streams.ts";

/** A server that sends these bytes in steps of `step` and hangs up; records what it receives. */
function serverOf(bytes: Uint8Array, step = Infinity): Duplex & { sent: number[]; closed: boolean } {
  return {
    sent: [],
    closed: false,
    read(into) {
      if (bytes.length === 0) return Promise.resolve(null);
      const count = Math.min(into.length, bytes.length, step);
      into.set(bytes.subarray(0, count));
      bytes = bytes.subarray(count);
      return Promise.resolve(count);
    },
    write(part) {
      this.sent.push(...part);
      return Promise.resolve(part.length);
    },
    closeWrite: () => Promise.resolve(),
    close() {
      this.closed = true;
    },
  };
}

/** A server's frame, which is not masked. */
function serverFrame(opcode: number, payload: Uint8Array | string, final = true): Uint8Array {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  const head = bytes.length < 126
    ? [bytes.length]
    : bytes.length < 65536
    ? [126, bytes.length >> 8, bytes.length & 255]
    : [
      127,
      0,
      0,
      0,
      0,
      bytes.length >>> 24,
      bytes.length >> 16 & 255,
      bytes.length >> 8 & 255,
      bytes.length & 255,
    ];
  return new Uint8Array([(final ? 0x80 : 0) | opcode, ...head, ...bytes]);
}

function join(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

async function messagesOf(bytes: Uint8Array, step?: number) {
  const server = serverOf(bytes, step);
  const socket = new WebSocketConnection(server, new Uint8Array());
  const messages: string[] = [];
  let parts: number[] = [];
  for (;;) {
    const next = await socket.next();
    if ("code" in next) return { messages, close: next, sent: server.sent };
    const piece: Piece = next;
    assert.equal(piece.first, parts.length === 0 || piece.first);
    parts.push(...piece.bytes);
    if (!piece.last) continue;
    messages.push(new TextDecoder().decode(new Uint8Array(parts)));
    parts = [];
  }
}

/** Parses a client's frame. */
function parse(bytes: readonly number[]): { opcode: number; payload: number[] } {
  const length = bytes[1]! & 127;
  assert.ok((bytes[1]! & 0x80) !== 0 && length < 126);
  const mask = bytes.slice(2, 6);
  return {
    opcode: bytes[0]! & 15,
    payload: bytes.slice(6, 6 + length).map((byte, at) => byte ^ mask[at & 3]!),
  };
}

Deno.test("messages arrive complete, however they are split", async () => {
  const large = "x".repeat(70_000);
  const bytes = join(
    serverFrame(2, "one"),
    serverFrame(1, "tw", false),
    serverFrame(9, "ping"),
    serverFrame(0, "", false),
    serverFrame(0, "o"),
    serverFrame(2, ""),
    serverFrame(10, "pong nobody asked for"),
    serverFrame(2, "y".repeat(300)),
    serverFrame(2, large),
    serverFrame(8, new Uint8Array([3, 232, 98, 121, 101])),
  );
  for (const step of [1, 7, 65536]) {
    const { messages, close, sent } = await messagesOf(bytes, step);
    assert.deepEqual(messages, ["one", "two", "", "y".repeat(300), large]);
    assert.deepEqual(close, { code: 1000, reason: "bye" });
    // The ping and the close were answered.
    assert.deepEqual(parse(sent), { opcode: 10, payload: [...new TextEncoder().encode("ping")] });
    assert.deepEqual(parse(sent.slice(10)), { opcode: 8, payload: [3, 232] });
  }
});

Deno.test("a protocol violation fails the connection with a close frame", async () => {
  const cases: [string, Uint8Array, number][] = [
    ["an extension", new Uint8Array([0xc2, 0]), 1002],
    ["a masked frame", new Uint8Array([0x82, 0x81, 1, 2, 3, 4, 5]), 1002],
    ["a long control frame", new Uint8Array([0x89, 126, 0, 126]), 1002],
    ["a control frame in parts", new Uint8Array([0x09, 0]), 1002],
    ["an unknown kind", new Uint8Array([0x83, 0]), 1002],
    ["an unknown control frame", new Uint8Array([0x8b, 0]), 1002],
    ["a part of nothing", serverFrame(0, "x"), 1002],
    ["a message within a message", join(serverFrame(2, "x", false), serverFrame(2, "y")), 1002],
    ["half a code", serverFrame(8, new Uint8Array([3])), 1002],
    ["a code that is none", serverFrame(8, new Uint8Array([0, 5])), 1002],
    ["a frame without end", new Uint8Array([0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255]), 1009],
    ["an end in a frame", new Uint8Array([0x82, 5, 1, 2]), 1006],
    ["an end without a word", new Uint8Array(), 1006],
  ];
  for (const [name, bytes, code] of cases) {
    const server = serverOf(bytes);
    const socket = new WebSocketConnection(server, new Uint8Array());
    await assert.rejects(
      async () => {
        for (;;) await socket.next();
      },
      { code },
      name,
    );
    if (code !== 1006) {
      assert.deepEqual(parse(server.sent).payload.slice(0, 2), [code >> 8, code & 255], name);
    }
  }
});

Deno.test("a message above the limit ends the connection", async () => {
  // 17 MiB in parts of 1 MiB.
  const part = serverFrame(0, new Uint8Array(1 << 20), false);
  let left = 17;
  let rest = serverFrame(2, "", false);
  const server: Duplex = {
    ...serverOf(new Uint8Array()),
    read(into) {
      if (rest.length === 0) {
        if (left-- === 0) return Promise.resolve(null);
        rest = part;
      }
      const count = Math.min(into.length, rest.length);
      into.set(rest.subarray(0, count));
      rest = rest.subarray(count);
      return Promise.resolve(count);
    },
  };
  const connection = new UpgradedConnection(
    new WebSocketConnection(server, new Uint8Array()),
    "x",
    [],
    () => {},
  );
  connection.receive();
  await connection.wait();
  assert.throws(() => connection.receive(), { code: 1009 });
});

Deno.test("a flood of empty messages is read at the plugin's pace", async () => {
  const bytes = new Uint8Array(2 * 100_000);
  for (let at = 0; at < bytes.length; at += 2) bytes[at] = 0x82;
  const connection = new UpgradedConnection(
    new WebSocketConnection(serverOf(bytes), new Uint8Array()),
    "v5.channel.k8s.io",
    [],
    () => {},
  );
  await assert.rejects(async () => await connection.input(1).read(new Uint8Array(1)), { code: 1006 });
  const messages = new UpgradedConnection(
    new WebSocketConnection(serverOf(bytes), new Uint8Array()),
    "x",
    [],
    () => {},
  );
  messages.receive();
  let count = 0;
  for (let next = messages.receive(); next !== "ended" && count < 100_000;) {
    if (next === undefined) await messages.wait();
    else count++;
    next = messages.receive();
  }
  assert.equal(count, 100_000);
});

Deno.test("frame() masks and encodes lengths as the RFC requires", () => {
  const mask = new Uint8Array([0x37, 0xfa, 0x21, 0x3d]);
  // RFC 6455 5.7.
  assert.deepEqual(
    [...frame(1, new TextEncoder().encode("Hello"), undefined, mask)],
    [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58],
  );
  assert.deepEqual([...frame(2, new Uint8Array(125), 0, mask)].slice(0, 4), [0x82, 0x80 | 126, 0, 126]);
  assert.deepEqual([...frame(2, new Uint8Array(65536), undefined, mask)].slice(0, 10), [
    0x82,
    0xff,
    0,
    0,
    0,
    0,
    0,
    1,
    0,
    0,
  ]);
});

Deno.test("acceptOf() returns the RFC's example answer", async () => {
  assert.equal(await acceptOf("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
});

/** A server that answers an upgrade with a head for the expected accept value. */
function upgrading(answer: (accept: string) => string): Duplex {
  let asked = "";
  let head: Promise<Uint8Array> | undefined;
  return {
    write(part) {
      asked += new TextDecoder().decode(part);
      return Promise.resolve(part.length);
    },
    async read(into) {
      const key = /sec-websocket-key: (\S+)/.exec(asked)![1]!;
      head ??= acceptOf(key).then((accept) => new TextEncoder().encode(answer(accept)));
      const bytes = await head;
      const count = Math.min(into.length, bytes.length);
      into.set(bytes.subarray(0, count));
      head = Promise.resolve(bytes.subarray(count));
      return count === 0 ? null : count;
    },
    closeWrite: () => Promise.resolve(),
    close: () => {},
  };
}

Deno.test("upgrade() accepts only its own key and offered subprotocols", async () => {
  const request = {
    url: new URL("https://api.test/exec"),
    headers: [],
    protocols: ["v5.channel.k8s.io", "v4.channel.k8s.io"],
  };
  const ask = (answer: (accept: string) => string) => upgrade(upgrading(answer), request, () => {});
  const head = (accept: string, more = "", kind = "websocket") =>
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${kind}\r\nSec-WebSocket-Accept: ${accept}\r\n${more}\r\n`;
  const protocol = (name: string) => `Sec-WebSocket-Protocol: ${name}\r\n`;
  const waits = "HTTP/1.1 102 Processing\r\n\r\n";
  for (
    const answer of [
      (accept: string) => head(accept),
      (accept: string) => head(accept, protocol("v4.channel.k8s.io")),
      (accept: string) => waits.repeat(8) + head(accept),
    ]
  ) {
    const connection = await ask(answer);
    assert.ok(connection instanceof UpgradedConnection);
    connection.drop();
  }
  for (
    const [answer, why] of [
      [() => head("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), /not to a WebSocket/],
      [(accept: string) => head(accept, "", "h2c"), /not to a WebSocket/],
      [(accept: string) => head(accept, "Sec-WebSocket-Extensions: permessage-deflate\r\n"), /extension/],
      [(accept: string) => head(accept, protocol("evil")), /the protocol "evil"/],
      [(accept: string) => head(accept, protocol("evil\x1b[2J")), /malformed header: ".*evil\\x1b\[2J"/],
      [(accept: string) => waits.repeat(99) + head(accept), /informational answers without end/],
      [() => `HTTP/1.1 101 x\r\nA: ${"a".repeat(11 << 20)}`, /headers without end/],
      [() => "HTTP/1.1 101 x\r\n", /closed the connection/],
    ] as const
  ) await assert.rejects(ask(answer), (error: Error) => why.test(error.message), String(why));
});
