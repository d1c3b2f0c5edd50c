/** Finds newer versions of installed plugins, or the reason why that is impossible. */

import { AppError } from "../../runtime/base/errors.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import type { RegistryClient } from "../oci/registry_client.ts";
import { parseReference, type Reference } from "../oci/mirrored_reference.ts";
import { listTags } from "../oci/list_tags.ts";
import { compareVersions, newestOnTrack, newestVersion, trackKind } from "./tag_versions.ts";

/** The result of a check for updates. */
export type Update =
  & (
    /** There is no newer version. */
    | { readonly status: "current"; readonly newest?: string | undefined }
    /** Its reference names a digest, which never changes. */
    | { readonly status: "pinned" }
    /** Its track has a newer version, under `tag`. */
    | {
      readonly status: "available";
      readonly tag: string;
      readonly manifestDigest: string;
      /** The digest of the index, if the tag names an index. */
      readonly indexDigest?: string | undefined;
    }
    /** A tag of one version has moved since the installation. */
    | {
      readonly status: "moved";
      readonly tag: string;
      readonly manifestDigest: string;
      readonly indexDigest?: string | undefined;
      readonly newest?: string | undefined;
    }
    /** The registry no longer has the tag. `tags` are the remaining tags; none if the repository is missing, too. */
    | { readonly status: "gone"; readonly tags: readonly string[]; readonly error: AppError }
    /** The registry is unreachable or fails. */
    | { readonly status: "unreachable"; readonly error: AppError }
    /** The registry denies access, or its answer is invalid. */
    | { readonly status: "refused"; readonly error: AppError }
  )
  & {
    /** Why the other tags are unknown. There may be newer versions. */
    readonly unlisted?: AppError | undefined;
  };

/**
 * Asks the registry for updates. Never throws the registry's errors. A pinned plugin costs no request.
 *
 * @param beyond whether to look for versions outside of the tag's track, too
 */
export async function checkUpdate(client: RegistryClient, receipt: Receipt, beyond = true): Promise<Update> {
  let reference: Reference;
  try {
    reference = parseReference(receipt.reference);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { status: "refused", error };
  }
  const { tag, digest } = reference;
  if (digest !== undefined || tag === undefined) return { status: "pinned" };
  const kind = trackKind(tag);
  const asks = kind === "track" || (kind === "version" && beyond);
  const { tags, ...listed } = asks ? await tagsOf(client, reference) : { tags: [] };
  const followed = kind === "track" ? newestOnTrack(tag, tags) ?? tag : tag;
  try {
    const manifest = await client.fetchManifest({ ...reference, tag: followed }, "check");
    const found = newestVersion(tags);
    const newest =
      found !== undefined && (kind === "track" ? found !== followed : compareVersions(found, tag) > 0)
        ? { newest: found }
        : {};
    const { digest: manifestDigest, indexDigest } = manifest;
    if (manifestDigest === receipt.manifestDigest) {
      // A track depends on the list of tags.
      const { unlisted } = listed;
      return kind === "track" && unlisted !== undefined && !listsNone(unlisted)
        ? failed(unlisted)
        : { status: "current", ...newest, ...listed };
    }
    if (kind === "version") {
      return { status: "moved", tag, manifestDigest, indexDigest, ...newest, ...listed };
    }
    return { status: "available", tag: followed, manifestDigest, indexDigest, ...listed };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code !== "REGISTRY_NOT_FOUND") return failed(error);
    const left = asks ? { tags, ...listed } : await tagsOf(client, reference);
    return { ...left, status: "gone", error, tags: left.tags };
  }
}

function failed(error: AppError): Update {
  const down = ["REGISTRY_UNREACHABLE", "REGISTRY_FAILED", "REGISTRY_RATE_LIMITED"].includes(error.code);
  return { status: down ? "unreachable" : "refused", error };
}

/** Whether the registry does not list tags at all; then a tag only stands for itself. */
export function listsNone({ code }: AppError): boolean {
  return code === "REGISTRY_NOT_FOUND" || code === "REGISTRY_UNSUPPORTED";
}

/** The repository's tags, or why they are unknown. */
async function tagsOf(
  client: RegistryClient,
  reference: Reference,
): Promise<{ readonly tags: readonly string[]; readonly unlisted?: AppError }> {
  try {
    return { tags: await listTags(client, reference) };
  } catch (error) {
    if (error instanceof AppError) return { tags: [], unlisted: error };
    throw error;
  }
}
