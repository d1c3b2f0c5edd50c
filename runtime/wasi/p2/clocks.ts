/**
 * wasi:clocks 0.2.12 (monotonic-clock, wall-clock) over ../clocks.ts. Nothing of preview2-shim is used, whose timers run on
 * after they are dropped (docs/maintainers/upstream.md, S6). The unstable `timezone` is not served.
 */

import { CLOCK_RESOLUTION, monotonicNow, sleepUntil, wallClockNow } from "../system_clocks.ts";
import { Pollable } from "./io.ts";

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

/** A `datetime` of nanoseconds since 1970. */
export function datetimeOf(nanoseconds: bigint): { seconds: bigint; nanoseconds: number } {
  if (nanoseconds < 0n) return { seconds: 0n, nanoseconds: 0 }; // seconds are unsigned: there is nothing before 1970
  return { seconds: nanoseconds / BILLION, nanoseconds: Number(nanoseconds % BILLION) };
}
