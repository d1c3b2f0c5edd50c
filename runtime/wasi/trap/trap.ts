/** Explains a plugin's trap to people, with function names that pull stored separately. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { MemoryExceeded } from "../memory_limit.ts";
import { rustName } from "./demangle.ts";
import { functionAt, type FunctionNames, readFunctionNames } from "./symbols.ts";

// Beginnings of V8's messages (src/common/message-template.h).
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

/** How many frames are shown; with `-v` all that the engine kept. */
const SHOWN_FRAMES = 12;

/** A stack frame of a trap: an offset in the code of a compiled module. */
export interface Frame {
  /** The file of the compiled form, if the module has its name. */
  readonly module: string | undefined;
  /** An offset in the module's bytes. */
  readonly offset: number;
}

/** A trap. */
export interface Trap {
  /** For example `it divided an integer by zero`. */
  readonly what: string;
  /** From the innermost frame out. */
  readonly frames: readonly Frame[];
  readonly hint?: string;
  readonly cause: Error;
}

/** Describes an error of the engine that ended a plugin; undefined for any other error. Pure. */
export function describeTrap(error: unknown): Trap | undefined {
  if (error instanceof MemoryExceeded) {
    // The innermost frame is the function that counts memory growth.
    const frames = framesOf(error.cause as Error).slice(1);
    return { what: error.message, frames, hint: "--max-memory sets the limit", cause: error };
  }
  // The engine may also run out of stack in its own work, such as compiling a regular expression.
  const overflowed = error instanceof RangeError && /call stack/i.test(error.message) ||
    error instanceof SyntaxError && error.message.endsWith("Stack overflow");
  if (overflowed) {
    return { what: "its call stack overflowed", frames: framesOf(error), cause: error };
  }
  if (error instanceof (WebAssembly as unknown as { Exception: new () => object }).Exception) {
    const cause = error as Error;
    return { what: "it threw an exception that nothing caught", frames: framesOf(cause), cause };
  }
  if (!(error instanceof WebAssembly.RuntimeError)) return undefined;
  const known = TRAPS.find(([start]) => error.message.startsWith(start));
  return { what: known?.[1] ?? printable(error.message, 200), frames: framesOf(error), cause: error };
}

/**
 * Reports a trap: its reason, and the stack with function names. `read` returns a file of the compiled form; without
 * it, or if it fails, functions are shown by offset.
 */
export async function reportTrap(
  { what, frames, hint, cause }: Trap,
  read: ((file: string) => Promise<Uint8Array>) | undefined,
  verbose: boolean,
): Promise<AppError> {
  const modules = new Map<string, Promise<{ bytes: Uint8Array; names: FunctionNames } | undefined>>();
  const load = (file: string) => {
    const loaded = modules.get(file) ?? (async () => {
      const bytes = await read!(file);
      const names = await read!(`${file}.names`).then(readFunctionNames, () => new Map<number, string>());
      return { bytes, names };
    })().catch(() => undefined);
    modules.set(file, loaded);
    return loaded;
  };
  const lines: { of: string; text: string; count: number }[] = [];
  for (const { module, offset } of frames) {
    const loaded = module !== undefined && read ? await load(module) : undefined;
    const index = loaded && functionAt(loaded.bytes, offset);
    // Print a recursion once.
    const of = `${module} ${index ?? offset}`;
    const last = lines.at(-1);
    if (last?.of === of) {
      last.count++;
      continue;
    }
    const name = index === undefined ? undefined : loaded!.names.get(index);
    const where = module === undefined || module === "plugin.wasm" ? "" : `${printable(module, 40)} `;
    const text = name === undefined ? `function ${index ?? "?"}` : printable(rustName(name) ?? name, 120);
    lines.push({ of, text: `${text} (${where}0x${offset.toString(16)})`, count: 1 });
  }
  const shown = verbose ? lines : lines.slice(0, SHOWN_FRAMES);
  const stack = shown.map(({ text, count }) => `\n  at ${text}${count > 1 ? `, ${count} times` : ""}`).join(
    "",
  );
  const more = lines.length > shown.length ? `\n  … ${lines.length - shown.length} more, with -v` : "";
  return new AppError("PLUGIN_TRAPPED", `The plugin crashed: ${what}${stack}${more}`, {
    hint,
    cause,
  });
}

/** The wasm frames of a stack, without the host's. */
function framesOf(error: Error): Frame[] {
  const frames: Frame[] = [];
  for (const line of (error.stack ?? "").split("\n")) {
    // `deno run` prints `wasm://wasm/<name>-<hash>:wasm-function[<index>]:0x<offset>` with 0 for every index; a
    // compiled binary prints `…<hash>:1:<offset + 1>`.
    const match =
      /^\s*at (?:.*? \()?wasm:\/\/wasm\/(?:([\w.]+)-)?[0-9a-f]+:(?:wasm-function\[\d+\]:0x([0-9a-f]+)|1:(\d+))\)?$/
        .exec(line);
    if (!match) continue;
    const [, module, hex, column] = match;
    frames.push({ module, offset: column === undefined ? parseInt(hex!, 16) : Number(column) - 1 });
  }
  return frames;
}
