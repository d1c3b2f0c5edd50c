/** Durations in Go's notation. Pure. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";

/** Go's units in milliseconds. */
const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 0.001,
  "µs": 0.001,
  "μs": 0.001,
  ns: 1e-6,
};

/**
 * `--request-timeout` in milliseconds: seconds, or a Go duration (`1m30s`, `500ms`). Returns undefined for 0 and
 * less: no limit.
 *
 * @throws AppError USAGE
 */
export function parseTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\+?\d+$/.test(text)) return Number(text) * 1000 || undefined;
  const amount = String.raw`(\d+\.?\d*|\.\d+)(h|ms|m|s|us|µs|μs|ns)`;
  if (!new RegExp(`^[+-]?((${amount})+|0)$`).test(text)) {
    throw new AppError(
      "USAGE",
      `--request-timeout="${
        printable(text, 50)
      }" is not a number of seconds, nor a duration such as 30s or 1m`,
    );
  }
  let total = 0;
  for (const [, count, unit] of text.matchAll(new RegExp(amount, "g"))) {
    total += Number(count) * UNITS[unit!]!;
  }
  // Go counts nanoseconds in 64 bits: at most 292 years.
  if (total >= 2 ** 63 / 1e6) {
    throw new AppError("USAGE", `--request-timeout="${printable(text, 50)}" is more than 292 years`);
  }
  return text.startsWith("-") ? undefined : total || undefined;
}
