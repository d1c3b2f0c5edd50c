/**
 * The second wall. The sandbox decides what a plugin reaches; should it be wrong, or the engine's own walls break, then
 * what the process itself may no longer do still can't be done. Before a plugin's first instruction it gives up, for the
 * rest of its life and through Deno's own permissions, whatever the run has no need of.
 *
 * What this can't do is in docs/security.md: Deno can't narrow `net` to one host, and follows links inside a directory that
 * is allowed. `import()` asks for no permission: what it reads is settled when the binary is made (scripts/bundle/import_map.ts).
 */

import { loadSymlink } from "../base/symlink.ts";

/** What a program may ask of the host, told by what it imports. */
export interface Uses {
  /** Files by name, the kubeconfig's stand-in among them. */
  readonly files: boolean;
  /** Whether Deno is asked for them, whose permissions that takes; else they are open already (linux_tree.ts). */
  readonly throughDeno: boolean;
  /** Anything that leads to the network. */
  readonly network: boolean;
  /** It makes symbolic links. */
  readonly symlinks: boolean;
}

/** What a run keeps. Everything else is given up. */
export interface Keep {
  /** Absolute host paths that are read, with all below them. */
  readonly read: readonly string[];
  /** Absolute host paths that are changed, with all below them. */
  readonly write: readonly string[];
  readonly network: boolean;
  /** Starting programs: credential plugins of the kubeconfig's user. */
  readonly run: boolean;
  /** Making symbolic links, where files are kept. */
  readonly symlinks: boolean;
  /** What may be asked of the system: whose process this is, for who writes to the store. */
  readonly sys: boolean;
}

/** The WASI preview1 functions by which a module names files. */
const NAMES_FILES = /^path_/;
/** Functions of WASI preview1 that need an open socket, which a module without others never has. */
const PREVIEW1 = /^(wasi_(snapshot_preview1|unstable)|krew_wasm_terminal)$/;
const SOCKETS = /^sock_(?!accept$|recv$|send$|shutdown$)/;

/** What a core module uses. What is not known for harmless is taken for the network. */
export function usesOfModule(
  imports: readonly { readonly module: string; readonly name: string }[],
  throughDeno: boolean,
): Uses {
  return {
    files: imports.some(({ module, name }) => !PREVIEW1.test(module) || NAMES_FILES.test(name)),
    throughDeno,
    network: imports.some(({ module, name }) => !PREVIEW1.test(module) || SOCKETS.test(name)),
    symlinks: imports.some(({ name }) => name === "path_symlink"),
  };
}

/** What a component uses, by the interfaces it imports. */
export function usesOfComponent(interfaces: readonly string[], throughDeno: boolean): Uses {
  const files = interfaces.some((name) => name.startsWith("wasi:filesystem/"));
  return {
    files,
    throughDeno,
    network: interfaces.some((name) =>
      !/^(?:wasi:(?:cli|clocks|filesystem|io|random)|krew-wasm:terminal)\//.test(name)
    ),
    symlinks: files,
  };
}

/**
 * Gives up all but what is kept. Not to be undone in this process. Under `deno run --allow-all` reading and writing
 * stay as they are: Deno narrows only what was allowed by path.
 */
export function giveUp(keep: Keep): void {
  if (keep.symlinks) loadSymlink();
  narrow("read", keep.read);
  narrow("write", keep.write);
  const { permissions } = Deno;
  permissions.revokeSync({ name: "ffi" });
  if (!keep.sys) permissions.revokeSync({ name: "sys" });
  if (!keep.network) permissions.revokeSync({ name: "net" });
  if (!keep.run) permissions.revokeSync({ name: "run" });
  if (!keep.network) permissions.revokeSync({ name: "env" });
  else if (!keep.run) scrubEnvironment();
}

/** Gives up starting programs, once it is known that the user needs no credential plugin. */
export function giveUpRunning(): void {
  Deno.permissions.revokeSync({ name: "run" });
  if (Deno.permissions.querySync({ name: "env" }).state === "granted") scrubEnvironment();
}

function narrow(name: "read" | "write", paths: readonly string[]): void {
  const { permissions } = Deno;
  // All of the file system is kept (--allow-all), or is not held by path and so can't be kept in part.
  if (paths.includes("/") || permissions.querySync({ name }).state === "granted") return;
  for (const path of new Set(paths)) permissions.requestSync({ name, path });
  permissions.revokeSync({ name, path: "/" });
}

// What Deno itself asks the environment for when it makes connections, and children for to be found and to start.
const NEEDED =
  /^(?:(?:HTTPS?|ALL|NO)_PROXY|SSL_CERT_(?:FILE|DIR)|DENO_TLS_CA_STORE|HOME|PATH|TMPDIR|SYSTEMROOT)$/i;

/** The transport sets variables and so keeps `env`: nothing worth reading is left there. The sandbox has its own copy. */
function scrubEnvironment(): void {
  for (const name of Object.keys(Deno.env.toObject())) if (!NEEDED.test(name)) Deno.env.delete(name);
}
