/**
 * How much a component unfolds into. jco writes code for every part of every type of every function that is lowered, lifted
 * or exported, and for every instance as often as it is made, so that a few hundred bytes can become gigabytes: those are
 * told beforehand. Pure.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { CAP } from "./component_items.ts";
import { type ComponentReport, readComponent } from "./component_reader.ts";

/** Parts in all. The largest real components have some thousands; each costs kilobytes while it is compiled. */
const MAX_PARTS = 100_000;
/**
 * Bytes of JavaScript, about, without those of types: so many of any component, and so many for each byte it has. Those that
 * StarlingMonkey makes have 400,000.
 */
const FREE_BYTES = 2 << 20;
const BYTES_PER_BYTE = 2;
const MAX_BYTES = 8 << 20;

/** Instances of core modules. A component has four; one of a scripting language, linked of many libraries, some hundred. */
const MAX_INSTANCES = 1000;
/** Memories, each of which may be as large as `--max-memory`. A component has one, a composition of them one each. */
const MAX_MEMORIES = 32;

/** Refuses a component that has a type which unfolds into too much, used or not. @throws AppError TOO_LARGE, WASM_INVALID */
export function refuseLargeTypes(bytes: Uint8Array): void {
  if (readComponent(bytes).largestType > MAX_PARTS) {
    throw new AppError("TOO_LARGE", `One of its types has more than ${MAX_PARTS} parts`);
  }
}

/**
 * Refuses a component that unfolds into too much.
 *
 * @param size the bytes of it
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
