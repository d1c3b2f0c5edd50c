/**
 * Compiles a plugin's WebAssembly to the form that a run loads. A core module is validated and stripped; jco turns a
 * component into core modules and JavaScript. The only importer of the transpiler.
 *
 * jco does not quote every name that it writes into JavaScript. A plugin with a name that could become code is refused.
 */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { COMPONENT_ENTRY } from "../../runtime/run/component.ts";
import type { PluginKind } from "../../runtime/store/receipt.ts";
import { LIMIT_EXPORT, OBJECTS_SECTION } from "../../runtime/wasi/memory_limit.ts";
import { readAsset } from "./carried_assets.ts";
import { refuseLibrary, refuseMemories, unknownImport } from "./foreign_modules.ts";
import { componentScript } from "./rewrite_jco_output.ts";
import { countGrowth } from "./count_memory_growth.ts";
import { checkFunctionTypes, definesObjects, isHostFunction } from "./function_types.ts";
import { readComponent } from "./component_reader.ts";
import { ServedTypes } from "./served_interfaces.ts";
import { refuseNesting } from "./nesting.ts";
import { limitTables, MAX_ENTRIES } from "./table_limits.ts";
import { refuseLargeTypes, refuseUnfolding } from "./type_size.ts";
import { refuseBomb, refuseImports } from "./binary_limits.ts";
import { type ComponentNames, readComponentNames, readLinkNames } from "./import_names.ts";
import { stripModule } from "./strip_module.ts";
import { readSections, wasmKind } from "./wasm_reader.ts";

/** A plugin's compiled form. */
export interface Compiled {
  readonly kind: PluginKind;
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }[];
}

const NETWORK = /^(wasi:http|wasi:sockets|krew-wasm:kubernetes)\//;

/**
 * Compiles a plugin.
 *
 * @throws AppError WASM_INVALID, TOO_LARGE, PLUGIN_UNSUPPORTED, COMPILE_FAILED
 */
export async function compilePlugin(bytes: Uint8Array<ArrayBuffer>): Promise<Compiled> {
  refuseBomb(bytes, refuseNesting);
  if (wasmKind(bytes) === "component") return await compileComponent(bytes);
  // wit-bindgen leaves the component's types in a custom section of the core module.
  if (readSections(bytes).some(({ name }) => name?.startsWith("component-type"))) {
    return await compileComponent(await componentOf(bytes));
  }
  return compileModule(bytes);
}

/** Validates every function of a module, so that a run can skip that. @throws AppError WASM_INVALID */
function validated(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  try {
    const module = new WebAssembly.Module(bytes);
    // With lazy validation, `new Module` validates a function only at its first call.
    if (WebAssembly.validate(bytes)) return module;
  } catch (error) {
    const why = printable(messageOf(error).replace(/^WebAssembly\.\w+\(\): /, ""), 300);
    throw new AppError("WASM_INVALID", `It is not valid WebAssembly: ${why}`, { hint: newer() });
  }
  throw new AppError("WASM_INVALID", "It is not valid WebAssembly: one of its functions is not", {
    hint: newer(),
  });
}

function newer(): string {
  return `or it needs more of WebAssembly than this engine, V8 ${
    Deno.version.v8.split(".", 2).join(".")
  }, knows`;
}

function compileModule(bytes: Uint8Array<ArrayBuffer>): Compiled {
  const { files, imports, exports } = compileCore(bytes, MODULE);
  for (const each of imports) {
    if (each.kind !== "function" || !isHostFunction(each.module, each.name)) throw unknownImport(each);
  }
  refuseLibrary(exports, imports);
  checkFunctionTypes(files[0]!.bytes);
  return { kind: "preview1", files };
}

/** The name of a preview1 plugin's module among its compiled files. */
const MODULE = "plugin.wasm";

/** The most table entries of a component: its largest module's entries times its instances. */
const MAX_ENTRIES_IN_ALL = 10 * MAX_ENTRIES;

interface CompiledCore {
  readonly files: Compiled["files"];
  /** Entries of its tables at the start. */
  readonly entries: number;
  readonly imports: readonly WebAssembly.ModuleImportDescriptor[];
  /** Without those that krew-wasm adds. */
  readonly exports: readonly WebAssembly.ModuleExportDescriptor[];
}

/**
 * Prepares a core module for running: validates and strips it, counts its memory growth and limits its tables' growth.
 * Also returns the names of its functions, if it has them. A large module is validated twice at most, before and after
 * these changes, because that takes most of the time.
 *
 * @param check checks the names of imports and exports first
 * @throws AppError WASM_INVALID, PLUGIN_UNSUPPORTED
 */
function compileCore(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  check: (names: Iterable<string>) => void = () => {},
): CompiledCore {
  refuseImports(bytes);
  const { imports, exports } = interfaceOf(bytes);
  check([...imports.flatMap(({ module, name }) => [module, name]), ...exports.map(({ name }) => name)]);
  if (exports.some(({ name }) => name === LIMIT_EXPORT)) {
    throw new AppError("PLUGIN_UNSUPPORTED", `It exports "${LIMIT_EXPORT}", a name that krew-wasm needs`);
  }
  refuseMemories(bytes);
  const stripped = stripModule(bytes, name, definesObjects(bytes) ? [OBJECTS_SECTION] : []);
  const { bytes: limited, entries } = limitTables(countGrowth(stripped.bytes));
  if (limited !== stripped.bytes && !WebAssembly.validate(limited)) {
    throw new AppError("INTERNAL", "The growth of its memory and tables can't be counted");
  }
  return {
    entries,
    imports,
    exports,
    files: [
      { name, bytes: limited },
      ...(stripped.names ? [{ name: `${name}.names`, bytes: stripped.names }] : []),
    ],
  };
}

/** A module's imports and exports. The module itself, with the engine's copy of the bytes, becomes garbage. */
function interfaceOf(bytes: Uint8Array<ArrayBuffer>): Pick<CompiledCore, "imports" | "exports"> {
  const module = validated(bytes);
  return { imports: WebAssembly.Module.imports(module), exports: WebAssembly.Module.exports(module) };
}

/** Wraps a core module that carries component types into a component. */
async function componentOf(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  for (const { name, data, end } of readSections(bytes)) {
    if (name?.startsWith("component-type")) refuseLargeTypes(bytes.subarray(data, end));
  }
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
  if (!Deno.build.standalone) {
    return await Deno.readFile(
      new URL(`../../node_modules/@bytecodealliance/jco/lib/${name}`, import.meta.url),
    );
  }
  return await readAsset(name);
}

// The functions that may suspend, by interface and function. Each costs time at every call, so list a function only if
// it may have to wait.
const WAITING_ALWAYS: Readonly<Record<string, readonly string[]>> = {
  "wasi:io/poll": ["poll", "[method]pollable.block"],
  // The redacted kubeconfig is made at the first access.
  "wasi:filesystem/types": [
    "[method]descriptor.open-at",
    "[method]descriptor.stat-at",
    "[method]descriptor.metadata-hash-at",
  ],
  "krew-wasm:kubernetes/cluster": ["current", "send", "start", "[method]upload.response"],
  "krew-wasm:kubernetes/upgrade": ["open"],
};
// A read of stdin waits if a poll has started to read ahead.
const WAITING_READS: readonly string[] = [
  "[method]input-stream.blocking-read",
  "[method]input-stream.blocking-skip",
];
const WAITING_WRITES: readonly string[] = [
  "[method]output-stream.blocking-write-and-flush",
  "[method]output-stream.blocking-write-zeroes-and-flush",
  "[method]output-stream.blocking-flush",
];
const WAITING_SPLICE = "[method]output-stream.blocking-splice";

/** The functions that may suspend the component, as `interface@version#function`. Pure. */
export function suspendingImports(imports: readonly string[]): string[] {
  const network = imports.some((name) => NETWORK.test(name));
  const polls = imports.some((name) => name.startsWith("wasi:io/poll@"));
  return imports.flatMap((name) => {
    const versionless = name.replace(/@.*/, "");
    const functions = versionless === "wasi:io/streams"
      ? [
        ...(network || polls ? [...WAITING_READS, WAITING_SPLICE] : []),
        ...(network ? WAITING_WRITES : []),
      ]
      : WAITING_ALWAYS[versionless] ?? [];
    return functions.map((each) => `${name}#${each}`);
  });
}

/** @throws AppError PLUGIN_UNSUPPORTED */
function refuseLater({ imports, exports }: ComponentNames): void {
  const later = [...imports, ...exports].find((name) => /^wasi:[a-z]+\/[a-z-]+@0\.[3-9]\./.test(name));
  if (later !== undefined) {
    throw new AppError(
      "PLUGIN_UNSUPPORTED",
      `It is made for a later WASI: it needs "${printable(later, 200)}"`,
      {
        hint: "build it for WASI 0.2 (wasm32-wasip2); krew-wasm does not run later versions yet",
      },
    );
  }
}

/** The name under which a component exports its program. @throws AppError PLUGIN_UNSUPPORTED */
function programOf({ exports }: ComponentNames): string {
  const run = exports.find((name) => /^wasi:cli\/run@0\.2\.\d+$/.test(name));
  if (run === undefined) {
    throw new AppError(
      "PLUGIN_UNSUPPORTED",
      `It exports no wasi:cli/run of WASI 0.2, but ${printable(exports.join(", "), 300) || "nothing"}`,
      { hint: "a plugin is a command" },
    );
  }
  return run;
}

/**
 * Characters that are safe between quotes of any kind, in a template, and in a comment. Toolchains use letters, digits
 * and `_-.:/@#$[]<>|~` in names.
 */
const HARMLESS = /^(?!.*(?:\*\/|\$\{|<!--|-->))[\x20-\x7e]*$/;
const QUOTES = /['"`\\]/;

/**
 * jco 1.35 writes names of core modules unescaped into its JavaScript, between single quotes. A name with a quote would
 * run code with the user's rights, so the plugin is refused.
 *
 * @throws AppError PLUGIN_UNSUPPORTED
 */
function checkHarmless(names: Iterable<string>): void {
  for (const name of names) {
    if (HARMLESS.test(name) && !QUOTES.test(name)) continue;
    throw new AppError(
      "PLUGIN_UNSUPPORTED",
      `It has a part named "${printable(name, 200)}", which could be taken for code`,
      { hint: "names of imports and exports are printable ASCII without quotes and backslashes" },
    );
  }
}

async function compileComponent(bytes: Uint8Array): Promise<Compiled> {
  const names = readComponentNames(bytes);
  refuseLater(names);
  const served = new ServedTypes();
  const report = readComponent(bytes, served.numbers);
  refuseUnfolding(report, bytes.length);
  served.check(report.imports);
  const run = programOf(names);
  checkHarmless(readLinkNames(bytes));
  const suspending = suspendingImports(names.imports);
  const { $init, generate } = await import("@bytecodealliance/jco-transpile/component");
  await $init;
  let generated;
  try {
    generated = generate(bytes, {
      name: "plugin",
      noTypescript: true,
      noNodejsCompat: true,
      base64Cutoff: 0,
      // `run`'s error has no payload: it throws undefined.
      noComponentErrorWrapping: true,
      // A run has already compiled the modules; only calls wait.
      instantiation: { tag: "sync" },
      asyncMode: suspending.length === 0
        ? { tag: "sync" }
        : { tag: "jspi", val: { imports: suspending, exports: [`${run}#run`] } },
    });
  } catch (error) {
    throw new AppError(
      "COMPILE_FAILED",
      `The component can't be compiled: ${printable(reason(error), 300)}`,
      {
        cause: error,
      },
    );
  }
  const cores = generated.files.filter(([name]) => name.endsWith(".wasm"))
    .map(([name, content]) => compileCore(content.slice(), name, checkHarmless));
  const script = generated.files.find(([name]) => name === COMPONENT_ENTRY);
  if (!script) throw new AppError("INTERNAL", "jco made no JavaScript of it");
  const text = componentScript(new TextDecoder().decode(script[1]), run, generated.imports);
  const entries = report.unfolded.instances * Math.max(0, ...cores.map(({ entries }) => entries));
  if (entries > MAX_ENTRIES_IN_ALL) {
    throw new AppError(
      "TOO_LARGE",
      `The tables of its modules may have ${entries} entries, more than ${MAX_ENTRIES_IN_ALL}`,
    );
  }
  return {
    kind: "component",
    files: [
      { name: COMPONENT_ENTRY, bytes: new TextEncoder().encode(text) },
      ...cores.flatMap(({ files }) => files),
    ],
  };
}

function reason(error: unknown): string {
  const { payload } = error as { payload?: unknown };
  return typeof payload === "string" ? payload : messageOf(error);
}
