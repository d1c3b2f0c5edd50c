/**
 * Calls of libc's `syscall` through Deno's FFI: one symbol serves all system calls.
 *
 * The library is opened once, before the plugin runs. Later calls need no permission, so the process can give up
 * `ffi` in between. Pointers refer to one buffer that lives as long as this object. The plugin's memory is passed as a
 * view, whose address the engine takes at each call, so the memory may grow.
 */

import { isAbsence, WasiError } from "../../errno.ts";
import type { GuestPath } from "../file_tree.ts";
import { ERRNOS, NUMBERS, type Numbers } from "./call_numbers.ts";

const PATH_MAX = 4096;

// The scratch buffer that pointers refer to: two paths, the structures of statx, openat2 and utimensat, an empty
// path, pinned paths.
const FIRST_PATH = 0;
const SECOND_PATH = 8192;
export const STATX = 16384;
export const HOW = 16640;
export const TIMES = 16672;
const EMPTY = 16704;
export const LIMITS = 16712;
export const STATFS = 16744;
export const TARGET = 16896;
/** The end of {@linkcode TARGET}, and the start of the pinned paths. */
export const PINNED = 24576;
const SCRATCH = 57344;

/**
 * libc's `syscall` with five of its six arguments; -1 for a failure, with the reason in errno. All are bigints: a
 * single number among them makes the engine leave its fast path, and the call takes three times as long.
 */
type Syscall = (
  number: bigint,
  a: bigint,
  b: bigint,
  c: bigint,
  d: bigint,
  e: bigint,
) => number;
type BufferSyscall = (
  number: bigint,
  a: bigint,
  b: Uint8Array<ArrayBuffer>,
  c: bigint,
  d: bigint,
) => number;

/** libc, as {@linkcode loadLibc} opened it. */
export interface Libc {
  readonly call: Syscall;
  /** The third argument is a view: reads, writes and directory entries use that memory directly. */
  readonly callWith: BufferSyscall;
  /** errno of this thread, which makes all calls. Reading it as memory needs no permission. */
  readonly errno: Int32Array;
}

/** Opens libc. Needs the permission `ffi`. */
export function loadLibc(): Libc {
  const { symbols } = Deno.dlopen("libc.so.6", {
    syscall: { parameters: ["i64", "i64", "i64", "i64", "i64", "i64"], result: "i32" },
    transfer: {
      name: "syscall",
      parameters: ["i64", "i64", "buffer", "i64", "i64"],
      result: "i32",
    },
    __errno_location: { parameters: [], result: "pointer" },
  });
  return {
    call: symbols.syscall as Syscall,
    callWith: symbols.transfer as unknown as BufferSyscall,
    errno: new Int32Array(Deno.UnsafePointerView.getArrayBuffer(symbols.__errno_location()!, 4)),
  };
}

const encoder = new TextEncoder();

/** The buffer for the calls' arguments and results, and their failures as WasiError. */
export class LibcCalls {
  protected readonly call: Syscall;
  protected readonly callWith: BufferSyscall;
  protected readonly errno: Int32Array;
  protected readonly numbers: Numbers;
  protected readonly scratch = new Uint8Array(SCRATCH);
  protected readonly view = new DataView(this.scratch.buffer);
  /** Addresses of the scratch buffer's parts. */
  protected readonly at: Readonly<
    Record<"first" | "second" | "statx" | "how" | "times" | "empty" | "limits" | "statfs" | "target", bigint>
  >;
  /** Host paths that are used repeatedly, by their address in the scratch buffer. */
  #pinned = new Map<string, bigint>();
  #pinnedTo = PINNED;
  #base: bigint;

  constructor({ call, callWith, errno }: Libc) {
    this.call = call;
    this.callWith = callWith;
    this.errno = errno;
    this.numbers = NUMBERS[Deno.build.arch];
    const base = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(this.scratch)));
    this.#base = base;
    const at = (offset: number) => base + BigInt(offset);
    this.at = {
      first: at(FIRST_PATH),
      second: at(SECOND_PATH),
      statx: at(STATX),
      how: at(HOW),
      times: at(TIMES),
      empty: at(EMPTY),
      limits: at(LIMITS),
      statfs: at(STATFS),
      target: at(TARGET),
    };
  }

  /** The reason of the last failure. */
  protected error(): WasiError {
    return new WasiError(ERRNOS[this.errno[0]!] ?? "io");
  }

  /** Returns undefined if the last call failed because nothing is there. Otherwise throws the failure. */
  protected unlessAbsent(): undefined {
    const error = this.error();
    if (!isAbsence(error)) throw error;
  }

  protected check(result: number): number {
    if (result < 0) throw this.error();
    return result;
  }

  protected putFirst(path: GuestPath): bigint {
    this.#put(path, FIRST_PATH);
    return this.at.first;
  }

  protected putSecond(path: GuestPath): bigint {
    this.#put(path, SECOND_PATH);
    return this.at.second;
  }

  /** Stores a path permanently while the buffer has space. */
  protected pin(path: string): bigint {
    const known = this.#pinned.get(path);
    if (known !== undefined) return known;
    const at = this.#pinnedTo;
    // No UTF-16 unit takes more than three bytes.
    if (at + path.length * 3 + 1 > SCRATCH) return this.putFirst(path);
    this.#put(path, at);
    this.#pinnedTo = this.scratch.indexOf(0, at) + 1;
    const pointer = this.#base + BigInt(at);
    this.#pinned.set(path, pointer);
    return pointer;
  }

  #put(path: GuestPath, at: number): void {
    const scratch = this.scratch;
    let length: number;
    if (typeof path === "string") {
      const { read, written } = encoder.encodeInto(path, scratch.subarray(at, at + PATH_MAX));
      if (read < path.length) throw new WasiError("name-too-long");
      if (path.includes("\0")) throw new WasiError("invalid");
      length = written;
    } else {
      length = path.length;
      if (length > PATH_MAX) throw new WasiError("name-too-long");
      for (let index = 0; index < length; index++) {
        const byte = path[index]!;
        if (byte === 0) throw new WasiError("invalid");
        scratch[at + index] = byte;
      }
    }
    scratch[at + length] = 0;
  }
}

/** Bigints of small numbers such as descriptors. Making one takes as long as a check. */
const SMALL = Array.from({ length: 64 }, (_, number) => BigInt(number));

export function big(number: number): bigint {
  return SMALL[number] ?? BigInt(number);
}
