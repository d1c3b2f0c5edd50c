import assert from "node:assert/strict";
import { CAUSE, InputStream, IoError, OutputStream } from "../../../../runtime/wasi/p2/io.ts";
import { poll, Pollable, READY } from "../../../../runtime/wasi/p2/pollables.ts";
import { clockInterfaces } from "../../../../runtime/wasi/p2/clocks.ts";
import { WasiError } from "../../../../runtime/wasi/errno.ts";
import { ClosedPipe } from "../../../../runtime/wasi/streams/stdio.ts";
import type { ByteSink, ByteSource } from "../../../../runtime/wasi/streams/streams.ts";
import { Collected, sourceOf } from "../../../support/components.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);
const isClosed = (error: unknown) => (error as { tag?: string }).tag === "closed";

/** A readiness that the test sets, and that counts its waits. */
function signal() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const state = { ready: false, waits: 0 };
  const readiness = {
    ready: () => state.ready,
    wait: () => {
      state.waits++;
      return promise;
    },
  };
  const fire = () => {
    state.ready = true;
    resolve();
  };
  return { readiness, state, fire };
}

Deno.test("poll() returns all ready pollables at once", async () => {
  const never = new Pollable(signal().readiness);
  assert.deepEqual([...await poll([never, new Pollable(READY), never, new Pollable(READY)])], [1, 3]);
});

Deno.test("poll() waits for the first ready pollable", async () => {
  const [one, two] = [signal(), signal()];
  const answer = poll([new Pollable(one.readiness), new Pollable(two.readiness)]);
  assert.ok(answer instanceof Promise);
  two.fire();
  assert.deepEqual([...await answer], [1]);
});

Deno.test("poll() traps on an empty list", () => {
  assert.throws(() => poll([]), WebAssembly.RuntimeError);
});

Deno.test("poll() waits once for a silent source, however often it is called", async () => {
  const silent = signal();
  const stream = new InputStream({ ...silent.readiness, read: () => 0, readAvailable: () => 0, close() {} });
  const sink = signal();
  const full = new OutputStream({
    ...sink.readiness,
    write: () => 0,
    capacity: () => 0,
    flush() {},
    close() {},
  });
  const pollable = stream.subscribe();
  for (let i = 0; i < 100; i++) {
    const other = signal();
    // Libraries may subscribe again for each poll.
    const subscribed = i % 2 === 0 ? pollable : stream.subscribe();
    const answer = poll([subscribed, full.subscribe(), new Pollable(other.readiness)]);
    other.fire();
    assert.deepEqual([...await answer], [2]);
  }
  assert.deepEqual([silent.state.waits, sink.state.waits], [1, 1]);
});

Deno.test("poll() lets the host's events run even if a pollable is always ready", async () => {
  let arrived = false;
  setTimeout(() => arrived = true, 0);
  const event = new Pollable({ ready: () => arrived, wait: () => new Promise(() => {}) });
  for (let polls = 0; !arrived; polls++) {
    assert.ok(polls < 10_000_000, "starved");
    await poll([new Pollable(READY), event]);
  }
});

Deno.test("subscribe-duration is ready in time; dropping it stops the timer", async () => {
  const { "wasi:clocks/monotonic-clock": clock } = clockInterfaces();
  const soon = clock.subscribeDuration(1_000_000n);
  await poll([soon]);
  assert.ok(soon.ready());
  const late = clock.subscribeDuration(3_600_000_000_000n); // the test would leak a timer of an hour
  const answer = poll([late, clock.subscribeDuration(0n)]);
  late[Symbol.dispose]();
  assert.deepEqual([...await answer], [1]);
  assert.ok(!clock.subscribeDuration((1n << 64n) - 1n).ready());
});

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
