/** What the engine throws when a plugin traps, in words for people, with the functions' names from what pull kept aside. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { MemoryExceeded } from "../memory_limit.ts";
import { rustName } from "./demangle.ts";
import { functionAt, type FunctionNames, readFunctionNames } from "./symbols.ts";

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

/** How many frames are shown; all that the engine has kept with `-v`. */
const SHOWN_FRAMES = 12;

/** A frame of a trap's stack: a place in the code of a compiled module. */
export interface Frame {
  /** The file of the compiled form, where the module was given its name. */
  readonly module: string | undefined;
  /** In the module's bytes. */
  readonly offset: number;
}

/** A trap. */
export interface Trap {
  /** `it divided an integer by zero` */
  readonly what: string;
  /** The innermost first. */
  readonly frames: readonly Frame[];
  readonly hint?: string;
  readonly cause: Error;
}

/** What is wrong, for what the engine throws when a plugin traps; undefined for any other error. Pure. */
export function describeTrap(error: unknown): Trap | undefined {
  if (error instanceof MemoryExceeded) {
    // The innermost is the function that counts.
    const frames = framesOf(error.cause as Error).slice(1);
    return { what: error.message, frames, hint: "--max-memory sets the limit", cause: error };
  }
  // The engine finds no room for its own work either, such as to make a regular expression.
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
 * The report of a trap: what happened, and the stack with the functions' names. `read` gives a file of the compiled
 * form; without one, or where it fails, functions are told by their place.
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
    // A recursion is one line.
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
    ...(hint === undefined ? {} : { hint }),
    cause,
  });
}

/** The wasm frames of a stack, without the host's. */
function framesOf(error: Error): Frame[] {
  const frames: Frame[] = [];
  for (const line of (error.stack ?? "").split("\n")) {
    // `deno run` shows `wasm://wasm/<name>-<hash>:wasm-function[<index>]:0x<offset>`, with 0 for every index, a compiled
    // binary `…<hash>:1:<offset + 1>`.
    const match =
      /^\s*at (?:.*? \()?wasm:\/\/wasm\/(?:([\w.]+)-)?[0-9a-f]+:(?:wasm-function\[\d+\]:0x([0-9a-f]+)|1:(\d+))\)?$/
        .exec(line);
    if (!match) continue;
    const [, module, hex, column] = match;
    frames.push({ module, offset: column === undefined ? parseInt(hex!, 16) : Number(column) - 1 });
  }
  return frames;
}
