/**
 * From a reference to an installed plugin. A change is staged beside its target, synced and renamed; the receipt comes
 * last, so that a plugin is installed or is not, whatever ends the process (registry/store/ has the parts).
 */

import { AppError } from "../runtime/errors.ts";
import type { Grants } from "../runtime/grants.ts";
import { exists } from "../runtime/host_path.ts";
import { defaultPluginName, parsePluginName } from "../runtime/names.ts";
import { BINDGEN } from "../runtime/store/bindgen.ts";
import type { Layout } from "../runtime/store/layout.ts";
import { readReceipt } from "../runtime/store/read.ts";
import type { Receipt, Verified } from "../runtime/store/receipt.ts";
import { lowerFirst, printable } from "../runtime/text.ts";
import type { FetchedManifest, RegistryClient } from "./client.ts";
import type { Compiled } from "./compile.ts";
import { digestOf } from "./digest.ts";
import { configOf, parseManifest } from "./manifest.ts";
import { formatReference, type Reference } from "./reference.ts";
import { isIntact, readSlim } from "./store/slim.ts";
import { findCompiled, readIntact, writeBlob, writeCompiled } from "./store/blobs.ts";
import { commitReceipt, DEFAULT_KEEP, writeReceipt } from "./store/commit.ts";
import { publish, storeFailed } from "./store/disk.ts";
import { checkLinkIsOurs, type LinkTarget, writeLinks, writeSelf } from "./store/links.ts";
import { openForWriting } from "./store/open.ts";
import { sweep } from "./store/sweep.ts";

/** How a plugin is compiled; a parameter, since loading the compiler takes longer than most commands. */
export type Compile = (bytes: Uint8Array<ArrayBuffer>) => Promise<Compiled>;

/** The annotation of an artifact whose plugin answers `__complete ARGS…` as cobra has it. */
const COMPLETION = "krew-wasm.dev/completion";

/** Where artifacts come from: a registry, or a bundle. */
export type ArtifactSource = Pick<RegistryClient, "fetchManifest" | "fetchBlob">;

/**
 * Decides what a plugin may do: by the receipt it replaces, if any, and what its publisher wishes for. It may ask a person.
 * @throws AppError POLICY_REFUSED
 */
export type DecideGrants = (
  plugin: { readonly reference: string; readonly annotations: Readonly<Record<string, string>> },
  replaced: Receipt | undefined,
) => Grants | Promise<Grants>;

/** What an installation needs. */
export interface InstallOptions {
  readonly layout: Layout;
  readonly reference: Reference;
  /** The plugin's name; the repository's last segment without it. */
  readonly name?: string | undefined;
  /** The manifest that is meant, whatever the reference's tag stands for by now. */
  readonly pin?: string | undefined;
  /** The index that it was chosen from, which may be what is signed. */
  readonly pinnedIndex?: string | undefined;
  /** The digest that the WebAssembly must have by the manifest. */
  readonly pinnedBlob?: string | undefined;
  /** Replace an installed plugin of that name. */
  readonly force: boolean;
  /** The plugin is to be there already: one that was removed meanwhile is not brought back. */
  readonly upgrades?: boolean | undefined;
  /** What it may do; a function is asked when the artifact is known, before it is downloaded. */
  readonly grants: Grants | DecideGrants;
  readonly target: LinkTarget;
  readonly client: ArtifactSource;
  readonly compile: Compile;
  readonly now: () => Date;
  /** How many versions stay, this one among them; 3 without it. */
  readonly keep?: number | undefined;
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
 * SIGNATURE_…, WASM_INVALID, PLUGIN_UNSUPPORTED, COMPILE_FAILED, STORE_…
 */
export async function installPlugin(options: InstallOptions): Promise<Receipt> {
  const { layout, reference, force, grants, target, client, compile, now } = options;
  const shown = formatReference(reference);
  const name = options.name === undefined
    ? defaultPluginName(reference.repository)
    : parsePluginName(options.name);
  checkLinkIsOurs(layout, name);
  if (!force) refuseInstalled(layout, name);
  using _lock = await openForWriting(layout, { task: `pull ${shown}`, notice: options.notice });
  if (!force) refuseInstalled(layout, name); // by whoever had the lock before
  const replaced = installed(layout, name);
  if (options.upgrades && !replaced) readReceipt(layout, name); // says why there is nothing to upgrade

  const pinned = options.pin === undefined ? reference : { ...reference, digest: options.pin };
  const manifest = await fetchPinned(client, pinned, options);
  const plugin = parseManifest(manifest.text, printable(shown, 400));
  if (options.pinnedBlob !== undefined && plugin.digest !== options.pinnedBlob) {
    throw new AppError(
      "DIGEST_MISMATCH",
      `Cannot install "${
        printable(shown, 400)
      }": its WebAssembly is to be ${options.pinnedBlob}, its manifest says ${plugin.digest}`,
    );
  }
  const verified = await options.verify?.(pinned, manifest);
  const granted = typeof grants === "function"
    ? await grants({ reference: shown, annotations: plugin.annotations }, replaced)
    : grants;
  const blob = layout.blob(plugin.digest);
  // The config is small: it comes beside the WebAssembly, once that does, and while that is compiled.
  let fetched: Promise<string | Uint8Array | undefined> | undefined;
  const fetchConfig = () => {
    if (!fetched) {
      fetched = findConfig(layout, client, reference, manifest);
      fetched.catch(() => {}); // told where it is waited for
    }
    return fetched;
  };
  const settled = async () => void await fetched?.catch(() => {});
  if (!isIntact(blob, plugin)) {
    const staged = `${layout.stage}/blob`;
    try {
      await download(client, reference, plugin, staged, (bytes, total) => {
        fetchConfig();
        options.progress?.(bytes, total);
      });
    } catch (error) {
      await settled();
      throw error;
    }
    publishBlob(staged, blob);
  }
  let form: Pick<Receipt, "compiled" | "kind">;
  try {
    form = findCompiled(layout, plugin.digest) ??
      await writeCompiled(layout, plugin.digest, readSlim(blob), compile);
  } catch (error) {
    await settled();
    sweep(layout); // of a blob that is no plugin
    if (
      error instanceof AppError &&
      ["WASM_INVALID", "TOO_LARGE", "PLUGIN_UNSUPPORTED", "COMPILE_FAILED"].includes(error.code)
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
  // As they were sent: a bundle for machines without network is made of these.
  const bytesOfManifest = new TextEncoder().encode(manifest.text);
  if (digestOf(bytesOfManifest) === manifest.digest) writeBlob(layout, bytesOfManifest);
  const found = await fetchConfig();
  const config = found instanceof Uint8Array ? writeBlob(layout, found) : found;
  const receipt: Receipt = {
    name,
    reference: shown,
    manifestDigest: manifest.digest,
    ...(manifest.indexDigest === undefined ? {} : { indexDigest: manifest.indexDigest }),
    ...(config === undefined ? {} : { config }),
    digest: plugin.digest,
    size: plugin.size,
    kind: form.kind,
    bindgen: BINDGEN,
    compiled: form.compiled,
    grants: granted,
    ...(plugin.version === undefined ? {} : { version: plugin.version }),
    ...(plugin.description === undefined ? {} : { description: plugin.description }),
    ...(verified === undefined ? {} : { verified }),
    ...(plugin.annotations[COMPLETION] === "cobra" ? { completion: "cobra" } : {}),
    installedAt: now().toISOString().replace(/\.\d+Z$/, "Z"),
  };
  // A link without a receipt says "not installed"; a receipt without a link would be a plugin kubectl can't find.
  writeSelf(layout, target);
  writeLinks(layout, receipt);
  commitReceipt(layout, receipt, options.keep ?? DEFAULT_KEEP);
  sweep(layout);
  return receipt;
}

/** Makes the compiled form of an installed plugin anew, from the blob as it was pulled. @throws AppError STORE_CORRUPT */
export async function recompilePlugin(
  layout: Layout,
  name: string,
  compile: Compile,
  notice?: (line: string) => void,
): Promise<Receipt> {
  using _lock = await openForWriting(layout, { task: `recompile ${name}`, notice });
  const receipt = readReceipt(layout, name);
  if (receipt.bindgen === BINDGEN) return receipt; // another process was faster
  const renewed = await compileAnew(layout, receipt, compile);
  sweep(layout);
  return renewed;
}

/** Compiles what a receipt stands for, where no other has the form, and writes the receipt. Under the lock. */
export async function compileAnew(layout: Layout, receipt: Receipt, compile: Compile): Promise<Receipt> {
  const blob = layout.blob(receipt.digest);
  if (!isIntact(blob, receipt)) {
    throw new AppError("STORE_CORRUPT", `The stored WebAssembly of "${receipt.name}" is missing or changed`, {
      hint: `krew-wasm pull --force ${receipt.reference} --name ${receipt.name}`,
    });
  }
  const form = findCompiled(layout, receipt.digest) ??
    await writeCompiled(layout, receipt.digest, readSlim(blob), compile);
  const renewed: Receipt = { ...receipt, ...form, bindgen: BINDGEN };
  writeReceipt(layout, renewed);
  return renewed;
}

/** The manifest that is meant; through its index, where that still is there and says so. */
async function fetchPinned(
  client: ArtifactSource,
  reference: Reference,
  { pin, pinnedIndex }: Pick<InstallOptions, "pin" | "pinnedIndex">,
): Promise<FetchedManifest> {
  if (pin !== undefined && pinnedIndex !== undefined) {
    try {
      const chosen = await client.fetchManifest({ ...reference, digest: pinnedIndex });
      if (chosen.digest === pin) return chosen;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "REGISTRY_NOT_FOUND") throw error;
    }
  }
  return await client.fetchManifest(reference);
}

function installed(layout: Layout, name: string): Receipt | undefined {
  try {
    return readReceipt(layout, name);
  } catch {
    return undefined;
  }
}

function refuseInstalled(layout: Layout, name: string): void {
  if (!exists(layout.receipt(name))) return;
  const reference = installed(layout, name)?.reference ?? "another plugin"; // a broken receipt stands in the way too
  throw new AppError(
    "ALREADY_INSTALLED",
    `A plugin "${name}" is installed already, from ${printable(reference, 400)}`,
    {
      hint: "--force replaces it, --name installs under another name",
    },
  );
}

/** No config is larger; what is, is not kept. */
const MAX_CONFIG = 1 << 20;

/**
 * The artifact's config, which is kept too: its digest where it is stored already, else its bytes. A registry that has none
 * left is no reason not to install.
 */
async function findConfig(
  layout: Layout,
  client: ArtifactSource,
  reference: Reference,
  manifest: FetchedManifest,
): Promise<string | Uint8Array | undefined> {
  const config = configOf(manifest.text);
  if (!config || config.size > MAX_CONFIG) return undefined;
  if (readIntact(layout.blob(config.digest), config)) return config.digest;
  let chunks: Uint8Array<ArrayBuffer>[] = [];
  try {
    await client.fetchBlob(reference, config, () => {
      chunks = [];
      return (bytes) => chunks.push(bytes.slice());
    });
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

async function download(
  client: ArtifactSource,
  reference: Reference,
  plugin: { readonly digest: string; readonly size: number },
  staged: string,
  progress: InstallOptions["progress"],
): Promise<void> {
  let file: Deno.FsFile | undefined;
  // A failure of the disk is told as one: what else a sink throws would be taken for the connection's.
  const onDisk = <T>(operation: () => T): T => {
    try {
      return operation();
    } catch (error) {
      throw storeFailed(`Cannot write ${staged}`, error);
    }
  };
  try {
    await client.fetchBlob(reference, plugin, () => {
      file?.close();
      const opened = file = onDisk(() =>
        Deno.openSync(staged, { write: true, create: true, truncate: true, mode: 0o600 })
      );
      return (bytes) =>
        onDisk(() => {
          for (let sent = 0; sent < bytes.length;) sent += opened.writeSync(bytes.subarray(sent));
        });
    }, (bytes) => progress?.(bytes, plugin.size));
    file?.syncSync();
  } catch (error) {
    throw error instanceof AppError ? error : storeFailed(`Cannot write ${staged}`, error);
  } finally {
    file?.close();
  }
}

function publishBlob(staged: string, path: string): void {
  try {
    publish(staged, path);
  } catch (error) {
    throw storeFailed(`Cannot write ${path}`, error);
  }
}
