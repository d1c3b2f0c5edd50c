/** What the engine throws when a plugin traps, in words for people. Pure. */

import { AppError } from "../errors.ts";
import { printable } from "../text.ts";

// V8's messages (src/common/message-template.h), by their beginnings.
const TRAPS: readonly (readonly [string, string])[] = [
  ["unreachable", "it executed an unreachable instruction (an abort or panic)"],
  ["memory access out of bounds", "it accessed memory out of bounds"],
  ["table index is out of bounds", "it called a function through a bad table index"],
  [
    "null function or function signature mismatch",
    "it called a function through a pointer of the wrong type",
  ],
  ["indirect call signature mismatch", "it called a function through a pointer of the wrong type"],
  ["divide by zero", "it divided an integer by zero"],
  ["remainder by zero", "it divided an integer by zero"],
  ["divide result unrepresentable", "an integer division overflowed"],
  ["float unrepresentable in integer range", "it converted a float that fits no integer"],
  ["operation does not support unaligned accesses", "it accessed memory unaligned"],
  ["table access out of bounds", "it accessed a table out of bounds"],
  ["dereferencing a null pointer", "it dereferenced null"],
];

const MAX_FRAMES = 12;

/** A trap, or undefined for an error that is none. The frames are the innermost first. */
export function describeTrap(error: unknown): AppError | undefined {
  if (error instanceof RangeError && /call stack/i.test(error.message)) {
    return trap("its call stack overflowed", error);
  }
  if (error instanceof (WebAssembly as unknown as { Exception: new () => object }).Exception) {
    return trap("it threw an exception that nothing caught", error as Error);
  }
  if (!(error instanceof WebAssembly.RuntimeError)) return undefined;
  const known = TRAPS.find(([start]) => error.message.startsWith(start));
  return trap(known?.[1] ?? printable(error.message, 200), error);
}

function trap(what: string, error: Error): AppError {
  const stack = framesOf(error).map((frame) => `\n  at ${frame}`).join("");
  return new AppError("PLUGIN_TRAPPED", `The plugin crashed: ${what}${stack}`, { cause: error });
}

/** Function names of the wasm frames of a stack, without the host's. */
function framesOf(error: Error): string[] {
  const frames: string[] = [];
  for (const line of (error.stack ?? "").split("\n")) {
    // `deno run` shows `wasm://wasm/<hash>:wasm-function[<index>]:0x<offset>`, a compiled binary `…<hash>:1:<offset + 1>`.
    const match =
      /^\s*at (?:(.*?) \()?wasm:\/\/wasm\/[^\s):]*:(?:wasm-function\[(\d+)\]:0x([0-9a-f]+)|1:(\d+))\)?$/
        .exec(line);
    if (!match) continue;
    const [, name, index, hex, column] = match;
    const offset = column === undefined ? hex : (Number(column) - 1).toString(16);
    const named = name && !name.startsWith("wasm-function[")
      ? printable(name, 120)
      : `function ${index ?? "without a name"}`;
    frames.push(`${named} (0x${offset})`);
    if (frames.length === MAX_FRAMES) break;
  }
  return frames;
}
