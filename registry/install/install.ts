/**
 * From a reference to an installed plugin. A change is staged beside its target, synced and renamed; the receipt comes
 * last, so that a plugin is installed or is not, whatever ends the process (registry/store/ has the parts).
 */

import { AppError } from "../../runtime/base/errors.ts";
import type { Grants } from "../../runtime/grants/grants.ts";
import { exists } from "../../runtime/base/host_path.ts";
import { defaultPluginName, parsePluginName } from "../../runtime/base/names.ts";
import { BINDGEN } from "../../runtime/store/bindgen.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { readReceipt } from "../../runtime/store/read.ts";
import {
  digestProblem,
  type Provenance,
  repositoryOf,
  type Signature,
} from "../../runtime/policy/provenance.ts";
import { formatReceipt, type Receipt } from "../../runtime/store/receipt.ts";
import { printable } from "../../runtime/base/text.ts";
import type { FetchedManifest } from "../oci/registry_client.ts";
import { digestOf } from "../oci/digest.ts";
import { parseManifest, type PluginManifest } from "../oci/manifest.ts";
import { formatReference, type Reference } from "../oci/mirrored_reference.ts";
import {
  type ArtifactSource,
  type Compile,
  compileFor,
  download,
  fetchArtifact,
  type Fetched,
  type FetchOptions,
} from "./download.ts";
import { isIntact, readSlim } from "../store/slim.ts";
import { findCompiled, writeBlob, writeCompiled } from "../store/blobs.ts";
import { commitReceipt, DEFAULT_KEEP, writeReceipt } from "../store/commit.ts";
import { publish, storeFailed } from "../store/disk.ts";
import { checkLinkIsOurs, type LinkTarget, writeLinks, writeSelf } from "../store/links.ts";
import { Incoming } from "../store/incoming.ts";
import { openForWriting, prepareStore } from "../store/open.ts";
import { sweep } from "../store/sweep.ts";

/** The annotation of an artifact whose plugin answers `__complete ARGS…` as cobra has it. */
const COMPLETION = "krew-wasm.dev/completion";

/**
 * Decides what a plugin may do: by the receipt it replaces, if any, and what its publisher wishes for. It may ask a person.
 * @throws AppError POLICY_REFUSED
 */
export type DecideGrants = (plugin: Arriving, replaced: Receipt | undefined) => Grants | Promise<Grants>;

/** A plugin that is about to be installed. */
export interface Arriving extends Provenance {
  /** Of its WebAssembly. */
  readonly digest: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What an installation needs. */
export interface InstallOptions extends FetchOptions {
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
  readonly now: () => Date;
  /** How many versions stay, this one among them; 3 without it. */
  readonly keep?: number | undefined;
  /**
   * Decides whether the artifact may be installed, before anything of it is downloaded. Answers with the signatures that
   * were asked for; none where nothing asks for one. @throws AppError SIGNATURE_…, POLICY_REFUSED
   */
  readonly verify?: (reference: Reference, manifest: FetchedManifest) => Promise<readonly Signature[]>;
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
  const { layout, reference, force, grants } = options;
  const shown = formatReference(reference);
  const name = options.name === undefined
    ? defaultPluginName(reference.repository)
    : parsePluginName(options.name);
  checkLinkIsOurs(layout, name);
  if (!force) refuseInstalled(layout, name);
  prepareStore(layout);
  const findReplaced = () => {
    const receipt = installed(layout, name);
    if (options.upgrades && !receipt) readReceipt(layout, name); // says why there is nothing to upgrade
    return receipt;
  };
  let replaced = findReplaced();

  // What may take long, registries and people, comes before the lock: others go on meanwhile.
  const artifact = await resolveArtifact(options);
  const { manifest, plugin, provenance } = artifact;
  const { digest, annotations } = plugin;
  const decide = async () =>
    typeof grants === "function" ? await grants({ ...provenance, digest, annotations }, replaced) : grants;
  if (typeof grants === "function" && !replaced && exists(layout.receipt(name))) {
    options.notice?.(
      `warning: what "${name}" was granted, and denied, can't be read: it starts from what every plugin has`,
    );
  }
  let granted = await decide();
  using fetched = await fetchArtifact(options, manifest, plugin);
  for (let round = 1;; round++) {
    {
      using _lock = await openForWriting(layout, { task: `pull ${shown}`, notice: options.notice });
      if (!force) refuseInstalled(layout, name);
      const before = replaced;
      replaced = findReplaced();
      const same = isSame(before, replaced);
      if (!same && round === ROUNDS) granted = await decide();
      if (same || round === ROUNDS) return await commit(options, name, artifact, fetched, granted, replaced);
    }
    granted = await decide();
  }
}

/**
 * How often grants are decided by the version that is replaced, which others may replace meanwhile, until they are decided
 * under the lock.
 */
const ROUNDS = 3;

/** Whether two receipts, or that there is none, are the same. */
function isSame(one: Receipt | undefined, other: Receipt | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return formatReceipt(one) === formatReceipt(other);
}

/** What is to be installed, as the registry says. */
interface Artifact {
  readonly manifest: FetchedManifest;
  readonly plugin: PluginManifest;
  readonly provenance: Provenance;
}

async function resolveArtifact(options: InstallOptions): Promise<Artifact> {
  const { client, reference } = options;
  const shown = printable(formatReference(reference), 400);
  const pinned = options.pin === undefined ? reference : { ...reference, digest: options.pin };
  const manifest = await fetchPinned(client, pinned, options);
  const problem = digestProblem(reference, { ...manifest, manifestDigest: manifest.digest });
  if (problem !== undefined) throw new AppError("DIGEST_MISMATCH", `Cannot install "${shown}": ${problem}`);
  const plugin = parseManifest(manifest.text, shown);
  if (options.pinnedBlob !== undefined && plugin.digest !== options.pinnedBlob) {
    throw new AppError(
      "DIGEST_MISMATCH",
      `Cannot install "${shown}": its WebAssembly is to be ${options.pinnedBlob}, its manifest says ${plugin.digest}`,
    );
  }
  const signatures = await options.verify?.(pinned, manifest) ?? [];
  const source = manifest.source ?? { kind: "registry" };
  return { manifest, plugin, provenance: { reference: formatReference(reference), source, signatures } };
}

/** Puts into the store what was fetched, the receipt last. Under the lock. */
async function commit(
  options: InstallOptions,
  name: string,
  { manifest, plugin, provenance }: Artifact,
  fetched: Fetched,
  granted: Grants,
  replaced: Receipt | undefined,
): Promise<Receipt> {
  const { layout, target, now } = options;
  const blob = layout.blob(plugin.digest);
  if (fetched.blob) {
    // Another pull of the same may have been faster.
    if (!isIntact(blob, plugin)) publishBlob(layout, fetched.blob, blob);
  } else if (!isThere(blob, plugin)) {
    // It was there, and was removed since.
    using again = Incoming.open(layout);
    await download(options, plugin, again);
    publishBlob(layout, again, blob);
  }
  let form = findCompiled(layout, plugin.digest);
  if (!form) {
    try {
      const compiled = fetched.compiled ?? await compileFor(options, readSlim(blob));
      form = writeCompiled(layout, plugin.digest, compiled);
    } catch (error) {
      sweep(layout); // of a blob that is no plugin
      throw error;
    }
  }
  // As they were sent: a bundle for machines without network is made of these.
  const bytesOfManifest = new TextEncoder().encode(manifest.text);
  if (digestOf(bytesOfManifest) === manifest.digest) writeBlob(layout, bytesOfManifest);
  const config = fetched.config && writeBlob(layout, fetched.config);
  const receipt: Receipt = {
    name,
    ...provenance,
    signatures: options.pin === undefined
      ? provenance.signatures
      : signaturesOf(provenance, manifest.digest, replaced),
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

/** What was verified now of what was asked for by digest, after what was of the very same before: that holds as it did. */
function signaturesOf(
  { reference, signatures }: Provenance,
  manifestDigest: string,
  replaced: Receipt | undefined,
): readonly Signature[] {
  if (replaced?.manifestDigest !== manifestDigest || repositoryOf(replaced) !== repositoryOf({ reference })) {
    return signatures;
  }
  const now = new Set(signatures.map((signature) => JSON.stringify(signature)));
  return [...replaced.signatures.filter((signature) => !now.has(JSON.stringify(signature))), ...signatures];
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
    writeCompiled(layout, receipt.digest, await compile(readSlim(blob)));
  const renewed: Receipt = { ...receipt, ...form, bindgen: BINDGEN };
  writeReceipt(layout, renewed);
  return renewed;
}

/** The manifest that is meant; through its index, where that still is there and says so. */
async function fetchPinned(
  client: ArtifactSource,
  reference: Reference,
  { pin, pinnedIndex, reference: { digest } }: Pick<InstallOptions, "pin" | "pinnedIndex" | "reference">,
): Promise<FetchedManifest> {
  // A reference by another digest than the manifest's names its index.
  const index = pinnedIndex ?? (digest === pin ? undefined : digest);
  if (pin !== undefined && index !== undefined) {
    try {
      const chosen = await client.fetchManifest({ ...reference, digest: index });
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

/** Whether a blob is there that was intact a moment ago. */
function isThere(path: string, { size }: PluginManifest): boolean {
  try {
    return Deno.statSync(path).size === size;
  } catch {
    return false;
  }
}

function publishBlob(layout: Layout, incoming: Incoming, path: string): void {
  const staged = `${layout.stage}/blob`;
  try {
    incoming.copyTo(staged);
    publish(staged, path);
  } catch (error) {
    try {
      Deno.removeSync(staged); // a full disk has room again at once
    } catch { /* it is emptied by the next process that writes */ }
    throw storeFailed(`Cannot write ${path}`, error);
  }
}
