/** The streams' state machines against small models: in any order of calls, no byte is lost. */

import assert from "node:assert/strict";
import { BodySink, BodySource } from "../../../../runtime/wasi/streams/body.ts";
import { InputStream, OutputStream } from "../../../../runtime/wasi/p2/io.ts";
import { poll, Pollable } from "../../../../runtime/wasi/p2/pollables.ts";
import { StdinSource, StdoutSink } from "../../../../runtime/wasi/streams/stdio.ts";
import type { ByteSink, ByteSource, MaybePromise } from "../../../../runtime/wasi/streams/streams.ts";
import { fc, fuzz } from "../../../support/fuzz.ts";

/** Input: pieces of numbered bytes, so that every byte is known. */
const pieces = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 12 }).map((sizes) => {
  let next = 0;
  return sizes.map((size) => Uint8Array.from({ length: size }, () => next++ & 0xff));
});

/** A guest's operations on a source. */
const reads = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("read" as const), size: fc.integer({ min: 0, max: 12 }) }),
    fc.record({ do: fc.constant("available" as const), size: fc.integer({ min: 1, max: 12 }) }),
    fc.constant({ do: "wait" as const, size: 0 }),
    fc.constant({ do: "ready" as const, size: 0 }),
    fc.constant({ do: "turn" as const, size: 0 }),
  ),
  { maxLength: 40 },
);

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
const flat = (pieces: readonly Uint8Array[]) => pieces.flatMap((piece) => [...piece]);

/**
 * Runs a guest's operations and checks the results: bytes are in order, none is made up, readiness is true, and the
 * end comes last and stays.
 */
async function readAs(
  source: ByteSource,
  operations: readonly { do: string; size: number }[],
  expected: readonly number[],
  endStays: boolean,
): Promise<void> {
  const got: number[] = [];
  let ended = false;
  const take = (into: Uint8Array, count: number, size: number) => {
    assert.ok(count <= size);
    if (count > 0) assert.ok(!ended || !endStays, "bytes after the end");
    got.push(...into.subarray(0, count));
    assert.deepEqual(got, expected.slice(0, got.length));
  };
  const end = () => {
    assert.equal(got.length, expected.length, "the end before the last byte");
    ended = true;
  };
  for (const { do: what, size } of operations) {
    const into = new Uint8Array(size);
    if (what === "ready") source.ready();
    else if (what === "turn") await turn();
    else if (what === "wait") {
      await source.wait();
      assert.ok(source.ready(), "not ready after a wait");
    } else if (what === "available") {
      const ready = source.ready();
      const count = source.readAvailable(into);
      if (ready) assert.notEqual(count, 0, "ready, and nothing there");
      if (count === -1) end();
      else take(into, count, size);
    } else {
      const count = await source.read(into);
      if (size > 0 && count === 0) end();
      else take(into, count, size);
    }
  }
  // Afterwards the rest arrives.
  for (const into = new Uint8Array(7); got.length < expected.length;) {
    const count = await source.read(into);
    assert.ok(count > 0, "the end before the last byte");
    take(into, count, into.length);
  }
}

Deno.test("stdin delivers every byte in order and reads at most one buffer ahead", async () => {
  await fuzz(
    "stdin",
    fc.asyncProperty(pieces, reads, fc.boolean(), async (pieces, operations, late) => {
      const left = [...pieces];
      let given = 0;
      let under = 0; // pending reads
      const next = (into: Uint8Array) => {
        const piece = left.shift();
        if (!piece) return null;
        // A buffer is at least as large as the read.
        const count = Math.min(piece.length, into.length);
        if (count < piece.length) left.unshift(piece.subarray(count));
        into.set(piece.subarray(0, count));
        given += count;
        return count;
      };
      const source = new StdinSource({
        readSync: (into) => {
          assert.equal(under, 0, "read while a read is under way");
          return next(into);
        },
        read: async (into) => {
          assert.equal(under++, 0, "two reads under way");
          if (late) await turn();
          else await Promise.resolve();
          under--;
          return next(into);
        },
      });
      let taken = 0;
      const watched: ByteSource = {
        ready: () => source.ready(),
        wait: () => source.wait(),
        close: () => source.close(),
        readAvailable(into) {
          const count = source.readAvailable(into);
          taken += Math.max(count, 0);
          assert.ok(given - taken <= 9, "more than one buffer ahead");
          return count;
        },
        read(into) {
          const done = (count: number) => {
            taken += count;
            assert.ok(given - taken <= 9, "more than one buffer ahead");
            return count;
          };
          const count = source.read(into);
          return count instanceof Promise ? count.then(done) : done(count);
        },
      };
      // A terminal's end does not stay: more input may follow.
      await readAs(watched, operations, flat(pieces), false);
    }),
  );
});

Deno.test("a body delivers every byte in order, then its end or error", async () => {
  await fuzz(
    "body",
    fc.asyncProperty(pieces, reads, fc.boolean(), fc.boolean(), async (pieces, operations, late, breaks) => {
      const left = [...pieces];
      const stream = new ReadableStream<Uint8Array>({
        async pull(controller) {
          if (late) await turn();
          const piece = left.shift();
          if (piece) controller.enqueue(piece);
          else if (breaks) controller.error(new Error("broken"));
          else controller.close();
        },
      });
      const source = new BodySource(stream);
      const expected = flat(pieces);
      try {
        await readAs(source, operations, expected, true);
        const rest = await source.read(new Uint8Array(1));
        assert.equal(rest, 0);
        assert.ok(!breaks, "broken, and ended well");
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        assert.ok(breaks, String(error));
        assert.equal((error as Error).message, "broken");
      } finally {
        source.close();
        source.close();
      }
    }),
  );
});

/** A guest's operations on an output stream. */
const writes = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constantFrom("permitted" as const, "blocking" as const),
      size: fc.integer({ min: 0, max: 9 }),
    }),
    fc.constantFrom("flush", "blocking-flush", "poll", "turn").map((what) => ({ do: what, size: 0 })),
  ),
  { maxLength: 40 },
);

/** A sink's behaviour: how many bytes of each write it takes, whether it waits, and when it fails. */
const behaviour = fc.record({
  takes: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 6 }),
  waits: fc.boolean(),
  capacity: fc.integer({ min: 1, max: 8 }),
  failsAfter: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
});

Deno.test("an output stream delivers bytes once and in order, or stays closed", async () => {
  await fuzz(
    "output stream",
    fc.asyncProperty(writes, behaviour, async (operations, { takes, waits, capacity, failsAfter }) => {
      const arrived: number[] = [];
      let turns = 0;
      let flushing = 0;
      let early = false;
      const take = (bytes: Uint8Array, most: number): number => {
        if (failsAfter !== undefined && arrived.length >= failsAfter) throw new Error("disk full");
        const count = Math.min(bytes.length, most);
        arrived.push(...bytes.subarray(0, count));
        return count;
      };
      const sink: ByteSink = {
        ready: () => true,
        wait: () => Promise.resolve(),
        // It takes `capacity` bytes at once.
        capacity: () => capacity,
        write: (bytes): MaybePromise<number> => {
          early ||= flushing > 0;
          const most = takes[turns++ % takes.length]!;
          if (!waits || bytes.length <= capacity) return take(bytes, bytes.length);
          const copy = bytes.slice();
          return turn().then(() => take(copy, most));
        },
        flush: () => {
          if (!waits) return;
          flushing++;
          return turn().then(() => {
            flushing--;
          });
        },
        close: () => {},
      };
      const stream = new OutputStream(sink);
      const sent: number[] = [];
      let broken = false;
      let next = 0;
      const attempt = async (operation: () => MaybePromise<unknown>) => {
        try {
          await operation();
          assert.ok(!broken, "an operation of a broken stream went well");
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
          const { tag } = error as { tag: string };
          assert.equal(tag, broken ? "closed" : "last-operation-failed");
          broken = true;
        }
      };
      for (const { do: what, size } of operations) {
        if (what === "turn") await turn();
        else if (what === "poll") assert.deepEqual([...await poll([stream.subscribe()])], [0]);
        else if (what === "flush") await attempt(() => stream.flush());
        else if (what === "blocking-flush") await attempt(() => stream.blockingFlush());
        else if (what === "blocking") {
          const bytes = Uint8Array.from({ length: size }, () => next++ & 0xff);
          if (!broken) sent.push(...bytes);
          await attempt(() => stream.blockingWriteAndFlush(bytes));
          bytes.fill(0xee); // the guest's memory changes
        } else {
          let permit = 0n;
          await attempt(() => {
            permit = stream.checkWrite();
          });
          if (broken) continue;
          assert.ok(permit <= BigInt(capacity));
          const bytes = Uint8Array.from({ length: Math.min(size, Number(permit)) }, () => next++ & 0xff);
          sent.push(...bytes);
          await attempt(() => stream.write(bytes));
          bytes.fill(0xee);
        }
      }
      assert.ok(!early, "written while a flush is under way");
      if (broken) assert.deepEqual(arrived, sent.slice(0, arrived.length));
      else assert.deepEqual(arrived, sent);
    }),
  );
});

Deno.test("a request's body reaches the server unchanged, at its pace", async () => {
  await fuzz(
    "request body",
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 40_000 }), { maxLength: 8 }),
      fc.boolean(),
      async (sizes, gaveUp) => {
        const sink = new BodySink();
        const got = (async () => {
          let sum = 0;
          try {
            for await (const chunk of sink.stream) {
              sum += chunk.length;
              await turn();
            }
          } catch {
            return { sum, broken: true };
          }
          return { sum, broken: false };
        })();
        let sent = 0;
        for (const size of sizes) {
          for (let left = new Uint8Array(size); left.length > 0;) {
            const room = sink.capacity();
            const written = await sink.write(left);
            if (room > 0) assert.ok(written <= Math.max(room, left.length));
            left = left.subarray(written);
            sent += written;
            assert.ok(sink.capacity() <= 65536);
          }
        }
        assert.equal(sink.written, BigInt(sent));
        if (gaveUp) sink.fail();
        else sink.finish();
        sink.finish();
        const { sum, broken } = await got;
        assert.equal(broken, gaveUp);
        if (!gaveUp) assert.equal(sum, sent);
      },
    ),
  );
});

Deno.test("an input stream supports 64-bit lengths, skips and reads in any order", async () => {
  const operations = fc.array(
    fc.record({
      do: fc.constantFrom("read", "blockingRead", "skip", "blockingSkip"),
      length: fc.oneof(fc.bigInt({ min: 0n, max: 12n }), fc.constant((1n << 64n) - 1n)),
    }),
    { maxLength: 30 },
  );
  await fuzz(
    "input stream",
    fc.asyncProperty(pieces, operations, async (pieces, operations) => {
      const left = [...pieces];
      const next = (into: Uint8Array) => {
        const piece = left.shift();
        if (!piece) return null;
        const count = Math.min(piece.length, into.length);
        if (count < piece.length) left.unshift(piece.subarray(count));
        into.set(piece.subarray(0, count));
        return count;
      };
      const stream = new InputStream(
        new StdinSource({ readSync: next, read: (into) => Promise.resolve(next(into)) }),
      );
      const expected = flat(pieces);
      let at = 0;
      for (const { do: what, length } of operations) {
        try {
          if (what === "read" || what === "blockingRead") {
            const bytes = [...await stream[what](length)];
            assert.ok(BigInt(bytes.length) <= length);
            if (what === "blockingRead" && length > 0n) assert.ok(bytes.length > 0);
            assert.deepEqual(bytes, expected.slice(at, at + bytes.length));
            at += bytes.length;
          } else at += Number(await stream[what as "skip"](length));
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
          assert.deepEqual(error, { tag: "closed" });
          assert.equal(at, expected.length);
        }
        assert.ok(at <= expected.length);
      }
    }),
  );
});

Deno.test("poll returns exactly the ready ones, at least one", async () => {
  await fuzz(
    "poll",
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 8 }),
      fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 20 }),
      async (delays, consumed) => {
        // Each is ready that many turns after it was consumed.
        const sources = delays.map((delay) => {
          const state = { ready: delay === 0, waiters: [] as (() => void)[] };
          const arm = async () => {
            for (let left = delay; left > 0; left--) await turn();
            state.ready = true;
            for (const wake of state.waiters.splice(0)) wake();
          };
          if (delay > 0) arm();
          const pollable = new Pollable({
            ready: () => state.ready,
            wait: () =>
              state.ready ? Promise.resolve() : new Promise((resolve) => state.waiters.push(resolve)),
          });
          const consume = () => {
            if (!state.ready || delay === 0) return;
            state.ready = false;
            arm();
          };
          return { state, pollable, consume };
        });
        for (const index of [...consumed, 0]) {
          const ready = [...await poll(sources.map(({ pollable }) => pollable))];
          assert.ok(ready.length > 0);
          assert.deepEqual(ready, sources.flatMap(({ state }, index) => state.ready ? [index] : []));
          sources[index % sources.length]!.consume();
        }
        // No timer may fire during the next test.
        while (sources.some(({ state }) => !state.ready)) await turn();
      },
    ),
  );
});

Deno.test("stdout writes everything in small parts, and a closed pipe ends it", async () => {
  await fuzz(
    "stdout",
    fc.asyncProperty(
      pieces,
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }),
      fc.option(fc.nat(30), { nil: undefined }),
      async (pieces, takes, closesAfter) => {
        const arrived: number[] = [];
        let turns = 0;
        const stream = new OutputStream(
          new StdoutSink({
            writeSync: (bytes) => {
              if (closesAfter !== undefined && arrived.length >= closesAfter) {
                throw new Deno.errors.BrokenPipe("closed");
              }
              const count = Math.min(bytes.length, takes[turns++ % takes.length]!);
              arrived.push(...bytes.subarray(0, count));
              return count;
            },
          }),
        );
        const expected = flat(pieces);
        let ended = false;
        try {
          for (const piece of pieces) await stream.blockingWriteAndFlush(piece);
        } catch (error) {
          assert.equal((error as Error).name, "ClosedPipe");
          ended = true;
        }
        assert.deepEqual(arrived, expected.slice(0, arrived.length));
        assert.equal(ended, closesAfter !== undefined && arrived.length < expected.length);
      },
    ),
  );
});
