/**
 * Limits nested blocks. Each level costs the engine a kilobyte during compilation, but only two bytes in the module.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { Code } from "./instructions.ts";

/** The deepest nesting of blocks. Compilers nest a block for each entry of a branch table; V8 allows 65,520 entries. */
const MAX_NESTING = 100_000;
/** Bytes of a block: its opcode, its type and its end. */
const BLOCK = 3;

const OPENS: readonly number[] = [0x02, 0x03, 0x04, 0x06, 0x1f]; // block, loop, if, try, try_table
const CLOSES: readonly number[] = [0x0b, 0x18]; // end, delegate

/**
 * Refuses a function whose blocks are nested deeper than in any real program. Invalid code is left to the engine.
 *
 * @param start offset of its instructions, after its locals
 * @throws AppError TOO_LARGE
 */
export function refuseNesting(bytes: Uint8Array, start: number, end: number): void {
  if (end - start < MAX_NESTING * BLOCK) return; // few functions are that long, so this check is cheap
  const code = new Code(bytes, start);
  let depth = 0;
  try {
    while (code.at < end && depth <= MAX_NESTING) {
      const op = code.instruction();
      if (OPENS.includes(op)) depth++;
      else if (CLOSES.includes(op)) depth--;
    }
  } catch (error) {
    if (error instanceof AppError) return;
    throw error;
  }
  if (depth > MAX_NESTING) {
    throw new AppError("TOO_LARGE", `One of its functions nests more than ${MAX_NESTING} blocks`);
  }
}
