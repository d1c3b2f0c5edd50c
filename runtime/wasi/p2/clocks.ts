/**
 * wasi:clocks 0.2.12 (monotonic-clock, wall-clock) over ../system_clocks.ts. It does not use preview2-shim, whose timers go
 * on after the guest drops them (docs/maintainers/upstream.md, S6). The unstable `timezone` is not supported.
 */

import { CLOCK_RESOLUTION, monotonicNow, sleepUntil, wallClockNow } from "../system_clocks.ts";
import { Pollable } from "./pollables.ts";

const BILLION = 1_000_000_000n;
const MAX_U64 = (1n << 64n) - 1n;

function subscribeInstant(instant: bigint): Pollable {
  const dropped = new AbortController();
  return new Pollable({
    ready: () => monotonicNow() >= instant,
    wait: () => sleepUntil(instant, dropped.signal),
  }, () => dropped.abort());
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

/** Nanoseconds since 1970 as a `datetime`. */
export function datetimeOf(nanoseconds: bigint): { seconds: bigint; nanoseconds: number } {
  if (nanoseconds < 0n) return { seconds: 0n, nanoseconds: 0 }; // seconds are unsigned: earlier times can't be expressed
  return { seconds: nanoseconds / BILLION, nanoseconds: Number(nanoseconds % BILLION) };
}
