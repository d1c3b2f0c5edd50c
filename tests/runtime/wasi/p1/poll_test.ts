import assert from "node:assert/strict";
import { VERSIONS } from "../../../../runtime/wasi/p1/abi.ts";
import type { Guest } from "../../../../runtime/wasi/p1/memory.ts";
import { Preview1 } from "../../../../runtime/wasi/p1/preview1.ts";
import type { ByteSource } from "../../../../runtime/wasi/streams/streams.ts";
import { testSandbox } from "../../../support/components.ts";

const SUBSCRIPTIONS = 0;
const EVENTS = 1024;
const COUNT = 2048;

/** Polls stdin and, with a time, a clock; returns the number of events. */
function pollerOf(stdin: ByteSource): (nanoseconds?: bigint) => Promise<number> {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  const guest: Guest = { bytes: () => bytes, view: () => view, exports: {} };
  const { poll_oneoff } = new Preview1(testSandbox({ stdin }), guest, undefined, true)
    .imports(VERSIONS.wasi_snapshot_preview1!) as Record<string, (...args: number[]) => unknown>;
  return async (nanoseconds) => {
    bytes.fill(0);
    view.setUint8(SUBSCRIPTIONS + 8, 1); // fd_read, of descriptor 0
    if (nanoseconds !== undefined) {
      view.setUint32(SUBSCRIPTIONS + 48 + 16, 1, true); // the monotonic clock
      view.setBigUint64(SUBSCRIPTIONS + 48 + 24, nanoseconds, true);
    }
    assert.equal(await poll_oneoff!(SUBSCRIPTIONS, EVENTS, nanoseconds === undefined ? 1 : 2, COUNT), 0);
    return view.getUint32(COUNT, true);
  };
}

/** A source with data when the test says so. */
class SilentSource implements ByteSource {
  waits = 0;
  has = false;
  #came = Promise.withResolvers<void>();

  ready = () => this.has;
  wait(): Promise<void> {
    this.waits++;
    return this.#came.promise;
  }
  /** Resolves pending waits. */
  wake(): void {
    this.#came.resolve();
    this.#came = Promise.withResolvers();
  }
  read = () => 0;
  readAvailable = () => 0;
  close(): void {}
}

Deno.test("repeated polls with a timer leave nothing behind at a silent stream", async () => {
  const stdin = new SilentSource();
  const poll = pollerOf(stdin);
  for (let times = 0; times < 100; times++) assert.equal(await poll(1000n), 1);
  assert.equal(stdin.waits, 1);
  const waiting = poll();
  stdin.has = true;
  stdin.wake();
  assert.equal(await waiting, 1);
  assert.equal(stdin.waits, 1);
});

Deno.test("a poll does not end without an event if another reader took the data", async () => {
  const stdin = new SilentSource();
  const poll = pollerOf(stdin);
  let ended = false;
  const waiting = poll().finally(() => ended = true);
  for (let times = 0; times < 3; times++) {
    stdin.wake();
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.equal(ended, false);
  }
  stdin.has = true;
  stdin.wake();
  assert.equal(await waiting, 1);
});
