import assert from "node:assert/strict";
import { StreamClosed } from "../../../../runtime/wasi/streams/streams.ts";
import {
  closeWhenSent,
  ConnectionSink,
  ConnectionSource,
  type Duplex,
} from "../../../../runtime/wasi/streams/connection_streams.ts";

/** A connection with the test as its other side. */
function fake(): Duplex & {
  reads: PromiseWithResolvers<Uint8Array | null>[];
  written: number;
  take(): void;
  ended: boolean;
} {
  const reads: PromiseWithResolvers<Uint8Array | null>[] = [];
  let room: PromiseWithResolvers<void> | undefined;
  return {
    reads,
    written: 0,
    ended: false,
    take() {
      room?.resolve();
      room = undefined;
    },
    async read(into) {
      const read = Promise.withResolvers<Uint8Array | null>();
      reads.push(read);
      const bytes = await read.promise;
      if (bytes === null) return null;
      into.set(bytes);
      return bytes.length;
    },
    async write(bytes) {
      room ??= Promise.withResolvers<void>();
      await room.promise;
      this.written += bytes.length;
      return bytes.length;
    },
    closeWrite() {
      this.ended = true;
      return Promise.resolve();
    },
    close() {},
  };
}

Deno.test("a source reads one buffer ahead, returns it in parts, then ends", async () => {
  const connection = fake();
  const source = new ConnectionSource(connection);
  const into = new Uint8Array(3);
  assert.equal(source.ready(), false);
  assert.equal(source.readAvailable(into), 0);
  assert.equal(source.readAvailable(into), 0);
  assert.equal(connection.reads.length, 1);
  connection.reads[0]!.resolve(new Uint8Array([1, 2, 3, 4]));
  await source.wait();
  assert.equal(source.readAvailable(into), 3);
  assert.equal(await source.read(into), 1);
  const end = source.read(into);
  connection.reads[1]!.resolve(null);
  assert.equal(await end, 0);
  assert.equal(source.readAvailable(into), -1);
});

Deno.test("a failed source fails every read; a closed one is at its end", async () => {
  const connection = fake();
  const source = new ConnectionSource(connection);
  const read = source.read(new Uint8Array(1));
  connection.reads[0]!.reject(new Deno.errors.ConnectionReset("reset"));
  await assert.rejects(async () => await read, Deno.errors.ConnectionReset);
  assert.throws(() => source.readAvailable(new Uint8Array(1)), Deno.errors.ConnectionReset);
  let left = 0;
  const other = new ConnectionSource(fake(), () => left++);
  other.close();
  other.close();
  assert.equal(left, 1);
  assert.equal(other.readAvailable(new Uint8Array(1)), -1);
});

Deno.test("a sink takes as much as fits, and ends after sending it", async () => {
  const connection = fake();
  const sink = new ConnectionSink(connection);
  const room = sink.capacity();
  assert.equal(sink.write(new Uint8Array(room + 1)), room);
  assert.equal(sink.capacity(), 0);
  assert.equal(sink.ready(), false);
  const more = sink.write(new Uint8Array(5));
  assert.ok(more instanceof Promise);
  connection.take();
  assert.equal(await more, 5);
  const ended = sink.end();
  assert.throws(() => sink.capacity(), StreamClosed);
  assert.equal(connection.ended, false);
  connection.take();
  await ended;
  assert.equal(connection.written, room + 5);
  assert.equal(connection.ended, true);
});

Deno.test("a dropped connection closes after sending, within a time limit", async () => {
  const { setTimeout } = globalThis;
  let over: () => void = () => assert.fail();
  globalThis.setTimeout = ((then: () => void) => {
    over = then;
    return 0;
  }) as unknown as typeof setTimeout;
  const connection = fake();
  let closed = 0;
  connection.close = () => {
    closed++;
    connection.take(); // ends the pending write
  };
  const sink = new ConnectionSink(connection);
  sink.write(new Uint8Array(10));
  const done = closeWhenSent(connection, sink);
  globalThis.setTimeout = setTimeout;
  assert.equal(closed, 0);
  over();
  await done;
  assert.ok(closed > 0);
});

Deno.test("a sink sends data after an empty write", async () => {
  const connection = fake();
  const sink = new ConnectionSink(connection);
  assert.equal(sink.write(new Uint8Array()), 0);
  assert.equal(sink.write(new Uint8Array(5)), 5);
  const flushed = sink.flush();
  connection.take();
  await flushed;
  assert.equal(connection.written, 5);
});
