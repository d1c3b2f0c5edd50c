/**
 * Limits memory growth. Each `memory.grow` of a core module becomes a call of a function that traps if the memory would
 * exceed the limit. The host sets the limit in an exported global (runtime/wasi/memory_limit.ts). The rewriting happens
 * when the plugin is compiled, so a run only sets a number.
 *
 * A memory's own maximum would not do: `memory.grow` then returns -1, which C programs often use as an address. Pure.
 *
 * Follows the WebAssembly core specification 3.0, binary format (chapter 5), with threads.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { LIMIT_EXPORT, PAGES_OF_WASM32 } from "../../runtime/wasi/memory_limit.ts";
import { PREAMBLE, readSections, type Section } from "./wasm_reader.ts";

const TYPE = 1;
const IMPORT = 2;
const FUNCTION = 3;
const MEMORY = 5;
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
    [FUNCTION, { count: counted.length, bytes: counted.flatMap(() => leb(type)) }],
    [GLOBAL, { count: 1, bytes: [I32, 1, 0x41, ...signedLeb(PAGES_OF_WASM32), 0x0b] }],
    [EXPORT, { count: 1, bytes: [...name(LIMIT_EXPORT), 3, ...leb(global)] }],
  ]);

  const parts: Uint8Array[] = [bytes.subarray(0, PREAMBLE)];
  // A list, not rest parameters: rest parameters overflow the stack in a large module.
  const put = (id: number, content: readonly Uint8Array[]) => {
    const size = content.reduce((sum, { length }) => sum + length, 0);
    parts.push(Uint8Array.from([id, ...leb(size)]));
    for (const part of content) parts.push(part);
  };
  const add = (id: number, old: Section | undefined) => {
    const { count, bytes: added } = additions.get(id)!;
    additions.delete(id);
    const start = old ? readNumber(bytes, old.content) : { value: 0, next: 0 };
    put(id, [
      Uint8Array.from(leb(start.value + count)),
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
        Uint8Array.from(leb(all.length)),
        ...all.flatMap((body) => [Uint8Array.from(leb(body.length)), body]),
      ]);
    } else parts.push(bytes.subarray(each.start, each.end));
  }
  const result = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/** The body of the function that grows `memory` by its parameter, in pages, or traps. */
function growerBody(memory: number, global: number): number[] {
  const m = leb(memory);
  const g = leb(global);
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
    parts.push(bytes.subarray(at, call.start), Uint8Array.from([0x10, ...leb(functionOf.get(call.memory)!)]));
    at = call.end;
  }
  parts.push(bytes.subarray(at, end));
  const body = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let to = 0;
  for (const part of parts) {
    body.set(part, to);
    to += part.length;
  }
  return body;
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

const MEMORY_GROW = 0x40;
const END = 0x0b;

/** Decodes instructions. It must know each instruction to find the next one. */
export class Code {
  #bytes: Uint8Array;
  at: number;
  /** Memory index of the last memory.grow. */
  memory = 0;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  number(): number {
    const { value, next } = readNumber(this.#bytes, this.at);
    this.at = next;
    return value;
  }

  /** Skips a LEB128 number of any size and sign. */
  skipNumber(): void {
    while (this.#bytes[this.at++]! >= 0x80);
    if (this.at > this.#bytes.length) throw invalid("its code is cut short");
  }

  skipNumbers(count: number): void {
    for (; count > 0; count--) this.skipNumber();
  }

  skipName(): void {
    const length = this.number();
    this.at += length;
  }

  /** Skips a constant expression, including its end. */
  skipExpression(): void {
    while (this.instruction() !== END);
  }

  valueType(): void {
    const type = this.#bytes[this.at]!;
    if (type === 0x63 || type === 0x64) { // a reference, to a heap type
      this.at++;
      this.skipNumber();
    } else this.at++;
    if (this.at > this.#bytes.length) throw invalid("its code is cut short");
  }

  /** Skips a block type: empty, a value type, or an index. */
  #blockType(): void {
    const type = this.#bytes[this.at]!;
    if (type === 0x63 || type === 0x64) this.valueType();
    else this.skipNumber();
  }

  #memoryArgument(): void {
    // Bit 6 of the alignment: a memory index follows.
    const alignment = this.number();
    this.skipNumbers((alignment & 0x40) !== 0 ? 2 : 1);
  }

  /** Reads one instruction and returns its first byte. */
  instruction(): number {
    const op = this.#bytes[this.at++]!;
    if (op >= 0x45 && op <= 0xc4) return op; // numeric
    if (op >= 0x28 && op <= 0x3e) this.#memoryArgument();
    else if (op >= 0x20 && op <= 0x26) this.skipNumber(); // variables and tables
    else {
      switch (op) {
        case 0x00: // unreachable
        case 0x01: // nop
        case 0x05: // else
        case 0x0a: // throw_ref
        case 0x0b: // end
        case 0x0f: // return
        case 0x19: // catch_all
        case 0x1a: // drop
        case 0x1b: // select
        case 0xd1: // ref.is_null
        case 0xd3: // ref.eq
        case 0xd4: // ref.as_non_null
          break;
        case 0x02: // block
        case 0x03: // loop
        case 0x04: // if
        case 0x06: // try
          this.#blockType();
          break;
        case 0x07: // catch
        case 0x08: // throw
        case 0x09: // rethrow
        case 0x0c: // br
        case 0x0d: // br_if
        case 0x10: // call
        case 0x12: // return_call
        case 0x14: // call_ref
        case 0x15: // return_call_ref
        case 0x18: // delegate
        case 0x3f: // memory.size
        case 0x41: // i32.const
        case 0x42: // i64.const
        case 0xd0: // ref.null
        case 0xd2: // ref.func
        case 0xd5: // br_on_null
        case 0xd6: // br_on_non_null
          this.skipNumber();
          break;
        case 0x11: // call_indirect
        case 0x13: // return_call_indirect
          this.skipNumbers(2);
          break;
        case 0x0e: // br_table
          this.skipNumbers(this.number() + 1);
          break;
        case 0x1c: // select of types
          for (let count = this.number(); count > 0; count--) this.valueType();
          break;
        case 0x1f: // try_table
          this.#blockType();
          for (let count = this.number(); count > 0; count--) {
            this.skipNumbers(this.number() < 2 ? 2 : 1);
          }
          break;
        case MEMORY_GROW:
          this.memory = this.number();
          break;
        case 0x43: // f32.const
          this.at += 4;
          break;
        case 0x44: // f64.const
          this.at += 8;
          break;
        case 0xfb:
          this.#reference(this.number());
          break;
        case 0xfc: {
          const sub = this.number();
          // Saturating truncation and wide arithmetic have no operands. data.drop, memory.fill, elem.drop, table.grow,
          // table.size and table.fill have one, the others two.
          if (sub >= 8 && sub <= 17) this.skipNumbers([8, 10, 12, 14].includes(sub) ? 2 : 1);
          else if (sub > 22) throw unknown(op, sub);
          break;
        }
        case 0xfd:
          this.#vector(this.number());
          break;
        case 0xfe: {
          const sub = this.number();
          if (sub === 3) this.at++; // atomic.fence
          else this.#memoryArgument();
          break;
        }
        default:
          throw unknown(op);
      }
    }
    return op;
  }

  /** Skips the operands of a garbage-collection instruction. */
  #reference(sub: number): void {
    if (sub > 30) throw unknown(0xfb, sub);
    if (sub === 24 || sub === 25) { // br_on_cast: flags, a label, two heap types
      this.at++;
      this.skipNumbers(3);
    } else if ([2, 3, 4, 5, 8, 9, 10, 17, 18, 19].includes(sub)) this.skipNumbers(2);
    else if (![15, 26, 27, 28, 29, 30].includes(sub)) this.skipNumber();
  }

  /** Skips the operands of a vector instruction. */
  #vector(sub: number): void {
    if (sub <= 11 || sub === 92 || sub === 93) this.#memoryArgument();
    else if (sub === 12 || sub === 13) this.at += 16; // a constant, or the lanes of a shuffle
    else if (sub >= 21 && sub <= 34) this.at++; // a lane index
    else if (sub >= 84 && sub <= 91) {
      this.#memoryArgument();
      this.at++;
    } else if (sub > 0x1ff) throw unknown(0xfd, sub);
  }
}

function unknown(...op: number[]): AppError {
  const code = op.map((byte) => `0x${byte.toString(16)}`).join(" ");
  return new AppError("PLUGIN_UNSUPPORTED", `It uses the instruction ${code}, which krew-wasm does not know`);
}

function invalid(what: string): AppError {
  return new AppError("WASM_INVALID", `It is not valid WebAssembly: ${what}`);
}

/** The memories of a module, imported ones first. The engine must have validated the module. */
export function readMemoryTypes(bytes: Uint8Array): MemoryType[] {
  const sections = readSections(bytes);
  const section = sections.find(({ id }) => id === MEMORY);
  const imported = readImportCounts(bytes, sections.find(({ id }) => id === IMPORT)).memories;
  if (!section) return imported;
  const reader = new Code(bytes, section.content);
  return [...imported, ...Array.from({ length: reader.number() }, () => limits(reader))];
}

/** Counts imported functions and globals, and reads the types of imported memories. */
function readImportCounts(bytes: Uint8Array, section: Section | undefined) {
  let functions = 0;
  let globals = 0;
  const memories: MemoryType[] = [];
  if (section) {
    const reader = new Code(bytes, section.content);
    for (let count = reader.number(); count > 0; count--) {
      reader.skipName(); // the module's
      reader.skipName();
      const kind = bytes[reader.at++]!;
      if (kind === 0) {
        functions++;
        reader.skipNumber();
      } else if (kind === 1) {
        reader.valueType();
        limits(reader);
      } else if (kind === 2) memories.push(limits(reader));
      else if (kind === 3) {
        globals++;
        reader.valueType();
        reader.at++;
      } else { // a tag
        reader.at++;
        reader.skipNumber();
      }
    }
  }
  return { functions, globals, memories };
}

/** A memory's type. */
export interface MemoryType {
  readonly address: "i32" | "i64";
  readonly shared: boolean;
}

function limits(reader: Code): MemoryType {
  const flags = reader.number();
  reader.skipNumbers((flags & 1) !== 0 ? 2 : 1);
  return { address: (flags & 4) !== 0 ? "i64" : "i32", shared: (flags & 2) !== 0 };
}

function countOf(bytes: Uint8Array, section: Section | undefined): number {
  return section ? readNumber(bytes, section.content).value : 0;
}

/** Counts the types, each member of a recursive group on its own. */
function countTypes(bytes: Uint8Array, section: Section | undefined): number {
  if (!section) return 0;
  const reader = new Code(bytes, section.content);
  let types = 0;
  const field = () => {
    // A packed type is one byte, like a value type without a heap type.
    reader.valueType();
    reader.at++;
  };
  const type = () => {
    types++;
    let form = bytes[reader.at++]!;
    if (form === 0x50 || form === 0x4f) { // a subtype: its supertypes
      reader.skipNumbers(reader.number());
      form = bytes[reader.at++]!;
    }
    if (form === 0x5f) { for (let fields = reader.number(); fields > 0; fields--) field(); }
    else if (form === 0x5e) field();
    else if (form === 0x60) {
      for (const _ of ["parameters", "results"]) {
        for (let values = reader.number(); values > 0; values--) reader.valueType();
      }
    } else throw unknown(form);
  };
  for (let groups = reader.number(); groups > 0; groups--) {
    if (bytes[reader.at] === 0x4e) {
      reader.at++;
      for (let members = reader.number(); members > 0; members--) type();
    } else type();
  }
  if (reader.at !== section.end) throw invalid("its types do not end where they say");
  return types;
}

export function readNumber(bytes: Uint8Array, at: number): { value: number; next: number } {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[at++];
    if (byte === undefined) break;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, next: at };
  }
  throw invalid(`the number before byte ${at} is too large`);
}

export function leb(value: number): number[] {
  const bytes: number[] = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push(value % 128 | (rest > 0 ? 0x80 : 0));
    value = rest;
  } while (value > 0);
  return bytes;
}

/** Signed LEB128 of a positive number. */
function signedLeb(value: number): number[] {
  const bytes = leb(value);
  const last = bytes.at(-1)!;
  // The highest bit is the sign.
  return last & 0x40 ? [...bytes.slice(0, -1), last | 0x80, 0] : bytes;
}

function name(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  return [...leb(bytes.length), ...bytes];
}
