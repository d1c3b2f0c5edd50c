/** Upgraded connections in orders of calls that no program of ours uses. */

import assert from "node:assert/strict";
import { UpgradedConnection } from "../../../../runtime/kube/websocket/channels.ts";
import { WebSocketConnection } from "../../../../runtime/kube/websocket/frames.ts";
import { InputStream, OutputStream } from "../../../../runtime/wasi/p2/io.ts";
import { FakePeer, serverFrame } from "../../../support/websocket_peer.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Ends the connection and its timers. */
async function drop(connection: UpgradedConnection, peer: FakePeer): Promise<void> {
  peer.takes = true;
  connection.drop();
  await peer.taken();
}

function connect(peer: FakePeer, protocol: string): UpgradedConnection {
  return new UpgradedConnection(new WebSocketConnection(peer, new Uint8Array()), protocol, [], () => {});
}

Deno.test("bytes wait until the plugin asks for its input", async () => {
  const peer = new FakePeer();
  const connection = connect(peer, "SPDY/3.1+portforward.k8s.io");
  const output = new OutputStream(connection.outputBytes());
  peer.send(serverFrame(2, "hello "));
  await output.blockingWriteAndFlush(new TextEncoder().encode("x"));
  peer.send(serverFrame(2, "there"));
  peer.send(serverFrame(8, new Uint8Array([3, 232])));
  await peer.read();
  const input = new InputStream(connection.inputBytes());
  let got = "";
  await assert.rejects(async () => {
    for (;;) got += text(await input.blockingRead(100n));
  }, { tag: "closed" });
  assert.equal(got, "hello there");
});

Deno.test("input that is opened after the end is at its end", async () => {
  const peer = new FakePeer();
  const connection = connect(peer, "SPDY/3.1+portforward.k8s.io");
  connection.outputBytes();
  peer.send(serverFrame(8, new Uint8Array([3, 232])));
  await peer.read();
  assert.equal(connection.closed?.code, 1000);
  assert.equal(await connection.inputBytes().read(new Uint8Array(1)), 0);
});

Deno.test("a channel's end is sent after its bytes, even if the buffer is full", async () => {
  const peer = new FakePeer();
  peer.takes = false;
  const connection = connect(peer, "v5.channel.k8s.io");
  const sink = connection.output(0);
  let written = 0;
  while (sink.capacity() > 0) written += sink.write(new Uint8Array(32768)) as number;
  new OutputStream(sink)[Symbol.dispose]();
  // Opening and closing repeatedly accumulates nothing.
  for (let times = 0; times < 100; times++) connection.output(0).close();
  peer.takes = true;
  await peer.taken();
  const messages = peer.messages();
  const last = messages.pop()!;
  assert.equal(last.payload.length, 2);
  assert.deepEqual([...last.payload], [255, 0]);
  assert.equal(messages.reduce((sum, { payload }) => sum + payload.length - 1, 0), written);
  assert.ok(messages.every(({ payload }) => payload[0] === 0));
  await drop(connection, peer);
});

Deno.test("a stream of a broken connection can be dropped", async () => {
  const peer = new FakePeer();
  const connection = connect(peer, "v5.channel.k8s.io");
  const output = new OutputStream(connection.output(0));
  peer.breakWrites(new Deno.errors.ConnectionReset("reset"));
  await assert.rejects(async () => await output.blockingWriteAndFlush(new Uint8Array(1)), {
    tag: "last-operation-failed",
  });
  output[Symbol.dispose]();
  connection.output(1).close();
  await drop(connection, peer);
});

Deno.test("a wait before the first receive() sees the message", async () => {
  for (const parts of [["one"], ["o", "", "n", "e"]]) {
    const peer = new FakePeer();
    const connection = connect(peer, "x");
    const came = connection.wait();
    parts.forEach((part, index) =>
      peer.send(serverFrame(index === 0 ? 1 : 0, part, index === parts.length - 1))
    );
    await came;
    assert.ok(connection.ready());
    let message = connection.receive();
    while (message === undefined) {
      await connection.wait();
      message = connection.receive();
    }
    assert.ok(message !== "ended");
    assert.equal(text(message.bytes), "one");
    await drop(connection, peer);
  }
});

Deno.test("waiting does not fix how the connection is used, and loses nothing", async () => {
  const peer = new FakePeer();
  const connection = connect(peer, "v5.channel.k8s.io");
  peer.send(serverFrame(2, new Uint8Array([1, 65, 66])));
  peer.send(serverFrame(2, new Uint8Array([1, 67])));
  await connection.wait();
  const input = connection.input(1);
  const into = new Uint8Array(10);
  let got = "";
  while (got.length < 3) got += text(into.subarray(0, await input.read(into)));
  assert.equal(got, "ABC");
  await drop(connection, peer);
});

Deno.test("parts of one byte take no more memory than their bytes", async () => {
  const parts = 300_000;
  const frames = new Uint8Array(3 * parts);
  for (let at = 0; at < frames.length; at += 3) frames.set([at === 0 ? 2 : 0, 1, 7], at);
  frames[frames.length - 3]! |= 0x80;
  const peer = new FakePeer();
  const connection = connect(peer, "x");
  connection.receive();
  const copies = countCopies();
  peer.send(frames);
  await connection.wait();
  const made = copies();
  const message = connection.receive();
  assert.ok(message !== undefined && message !== "ended");
  assert.equal(message.bytes.length, parts);
  assert.ok(message.bytes.every((byte) => byte === 7));
  assert.ok(made < parts / 1000, `${made} buffers of one byte`);
  await drop(connection, peer);
});

/** Counts copies of single bytes. */
function countCopies(): () => number {
  const { slice } = Uint8Array.prototype;
  let count = 0;
  Uint8Array.prototype.slice = function (this: Uint8Array<ArrayBuffer>, ...args) {
    if (this.length === 1) count++;
    return slice.apply(this, args) as Uint8Array<ArrayBuffer>;
  };
  return () => {
    Uint8Array.prototype.slice = slice;
    return count;
  };
}
