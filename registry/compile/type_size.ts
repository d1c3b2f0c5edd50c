/**
 * Refuses components that expand to too much code. jco writes code for every part of every type of each lowered, lifted
 * or exported function, and for each instantiation. A few hundred bytes can become gigabytes. Pure.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { CAP } from "./component_items.ts";
import { type ComponentReport, readComponent } from "./component_reader.ts";

/** The most parts in all. The largest real components have some thousands. Each costs kilobytes during compilation. */
const MAX_PARTS = 100_000;
/**
 * The most bytes of JavaScript, approximately and without those of types: a base for every component, plus an amount
 * for each of its bytes. StarlingMonkey's components need 400,000.
 */
const FREE_BYTES = 2 << 20;
const BYTES_PER_BYTE = 2;
const MAX_BYTES = 8 << 20;

/**
 * The most core instances. A component has four; one that links a scripting language from many libraries has about a
 * hundred.
 */
const MAX_INSTANCES = 1000;
/** The most memories, each limited by `--max-memory`. A component has one; a composition has one for each part. */
const MAX_MEMORIES = 32;

/** Refuses a component with a type that expands to too much, used or not. @throws AppError TOO_LARGE, WASM_INVALID */
export function refuseLargeTypes(bytes: Uint8Array): void {
  if (readComponent(bytes).largestType > MAX_PARTS) {
    throw new AppError("TOO_LARGE", `One of its types has more than ${MAX_PARTS} parts`);
  }
}

/**
 * Refuses a component that expands to too much.
 *
 * @param size the component's bytes
 * @throws AppError TOO_LARGE
 */
export function refuseUnfolding({ unfolded }: ComponentReport, size: number): void {
  const { bytes, parts, instances, memories } = unfolded;
  const shown = (count: number) => count >= CAP ? "more" : Math.ceil(count);
  if (parts > MAX_PARTS) {
    throw new AppError(
      "TOO_LARGE",
      `The types of its functions have ${shown(parts)} parts in all, more than ${MAX_PARTS}`,
    );
  }
  if (instances > MAX_INSTANCES) {
    throw new AppError(
      "TOO_LARGE",
      `It makes ${shown(instances)} instances of its modules, more than ${MAX_INSTANCES}`,
    );
  }
  if (memories > MAX_MEMORIES) {
    throw new AppError("TOO_LARGE", `It has ${shown(memories)} memories, more than ${MAX_MEMORIES}`);
  }
  const most = Math.min(MAX_BYTES, FREE_BYTES + BYTES_PER_BYTE * size);
  if (bytes > most) {
    throw new AppError(
      "TOO_LARGE",
      `Its ${size} bytes unfold into ${
        shown(bytes)
      }, by instances and exports that repeat; at most ${most} may be`,
    );
  }
}
