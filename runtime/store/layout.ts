/**
 * The paths of the store. No other file joins them.
 *
 *     store.json                the version of the format
 *     bin/                      on PATH: krew-wasm, and a link to it for each plugin
 *     blobs/sha256/<hex>        pulled bytes: manifests, configs, WebAssembly
 *     compiled/<hex>-<bindgen>/ the compiled form that a run loads, by the version of the compiler
 *         verified.json         which of its files an earlier run has verified (verified.ts)
 *     cache/<hex>-<bindgen>/    the compiled form of a file that was run without being installed
 *     receipts/<name>.json      the installed plugins; written last, by rename
 *     list.json                 a copy of the data for `list`, if there are many plugins
 *     history/<name>.json       the receipts of earlier versions, newest first
 *     data/<name>/              the plugin's private directory, its only writable part of the store
 *     indexes/<name>.json       an index of plugins, and its cached copy
 *     log/                      the record of denials
 *     stage/                    work in progress; swept by the next command that writes
 *     lock                      held by the process that writes
 *
 * docs/store.md describes the format.
 */

import { AppError } from "../base/errors.ts";
import { hostPath, withoutSlash } from "../base/host_path.ts";
import { completionLinkName, linkName } from "../base/names.ts";
import { printable } from "../base/text.ts";

/**
 * The version of the store's format. Version 1, without store.json, had no history, no indexes, and receipts of format 1.
 * Version 2 had receipts of format 2. The first command that writes migrates them (registry/store/migrate.ts).
 */
export const STORE_VERSION = 3;

/** The paths of one store. */
export interface Layout {
  readonly root: string;
  /** Holds the version of the format. */
  readonly version: string;
  readonly bin: string;
  readonly blobs: string;
  readonly compiled: string;
  /** Compiled forms of files that are not installed. */
  readonly cache: string;
  readonly receipts: string;
  /** What `list` shows, in one file (summary.ts). */
  readonly summaries: string;
  readonly history: string;
  readonly data: string;
  readonly indexes: string;
  readonly log: string;
  readonly stage: string;
  readonly lock: string;
  /** The user's own policy. */
  readonly policy: string;
  /** The user's own settings of registries. */
  readonly registries: string;
  /** The user's own trust root. */
  readonly trustRoot: string;
  /** `digest` as `sha256:<hex>`. */
  blob(digest: string): string;
  /** The directory of a blob's compiled form; `bindgen` is the compiler's version. */
  compiledDir(digest: string, bindgen: string): string;
  /** The same for a file that is not installed. */
  cachedDir(digest: string, bindgen: string): string;
  receipt(name: string): string;
  /** Receipts of a plugin's earlier versions. */
  historyOf(name: string): string;
  /** An index of plugins. */
  index(name: string): string;
  /** The plugin's private directory. */
  dataDir(name: string): string;
  /** The file that kubectl runs. */
  link(name: string): string;
  /** The file that kubectl runs to complete a plugin's arguments. */
  completionLink(name: string): string;
  /** All plugins' links point to this link, and it points to the binary. A moved binary needs only this one repaired. */
  readonly self: string;
}

/** The layout below `root`, an absolute path. */
export function layoutAt(root: string): Layout {
  const hex = (digest: string) => digest.slice(digest.indexOf(":") + 1);
  return {
    root,
    version: `${root}/store.json`,
    bin: `${root}/bin`,
    blobs: `${root}/blobs/sha256`,
    compiled: `${root}/compiled`,
    cache: `${root}/cache`,
    receipts: `${root}/receipts`,
    summaries: `${root}/list.json`,
    history: `${root}/history`,
    data: `${root}/data`,
    indexes: `${root}/indexes`,
    log: `${root}/log`,
    stage: `${root}/stage`,
    lock: `${root}/lock`,
    policy: `${root}/policy.yaml`,
    registries: `${root}/registries.yaml`,
    trustRoot: `${root}/trusted_root.json`,
    blob: (digest) => `${root}/blobs/sha256/${hex(digest)}`,
    compiledDir: (digest, bindgen) => `${root}/compiled/${hex(digest)}-${bindgen}`,
    cachedDir: (digest, bindgen) => `${root}/cache/${hex(digest)}-${bindgen}`,
    receipt: (name) => `${root}/receipts/${name}.json`,
    historyOf: (name) => `${root}/history/${name}.json`,
    index: (name) => `${root}/indexes/${name}.json`,
    dataDir: (name) => `${root}/data/${name}`,
    link: (name) => `${root}/bin/${linkName(name)}`,
    completionLink: (name) => `${root}/bin/${completionLinkName(name)}`,
    self: `${root}/bin/krew-wasm`,
  };
}

/** The user's home directory, with slashes, and none at its end. @throws AppError NO_HOME */
export function homeDirectory(env: (name: string) => string | undefined): string {
  const home = env("HOME") || env("USERPROFILE");
  if (!home) {
    throw new AppError("NO_HOME", "The environment variable HOME is not set", {
      hint: "set HOME, or KREW_WASM_ROOT to where plugins are kept",
    });
  }
  if (!isAbsolute(home)) throw new AppError("NO_HOME", `HOME is not an absolute path: "${printable(home)}"`);
  return withoutSlash(hostPath(home));
}

function isAbsolute(path: string): boolean {
  return /^(\/|[A-Za-z]:[\\/])/.test(path);
}

/** The store's root: `$KREW_WASM_ROOT`, which must be absolute, or `~/.krew-wasm`. @throws AppError NO_HOME, USAGE */
export function storeRoot(env: (name: string) => string | undefined): string {
  const root = env("KREW_WASM_ROOT");
  if (!root) return `${homeDirectory(env)}/.krew-wasm`;
  if (!isAbsolute(root)) {
    throw new AppError("USAGE", `KREW_WASM_ROOT is not an absolute path: "${printable(root)}"`);
  }
  return withoutSlash(hostPath(root));
}
