/**
 * Refuses modules that were built for another host or that use WebAssembly features krew-wasm does not support. The
 * errors explain how to build them for WASI.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { readMemoryTypes } from "./module_types.ts";

const HOW =
  "build it for WASI: wasm32-wasip1 or wasm32-wasip2 (Rust), --target=wasm32-wasi (clang), GOOS=wasip1 (Go)";
const NO_THREADS = "plugins have no threads: build it for wasm32-wasip1, without -pthread";

/** Module names of WASI preview1, including its first snapshot. */
export const PREVIEW1 = /^wasi_(snapshot_preview1|unstable)$/;

/** An import of a core module, as the engine describes it. */
type Import = WebAssembly.ModuleImportDescriptor;

/** The error for an import that krew-wasm does not provide. Pure. */
export function unknownImport({ module, name }: Import): AppError {
  return new AppError(
    "PLUGIN_UNSUPPORTED",
    `It imports "${printable(name, 100)}" of "${printable(module, 100)}", which krew-wasm does not have`,
    { hint: wayOut(module, name) },
  );
}

function wayOut(module: string, name: string): string {
  if (/^wbg$|^__wbindgen|_bg(\.js|\.wasm)?$/.test(module)) {
    return `it was built for JavaScript, by wasm-bindgen; ${HOW}`;
  }
  if (module === "go" || module === "gojs") {
    return "it was built for browsers; build it with GOOS=wasip1 GOARCH=wasm";
  }
  if (module === "wasi" && name === "thread-spawn") return NO_THREADS;
  if (/^wasix_/.test(module)) return `it was built for WASIX; ${HOW}`;
  if (module === "env" && /^_?emscripten_|^__syscall_|^invoke_|^_emscripten/.test(name)) {
    return "it was built by Emscripten for browsers; build it with clang and wasi-libc, or with -sSTANDALONE_WASM";
  }
  if (module === "env" && name === "memory") return "build it without --import-memory";
  if (module === "env") {
    return `it was linked with unresolved symbols: "${printable(name, 100)}" is in no library`;
  }
  if (PREVIEW1.test(module)) return "WASI preview1 has no such function";
  return "a plugin is a WASI preview1 command or a WASI 0.2 component";
}

/**
 * Refuses a module that is not a program.
 *
 * @throws AppError PLUGIN_UNSUPPORTED
 */
export function refuseLibrary(
  exports: readonly WebAssembly.ModuleExportDescriptor[],
  imports: readonly Import[],
): void {
  const has = (name: string, kind: string) => exports.some((one) => one.name === name && one.kind === kind);
  const lacking = [has("_start", "function") ? [] : "_start", has("memory", "memory") ? [] : "memory"].flat();
  if (lacking.length === 0) return;
  if (has("_initialize", "function")) {
    throw new AppError(
      "PLUGIN_UNSUPPORTED",
      "It is a reactor, a library that waits for calls: it exports no _start",
      {
        hint: "build it as a command (for clang: without -mexec-model=reactor)",
      },
    );
  }
  throw new AppError(
    "PLUGIN_UNSUPPORTED",
    `It is a library, not a program: it exports no ${lacking.join(" and no ")}`,
    {
      hint: imports.some(({ module }) => module.startsWith("wasi_"))
        ? "a plugin is a WASI command: a program with a main function"
        : `${HOW}; for wasm32-unknown-unknown there is no host`,
    },
  );
}

/**
 * Refuses memories that WASI functions cannot read, and memories whose growth `--max-memory` could not limit.
 *
 * @param bytes a module that the engine has validated
 * @throws AppError PLUGIN_UNSUPPORTED
 */
export function refuseMemories(bytes: Uint8Array): void {
  const memories = readMemoryTypes(bytes);
  if (memories.some(({ address }) => address === "i64")) {
    throw new AppError("PLUGIN_UNSUPPORTED", "It has a memory with addresses of 64 bits (memory64)", {
      hint: "WASI has none; build it for wasm32",
    });
  }
  if (memories.some(({ shared }) => shared)) {
    throw new AppError("PLUGIN_UNSUPPORTED", "It has a memory that threads share", { hint: NO_THREADS });
  }
}
