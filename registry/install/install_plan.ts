/** What to install, and who decides about it. */

import type { Grants } from "../../runtime/grants/grants.ts";
import type { Provenance, Signature } from "../../runtime/policy/provenance.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import type { Reference } from "../oci/mirrored_reference.ts";
import type { FetchedManifest } from "../oci/registry_client.ts";

/**
 * Decides a plugin's grants from the receipt that it replaces, if any, and from its publisher's wish. May ask the user.
 *
 * @throws AppError POLICY_REFUSED
 */
export type DecideGrants = (plugin: Arriving, replaced: Receipt | undefined) => Grants | Promise<Grants>;

/** A plugin before its installation. */
export interface Arriving extends Provenance {
  /** Digest of its WebAssembly. */
  readonly digest: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What to install. */
export interface InstallPlan {
  readonly reference: Reference;
  /** The plugin's name. Default: the repository's last segment. */
  readonly name?: string | undefined;
  /** Digest of the manifest to install, even if the reference's tag has moved. */
  readonly pin?: string | undefined;
  /** Digest of the index that the manifest was chosen from. The signature may be the index's. */
  readonly pinnedIndex?: string | undefined;
  /** The digest that the manifest must have for the WebAssembly. */
  readonly pinnedBlob?: string | undefined;
  /** Replace an installed plugin of that name. */
  readonly force: boolean;
  /** The plugin must be installed. A plugin that was removed meanwhile stays removed. */
  readonly upgrades?: boolean | undefined;
  /** How many versions to keep, including this one. Default: 3. */
  readonly keep?: number | undefined;
}

/** The decisions about an artifact, by a caller that knows the policies and may ask the person. */
export interface InstallDecisions {
  /**
   * Decides whether the artifact may be installed, before anything is downloaded. Returns the required signatures; none
   * if nothing requires one.
   *
   * @throws AppError SIGNATURE_…, POLICY_REFUSED
   */
  signatures(reference: Reference, manifest: FetchedManifest): Promise<readonly Signature[]>;
  /** Decides the grants, before the download. Called again if the replaced receipt changes meanwhile. */
  readonly grants: DecideGrants;
}
