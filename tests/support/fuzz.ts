/**
 * Property tests. By default they try the same inputs on every machine, so that a result depends only on the code. `deno
 * task fuzz` tries new inputs.
 */

import fc from "fast-check";

const said = Deno.env.get("FUZZ_SEED") ?? "20221122";
/** The seed of the inputs, which {@linkcode fuzz} prints: `FUZZ_SEED`, which may be `random`. */
const SEED = said === "random" ? crypto.getRandomValues(new Int32Array(1))[0]! : Number(said);
if (!Number.isSafeInteger(SEED)) throw new Error(`FUZZ_SEED=${said} is neither a whole number nor "random"`);

/** Milliseconds for one property: all together take less than a minute in CI. */
const BUDGET = Number(Deno.env.get("FUZZ_SECONDS") ?? (Deno.env.get("CI") === "true" ? 4.5 : 1.5)) * 1000;

fc.configureGlobal({ seed: SEED });

/** fast-check with the seed above. A failed `fc.assert` prints it. */
export { fc };

/** Checks a property with as many inputs as time allows. `FUZZ_SECONDS` sets the time. */
export async function fuzz<T>(name: string, property: fc.IAsyncProperty<T> | fc.IProperty<T>): Promise<void> {
  const details = await fc.check(property as fc.IAsyncProperty<T>, {
    numRuns: 1_000_000,
    interruptAfterTimeLimit: BUDGET,
    markInterruptAsFailure: false,
  });
  // deno-lint-ignore no-console -- the log of a failed run needs the seed
  console.log(`fuzz ${name}: ${details.numRuns} inputs, FUZZ_SEED=${SEED}`);
  if (details.failed) {
    throw new Error(fc.defaultReportMessage(details) ?? "failed", { cause: details.errorInstance });
  }
}
