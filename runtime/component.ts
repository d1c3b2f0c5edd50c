/**
 * Runs a WASI 0.2 component: jco's JavaScript for it, instantiated with the interfaces it imports. What it does not
 * import is not loaded.
 */

import { AppError } from "./errors.ts";
import type { Program } from "./run.ts";
import type { Sandbox } from "./sandbox.ts";
import { ClosedPipe } from "./wasi/stdio.ts";
import { cliInterfaces } from "./wasi/p2/cli.ts";
import { clockInterfaces } from "./wasi/p2/clocks.ts";
import { InputStream, IoError, OutputStream, poll, Pollable } from "./wasi/p2/io.ts";
import { randomInterfaces } from "./wasi/p2/random.ts";

/** The name of the JavaScript among a component's compiled files; the others are its core modules. */
export const COMPONENT_ENTRY = "plugin.js";

type Interfaces = Record<string, unknown>;
interface ComponentModule {
  instantiate(
    getCoreModule: (name: string) => WebAssembly.Module,
    imports: Interfaces,
    instantiateCore: (module: WebAssembly.Module, imports: WebAssembly.Imports) => WebAssembly.Instance,
  ): Promise<Record<string, { run(): unknown }>> | Record<string, { run(): unknown }>;
}

/**
 * Runs a component to its end and returns its exit code: of `exit` or `exit-with-code`, else 0 or 1 as `run` says.
 *
 * @throws AppError STORE_CORRUPT, PLUGIN_UNSUPPORTED; ClosedPipe; whatever the engine throws when it traps
 */
export async function runComponent(program: Program, sandbox: Sandbox): Promise<number> {
  const cores = new Map<string, WebAssembly.Module>();
  const [source] = await Promise.all([
    program.read(COMPONENT_ENTRY),
    ...program.files.filter((file) => file !== COMPONENT_ENTRY).map(async (file) => {
      cores.set(file, new WebAssembly.Module(await program.read(file)));
    }),
  ]);
  // From the bytes that were checked: a file could be another by the time it is imported.
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  let component: ComponentModule;
  try {
    component = await importSource(url, source);
  } finally {
    URL.revokeObjectURL(url);
  }
  let ended: number | undefined;
  const imports = await interfacesFor(new TextDecoder().decode(source), sandbox, (code) => {
    ended ??= code;
  });
  try {
    const exports = await component.instantiate(
      (name) => cores.get(name) ?? missing(name),
      imports,
      (module, imports) => new WebAssembly.Instance(module, imports),
    );
    const run = Object.entries(exports).find(([name]) => name.startsWith("wasi:cli/run"))?.[1];
    if (!run) throw new AppError("PLUGIN_UNSUPPORTED", "The plugin exports no wasi:cli/run");
    await run.run();
    return ended ?? 0;
  } catch (error) {
    if (error instanceof ClosedPipe) throw error;
    if (ended !== undefined) return ended;
    // `run` answered with its error, which has no value.
    if (error instanceof Error && error.constructor.name === "ComponentError") return 1;
    throw error;
  }
}

function missing(name: string): never {
  throw new AppError("STORE_CORRUPT", `The compiled form of the plugin lacks ${name}`);
}

/** Imports a module's source. Deno 2.6's compiled binaries can't import `blob:` URLs, `data:` ones they can. */
async function importSource(url: string, source: Uint8Array): Promise<ComponentModule> {
  if (!Deno.build.standalone) return await import(url);
  return await import(`data:text/javascript;base64,${base64(source)}`);
}

function base64(bytes: Uint8Array): string {
  // Deno 2.9 and 2.6 both have it from V8; btoa would need a string of one character a byte first.
  return (bytes as Uint8Array & { toBase64(): string }).toBase64();
}

/** The interfaces that jco's JavaScript looks up, each loaded only if it does. */
async function interfacesFor(
  source: string,
  sandbox: Sandbox,
  ended: (code: number) => void,
): Promise<Interfaces> {
  const uses = (name: string) => source.includes(`imports['${name}`);
  const told = new Set<string>();
  const refused = (error: AppError) => {
    // A client library may show less than this, and tries again and again.
    if (error.code === "DESTINATION_REFUSED" && !told.has(error.message)) sandbox.trace(error.message);
    told.add(error.message);
  };
  return {
    "wasi:io/error": { Error: IoError },
    "wasi:io/poll": { Pollable, poll },
    "wasi:io/streams": { InputStream, OutputStream },
    ...cliInterfaces(sandbox, ended),
    ...clockInterfaces(),
    ...randomInterfaces(),
    ...(uses("wasi:filesystem/")
      ? (await import("./wasi/p2/filesystem.ts")).filesystemInterfaces(sandbox.files)
      : {}),
    ...(uses("wasi:sockets/") ? (await import("./wasi/p2/sockets.ts")).socketInterfaces() : {}),
    ...(uses("wasi:http/") ? (await import("./wasi/p2/http.ts")).httpInterfaces(sandbox, refused) : {}),
    ...(uses("krew-wasm:kubernetes/")
      ? (await import("./kube/api.ts")).clusterInterfaces(sandbox, refused)
      : {}),
  };
}
