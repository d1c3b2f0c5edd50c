/**
 * Runs a WASI 0.2 component: instantiates jco's JavaScript with the interfaces that the component imports. Other interfaces
 * are not loaded.
 */

import { AppError, messageOf } from "../base/errors.ts";
import { Failures } from "./request_failures.ts";
import { printable } from "../base/text.ts";
import type { Program } from "./run.ts";
import type { Sandbox } from "../sandbox/types.ts";
import { usesOfComponent } from "../sandbox/process_permissions.ts";
import type { FileTree } from "../wasi/files/file_tree.ts";
import { MemoryLimit } from "../wasi/memory_limit.ts";
import { ClosedPipe } from "../wasi/streams/stdio.ts";
import { cliInterfaces } from "../wasi/p2/cli.ts";
import { clockInterfaces } from "../wasi/p2/clocks.ts";
import { InputStream, IoError, OutputStream } from "../wasi/p2/io.ts";
import { poll, Pollable } from "../wasi/p2/pollables.ts";
import { randomInterfaces } from "../wasi/p2/random.ts";
import { type Interfaces, sealed } from "../wasi/p2/resources.ts";

/** The file of a component's JavaScript. Its other compiled files are core modules. */
export const COMPONENT_ENTRY = "plugin.js";

/** Limit on host memory for a component's resources, unless `--max-memory` is lower. Bytes. */
export const MAX_HELD = 256 << 20;

/** The result of a component's JavaScript (registry/compile/compile.ts). */
interface ComponentScript {
  /** The export with the program. */
  readonly run: string;
  /** The imported interfaces, without versions. */
  readonly imports: readonly string[];
  instantiate(
    getCoreModule: (name: string) => WebAssembly.Module,
    imports: object,
    instantiateCore: (module: WebAssembly.Module, imports?: WebAssembly.Imports) => WebAssembly.Instance,
  ): Record<string, { run(): unknown }>;
}

/**
 * Runs a component to its end. Returns the exit code of `exit` or `exit-with-code`, or else 0 or 1 from the result of
 * `run`.
 *
 * @throws AppError STORE_CORRUPT, PLUGIN_UNSUPPORTED; ClosedPipe; whatever the engine throws at a trap
 */
export async function runComponent(program: Program, sandbox: Sandbox): Promise<number> {
  const cores = new Map<string, WebAssembly.Module>();
  const memory = new MemoryLimit(sandbox.limits.maxMemory);
  const [source] = await Promise.all([
    program.read(COMPONENT_ENTRY),
    ...program.files.filter((file) => file.endsWith(".wasm")).map(async (file) => {
      const bytes = await program.read(file);
      memory.check(bytes);
      const module = program.modules?.get(file) ?? new WebAssembly.Module(bytes);
      memory.checkObjects(module);
      cores.set(file, module);
    }),
  ]);
  // Evaluate the checked bytes, not a file, which could have changed since. jco's messages are for developers of a host, so
  // the script gets its own console.
  const load = new Function("console", "$maxHeld", new TextDecoder().decode(source)) as (
    console: Record<string, () => void>,
    maxHeld: number,
  ) => ComponentScript;
  const component = load(
    { error() {}, debug() {}, log() {}, warn() {} },
    Math.min(sandbox.limits.maxMemory, MAX_HELD),
  );
  let ended: number | undefined;
  const failures = new Failures(sandbox);
  const tree = component.imports.some((name) => name.startsWith("wasi:filesystem/"))
    ? await openTree(sandbox)
    : undefined;
  const imports = await interfacesFor(component.imports, sandbox, tree, failures, (code) => {
    ended ??= code;
  });
  let code: number | undefined;
  await sandbox.giveUp(usesOfComponent(component.imports, tree?.needs.length !== 0), tree);
  try {
    const exports = instantiate(component, cores, sealed(imports), memory);
    await exports[component.run]!.run();
    return code = ended ?? 0;
  } catch (error) {
    if (error instanceof ClosedPipe) throw error;
    // `exit` ends the plugin even if the plugin catches the exception.
    if (ended !== undefined) return code = ended;
    if (error === undefined) return code = 1; // `run` returned an error without a value
    throw memory.explain(trapOf(error));
  } finally {
    if (code !== 0) failures.tell();
  }
}

// V8's messages for a wrong pointer or length. jco's code traps on a wrong value (resource_tables.ts).
const OUT_OF_BOUNDS =
  /^(?:Offset is outside the bounds of the DataView|Invalid typed array length: \d+|Start offset -?\d+ is outside the bounds of the buffer|offset is out of bounds|start offset of \w+ should be a multiple of \d)$/;

/** The canonical ABI traps on an invalid value, where jco's code throws a JavaScript error. */
function trapOf(error: unknown): unknown {
  if (error instanceof RangeError && OUT_OF_BOUNDS.test(error.message)) {
    return new WebAssembly.RuntimeError("memory access out of bounds");
  }
  return error;
}

async function openTree({ files, record }: Sandbox): Promise<FileTree> {
  const [{ openFileTree }, { recordTree }] = await Promise.all([
    import("../wasi/files/open_tree.ts"),
    import("../wasi/files/recorded_tree.ts"),
  ]);
  return recordTree(await openFileTree(files), record);
}

function instantiate(
  component: ComponentScript,
  cores: ReadonlyMap<string, WebAssembly.Module>,
  imports: object,
  memory: MemoryLimit,
): ReturnType<ComponentScript["instantiate"]> {
  try {
    return component.instantiate((name) => cores.get(name) ?? missing(name), imports, (module, imports) => {
      const instance = new WebAssembly.Instance(module, imports ?? {});
      memory.set(instance);
      return instance;
    });
  } catch (error) {
    // We serve this interface, but the component needs a newer version of it.
    const [, name] = /unexpectedly undefined \w+ import '([^']*)'/.exec(messageOf(error)) ?? [];
    if (name === undefined) throw error;
    throw new AppError(
      "PLUGIN_UNSUPPORTED",
      `The plugin needs "${printable(name, 100)}", which this krew-wasm does not have`,
      {
        hint: "it serves WASI 0.2.12 and krew-wasm:kubernetes 0.1.2; a later one may have it",
        cause: error,
      },
    );
  }
}

function missing(name: string): never {
  throw new AppError("STORE_CORRUPT", `The compiled form of the plugin lacks ${name}`);
}

/** The interfaces that a component imports. Loads only these. Public for tests. */
export async function interfacesFor(
  imported: readonly string[],
  sandbox: Sandbox,
  tree: FileTree | undefined,
  failures: Failures,
  ended: (code: number) => void,
): Promise<Interfaces> {
  const uses = (name: string) => imported.some((each) => each.startsWith(name));
  const kubernetes = uses("krew-wasm:kubernetes/");
  const explained = (error: AppError) => failures.explain(error);
  const failed = (error: AppError) => failures.add(error);
  return {
    "wasi:io/error": { Error: IoError },
    "wasi:io/poll": { Pollable, poll },
    "wasi:io/streams": { InputStream, OutputStream },
    ...cliInterfaces(
      kubernetes ? { ...sandbox, stderr: failures.watched() } : sandbox,
      uses("wasi:io/poll"),
      ended,
    ),
    ...clockInterfaces(),
    ...randomInterfaces(sandbox.limits.maxMemory),
    ...(tree ? (await import("../wasi/p2/filesystem.ts")).filesystemInterfaces(tree) : {}),
    ...(uses("wasi:sockets/")
      ? (await import("../wasi/p2/sockets.ts")).socketInterfaces(sandbox, failed, explained)
      : {}),
    ...(uses("wasi:http/") ? (await import("../wasi/p2/http.ts")).httpInterfaces(sandbox, failed) : {}),
    ...(uses("krew-wasm:terminal/")
      ? (await import("../wasi/p2/terminal.ts")).terminalInterfaces(await sandbox.terminal())
      : {}),
    ...(kubernetes
      ? (await import("../kube/wit/cluster_interface.ts")).clusterInterfaces(sandbox, explained)
      : {}),
    ...(uses("krew-wasm:kubernetes/upgrade")
      ? (await import("../kube/wit/upgrade_interface.ts")).upgradeInterfaces(sandbox, explained)
      : {}),
  };
}
