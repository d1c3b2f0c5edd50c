/**
 * Work that can run while another thread still computes the digest of the plugin's bytes: compiling them, which executes
 * nothing, and loading the parts of krew-wasm that the plugin needs.
 */

import { preloadTree } from "../wasi/files/open_tree.ts";
import type { PluginKind } from "../store/receipt.ts";

/** Compiled modules by file name. */
export type Modules = ReadonlyMap<string, WebAssembly.Module>;

/**
 * Compiles a plugin's modules and starts to load what it needs. Does not fail: it leaves out a module with errors, and the
 * run reports them after the check of the bytes' digest.
 */
export function prepare(kind: PluginKind, files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): Modules {
  const modules = new Map<string, WebAssembly.Module>();
  try {
    for (const [file, bytes] of files) {
      if (file.endsWith(".wasm")) modules.set(file, new WebAssembly.Module(bytes));
    }
    const imports = [...modules.values()].flatMap((module) => WebAssembly.Module.imports(module));
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
  return modules;
}
