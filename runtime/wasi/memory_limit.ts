/**
 * Limits the size of a plugin's memories. Compiled modules count their own growth
 * (registry/compile/count_memory_growth.ts) against a global that this file sets for each instance.
 */

import { AppError } from "../base/errors.ts";
import { readLeb128 } from "../base/leb128.ts";
import { printable } from "../base/text.ts";
import { wasmSections } from "../base/wasm_sections.ts";

/** The export of a compiled module with its limit in pages; -1 after the limit was reached. */
export const LIMIT_EXPORT = "krew-wasm:memory-limit";
/**
 * The custom section of a compiled module that defines objects. The engine keeps those outside of the module's
 * memories.
 */
export const OBJECTS_SECTION = "krew-wasm:objects";
/** The maximum size of a 32-bit memory. */
export const PAGES_OF_WASM32 = 65536;
const PAGE = 65536;

/** Ends a plugin whose memory would have grown past its limit. */
export class MemoryExceeded extends Error {
  override readonly name = "MemoryExceeded";

  /** @param bytes the limit */
  constructor(readonly bytes: number, options: { cause: unknown }) {
    super(`its memory would have grown past the limit of ${sizeOf(bytes)}`, options);
  }
}

/** The limit of each memory of one run. */
export class MemoryLimit {
  #pages: number;
  #bytes: number;
  #counters: WebAssembly.Global[] = [];

  /** @param bytes the limit */
  constructor(bytes: number) {
    this.#bytes = bytes;
    this.#pages = Math.min(Math.floor(bytes / PAGE), PAGES_OF_WASM32);
  }

  /**
   * Refuses a module whose initial memory is too large. @throws AppError PLUGIN_UNSUPPORTED
   *
   * @param bytes the module's
   */
  check(bytes: Uint8Array): void {
    if (this.#pages === PAGES_OF_WASM32) return;
    const pages = initialPages(bytes);
    if (pages <= this.#pages) return;
    throw new AppError(
      "PLUGIN_UNSUPPORTED",
      `The plugin's memory is ${sizeOf(pages * PAGE)} from the start, its limit ${sizeOf(this.#bytes)}`,
      { hint: "--max-memory sets the limit" },
    );
  }

  /**
   * Refuses a module that defines objects (structures and arrays), because only the engine limits them.
   * @throws AppError PLUGIN_UNSUPPORTED
   */
  checkObjects(module: WebAssembly.Module): void {
    if (this.#pages === PAGES_OF_WASM32) return;
    if (WebAssembly.Module.customSections(module, OBJECTS_SECTION).length === 0) return;
    throw new AppError(
      "PLUGIN_UNSUPPORTED",
      `The plugin has objects of WebAssembly's, which can't be held to a limit of ${sizeOf(this.#bytes)}`,
      { hint: "run it without --max-memory, or build it for linear memory" },
    );
  }

  /** Sets the limit of an instance. */
  set({ exports }: WebAssembly.Instance): void {
    const counter = exports[LIMIT_EXPORT];
    if (!(counter instanceof WebAssembly.Global)) return;
    counter.value = this.#pages;
    this.#counters.push(counter);
  }

  /** The plugin's error: if it trapped at its limit, an error that says so. */
  explain(error: unknown): unknown {
    const met = error instanceof WebAssembly.RuntimeError && this.#counters.some(({ value }) => value === -1);
    return met ? new MemoryExceeded(this.#bytes, { cause: error }) : error;
  }
}

/** The initial size of a module's largest own memory, in pages. */
function initialPages(bytes: Uint8Array): number {
  const MEMORY_SECTION = 5;
  for (const { id, content } of wasmSections(bytes)) {
    if (id !== MEMORY_SECTION) continue;
    let at = content;
    const number = () => {
      const read = readLeb128(bytes, at);
      at = read?.next ?? bytes.length;
      return read?.value ?? 0;
    };
    let most = 0;
    for (let count = number(); count > 0; count--) {
      const flags = number();
      most = Math.max(most, number());
      if ((flags & 1) !== 0) number();
    }
    return most;
  }
  return 0;
}

/** Bytes in words, such as `512 MiB`. */
function sizeOf(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (bytes >= 1024 && bytes % 1024 === 0 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${printable(String(bytes))} ${units[unit]}`;
}
