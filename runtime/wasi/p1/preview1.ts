// deno-lint-ignore-file camelcase -- the functions have the names that the specification gives them

/**
 * The host of WASI preview1 core modules: the 46 functions of `wasi_snapshot_preview1`, and its predecessor
 * `wasi_unstable` (snapshot 0), over the file tree and the sandbox's streams. Bytes pass directly between the
 * module's memory and the operating system.
 *
 * Follows WebAssembly/WASI, legacy/preview1/docs.md and witx, and wasi-libc for cases that those leave open.
 */

import { AppError } from "../../base/errors.ts";
import type { Sandbox } from "../../sandbox/types.ts";
import { printable } from "../../base/text.ts";
import { usesOfModule } from "../../sandbox/process_permissions.ts";
import { ERRNO, WasiError } from "../errno.ts";
import { type FileTree } from "../files/file_tree.ts";
import { openFileTree } from "../files/open_tree.ts";
import { recordRefusal } from "../files/recorded_tree.ts";
import { type Version, VERSIONS } from "./abi.ts";
import { type Context, type Errno, errnoNumber, type Functions, returningErrno } from "./p1_context.ts";
import { Descriptors } from "./descriptors.ts";
import { fileFunctions } from "./files.ts";
import { type Guest, Memory } from "./memory.ts";
import { pathFunctions } from "./paths.ts";
import { pollFunctions } from "./poll.ts";
import { processFunctions } from "./process.ts";
import { transferFunctions } from "./transfer.ts";
import { MemoryLimit } from "../memory_limit.ts";
import { ClosedPipe } from "../streams/stdio.ts";
import type { MaybePromise } from "../streams/streams.ts";

/** Imports of one other module name, beside WASI. */
export interface ExtraImports {
  readonly module: string;
  /** Adds them to the functions of WASI's own module of that name. */
  readonly beside?: boolean;
  /** The functions. Those that return a promise suspend the module, and must be listed. */
  readonly functions: (
    guest: Guest,
    descriptors: Descriptors,
  ) => Record<string, (...args: number[]) => MaybePromise<void | number>>;
  readonly suspending: readonly string[];
  /** They open descriptors that wait for the network. */
  readonly network?: boolean;
}

/** proc_exit throws it through the module's frames. */
class Exit {
  constructor(readonly code: number) {}
}

/** The properties of a module that decide how it runs. */
interface Plan {
  readonly versions: ReadonlySet<string>;
  readonly suspending: ReadonlySet<string>;
  readonly suspends: boolean;
  /** Descriptors may receive data from the network. */
  readonly network: boolean;
  /** A descriptor may be nonblocking. */
  readonly waits: boolean;
  /** Whether it can open files or see its preopens. */
  readonly usesFiles: boolean;
}

function lacking(kind: string, name: string, from: string): AppError {
  return new AppError(
    "PLUGIN_UNSUPPORTED",
    `The plugin imports ${kind} "${printable(name, 100)}" of "${
      printable(from, 100)
    }", which krew-wasm does not have`,
    { hint: "a plugin is a WASI preview1 command or a WASI 0.2 component" },
  );
}

/**
 * Plans a run from a module's imports and exports.
 *
 * @throws AppError PLUGIN_UNSUPPORTED for an unknown import, or a module that is no command
 */
function planOf(module: WebAssembly.Module, sandbox: Sandbox, extras: readonly ExtraImports[]): Plan {
  const imports = WebAssembly.Module.imports(module);
  const versions = new Set<string>();
  const names = new Set<string>();
  for (const { module: from, name, kind } of imports) {
    if (extras.some(({ module, beside }) => module === from && !beside)) continue;
    if (!Object.hasOwn(VERSIONS, from) || kind !== "function") throw lacking(kind, name, from);
    versions.add(from);
    names.add(name);
  }
  const exported = new Map(WebAssembly.Module.exports(module).map(({ name, kind }) => [name, kind]));
  if (exported.get("_start") !== "function" || exported.get("memory") !== "memory") {
    const what = exported.has("_initialize")
      ? "is a reactor, which has no start"
      : "exports no _start and memory";
    throw new AppError("PLUGIN_UNSUPPORTED", `The plugin ${what}`, {
      hint: "build it as a command (for clang: without -mexec-model=reactor)",
    });
  }
  // With poll, a read may find a pending wait for the same stream. Generating the redacted kubeconfig takes time,
  // too. All other functions return at once.
  const suspending = new Set<string>();
  if (names.has("poll_oneoff")) { for (const name of ["poll_oneoff", "fd_read"]) suspending.add(name); }
  const network = extras.some(({ network }) => network === true);
  if (network) { for (const name of ["fd_read", "fd_write", "poll_oneoff"]) suspending.add(name); }
  if (sandbox.files.overlays.length > 0) {
    for (const name of ["path_open", "path_filestat_get"]) suspending.add(name);
  }
  for (const name of suspending) if (!names.has(name)) suspending.delete(name);
  return {
    versions,
    suspending,
    waits: names.has("poll_oneoff") || network,
    network,
    suspends: suspending.size > 0 || extras.some(({ suspending }) => suspending.length > 0),
    usesFiles: [...names].some((name) => /^path_|^fd_(prestat_|readdir)/.test(name)),
  };
}

/**
 * Runs a preview1 command to its end and returns its exit code, 0 to 255.
 *
 * @throws AppError PLUGIN_UNSUPPORTED; ClosedPipe; the engine's error when the module traps
 */
export async function runPreview1(
  module: WebAssembly.Module,
  sandbox: Sandbox,
  extras: readonly ExtraImports[] = [],
): Promise<number> {
  const plan = planOf(module, sandbox, extras);
  let instance: WebAssembly.Instance | undefined;
  let view: DataView<ArrayBuffer> | undefined;
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  const exports = (): WebAssembly.Exports => {
    if (instance) return instance.exports;
    throw new AppError(
      "PLUGIN_UNSUPPORTED",
      "The plugin calls the host before it has begun, in a start function",
      {
        hint: "a WASI command begins at _start",
      },
    );
  };
  const buffer = () => (exports().memory as WebAssembly.Memory).buffer as ArrayBuffer;
  const guest: Guest = {
    // When a memory grows, its old buffer is detached and has length 0.
    bytes: () => bytes !== undefined && bytes.length > 0 ? bytes : (bytes = new Uint8Array(buffer())),
    view: () =>
      view !== undefined && bytes !== undefined && bytes.length > 0 && view.buffer === bytes.buffer
        ? view
        : (view = new DataView((bytes = new Uint8Array(buffer())).buffer)),
    get exports() {
      return exports();
    },
  };
  const tree = plan.usesFiles ? await openFileTree(sandbox.files) : undefined;
  const host = new Preview1(sandbox, guest, tree, plan.waits, plan.network);
  // The plugin chooses the names that are looked up.
  const imports = Object.create(null) as WebAssembly.Imports;
  const suspending =
    (WebAssembly as unknown as { Suspending: new (f: unknown) => WebAssembly.ImportValue }).Suspending;
  for (const name of plan.versions) {
    const functions = host.imports(VERSIONS[name]!) as unknown as Record<string, WebAssembly.ImportValue>;
    for (const each of plan.suspending) functions[each] = new suspending(functions[each]);
    imports[name] = functions;
  }
  for (const extra of extras) {
    const functions = extra.functions(guest, host.descriptors) as unknown as Record<
      string,
      WebAssembly.ImportValue
    >;
    for (const each of extra.suspending) functions[each] = new suspending(functions[each]);
    imports[extra.module] = { ...imports[extra.module], ...functions };
  }
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    // The engine would take inherited properties such as `constructor` for imports.
    if (!Object.hasOwn(imports[from] ?? {}, name)) throw lacking(kind, name, from);
  }
  await sandbox.giveUp(usesOfModule(WebAssembly.Module.imports(module), tree?.needs.length !== 0), tree);
  try {
    instance = new WebAssembly.Instance(module, imports);
  } catch (error) {
    // A function that waits can't suspend there.
    if ((error as Error | undefined)?.name === "SuspendError") exports();
    throw error;
  }
  if ((buffer() as ArrayBufferLike) instanceof SharedArrayBuffer) {
    throw new AppError(
      "PLUGIN_UNSUPPORTED",
      "The plugin's memory is shared between threads, which krew-wasm does not have",
      {
        hint: "build it without threads",
      },
    );
  }
  const memory = new MemoryLimit(sandbox.limits.maxMemory);
  memory.set(instance);
  const start = instance.exports._start as () => unknown;
  const { promising } = WebAssembly as unknown as { promising: (f: unknown) => () => Promise<unknown> };
  try {
    if (plan.suspends) await promising(start)();
    else start();
  } catch (error) {
    // A module that catches everything may hide the reason of its end behind its own exception.
    if (host.ended !== undefined) return host.end();
    if (error instanceof Exit) return error.code;
    throw memory.explain(error);
  }
  return host.ended === undefined ? 0 : host.end();
}
/** The functions for one sandbox. Exported for tests, which call them on their own memory. */
export class Preview1 {
  /** How the module ended itself: proc_exit's code, or a closed pipe. */
  ended: number | ClosedPipe | undefined;
  #context: Context;

  /** `tree`: its files, if it imports a file function. `waits`: it can poll, so it may ask for nonblocking reads. */
  constructor(sandbox: Sandbox, guest: Guest, tree: FileTree | undefined, waits = false, network = false) {
    this.#context = {
      sandbox,
      memory: new Memory(guest),
      descriptors: new Descriptors(sandbox, tree),
      tree,
      waits,
      network,
    };
  }

  get descriptors(): Descriptors {
    return this.#context.descriptors;
  }

  /** The exit code of a module that ended by itself. @throws ClosedPipe */
  end(): number {
    if (this.ended instanceof ClosedPipe) throw this.ended;
    return this.ended ?? 0;
  }

  /** The functions of one version. Each returns an errno. */
  imports(version: Version): Record<string, (...args: never[]) => MaybePromise<Errno>> {
    const context = this.#context;
    const functions: Functions = {
      ...fileFunctions(context, version),
      ...pathFunctions(context, version),
      ...pollFunctions(context, version),
      ...processFunctions(context),
      ...transferFunctions(context),
      proc_exit: (code: number) => {
        this.ended = code & 0xff;
        throw new Exit(this.ended);
      },
    };
    return Object.fromEntries(
      Object.entries(functions).map(([name, run]) => [name, this.#withErrno(name, run)]),
    );
  }

  #withErrno(name: string, run: Functions[string]): (...args: never[]) => MaybePromise<Errno> {
    const recorded = name.startsWith("path_") ? this.#recorded(name, run) : run;
    return returningErrno(recorded, (error) => this.#errno(error));
  }

  /** A function on a path, whose refusal is recorded. */
  #recorded(name: string, run: Functions[string]): Functions[string] {
    const { memory, sandbox: { record } } = this.#context;
    return (...args: (number | bigint)[]) => {
      const { told } = record;
      const fail = (error: unknown): never => {
        // A permission request records its own refusals.
        if (error instanceof WasiError && record.told === told) {
          recordRefusal(record, memory, name, args, error);
        }
        throw error;
      };
      try {
        const result = run(...args);
        return result instanceof Promise ? result.catch(fail) : result;
      } catch (error) {
        return fail(error);
      }
    };
  }

  /** The errno of a function's error. Throws the host's own failures and the module's end again. */
  #errno(error: unknown): Errno {
    if (error instanceof ClosedPipe) {
      this.ended = error;
      throw error;
    }
    if (error instanceof AppError) {
      this.#context.sandbox.trace(error.message);
      return ERRNO.io;
    }
    return errnoNumber(error);
  }
}
