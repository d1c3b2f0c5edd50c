import assert from "node:assert/strict";
import { CAUSE, InputStream, IoError, OutputStream } from "../../../../runtime/wasi/p2/io.ts";
import { READY } from "../../../../runtime/wasi/p2/pollables.ts";
import { WasiError } from "../../../../runtime/wasi/errno.ts";
import { ClosedPipe } from "../../../../runtime/wasi/streams/stdio.ts";
import type { ByteSink, ByteSource } from "../../../../runtime/wasi/streams/streams.ts";
import { Collected, sourceOf } from "../../../support/components.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);
const isClosed = (error: unknown) => (error as { tag?: string }).tag === "closed";

Deno.test("InputStream reads the data, then reports its end", () => {
  const stream = new InputStream(sourceOf(bytes("hello")));
  assert.equal(text(stream.read(2n)), "he");
  assert.equal(text(stream.read(0n)), "");
  assert.equal(stream.skip(1n), 1n);
  assert.equal(text(stream.blockingRead((1n << 64n) - 1n) as Uint8Array), "lo");
  assert.throws(() => stream.read(1n), isClosed);
  assert.throws(() => stream.blockingRead(1n), isClosed);
});

Deno.test("InputStream waits only in blocking reads", async () => {
  let give!: (text: string) => void;
  const waiting = new Promise<string>((resolve) => give = resolve);
  const source: ByteSource = {
    ready: () => false,
    wait: () => waiting.then(() => {}),
    readAvailable: () => 0,
    read: (into) => waiting.then((text) => into.set(bytes(text))).then(() => 3),
    close: () => {},
  };
  const stream = new InputStream(source);
  assert.equal(stream.read(8n).length, 0);
  const read = stream.blockingRead(8n);
  give("now");
  assert.equal(text(await read), "now");
});

Deno.test("InputStream reports failures, and a closed pipe ends the plugin", async () => {
  const failing = (error: unknown): ByteSource => ({
    ...sourceOf(new Uint8Array()),
    readAvailable: () => {
      throw error;
    },
    read: () => Promise.reject(error),
  });
  const isIo = (error: unknown) => {
    const { tag, val } = error as { tag: string; val: IoError };
    return tag === "last-operation-failed" && val instanceof IoError && val[CAUSE] instanceof WasiError;
  };
  assert.throws(() => new InputStream(failing(new WasiError("io"))).read(1n), isIo);
  await assert.rejects(
    async () => await new InputStream(failing(new WasiError("io"))).blockingRead(1n),
    isIo,
  );
  assert.throws(() => new InputStream(failing(new ClosedPipe())).read(1n), ClosedPipe);
});

Deno.test("dropping an InputStream closes its source once", () => {
  let closed = 0;
  const stream = new InputStream({ ...sourceOf(bytes("x")), close: () => closed++ });
  stream[Symbol.dispose]();
  stream[Symbol.dispose]();
  assert.equal(closed, 1);
});

Deno.test("OutputStream takes no more than check-write allowed", () => {
  const sink = new Collected();
  const stream = new OutputStream(sink);
  assert.throws(() => stream.write(bytes("x")), WebAssembly.RuntimeError);
  assert.equal(stream.checkWrite(), 65536n);
  stream.write(bytes("abc"));
  stream.write(new Uint8Array(65533));
  assert.throws(() => stream.write(bytes("x")), WebAssembly.RuntimeError);
  assert.throws(() => stream.blockingWriteAndFlush(new Uint8Array(4097)), WebAssembly.RuntimeError);
  assert.throws(() => stream.blockingWriteZeroesAndFlush(1n << 40n), WebAssembly.RuntimeError);
});

Deno.test("OutputStream writes everything to a slow sink", async () => {
  const got: number[] = [];
  let flushed = 0;
  const sink: ByteSink = {
    ...READY,
    write: async (bytes) => {
      await Promise.resolve();
      got.push(bytes[0]!);
      return 1;
    },
    capacity: () => 0,
    flush: async () => {
      await Promise.resolve();
      flushed = got.length;
    },
    close: () => {},
  };
  await new OutputStream(sink).blockingWriteAndFlush(new Uint8Array([1, 2, 3]));
  assert.deepEqual(got, [1, 2, 3]);
  assert.equal(flushed, 3);
});

Deno.test("OutputStream splices from a stream", async () => {
  const sink = new Collected();
  const stream = new OutputStream(sink);
  const from = new InputStream(sourceOf(bytes("one two")));
  assert.equal(stream.splice(from, 4n), 4n);
  assert.equal(await stream.blockingSplice(from, 100n), 3n);
  assert.equal(sink.text(), "one two");
  assert.throws(() => stream.splice(from, 1n), isClosed);
});
