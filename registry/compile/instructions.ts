/** Decodes the instructions of validated code (core specification 3.0, 5.4, with threads). Pure. */

import { AppError } from "../../runtime/base/errors.ts";
import { type Leb128, readLeb128 } from "../../runtime/base/leb128.ts";
import { invalid } from "./wasm_reader.ts";

/** memory.grow */
export const MEMORY_GROW = 0x40;
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

/** The error for an instruction or a type of a later version. */
export function unknown(...op: number[]): AppError {
  const code = op.map((byte) => `0x${byte.toString(16)}`).join(" ");
  return new AppError("PLUGIN_UNSUPPORTED", `It uses the instruction ${code}, which krew-wasm does not know`);
}

/** Reads an unsigned number. @throws AppError WASM_INVALID */
export function readNumber(bytes: Uint8Array, at: number): Leb128 {
  const read = readLeb128(bytes, at);
  if (!read) throw invalid(`the number at byte ${at} is too large, or cut short`);
  return read;
}
