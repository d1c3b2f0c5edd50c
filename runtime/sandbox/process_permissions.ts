/**
 * The second wall. Before a plugin's first instruction, the process gives up the rights that the run does not need, for the
 * rest of its life, through Deno's permissions. This limits the damage if the sandbox or the engine has a defect.
 *
 * docs/security.md lists the limits: Deno cannot restrict `net` to one host, and follows links inside an allowed directory.
 * `import()` needs no permission, so the build decides what it can read (scripts/bundle/import_map.ts).
 */

import { environment } from "../base/environment.ts";
import { loadSymlink } from "../base/symlink.ts";

/** What a program needs from the host, by its imports. */
export interface Uses {
  /** Files by name, the redacted kubeconfig included. */
  readonly files: boolean;
  /** Whether files are opened through Deno, which needs permissions. Otherwise they are already open (linux_tree.ts). */
  readonly throughDeno: boolean;
  /** Anything that leads to the network. */
  readonly network: boolean;
  /** It can accept connections. */
  readonly listens: boolean;
  /** The program makes symbolic links. */
  readonly symlinks: boolean;
}

/** The permissions that a run keeps. It gives up all others. */
export interface Keep {
  /** Absolute host paths to read, with everything below them. */
  readonly read: readonly string[];
  /** Absolute host paths to change, with everything below them. */
  readonly write: readonly string[];
  readonly network: boolean;
  /** Starting programs: credential plugins of the kubeconfig's user. */
  readonly run: boolean;
  /** Making symbolic links below the kept paths. */
  readonly symlinks: boolean;
  /** System information: the user of this process, for writing to the store. */
  readonly sys: boolean;
}

/** The preview1 functions that name files. */
const NAMES_FILES = /^path_/;
/** The modules of preview1 and of the terminal. Every other module counts as the network. */
const PREVIEW1 = /^(wasi_(snapshot_preview1|unstable)|krew_wasm_terminal)$/;
/** preview1's functions that open sockets. The other `sock_` functions need an open socket, so they lead nowhere alone. */
const SOCKETS = /^sock_(?!accept$|recv$|send$|shutdown$)/;

/** Whether a WASI preview1 function belongs to sockets that a module opens itself. */
export function isOfSockets(name: string): boolean {
  return SOCKETS.test(name);
}

/** What a core module uses. An unknown import counts as the network. */
export function usesOfModule(
  imports: readonly { readonly module: string; readonly name: string }[],
  throughDeno: boolean,
): Uses {
  return {
    files: imports.some(({ module, name }) => !PREVIEW1.test(module) || NAMES_FILES.test(name)),
    throughDeno,
    listens: imports.some(({ module, name }) => PREVIEW1.test(module) && /^sock_listen/.test(name)),
    network: imports.some(({ module, name }) => !PREVIEW1.test(module) || isOfSockets(name)),
    symlinks: imports.some(({ name }) => name === "path_symlink"),
  };
}

/** What a component uses, by its imported interfaces. */
export function usesOfComponent(interfaces: readonly string[], throughDeno: boolean): Uses {
  const files = interfaces.some((name) => name.startsWith("wasi:filesystem/"));
  return {
    files,
    throughDeno,
    listens: interfaces.some((name) => name.startsWith("wasi:sockets/tcp")),
    network: interfaces.some((name) =>
      !/^(?:wasi:(?:cli|clocks|filesystem|io|random)|krew-wasm:terminal)\//.test(name)
    ),
    symlinks: files,
  };
}

/**
 * Gives up all permissions that are not kept, irrevocably for this process. Under `deno run --allow-all` reading and
 * writing stay, since Deno can only narrow permissions that were granted by path.
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

/** Gives up starting programs, once the user is known to need no credential plugin. */
export function giveUpRunning(): void {
  Deno.permissions.revokeSync({ name: "run" });
  if (Deno.permissions.querySync({ name: "env" }).state === "granted") scrubEnvironment();
}

function narrow(name: "read" | "write", paths: readonly string[]): void {
  const { permissions } = Deno;
  // The whole file system is kept (--allow-all), or it was not granted by path and cannot be narrowed.
  if (paths.includes("/") || permissions.querySync({ name }).state === "granted") return;
  for (const path of new Set(paths)) permissions.requestSync({ name, path });
  permissions.revokeSync({ name, path: "/" });
}

// Variables that Deno reads for connections, and that child processes need to be found and to start.
const NEEDED =
  /^(?:(?:HTTPS?|ALL|NO)_PROXY|SSL_CERT_(?:FILE|DIR)|DENO_TLS_CA_STORE|HOME|PATH|TMPDIR|SYSTEMROOT)$/i;

/** Deletes all other variables. The transport sets some, so the process keeps `env`. The sandbox has its own copy. */
function scrubEnvironment(): void {
  for (const name of Object.keys(environment())) if (!NEEDED.test(name)) Deno.env.delete(name);
}
