/** wasi:io/poll: waits for any of several things. */

import type { MaybePromise, Readiness } from "../streams/streams.ts";
import { whenAny } from "../streams/waits.ts";
import { checkOwn, trap } from "./traps.ts";

// The host's own members of a resource have symbols as names, because a component could call any string name.
const READINESS = Symbol("readiness");

/** wasi:io/poll.pollable */
export class Pollable {
  readonly [READINESS]: Readiness;
  #dropped: (() => void) | undefined;

  /** @param dropped called when the guest drops it, to stop a timer */
  constructor(readiness: Readiness, dropped?: () => void) {
    this[READINESS] = readiness;
    this.#dropped = dropped;
  }

  ready(): boolean {
    return this[READINESS].ready();
  }

  block(): MaybePromise<void> {
    const ready = poll([this]);
    return ready instanceof Promise ? ready.then(() => {}) : undefined;
  }

  [Symbol.dispose](): void {
    this.#dropped?.();
  }
}

/** Always ready. */
export const READY: Readiness = { ready: () => true, wait: () => Promise.resolve() };

const pollables = new WeakMap<Readiness, Pollable>();

/**
 * The pollable of a reusable readiness: always the same one, because all of them would be ready together. A component
 * that subscribes for each wait and drops nothing then holds a single host object
 * (registry/compile/resource_tables.ts).
 */
export function pollableOf(readiness: Readiness): Pollable {
  let pollable = pollables.get(readiness);
  if (!pollable) pollables.set(readiness, pollable = new Pollable(readiness));
  return pollable;
}

/** How long a guest may poll ready pollables before timers and sockets get a turn, in milliseconds. */
const TURN = 5;
let lastTurn = 0;

/** wasi:io/poll.poll: the indexes of the ready pollables, at least one. */
export function poll(list: Pollable[]): MaybePromise<Uint32Array> {
  if (list.length === 0) throw trap("a poll of nothing");
  for (const pollable of list) checkOwn(pollable, Pollable);
  const readyNow = () => Uint32Array.from(list.flatMap((pollable, index) => pollable.ready() ? [index] : []));
  const ready = readyNow();
  const now = performance.now();
  if (ready.length > 0) {
    if (now - lastTurn < TURN) return ready;
    // A guest whose every poll finds a ready pollable would block the host's events forever.
    return new Promise((resolve) =>
      setTimeout(() => {
        lastTurn = performance.now();
        resolve(readyNow());
      }, 0)
    );
  }
  lastTurn = now;
  return wait();

  async function wait(): Promise<Uint32Array> {
    for (;;) {
      await whenAny(list.map((pollable) => pollable[READINESS]));
      const ready = readyNow();
      if (ready.length > 0) return ready;
    }
  }
}
