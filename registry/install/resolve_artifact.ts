/** Finds the artifact of a plan in its registry or bundle. */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { digestProblem, type Provenance } from "../../runtime/policy/provenance.ts";
import { parseManifest, type PluginManifest } from "../oci/manifest.ts";
import { formatReference, type Reference } from "../oci/mirrored_reference.ts";
import type { FetchedManifest } from "../oci/registry_client.ts";
import type { ArtifactSource } from "./download.ts";
import type { InstallDecisions, InstallPlan } from "./install_plan.ts";

/** A resolved artifact. */
export interface Artifact {
  readonly manifest: FetchedManifest;
  readonly plugin: PluginManifest;
  readonly provenance: Provenance;
}

/** Finds the artifact of a plan, and asks whether it may be installed. */
export async function resolveArtifact(
  plan: InstallPlan,
  decide: InstallDecisions,
  client: ArtifactSource,
): Promise<Artifact> {
  const { reference, pin, pinnedBlob } = plan;
  const shown = printable(formatReference(reference), 400);
  const pinned = pin === undefined ? reference : { ...reference, digest: pin };
  const manifest = await fetchPinned(client, pinned, plan);
  const problem = digestProblem(reference, { ...manifest, manifestDigest: manifest.digest });
  if (problem !== undefined) throw new AppError("DIGEST_MISMATCH", `Cannot install "${shown}": ${problem}`);
  const plugin = parseManifest(manifest.text, shown);
  if (pinnedBlob !== undefined && plugin.digest !== pinnedBlob) {
    throw new AppError(
      "DIGEST_MISMATCH",
      `Cannot install "${shown}": its WebAssembly is to be ${pinnedBlob}, its manifest says ${plugin.digest}`,
    );
  }
  const signatures = await decide.signatures(pinned, manifest);
  const source = manifest.source ?? { kind: "registry" };
  return { manifest, plugin, provenance: { reference: formatReference(reference), source, signatures } };
}

/** The pinned manifest, through its index if the index still exists and contains it. */
async function fetchPinned(
  client: ArtifactSource,
  reference: Reference,
  { pin, pinnedIndex, reference: { digest } }: InstallPlan,
): Promise<FetchedManifest> {
  // If the reference's digest is not the manifest's, it names the index.
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
