/** wasi:clocks 0.2 over ../clocks.ts. */

import { CLOCK_RESOLUTION, monotonicNow, sleepUntil, wallClockNow } from "../clocks.ts";
import { Pollable } from "./io.ts";

const BILLION = 1_000_000_000n;
const MAX_U64 = (1n << 64n) - 1n;

function subscribeInstant(instant: bigint): Pollable {
  return new Pollable({ ready: () => monotonicNow() >= instant, wait: () => sleepUntil(instant) });
}

/** The interfaces by name. */
export function clockInterfaces() {
  return {
    "wasi:clocks/monotonic-clock": {
      now: monotonicNow,
      resolution: () => CLOCK_RESOLUTION,
      subscribeInstant,
      subscribeDuration: (duration: bigint) => {
        const instant = monotonicNow() + duration;
        return subscribeInstant(instant > MAX_U64 ? MAX_U64 : instant);
      },
    },
    "wasi:clocks/wall-clock": {
      now: () => datetimeOf(wallClockNow()),
      resolution: () => datetimeOf(CLOCK_RESOLUTION),
    },
  };
}

/** A `datetime` of nanoseconds since 1970. */
export function datetimeOf(nanoseconds: bigint): { seconds: bigint; nanoseconds: number } {
  return { seconds: nanoseconds / BILLION, nanoseconds: Number(nanoseconds % BILLION) };
}
