/** Whether there is something newer than what is installed, and if it can't be told, why. */

import { AppError } from "../../runtime/base/errors.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import type { RegistryClient } from "../oci/registry_client.ts";
import { parseReference, type Reference } from "../oci/mirrored_reference.ts";
import { listTags } from "../oci/list_tags.ts";
import { compareVersions, newestOnTrack, newestVersion, trackKind } from "./tag_versions.ts";

/** What is known of a plugin's newer versions. */
export type Update =
  & (
    /** Nothing is newer. */
    | { readonly status: "current"; readonly newest?: string | undefined }
    /** Its reference names a digest, which stands for the same for ever. */
    | { readonly status: "pinned" }
    /** There is a newer one on its track. `tag` is what stands for it. */
    | {
      readonly status: "available";
      readonly tag: string;
      readonly manifestDigest: string;
      /** The index that it is in, where the tag stands for one. */
      readonly indexDigest?: string | undefined;
    }
    /** A tag of one version stands for something else than what was installed under it. */
    | {
      readonly status: "moved";
      readonly tag: string;
      readonly manifestDigest: string;
      readonly indexDigest?: string | undefined;
      readonly newest?: string | undefined;
    }
    /** The registry has no such tag any more; `tags` are those it has, none where the repository is gone too. */
    | { readonly status: "gone"; readonly tags: readonly string[]; readonly error: AppError }
    /** The registry can't be reached, or fails. */
    | { readonly status: "unreachable"; readonly error: AppError }
    /** The registry does not let this user in, or answers what is no answer. */
    | { readonly status: "refused"; readonly error: AppError }
  )
  & {
    /** Why the repository's other tags are not known, so that there may be newer ones. */
    readonly unlisted?: AppError | undefined;
  };

/**
 * Asks the registry. Never throws what it answers; a plugin that is pinned costs no request.
 *
 * @param beyond whether newer versions are asked for that the plugin's own tag does not follow, too
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
      // Of a track the tags are what matters.
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

/** Whether a registry does not list tags at all, so that a tag stands for itself. */
export function listsNone({ code }: AppError): boolean {
  return code === "REGISTRY_NOT_FOUND" || code === "REGISTRY_UNSUPPORTED";
}

/** The repository's tags, or why they are not known. */
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
