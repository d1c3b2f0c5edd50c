/** The clocks, in nanoseconds. */

import { sleepSync } from "./streams/stdio.ts";

/** Nanoseconds since 1970-01-01T00:00:00Z, to the microsecond if the engine supports that. */
export function wallClockNow(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
}

/** Nanoseconds since the process started; never goes back. */
export function monotonicNow(): bigint {
  return BigInt(monotonicNanoseconds());
}

/** {@linkcode monotonicNow} as a number, which takes half the time to store; exact for the first 104 days. */
export function monotonicNanoseconds(): number {
  return Math.round(performance.now() * 1e6);
}

/** One tick of either clock, in nanoseconds. */
export const CLOCK_RESOLUTION = 1000n;

// The longest time that setTimeout and Atomics.wait accept: 2^31 - 1 ms, about 24 days.
const LONGEST = 0x7fffffff;

/** Milliseconds until a time of the monotonic clock; 0 if it has passed. */
function millisecondsUntil(deadline: bigint): number {
  const left = deadline - monotonicNow();
  return left <= 0n ? 0 : Math.min(Number(left) / 1e6, LONGEST);
}

/** Blocks the thread until the monotonic clock shows `deadline`. */
export function sleepUntilSync(deadline: bigint): void {
  for (let left = millisecondsUntil(deadline); left > 0; left = millisecondsUntil(deadline)) sleepSync(left);
}

/** Resolves when the monotonic clock shows `deadline`; `signal` cancels the timer. */
export async function sleepUntil(deadline: bigint, signal?: AbortSignal): Promise<void> {
  for (
    let left = millisecondsUntil(deadline);
    left > 0 && !signal?.aborted;
    left = millisecondsUntil(deadline)
  ) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, Math.ceil(left));
      signal?.addEventListener("abort", done, { once: true });
      function done() {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      }
    });
  }
}
