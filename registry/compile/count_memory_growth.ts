/**
 * Limits memory growth. Each `memory.grow` of a core module becomes a call of a function that traps if the memory would
 * exceed the limit. The host sets the limit in an exported global (runtime/wasi/memory_limit.ts). The rewriting happens
 * when the plugin is compiled, so a run only sets a number.
 *
 * A memory's own maximum would not do: `memory.grow` then returns -1, which C programs often use as an address. Pure.
 *
 * Follows the WebAssembly core specification 3.0, binary format (chapter 5), with threads.
 */

import { concatBytes } from "../../runtime/base/bytes.ts";
import { leb128, signedLeb128 } from "../../runtime/base/leb128.ts";
import { PREAMBLE } from "../../runtime/base/wasm_sections.ts";
import { LIMIT_EXPORT, PAGES_OF_WASM32 } from "../../runtime/wasi/memory_limit.ts";
import { Code, MEMORY_GROW, readNumber } from "./instructions.ts";
import { countOf, countTypes, readImportCounts } from "./module_types.ts";
import { invalid, readSections, type Section } from "./wasm_reader.ts";

const TYPE = 1;
const IMPORT = 2;
const FUNCTION = 3;
const GLOBAL = 6;
const EXPORT = 7;
const CODE = 10;

const I32 = 0x7f;

/**
 * Returns the module with its memory growth counted, or the module itself if it never grows a memory. The engine must
 * have validated it, and its memories must be 32-bit (foreign_modules.ts).
 *
 * @throws AppError WASM_INVALID, PLUGIN_UNSUPPORTED
 */
export function countGrowth(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const sections = readSections(bytes);
  const section = (id: number) => sections.find((each) => each.id === id);
  const code = section(CODE);
  if (!code) return bytes;
  const found = findGrowth(bytes, code);
  if (found.bodies.every(({ grows }) => grows.length === 0)) return bytes;
  const imports = readImportCounts(bytes, section(IMPORT));
  const counted = [...new Set(found.bodies.flatMap(({ grows }) => grows.map(({ memory }) => memory)))]
    .sort((a, b) => a - b);
  const type = countTypes(bytes, section(TYPE));
  const firstFunction = imports.functions + found.bodies.length;
  const global = imports.globals + countOf(bytes, section(GLOBAL));
  const functionOf = new Map(counted.map((memory, index) => [memory, firstFunction + index]));
  const additions = new Map<number, { count: number; bytes: number[] }>([
    [TYPE, { count: 1, bytes: [0x60, 1, I32, 1, I32] }],
    [FUNCTION, { count: counted.length, bytes: counted.flatMap(() => leb128(type)) }],
    [GLOBAL, { count: 1, bytes: [I32, 1, 0x41, ...signedLeb128(PAGES_OF_WASM32), 0x0b] }],
    [EXPORT, { count: 1, bytes: [...name(LIMIT_EXPORT), 3, ...leb128(global)] }],
  ]);

  const parts: Uint8Array[] = [bytes.subarray(0, PREAMBLE)];
  // A list, not rest parameters: rest parameters overflow the stack in a large module.
  const put = (id: number, content: readonly Uint8Array[]) => {
    const size = content.reduce((sum, { length }) => sum + length, 0);
    parts.push(Uint8Array.from([id, ...leb128(size)]));
    for (const part of content) parts.push(part);
  };
  const add = (id: number, old: Section | undefined) => {
    const { count, bytes: added } = additions.get(id)!;
    additions.delete(id);
    const start = old ? readNumber(bytes, old.content) : { value: 0, next: 0 };
    put(id, [
      Uint8Array.from(leb128(start.value + count)),
      old ? bytes.subarray(start.next, old.end) : new Uint8Array(),
      Uint8Array.from(added),
    ]);
  };
  for (const each of sections) {
    // Inserts each missing section in the order of the ids. Custom sections have no fixed place. Tags (13) come before
    // globals.
    const rank = each.id === 13 ? 5.5 : each.id === 12 ? 9.5 : each.id;
    if (each.id !== 0) { for (const id of [...additions.keys()]) if (id < rank) add(id, undefined); }
    if (additions.has(each.id)) add(each.id, each);
    else if (each.id === CODE) {
      const bodies = found.bodies.map((body) => withCalls(bytes, body, functionOf));
      const growers = counted.map((memory) => Uint8Array.from(growerBody(memory, global)));
      const all = [...bodies, ...growers];
      put(CODE, [
        Uint8Array.from(leb128(all.length)),
        ...all.flatMap((body) => [Uint8Array.from(leb128(body.length)), body]),
      ]);
    } else parts.push(bytes.subarray(each.start, each.end));
  }
  return concatBytes(parts);
}

/** The body of the function that grows `memory` by its parameter, in pages, or traps. */
function growerBody(memory: number, global: number): number[] {
  const m = leb128(memory);
  const g = leb128(global);
  return [
    0, // no locals
    ...[0x3f, ...m, 0xad], // memory.size, as 64 bits
    ...[0x20, 0, 0xad, 0x7c], // + the parameter
    ...[0x23, ...g, 0xad, 0x56], // > the limit
    ...[0x04, 0x40], // if
    ...[0x41, 0x7f, 0x24, ...g], // limit = -1 tells the host that the limit was reached
    ...[0x00, 0x0b], // unreachable, end
    ...[0x20, 0, 0x40, ...m], // memory.grow
    0x0b,
  ];
}

interface Growth {
  readonly memory: number;
  readonly start: number;
  readonly end: number;
}

interface Body {
  readonly start: number;
  readonly end: number;
  readonly grows: readonly Growth[];
}

function withCalls(
  bytes: Uint8Array,
  { start, end, grows }: Body,
  functionOf: ReadonlyMap<number, number>,
): Uint8Array {
  const calls = grows.filter(({ memory }) => functionOf.has(memory));
  if (calls.length === 0) return bytes.subarray(start, end);
  const parts: Uint8Array[] = [];
  let at = start;
  for (const call of calls) {
    parts.push(
      bytes.subarray(at, call.start),
      Uint8Array.from([0x10, ...leb128(functionOf.get(call.memory)!)]),
    );
    at = call.end;
  }
  parts.push(bytes.subarray(at, end));
  return concatBytes(parts);
}

/** Every body of the code section, and its memory.grow instructions. */
function findGrowth(bytes: Uint8Array, section: Section): { bodies: Body[] } {
  const reader = new Code(bytes, section.content);
  const bodies: Body[] = [];
  for (let count = reader.number(); count > 0; count--) {
    const size = reader.number();
    const start = reader.at;
    const end = start + size;
    const grows: Growth[] = [];
    for (let groups = reader.number(); groups > 0; groups--) {
      reader.skipNumber();
      reader.valueType();
    }
    while (reader.at < end) {
      const at = reader.at;
      if (reader.instruction() === MEMORY_GROW) {
        grows.push({ memory: reader.memory, start: at, end: reader.at });
      }
    }
    if (reader.at !== end) throw invalid(`the function at byte ${start} does not end where it says`);
    bodies.push({ start, end, grows });
  }
  return { bodies };
}

function name(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  return [...leb128(bytes.length), ...bytes];
}
