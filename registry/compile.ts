/**
 * From a plugin's WebAssembly to what a run loads: a core module is validated and stripped, a component becomes core
 * modules and JavaScript by jco. The only importer of the transpiler; names and strings of a plugin never become code
 * but through jco's own quoting.
 */

import { AppError, messageOf } from "../runtime/errors.ts";
import { printable } from "../runtime/text.ts";
import { COMPONENT_ENTRY } from "../runtime/component.ts";
import type { PluginKind } from "../runtime/store/receipt.ts";
import { readSections, stripModule, wasmKind } from "./wasm.ts";

/** A plugin's compiled form. */
export interface Compiled {
  readonly kind: PluginKind;
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }[];
}

/** What a core module may import, by module name. */
const CORE_MODULES: ReadonlySet<string> = new Set([
  "wasi_snapshot_preview1",
  "wasi_unstable",
  "wasi-outbound-http",
]);
/** What a component may import, by package. */
const PACKAGES = /^(wasi:(cli|clocks|filesystem|io|random|sockets|http)|krew-wasm:kubernetes)\//;
const NETWORK = /^(wasi:http|wasi:sockets|krew-wasm:kubernetes)\//;

/**
 * Compiles a plugin.
 *
 * @throws AppError WASM_INVALID, PLUGIN_UNSUPPORTED, COMPILE_FAILED
 */
export async function compilePlugin(bytes: Uint8Array<ArrayBuffer>): Promise<Compiled> {
  if (wasmKind(bytes) === "component") return await compileComponent(bytes);
  // wit-bindgen leaves the component's types in a custom section of the core module.
  if (readSections(bytes).some(({ name }) => name?.startsWith("component-type"))) {
    return await compileComponent(await componentOf(bytes));
  }
  return await compileModule(bytes);
}

async function compileModule(bytes: Uint8Array<ArrayBuffer>): Promise<Compiled> {
  const stripped = stripModule(bytes);
  let module: WebAssembly.Module;
  try {
    // Whole validation here lets a run validate each function when it is first called.
    if (!WebAssembly.validate(stripped)) await WebAssembly.compile(stripped);
    module = await WebAssembly.compile(stripped);
  } catch (error) {
    throw new AppError("WASM_INVALID", `It is not valid WebAssembly: ${printable(messageOf(error), 300)}`);
  }
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    if (CORE_MODULES.has(from)) continue;
    throw new AppError(
      "PLUGIN_UNSUPPORTED",
      `It imports "${printable(name, 100)}" of "${printable(from, 100)}", which krew-wasm does not have`,
      {
        hint: from === "env"
          ? "it was linked with unresolved symbols"
          : "a plugin is a WASI preview1 command or a WASI 0.2 component",
      },
    );
  }
  const exported = WebAssembly.Module.exports(module);
  const has = (name: string, kind: string) => exported.some((one) => one.name === name && one.kind === kind);
  if (!has("_start", "function") || !has("memory", "memory")) {
    throw new AppError(
      "PLUGIN_UNSUPPORTED",
      "It is a library, not a program: it exports no _start and memory",
      {
        hint: "a plugin is a WASI command",
      },
    );
  }
  return { kind: "preview1", files: [{ name: "plugin.wasm", bytes: stripped }] };
}

/** A component of a core module that carries component types. */
async function componentOf(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const { componentNew } = await import("@bytecodealliance/jco-transpile/wasm-tools");
  try {
    return (await componentNew(bytes, [["wasi_snapshot_preview1", await readAdapter()]])).slice();
  } catch (error) {
    throw new AppError(
      "COMPILE_FAILED",
      `It can't be made into a component: ${printable(reason(error), 300)}`,
    );
  }
}

/** The preview1 command adapter of the Bytecode Alliance, as jco carries it. */
async function readAdapter(): Promise<Uint8Array> {
  const name = "wasi_snapshot_preview1.command.wasm";
  const url = Deno.build.standalone
    ? new URL(`./${name}.bin`, import.meta.url)
    : new URL(`../node_modules/@bytecodealliance/jco/lib/${name}`, import.meta.url);
  return await Deno.readFile(url);
}

// Patches of WASI 0.2 that jco may find in an import's name.
const PATCHES = Array.from({ length: 32 }, (_, patch) => `@0.2.${patch}`);
// What waits for more than the file system, by import.
const WAITING: Readonly<Record<string, readonly string[]>> = {
  "wasi:io/poll": ["poll", "[method]pollable.block"],
  "wasi:filesystem/types": [
    "[method]descriptor.open-at",
    "[method]descriptor.stat-at",
    "[method]descriptor.metadata-hash-at",
  ],
};
const WAITING_READS: readonly string[] = [
  "[method]input-stream.blocking-read",
  "[method]input-stream.blocking-skip",
];
const WAITING_WRITES: readonly string[] = [
  "[method]output-stream.blocking-write-and-flush",
  "[method]output-stream.blocking-write-zeroes-and-flush",
  "[method]output-stream.blocking-flush",
  "[method]output-stream.blocking-splice",
];

/** The imports that may suspend. Those of streams only where a stream may be a network's, as each costs at every call. */
function suspendingImports(imports: readonly string[]): string[] {
  const network = imports.some((name) => NETWORK.test(name));
  const polls = imports.includes("wasi:io/poll");
  const functions: Record<string, readonly string[]> = {
    ...WAITING,
    "wasi:io/streams": [...(network || polls ? WAITING_READS : []), ...(network ? WAITING_WRITES : [])],
  };
  const wasi = Object.entries(functions).flatMap(([name, list]) =>
    imports.includes(name)
      ? list.flatMap((each) => PATCHES.map((version) => `${name}${version}#${each}`))
      : []
  );
  const ours = imports.some((name) => name.startsWith("krew-wasm:"))
    ? ["current", "send"].map((each) => `krew-wasm:kubernetes/cluster@0.1.0#${each}`)
    : [];
  return [...wasi, ...ours];
}

async function compileComponent(bytes: Uint8Array): Promise<Compiled> {
  const { $init, generate } = await import("@bytecodealliance/jco-transpile/component");
  await $init;
  const options = {
    name: "plugin",
    noTypescript: true,
    noNodejsCompat: true,
    base64Cutoff: 0,
    instantiation: { tag: "async" as const },
  };
  const attempt = (suspending: readonly string[]) => {
    try {
      return generate(bytes, {
        ...options,
        asyncMode: suspending.length === 0 ? { tag: "sync" } : {
          tag: "jspi",
          val: {
            imports: [...suspending],
            exports: PATCHES.map((version) => `wasi:cli/run${version}#run`),
          },
        },
      });
    } catch (error) {
      const why = printable(reason(error), 300);
      throw new AppError("COMPILE_FAILED", `The component can't be compiled: ${why}`, {
        hint: "krew-wasm runs WASI 0.2 components",
      });
    }
  };
  let result = attempt([]);
  for (const name of result.imports) {
    if (!PACKAGES.test(name)) {
      throw new AppError(
        "PLUGIN_UNSUPPORTED",
        `It imports "${printable(name, 200)}", which krew-wasm does not have`,
        {
          hint:
            "a plugin may import wasi:cli, clocks, filesystem, io, random, sockets, http and krew-wasm:kubernetes",
        },
      );
    }
  }
  const exports = result.exports.map(([name]) => name);
  if (!exports.some((name) => name.startsWith("wasi:cli/run@0.2."))) {
    throw new AppError(
      "PLUGIN_UNSUPPORTED",
      `It exports no wasi:cli/run of WASI 0.2, but ${printable(exports.join(", "), 300) || "nothing"}`,
      {
        hint: "a plugin is a command",
      },
    );
  }
  const suspending = suspendingImports(result.imports);
  if (suspending.length > 0) result = attempt(suspending);
  return {
    kind: "component",
    files: result.files.filter(([name]) => !name.endsWith(".d.ts")).map(([name, content]) => ({
      name: name === "plugin.js" ? COMPONENT_ENTRY : name,
      bytes: name.endsWith(".js")
        ? withoutDebug(content)
        : name.endsWith(".wasm")
        ? stripModule(content)
        : content.slice(),
    })),
  };
}

/**
 * jco 1.35 asks the environment for JCO_DEBUG in every call of the generated code, which is an operation of Deno's and
 * makes streams three to ten times slower. To be reported to bytecodealliance/jco: the answer can't change.
 */
export function withoutDebug(source: Uint8Array): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder().decode(source).replaceAll(
    /globalThis\?*\.process\?*\.env\?*\.JCO_DEBUG/g,
    "false",
  );
  if (text.includes("JCO_DEBUG")) {
    throw new AppError("INTERNAL", "jco's debugging is in another place than expected");
  }
  return new TextEncoder().encode(text);
}

function reason(error: unknown): string {
  const { payload } = error as { payload?: unknown };
  return typeof payload === "string" ? payload : messageOf(error);
}
