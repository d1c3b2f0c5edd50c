/** A plugin in a registry that runs without being installed: found, verified, and fetched if it has to be compiled. */

import { fetchBytes } from "../../registry/oci/inspect_artifact.ts";
import { parseManifest } from "../../registry/oci/manifest.ts";
import { formatReference, parseReference } from "../../registry/oci/mirrored_reference.ts";
import { registrySignatures } from "../../registry/signing/find_signatures.ts";
import { readIntact } from "../../registry/store/blobs.ts";
import { defaultPluginName } from "../../runtime/base/names.ts";
import { printable } from "../../runtime/base/text.ts";
import type { GrantChange, Grants } from "../../runtime/grants/grants.ts";
import type { Provenance } from "../../runtime/policy/provenance.ts";
import type { Context } from "../context.ts";
import { decideGrants } from "../grants/wished_grants.ts";
import { readPolicies } from "../policies.ts";
import { openProgress, openRegistry } from "./open_registry.ts";
import { readSignatureRules, verification } from "./required_signatures.ts";

/** A verified program. */
export interface RemoteProgram {
  readonly name: string;
  readonly provenance: Provenance & { readonly digest: string };
  /** Reads its WebAssembly from the store, or fetches it. @throws AppError REGISTRY_…, DIGEST_MISMATCH */
  readonly read: () => Promise<Uint8Array<ArrayBuffer>>;
  /** The grants that its publisher asks for and the user agreed to, and those of the command line. */
  readonly grants: Grants;
}

/** Options of {@linkcode findProgram}, from the command line. */
export interface FindProgramOptions {
  readonly flags: GrantChange;
  readonly prompt: boolean;
  readonly plainHttp?: boolean | undefined;
  readonly verify?: readonly string[] | undefined;
  readonly trustRoot?: string | undefined;
}

/**
 * Whether an argument of `krew-wasm run` is a reference: it begins with `oci://` or a host, or has a tag or a digest, and no
 * such file exists.
 */
export function isRemote(text: string, exists: (path: string) => boolean): boolean {
  if (text.startsWith("oci://")) return true;
  if (/^(?:[./~\\]|[A-Za-z]:[\\/])/.test(text) || text.endsWith(".wasm") || !text.includes("/")) return false;
  const host = text.split("/", 1)[0]!;
  const named = /[.:]/.test(host) || host === "localhost" || /[:@][^/]*$/.test(text);
  return named && !exists(text);
}

/** Finds and verifies a plugin by its reference. @throws AppError REGISTRY_…, SIGNATURE_…, POLICY_…, USAGE */
export async function findProgram(
  context: Context,
  text: string,
  options: FindProgramOptions,
): Promise<RemoteProgram> {
  const reference = parseReference(text.replace(/^oci:\/\//, ""));
  const shown = formatReference(reference);
  const policies = await readPolicies(context);
  const progress = openProgress(context, false);
  const client = openRegistry(context, options, progress);
  const rules = await readSignatureRules(context, policies, options);
  const verify = await verification(rules, registrySignatures(client), reference, []);
  progress.wait(`Waiting for ${reference.registry}`);
  const manifest = await client.fetchManifest(reference, "run").finally(progress.end);
  const plugin = parseManifest(manifest.text, printable(shown, 400), "run");
  const signatures = await verify(reference, manifest);
  const provenance = {
    reference: shown,
    source: manifest.source ?? { kind: "registry" as const },
    signatures,
    digest: plugin.digest,
    manifestDigest: manifest.digest,
  };
  const name = defaultPluginName(reference.repository);
  const layout = context.layout();
  const grants = await decideGrants(context, {
    layout,
    policy: policies.administrator,
    mode: undefined,
    flags: options.flags,
    prompt: options.prompt,
    grantCommand: (flags) => ["krew-wasm", "run", ...flags, shown],
  })({ ...provenance, annotations: plugin.annotations }, undefined);
  return {
    name,
    provenance,
    grants,
    read: async () =>
      readIntact(layout.blob(plugin.digest), plugin) ??
        await fetchBytes(client, reference, plugin, progress.show, "run").finally(progress.end),
  };
}
