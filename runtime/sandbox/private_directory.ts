/** A plugin's private directory, where it may read and write without a grant. */

import { AppError, messageOf } from "../base/errors.ts";
import { exists, realPath } from "../base/host_path.ts";
import { removeTree } from "../base/remove_tree.ts";
import type { Layout } from "../store/layout.ts";

/**
 * Variables that lead to directories in it (XDG base directory specification). Without them programs use $HOME, which a
 * plugin does not see.
 */
export const PRIVATE_DIRECTORIES = [
  ["XDG_CACHE_HOME", "cache"],
  ["XDG_CONFIG_HOME", "config"],
  ["XDG_DATA_HOME", "share"],
  ["XDG_STATE_HOME", "state"],
] as const;

/** `kube/cache` serves for ~/.kube/cache (wasi/files/kubeconfig_tree.ts). */
const NAMES = ["tmp", ...PRIVATE_DIRECTORIES.map(([, directory]) => directory), "kube/cache"];

/** An open private directory. */
export interface PrivateDirectory {
  /** Absolute, free of links. */
  readonly path: string;
  /** Whether it was made for this run, and is removed at the end. */
  readonly ofThisRun: boolean;
}

/**
 * Opens the private directory: in the store, or for a file that is not installed a temporary one.
 *
 * @throws AppError STORE_FAILED
 */
export function openPrivateDirectory(
  { name, layout, installed }: {
    readonly name: string;
    readonly layout: Pick<Layout, "dataDir">;
    readonly installed: boolean;
  },
): PrivateDirectory {
  try {
    return installed ? directoryInStore(layout.dataDir(name)) : temporaryDirectory();
  } catch (error) {
    throw new AppError(
      "STORE_FAILED",
      `Cannot make the private directory of "${name}": ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** Removes the directory of this run. A plugin can make files that cannot be removed. That does not fail the run. */
export function closePrivateDirectory(
  { path, ofThisRun }: PrivateDirectory,
  trace: (line: string) => void,
): void {
  if (!ofThisRun) return;
  try {
    removeTree(path);
  } catch (error) {
    trace(`${path} stays: ${messageOf(error)}`);
  }
}

function directoryInStore(path: string): PrivateDirectory {
  for (let tried = 1;; tried++) {
    try {
      if (!exists(`${path}/${NAMES.at(-1)}`)) make(path); // this one is created last
      return { path: realPath(path), ofThisRun: false };
    } catch (error) {
      // Another process removed the plugin and this directory. The run continues.
      const moved = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.AlreadyExists;
      if (moved && tried < 10) continue;
      // The store is on a read-only or full disk. Its plugins run all the same.
      if (!["EROFS", "ENOSPC", "EDQUOT"].includes((error as { code?: string }).code ?? "")) throw error;
      return temporaryDirectory();
    }
  }
}

function temporaryDirectory(): PrivateDirectory {
  const path = realPath(Deno.makeTempDirSync({ prefix: "krew-wasm-" }));
  make(path);
  return { path, ofThisRun: true };
}

function make(path: string): void {
  for (const name of NAMES) Deno.mkdirSync(`${path}/${name}`, { recursive: true, mode: 0o700 });
}
