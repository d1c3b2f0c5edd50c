/**
 * Property tests that look for what nobody thought of: a moment on a laptop, longer under CI=true, and the seed is
 * printed, so that whatever is found can be found again with `FUZZ_SEED`.
 */

import fc from "fast-check";

/** Milliseconds a property may take: all together stay below a minute in CI. */
const BUDGET = Deno.env.get("CI") === "true" ? 4500 : 1500;

/** Checks a property with as many inputs as time allows. `FUZZ_SEED` repeats a run, `FUZZ_SECONDS` lengthens it. */
export async function fuzz<T>(name: string, property: fc.IAsyncProperty<T> | fc.IProperty<T>): Promise<void> {
  const seed = Number(Deno.env.get("FUZZ_SEED") ?? crypto.getRandomValues(new Int32Array(1))[0]);
  const budget = Number(Deno.env.get("FUZZ_SECONDS") ?? BUDGET / 1000) * 1000;
  const details = await fc.check(property as fc.IAsyncProperty<T>, {
    seed,
    numRuns: 1_000_000,
    interruptAfterTimeLimit: budget,
    markInterruptAsFailure: false,
  });
  // deno-lint-ignore no-console -- whoever reads the log of a failed run needs the seed
  console.log(`fuzz ${name}: ${details.numRuns} inputs, FUZZ_SEED=${seed}`);
  if (details.failed) {
    throw new Error(fc.defaultReportMessage(details) ?? "failed", { cause: details.errorInstance });
  }
}
