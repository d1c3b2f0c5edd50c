/**
 * Work that can run while another thread still computes the digest of the plugin's bytes: compiling them, which executes
 * nothing, and loading the parts of krew-wasm that the plugin needs.
 */

import { preloadTree } from "../wasi/files/open_tree.ts";
import type { PluginKind } from "../store/receipt.ts";

/** Compiled modules by their bytes. The bytes are in memory and do not change. */
const compiled = new WeakMap<Uint8Array, WebAssembly.Module>();

/**
 * Compiles a plugin's modules and starts to load what it needs. Does not fail: errors in the bytes surface when the run
 * uses them, after the check of their digest.
 */
export function prepare(kind: PluginKind, files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): void {
  try {
    for (const [file, bytes] of files) {
      if (file.endsWith(".wasm")) compiled.set(bytes, new WebAssembly.Module(bytes));
    }
    const imports = [...files.values()].flatMap((bytes) => {
      const module = compiled.get(bytes);
      return module ? WebAssembly.Module.imports(module) : [];
    });
    const loads: Promise<unknown>[] = [];
    if (kind === "component") loads.push(import("./component.ts"), preloadTree());
    else {
      const from = (name: string) => imports.some(({ module }) => module === name);
      if (imports.some(({ name }) => name.startsWith("path_"))) loads.push(preloadTree());
      if (from("wasi-outbound-http")) loads.push(import("../wasi/p1/outbound_http.ts"));
      if (from("krew_wasm_kubernetes")) loads.push(import("../wasi/p1/kubernetes_imports.ts"));
    }
    for (const load of loads) load.catch(() => {});
  } catch { /* told when it is used */ }
}

/** The module for checked bytes, compiled on demand. @throws WebAssembly.CompileError */
export function moduleOf(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  return compiled.get(bytes) ?? new WebAssembly.Module(bytes);
}
