/**
 * Property tests, that look for what nobody thought of. Without more said they try the same inputs on every machine, so
 * that a change is judged by what it changed; `deno task fuzz` goes where none has been.
 */

import fc from "fast-check";

const said = Deno.env.get("FUZZ_SEED") ?? "20221122";
/** What decides the inputs, printed by {@linkcode fuzz}: `FUZZ_SEED`, which may be `random`. */
const SEED = said === "random" ? crypto.getRandomValues(new Int32Array(1))[0]! : Number(said);
if (!Number.isSafeInteger(SEED)) throw new Error(`FUZZ_SEED=${said} is neither a whole number nor "random"`);

/** Milliseconds a property may take: all together stay below a minute in CI. */
const BUDGET = Number(Deno.env.get("FUZZ_SECONDS") ?? (Deno.env.get("CI") === "true" ? 4.5 : 1.5)) * 1000;

fc.configureGlobal({ seed: SEED });

/** fast-check, with the seed above. A failed `fc.assert` prints it. */
export { fc };

/** Checks a property with as many inputs as time allows. `FUZZ_SECONDS` says how long. */
export async function fuzz<T>(name: string, property: fc.IAsyncProperty<T> | fc.IProperty<T>): Promise<void> {
  const details = await fc.check(property as fc.IAsyncProperty<T>, {
    numRuns: 1_000_000,
    interruptAfterTimeLimit: BUDGET,
    markInterruptAsFailure: false,
  });
  // deno-lint-ignore no-console -- whoever reads the log of a failed run needs the seed
  console.log(`fuzz ${name}: ${details.numRuns} inputs, FUZZ_SEED=${SEED}`);
  if (details.failed) {
    throw new Error(fc.defaultReportMessage(details) ?? "failed", { cause: details.errorInstance });
  }
}
