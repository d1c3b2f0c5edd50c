/** Both directions of a connection against a model: bytes leave once and in order, then the end. */

import assert from "node:assert/strict";
import {
  closeWhenSent,
  ConnectionSink,
  ConnectionSource,
  type Duplex,
} from "../../../../runtime/wasi/streams/connection_streams.ts";
import { StreamClosed } from "../../../../runtime/wasi/streams/streams.ts";
import { fc, fuzz } from "../../../support/fuzz.ts";

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

const events = fc.array(
  fc.record({
    do: fc.constantFrom(
      "write",
      "enqueue",
      "wait",
      "flush",
      "turn",
      "stop",
      "go",
      "shutdown",
      "comes",
      "read",
    ),
    size: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom(65_535, 65_536, 65_537, 200_000)),
  }),
  { maxLength: 40 },
);

Deno.test("a connection loses no byte, sends nothing after its end, and closes", async () => {
  await fuzz(
    "connection",
    fc.asyncProperty(
      events,
      // How many bytes of a write are taken at once: enough to finish in time on a slow machine.
      fc.integer({ min: 300, max: 70_000 }),
      fc.option(fc.integer({ min: 0, max: 300_000 }), { nil: undefined }),
      async (events, most, breaksAfter) => {
        let [room, waiting] = [true, Promise.withResolvers<void>()];
        let [arrived, ended, closed, shut] = [0, false, false, false];
        let [come, got, asked] = [0, 0, 0];
        let arrival = Promise.withResolvers<void>();
        const connection: Duplex = {
          async read(into) {
            assert.equal(asked++, 0, "two reads under way");
            while (come === got && !closed) {
              arrival = Promise.withResolvers();
              await arrival.promise;
            }
            asked--;
            if (closed) throw new Error("closed");
            const count = Math.min(into.length, come - got, most);
            for (let index = 0; index < count; index++) into[index] = (got + index) & 0xff;
            got += count;
            return count;
          },
          async write(bytes) {
            assert.ok(!ended && !closed, "written behind the end");
            while (!room) await waiting.promise;
            if (breaksAfter !== undefined && arrived >= breaksAfter) throw new Error("broken");
            const part = bytes.subarray(0, most);
            part.forEach((byte, index) => {
              if (byte !== ((arrived + index) & 0xff)) assert.fail(`byte ${arrived + index} is another`);
            });
            await Promise.resolve();
            arrived += part.length;
            return part.length;
          },
          closeWrite() {
            assert.ok(!ended, "ended twice");
            ended = true;
            return Promise.resolve();
          },
          close() {
            closed = true;
            arrival.resolve();
          },
        };
        const source = new ConnectionSource(connection);
        const sink = new ConnectionSink(connection);
        let [written, read] = [0, 0];
        const bytesOf = (size: number) =>
          Uint8Array.from({ length: size }, (_, index) => (written + index) & 0xff);
        const go = () => {
          room = true;
          waiting.resolve();
        };
        const told = async (operation: () => unknown) => {
          try {
            await operation();
            return true;
          } catch (error) {
            if (error instanceof assert.AssertionError) throw error;
            if (error instanceof StreamClosed) assert.ok(shut, "closed, and nobody did");
            else assert.ok(breaksAfter !== undefined, String(error));
            return false;
          }
        };
        for (const { do: what, size } of events) {
          if (what === "turn") await turn();
          else if (what === "go") go();
          else if (what === "stop" && room) [room, waiting] = [false, Promise.withResolvers<void>()];
          else if (what === "shutdown" && !shut) {
            shut = true;
            sink.end();
          } else if (what === "comes") {
            come += size;
            arrival.resolve();
          } else if (what === "read") {
            const into = new Uint8Array(size);
            const count = source.readAvailable(into);
            for (let index = 0; index < count; index++) {
              if (into[index] !== ((read + index) & 0xff)) assert.fail("another byte was read");
            }
            read += count;
          } else if (what === "wait") {
            if (!room) continue;
            await sink.wait();
            assert.ok(sink.ready(), "no room after a wait for it");
          } else if (what === "flush") {
            if (!room) continue;
            if (await told(() => sink.flush()) && !shut) {
              assert.equal(arrived, written, "flushed, and not sent");
            }
          } else if (what === "write") {
            await told(() => {
              const capacity = Math.min(size, sink.capacity());
              if (capacity === 0) return;
              assert.equal(sink.write(bytesOf(capacity)), capacity, "less than there was room for");
              written += capacity;
            });
          } else if (what === "enqueue" && !shut) {
            const whole = bytesOf(size);
            if (await told(() => sink.capacity())) {
              sink.enqueue(whole);
              written += size;
            }
          }
        }
        const done = closeWhenSent(connection, sink);
        source.end();
        go();
        await done;
        assert.ok(closed, "not closed");
        assert.equal(source.readAvailable(new Uint8Array(1)), -1);
        if (breaksAfter === undefined) {
          assert.equal(arrived, written, "bytes are missing");
          assert.ok(ended, "the end was not sent");
        } else assert.ok(arrived <= written);
      },
    ),
  );
});
