/**
 * Every write to the store. A change is staged beside its target, synced and renamed; the receipt comes last, so that a
 * plugin is installed or is not, whatever ends the process; what was staged is swept by the next command that writes.
 */

import { AppError, messageOf } from "../runtime/errors.ts";
import type { Grants } from "../runtime/grants.ts";
import { exists } from "../runtime/host_path.ts";
import { defaultPluginName, linkName, parsePluginName } from "../runtime/names.ts";
import { BINDGEN } from "../runtime/store/bindgen.ts";
import type { Layout } from "../runtime/store/layout.ts";
import { readReceipt, readReceipts } from "../runtime/store/read.ts";
import { formatReceipt, type Receipt, type Verified } from "../runtime/store/receipt.ts";
import { makeSymlink } from "../runtime/symlink.ts";
import { printable } from "../runtime/text.ts";
import type { FetchedManifest, RegistryClient } from "./client.ts";
import type { Compiled } from "./compile.ts";
import { digestOf } from "./digest.ts";
import { lockStore } from "./lock.ts";
import { parseManifest } from "./manifest.ts";
import { formatReference, type Reference } from "./reference.ts";

/** What a plugin's link starts: this binary, or, run from source, a command to which `run NAME -- ARGS` is appended. */
export type LinkTarget =
  | { readonly kind: "binary"; readonly path: string }
  | { readonly kind: "launcher"; readonly command: readonly string[] };

/** How a plugin is compiled; a parameter, since loading the compiler takes longer than most commands. */
export type Compile = (bytes: Uint8Array<ArrayBuffer>) => Promise<Compiled>;

/** What an installation needs. */
export interface InstallOptions {
  readonly layout: Layout;
  readonly reference: Reference;
  /** The plugin's name; the repository's last segment without it. */
  readonly name?: string | undefined;
  /** Replace an installed plugin of that name. */
  readonly force: boolean;
  readonly grants: Grants;
  readonly target: LinkTarget;
  readonly client: RegistryClient;
  readonly compile: Compile;
  readonly now: () => Date;
  /**
   * Decides whether the artifact may be installed, before anything of it is downloaded. Answers with who signed it,
   * undefined where nothing asks for a signature. @throws AppError SIGNATURE_…
   */
  readonly verify?: (reference: Reference, manifest: FetchedManifest) => Promise<Verified | undefined>;
  /** Told what is going on: bytes of the download so far and in all. */
  readonly progress?: (bytes: number, total: number) => void;
  /** One line of status. */
  readonly notice?: (line: string) => void;
}

/**
 * Installs a plugin and returns its receipt.
 *
 * @throws AppError NAME_INVALID, ALREADY_INSTALLED, REGISTRY_…, MANIFEST_INVALID, ARTIFACT_UNSUPPORTED, DIGEST_MISMATCH,
 * SIGNATURE_…, WASM_INVALID, PLUGIN_UNSUPPORTED, COMPILE_FAILED, STORE_FAILED
 */
export async function installPlugin(options: InstallOptions): Promise<Receipt> {
  const { layout, reference, force, grants, target, client, compile, now } = options;
  const shown = formatReference(reference);
  const name = options.name === undefined
    ? defaultPluginName(reference.repository)
    : parsePluginName(options.name);
  checkLinkIsOurs(layout, name, target);
  if (!force) refuseInstalled(layout, name);
  using _lock = await openForWriting(layout, options.notice);
  if (!force) refuseInstalled(layout, name); // by whoever had the lock before

  const manifest = await client.fetchManifest(reference);
  const plugin = parseManifest(manifest.text, printable(shown, 400));
  const verified = await options.verify?.(reference, manifest);
  const blob = layout.blob(plugin.digest);
  let bytes = readIntact(blob, plugin);
  if (!bytes) {
    const staged = `${layout.stage}/blob`;
    await download(client, reference, plugin, staged, options.progress);
    bytes = Deno.readFileSync(staged);
    publish(staged, blob);
  }
  let compiled: Receipt["compiled"];
  let kind: Receipt["kind"];
  try {
    ({ compiled, kind } = await writeCompiled(layout, plugin.digest, bytes, compile));
  } catch (error) {
    collectGarbage(layout); // of a blob that is no plugin
    if (
      error instanceof AppError &&
      ["WASM_INVALID", "PLUGIN_UNSUPPORTED", "COMPILE_FAILED"].includes(error.code)
    ) {
      throw new AppError(
        error.code,
        `Cannot install "${printable(shown, 400)}": ${lowerFirst(error.message)}`,
        {
          ...(error.hint === undefined ? {} : { hint: error.hint }),
          cause: error,
        },
      );
    }
    throw error;
  }
  const receipt: Receipt = {
    name,
    reference: shown,
    manifestDigest: manifest.digest,
    digest: plugin.digest,
    size: plugin.size,
    kind,
    bindgen: BINDGEN,
    compiled,
    grants,
    ...(plugin.version === undefined ? {} : { version: plugin.version }),
    ...(plugin.description === undefined ? {} : { description: plugin.description }),
    ...(verified === undefined ? {} : { verified }),
    installedAt: now().toISOString().replace(/\.\d+Z$/, "Z"),
  };
  // A link without a receipt says "not installed"; a receipt without a link would be a plugin kubectl can't find.
  writeLink(layout, name, target);
  writeReceipt(layout, receipt);
  collectGarbage(layout);
  return receipt;
}

/** Makes the compiled form of an installed plugin anew, from the blob as it was pulled. @throws AppError STORE_CORRUPT */
export async function recompilePlugin(layout: Layout, name: string, compile: Compile): Promise<Receipt> {
  using _lock = await openForWriting(layout, undefined);
  const receipt = readReceipt(layout, name);
  if (receipt.bindgen === BINDGEN) return receipt; // another process was faster
  const bytes = readIntact(layout.blob(receipt.digest), receipt);
  if (!bytes) {
    throw new AppError("STORE_CORRUPT", `The stored WebAssembly of "${name}" is missing or changed`, {
      hint: `krew-wasm pull --force ${receipt.reference} --name ${name}`,
    });
  }
  const renewed: Receipt = {
    ...receipt,
    ...await writeCompiled(layout, receipt.digest, bytes, compile),
    bindgen: BINDGEN,
  };
  writeReceipt(layout, renewed);
  collectGarbage(layout);
  return renewed;
}

/** What became of each name of {@linkcode removePlugins}. */
export interface Removal {
  readonly name: string;
  /** undefined: it was removed. */
  readonly error: unknown;
}

/** Removes plugins: all that can be, each with what became of it. */
export async function removePlugins(
  layout: Layout,
  names: readonly string[],
  notice?: (line: string) => void,
): Promise<Removal[]> {
  if (!exists(layout.receipts)) return names.map((name) => ({ name, error: notInstalled(name) }));
  using _lock = await openForWriting(layout, notice);
  const removals = names.map((text): Removal => {
    const name = text.replaceAll("_", "-");
    // A broken receipt can be removed too; what is no name can't be a path.
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) || !exists(layout.receipt(name))) {
      return { name: text, error: notInstalled(text) };
    }
    try {
      Deno.removeSync(layout.receipt(name));
      syncDirectory(layout.receipts);
      for (const link of linkFiles(layout, name)) if (isOurLink(layout, link)) Deno.removeSync(link);
      if (exists(layout.dataDir(name))) Deno.removeSync(layout.dataDir(name), { recursive: true });
      return { name, error: undefined };
    } catch (error) {
      return { name, error: storeFailed(`Cannot remove "${name}"`, error) };
    }
  });
  collectGarbage(layout);
  return removals;
}

function notInstalled(name: string): AppError {
  return new AppError("NOT_INSTALLED", `No plugin "${printable(name, 100)}" is installed`, {
    hint: "krew-wasm list shows what is",
  });
}

function refuseInstalled(layout: Layout, name: string): void {
  if (!exists(layout.receipt(name))) return;
  let reference = "another plugin";
  try {
    reference = readReceipt(layout, name).reference;
  } catch { /* a broken receipt stands in the way all the same */ }
  throw new AppError(
    "ALREADY_INSTALLED",
    `A plugin "${name}" is installed already, from ${printable(reference, 400)}`,
    {
      hint: "--force replaces it, --name installs under another name",
    },
  );
}

/** Makes the store's directories, takes the lock, sweeps what an earlier process left. */
async function openForWriting(
  layout: Layout,
  notice: ((line: string) => void) | undefined,
): Promise<Disposable> {
  try {
    for (
      const directory of [
        layout.root,
        layout.bin,
        layout.blobs,
        layout.compiled,
        layout.receipts,
        layout.data,
        layout.stage,
      ]
    ) {
      Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    }
    if (Deno.build.os !== "windows" && Deno.statSync(layout.root).uid !== Deno.uid()) {
      throw new AppError("STORE_FAILED", `${layout.root} belongs to another user`, {
        hint: "set KREW_WASM_ROOT to a directory of your own",
      });
    }
  } catch (error) {
    throw storeFailed(`Cannot use ${layout.root}`, error);
  }
  const lock = await lockStore(
    layout.lock,
    (pid) => notice?.(`waiting for another krew-wasm${pid ? ` (process ${pid})` : ""} to finish`),
  );
  try {
    Deno.removeSync(layout.stage, { recursive: true });
    Deno.mkdirSync(layout.stage, { mode: 0o700 });
  } catch (error) {
    lock[Symbol.dispose]();
    throw storeFailed(`Cannot sweep ${layout.stage}`, error);
  }
  return lock;
}

async function download(
  client: RegistryClient,
  reference: Reference,
  plugin: { readonly digest: string; readonly size: number },
  staged: string,
  progress: InstallOptions["progress"],
): Promise<void> {
  let file: Deno.FsFile | undefined;
  try {
    await client.fetchBlob(reference, plugin, () => {
      file?.close();
      const opened = file = Deno.openSync(staged, { write: true, create: true, truncate: true, mode: 0o600 });
      return (bytes) => {
        for (let sent = 0; sent < bytes.length;) sent += opened.writeSync(bytes.subarray(sent));
      };
    }, (bytes) => progress?.(bytes, plugin.size));
    file?.syncSync();
  } catch (error) {
    throw error instanceof AppError ? error : storeFailed(`Cannot write ${staged}`, error);
  } finally {
    file?.close();
  }
}

/** A blob's bytes where they are there and whole. */
function readIntact(
  path: string,
  { digest, size }: { readonly digest: string; readonly size: number },
): Uint8Array<ArrayBuffer> | undefined {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Deno.readFileSync(path);
  } catch {
    return undefined;
  }
  return bytes.length === size && digestOf(bytes) === digest ? bytes : undefined;
}

async function writeCompiled(
  layout: Layout,
  digest: string,
  bytes: Uint8Array<ArrayBuffer>,
  compile: Compile,
): Promise<Pick<Receipt, "compiled" | "kind">> {
  const { kind, files } = await compile(bytes);
  const staged = `${layout.stage}/compiled`;
  const directory = layout.compiledDir(digest, BINDGEN);
  try {
    Deno.mkdirSync(staged, { mode: 0o700 });
    for (const { name, bytes } of files) writeSynced(`${staged}/${name}`, bytes, 0o600);
    syncDirectory(staged);
    // What may be there is of a plugin with the same bytes, or of a process that was killed: move it out of the way.
    if (exists(directory)) Deno.renameSync(directory, `${layout.stage}/replaced`);
    publish(staged, directory);
  } catch (error) {
    throw storeFailed(`Cannot write ${directory}`, error);
  }
  return {
    kind,
    compiled: files.map(({ name, bytes }) => ({ file: name, digest: digestOf(bytes), size: bytes.length })),
  };
}

function writeReceipt(layout: Layout, receipt: Receipt): void {
  try {
    writeSynced(`${layout.stage}/receipt`, new TextEncoder().encode(formatReceipt(receipt)), 0o600);
    publish(`${layout.stage}/receipt`, layout.receipt(receipt.name));
  } catch (error) {
    throw storeFailed(`Cannot write ${layout.receipt(receipt.name)}`, error);
  }
}

function writeSynced(path: string, bytes: Uint8Array, mode: number): void {
  const file = Deno.openSync(path, { write: true, create: true, truncate: true, mode });
  try {
    for (let sent = 0; sent < bytes.length;) sent += file.writeSync(bytes.subarray(sent));
    file.syncSync();
  } finally {
    file.close();
  }
}

/** Moves what is staged into place, in one step. */
function publish(staged: string, path: string): void {
  Deno.renameSync(staged, path);
  syncDirectory(path.slice(0, path.lastIndexOf("/")));
}

function syncDirectory(path: string): void {
  if (Deno.build.os === "windows") return; // a directory can't be opened there
  const directory = Deno.openSync(path, { read: true });
  try {
    directory.syncSync();
  } finally {
    directory.close();
  }
}

/** The files that kubectl may find for a plugin. */
function linkFiles(layout: Layout, name: string): string[] {
  const link = layout.link(name);
  return Deno.build.os === "windows" ? [`${link}.cmd`, link] : [link];
}

const LAUNCHER_MARK = "# made by krew-wasm";

/** Whether a file in bin/ is one we made: a link to our own, or a launcher. */
function isOurLink(layout: Layout, path: string): boolean {
  try {
    const info = Deno.lstatSync(path);
    if (info.isSymlink) return ["krew-wasm", layout.self].includes(Deno.readLinkSync(path));
    return info.isFile && info.size < 65536 && Deno.readTextFileSync(path).includes(LAUNCHER_MARK);
  } catch {
    return false;
  }
}

function checkLinkIsOurs(layout: Layout, name: string, _target: LinkTarget): void {
  for (const link of linkFiles(layout, name)) {
    if (exists(link) && !isOurLink(layout, link)) {
      throw new AppError("STORE_FAILED", `${link} is there and not made by krew-wasm`, {
        hint: `move it away, or choose another name with --name`,
      });
    }
  }
}

function writeLink(layout: Layout, name: string, target: LinkTarget): void {
  const windows = Deno.build.os === "windows";
  try {
    if (target.kind === "binary" && !windows) {
      if (target.path !== layout.self && linkTargetOf(layout.self) !== target.path) {
        placeLink(layout, target.path, layout.self);
      }
      placeLink(layout, "krew-wasm", layout.link(name));
      return;
    }
    const command = target.kind === "binary" ? [target.path] : target.command;
    const staged = `${layout.stage}/${linkName(name)}`;
    const text = windows
      ? `@rem ${LAUNCHER_MARK}\r\n@${command.map((word) => `"${word}"`).join(" ")} run ${name} -- %*\r\n`
      : `#!/bin/sh\nexec ${command.map(shellQuoted).join(" ")} run ${name} -- "$@" ${LAUNCHER_MARK}\n`;
    writeSynced(staged, new TextEncoder().encode(text), 0o755);
    if (!windows) Deno.chmodSync(staged, 0o755);
    publish(staged, windows ? `${layout.link(name)}.cmd` : layout.link(name));
  } catch (error) {
    throw storeFailed(`Cannot write ${layout.link(name)}`, error);
  }
}

function placeLink(layout: Layout, to: string, path: string): void {
  const staged = `${layout.stage}/link`;
  makeSymlink(to, staged);
  publish(staged, path);
}

function linkTargetOf(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}

/** A word for /bin/sh. */
export function shellQuoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Removes blobs and compiled forms that no receipt needs. With a broken receipt in the store, nothing: it may need some. */
function collectGarbage(layout: Layout): void {
  const { receipts, broken } = readReceipts(layout);
  if (broken.length > 0) return;
  const blobs = new Set(receipts.map(({ digest }) => digest.slice("sha256:".length)));
  const forms = new Set(
    receipts.map(({ digest, bindgen }) =>
      layout.compiledDir(digest, bindgen).slice(layout.compiled.length + 1)
    ),
  );
  for (const [directory, needed] of [[layout.blobs, blobs], [layout.compiled, forms]] as const) {
    try {
      for (const { name } of Deno.readDirSync(directory)) {
        if (needed.has(name) || !/^[0-9a-f]{64}(-|$)/.test(name)) continue;
        Deno.removeSync(`${directory}/${name}`, { recursive: true });
      }
    } catch { /* what is left is swept another time */ }
  }
}

function storeFailed(what: string, error: unknown): AppError {
  if (error instanceof AppError) return error;
  const full = (error as { code?: string }).code === "ENOSPC";
  return new AppError("STORE_FAILED", `${what}: ${full ? "the disk is full" : messageOf(error)}`, {
    cause: error,
  });
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
