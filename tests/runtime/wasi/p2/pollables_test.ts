/** Waits for any of several things. */

import assert from "node:assert/strict";
import { clockInterfaces } from "../../../../runtime/wasi/p2/clocks.ts";
import { InputStream, OutputStream } from "../../../../runtime/wasi/p2/io.ts";
import { poll, Pollable, pollableOf, READY } from "../../../../runtime/wasi/p2/pollables.ts";

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

Deno.test("each wait for the same thing has the same pollable", () => {
  const { readiness } = signal();
  assert.equal(pollableOf(readiness), pollableOf(readiness));
  assert.notEqual(pollableOf(readiness), pollableOf(signal().readiness));
});

Deno.test("poll() traps on an object that looks like a pollable", () => {
  const lookAlike = { ready: () => true, block: () => {} } as unknown as Pollable;
  assert.throws(() => poll([lookAlike]), WebAssembly.RuntimeError);
});
