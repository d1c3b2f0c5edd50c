/**
 * Installs a plugin from a reference. Each change is staged beside its target, synced and renamed. The receipt is
 * written last, so the plugin is installed completely or not at all, even if the process is killed. registry/store/ has
 * the parts.
 */

import { AppError } from "../../runtime/base/errors.ts";
import type { Grants } from "../../runtime/grants/grants.ts";
import { exists } from "../../runtime/base/host_path.ts";
import { defaultPluginName, parsePluginName } from "../../runtime/base/names.ts";
import { BINDGEN } from "../../runtime/store/bindgen.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { readReceipt } from "../../runtime/store/read.ts";
import {
  isSamePublisher,
  type Provenance,
  repositoryOf,
  type Signature,
} from "../../runtime/policy/provenance.ts";
import { formatReceipt, type Receipt } from "../../runtime/store/receipt.ts";
import { printable } from "../../runtime/base/text.ts";
import { timestamp } from "../oci/artifact.ts";
import { digestOf } from "../oci/digest.ts";
import type { PluginManifest } from "../oci/manifest.ts";
import { formatReference } from "../oci/mirrored_reference.ts";
import { compileFor, download, fetchArtifact, type Fetched, type FetchOptions } from "./download.ts";
import type { Arriving, InstallDecisions, InstallPlan } from "./install_plan.ts";
import { type Artifact, resolveArtifact } from "./resolve_artifact.ts";
import { isIntact, readStripped } from "../store/read_stripped.ts";
import type { StoreBatch } from "../store/batch.ts";
import { type CompiledForm, CompiledForms, writeBlob, writeCompiled } from "../store/blobs.ts";
import { commitReceipt, DEFAULT_KEEP } from "../store/commit.ts";
import { storeFailed, syncDirectory } from "../store/disk.ts";
import { checkLinkIsOurs, type LinkTarget, writeLinks, writeSelf } from "../store/links.ts";
import { Incoming } from "../store/incoming.ts";
import { createStore, openForWriting } from "../store/open.ts";

/** The annotation of plugins that answer `__complete ARGS…` like cobra. */
const COMPLETION = "krew-wasm.dev/completion";

/** Where to install from and to, and whom to tell. */
export interface InstallOptions extends Omit<FetchOptions, "reference" | "forms"> {
  readonly target: LinkTarget;
  readonly now: () => Date;
  /** The batch that sweeps the store after several installations. Default: each sweeps it. */
  readonly batch?: StoreBatch | undefined;
}

/**
 * Installs a plugin and returns its receipt.
 *
 * @throws AppError NAME_INVALID, ALREADY_INSTALLED, REGISTRY_…, MANIFEST_INVALID, ARTIFACT_UNSUPPORTED, DIGEST_MISMATCH,
 * SIGNATURE_…, WASM_INVALID, PLUGIN_UNSUPPORTED, COMPILE_FAILED, STORE_…
 */
export async function installPlugin(
  plan: InstallPlan,
  decide: InstallDecisions,
  options: InstallOptions,
): Promise<Receipt> {
  const { reference, force } = plan;
  const { layout, notice, batch } = options;
  const forms = batch?.forms ?? new CompiledForms(layout);
  const fetching: FetchOptions = { ...options, reference, forms };
  const task = `pull ${formatReference(reference)}`;
  const name = plan.name === undefined ? defaultPluginName(reference.repository) : parsePluginName(plan.name);
  checkLinkIsOurs(layout, name);
  if (!force) refuseInstalled(layout, name);
  await createStore(layout, { task, notice });
  const findReplaced = () => {
    const receipt = installed(layout, name);
    if (plan.upgrades && !receipt) readReceipt(layout, name); // throws the reason why there is nothing to upgrade
    return receipt;
  };
  let replaced = findReplaced();

  // Requests and questions may take long, so they come before the lock.
  const artifact = await resolveArtifact(plan, decide, options.client);
  const { manifest, plugin, provenance } = artifact;
  const arriving: Arriving = { ...provenance, digest: plugin.digest, annotations: plugin.annotations };
  if (!replaced && exists(layout.receipt(name))) {
    notice?.(
      `warning: what "${name}" was granted, and denied, can't be read: it starts from what every plugin has`,
    );
  }
  let granted = await decide.grants(arriving, replaced);
  using fetched = await fetchArtifact(fetching, manifest, plugin);
  for (let round = 1;; round++) {
    {
      using _lock = await openForWriting(layout, { task, notice, batch });
      if (!force) refuseInstalled(layout, name);
      const before = replaced;
      replaced = findReplaced();
      const same = isSame(before, replaced);
      if (!same && round === ROUNDS) granted = await decide.grants(arriving, replaced);
      if (same || round === ROUNDS) {
        const form = await storeFetched(fetching, artifact, fetched);
        return commit(plan, options, { ...artifact, name, granted, form, config: fetched.config }, replaced);
      }
    }
    fetched.release(); // nobody has to wait for a person's answer
    granted = await decide.grants(arriving, replaced);
  }
}

/**
 * How often to decide grants without the lock, if other processes keep replacing the receipt. After that, grants are
 * decided under the lock.
 */
const ROUNDS = 3;

/** Whether two receipts are the same, or both are missing. */
function isSame(one: Receipt | undefined, other: Receipt | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return formatReceipt(one) === formatReceipt(other);
}

/** Puts the WebAssembly and its compiled form into the store. Under the lock. */
async function storeFetched(
  options: FetchOptions,
  { plugin }: Artifact,
  fetched: Fetched,
): Promise<CompiledForm> {
  const { layout, forms } = options;
  const { digest } = plugin;
  const blob = layout.blob(digest);
  if (fetched.blob) {
    // Another pull of the same plugin may have been faster.
    if (!isIntact(blob, plugin)) publishBlob(layout, fetched.blob, blob);
  } else if (!isThere(blob, plugin)) {
    // It was in the store and was removed meanwhile.
    using again = Incoming.open(layout);
    await download(options, plugin, again);
    publishBlob(layout, again, blob);
  }
  const found = forms.find(digest);
  if (found) return found;
  const compiled = fetched.compiled ?? await compileFor(options, readStripped(blob));
  const form = writeCompiled(layout, digest, compiled);
  forms.add({ ...form, digest });
  return form;
}

/** An artifact whose WebAssembly and compiled form are in the store. */
interface Stored extends Artifact {
  readonly name: string;
  readonly granted: Grants;
  readonly form: CompiledForm;
  readonly config: Uint8Array | undefined;
}

/** Writes what makes a stored artifact an installed plugin, the receipt last. Under the lock. */
function commit(
  { pin, upgrades, keep = DEFAULT_KEEP }: InstallPlan,
  { layout, target, now }: InstallOptions,
  stored: Stored,
  replaced: Receipt | undefined,
): Receipt {
  const { name, manifest, plugin, provenance, granted, form } = stored;
  // The original bytes: `bundle save` writes them for machines without network.
  const bytesOfManifest = new TextEncoder().encode(manifest.text);
  if (digestOf(bytesOfManifest) === manifest.digest) writeBlob(layout, bytesOfManifest);
  const config = stored.config && writeBlob(layout, stored.config);
  try {
    syncDirectory(layout.blobs);
  } catch (error) {
    throw storeFailed(`Cannot write ${layout.blobs}`, error);
  }
  const receipt: Receipt = {
    name,
    ...provenance,
    signatures: pin === undefined
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
    ...(upgrades && replaced?.installedGrants &&
        isSamePublisher(replaced, { ...provenance, digest: plugin.digest })
      ? { installedGrants: replaced.installedGrants }
      : {}),
    ...(plugin.version === undefined ? {} : { version: plugin.version }),
    ...(plugin.description === undefined ? {} : { description: plugin.description }),
    ...(plugin.annotations[COMPLETION] === "cobra" ? { completion: "cobra" } : {}),
    installedAt: timestamp(now()),
  };
  // A link without a receipt reports "not installed". A receipt without a link would be a plugin that kubectl cannot
  // find.
  writeSelf(layout, target);
  writeLinks(layout, receipt);
  commitReceipt(layout, receipt, keep);
  return receipt;
}

/** The signatures for the receipt. Earlier verified signatures of the same manifest stay. */
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

function installed(layout: Layout, name: string): Receipt | undefined {
  try {
    return readReceipt(layout, name);
  } catch {
    return undefined;
  }
}

function refuseInstalled(layout: Layout, name: string): void {
  if (!exists(layout.receipt(name))) return;
  const reference = installed(layout, name)?.reference ?? "another plugin"; // a broken receipt counts, too
  throw new AppError(
    "ALREADY_INSTALLED",
    `A plugin "${name}" is installed already, from ${printable(reference, 400)}`,
    {
      hint: "--force replaces it, --name installs under another name",
    },
  );
}

/** Whether a blob that was intact a moment ago still exists. */
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
    Deno.renameSync(staged, path); // commit() syncs the directory
  } catch (error) {
    try {
      Deno.removeSync(staged); // frees space on a full disk at once
    } catch { /* the next process that writes removes it */ }
    throw storeFailed(`Cannot write ${path}`, error);
  }
}
