/** The index of a bundle: which plugins it holds, by name and digest. */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Grants } from "../../runtime/grants/grants.ts";
import { digestProblem } from "../../runtime/policy/provenance.ts";
import { NO_REGISTRY } from "../../runtime/base/reference.ts";
import { DIGEST } from "../../runtime/store/receipt.ts";
import { chooseManifest, INDEX_TYPES } from "../oci/manifest.ts";
import { parseReference, type Reference } from "../oci/mirrored_reference.ts";
import { readBundled } from "./bundle_annotations.ts";
import { blobPath } from "./tar.ts";

/** The most plugins in a bundle. */
const MAX_PLUGINS = 10_000;

/** A plugin in a bundle. */
export interface BundledPlugin {
  /**
   * The reference it was pulled by, with its manifest's digest. If the bundle names none, a reference made from the
   * file.
   */
  readonly reference: Reference;
  readonly manifestDigest: string;
  /** The index that it was chosen from, if the bundle has that index. */
  readonly indexDigest: string | undefined;
  /** Its name on the machine that saved the bundle, not validated; undefined if another tool made the bundle. */
  readonly name: string | undefined;
  /** Its grants on that machine; undefined if another tool made the bundle. */
  readonly grants: Grants | undefined;
  /** The digests of the blobs with its signatures, and with its index's. */
  readonly signatures: string | undefined;
  readonly indexSignatures: string | undefined;
}

/** The files of a bundle. */
export interface BundleContents {
  /** Whether it has a file. */
  has(path: string): boolean;
  /** A JSON object. @throws AppError BUNDLE_INVALID */
  json(path: string): Record<string, unknown>;
  /** The checked text of a manifest or index. @throws AppError BUNDLE_INVALID, DIGEST_MISMATCH */
  manifest(digest: string): string;
}

/**
 * Reads the index of a bundle.
 *
 * @param path the file's name, for errors and for plugins without a reference
 * @param home the user's home directory, for paths that begin with `~`
 * @throws AppError BUNDLE_INVALID
 */
export function readBundleIndex(contents: BundleContents, path: string, home: string): BundledPlugin[] {
  const { imageLayoutVersion } = contents.json("oci-layout");
  if (imageLayoutVersion !== "1.0.0") {
    throw new AppError(
      "BUNDLE_INVALID",
      `The bundle is an OCI layout of the version "${printable(String(imageLayoutVersion), 40)}", not 1.0.0`,
    );
  }
  const { manifests } = contents.json("index.json");
  if (!Array.isArray(manifests)) {
    throw new AppError("BUNDLE_INVALID", "The bundle's index.json has no manifests");
  }
  if (manifests.length > MAX_PLUGINS) {
    throw new AppError("BUNDLE_INVALID", `The bundle's index.json has more than ${MAX_PLUGINS} manifests`);
  }
  const names = new Map<string, number>();
  const chosen = new Map<string, string>();
  const choose = (digest: string): string => {
    let found = chosen.get(digest);
    if (found === undefined) {
      found = chooseManifest(contents.manifest(digest), `${printable(path, 300)}@${digest}`, "load").digest;
      chosen.set(digest, found);
    }
    return found;
  };
  return manifests.map((value: unknown, index): BundledPlugin => {
    const { digest, mediaType, annotations } = (value ?? {}) as Record<string, unknown>;
    if (typeof digest !== "string" || !DIGEST.test(digest)) {
      throw new AppError(
        "BUNDLE_INVALID",
        `The bundle's manifests[${index}].digest is missing or malformed`,
      );
    }
    const notes = readBundled(annotations, home, `manifests[${index}].annotations`);
    // If another tool copied a whole index, it represents the one plugin in it.
    const whole = (INDEX_TYPES as readonly unknown[]).includes(mediaType);
    const from = whole ? digest : notes.index;
    const known = from !== undefined && contents.has(blobPath(from));
    const { name } = notes;
    const twin = name === undefined ? undefined : names.get(name);
    if (twin !== undefined) {
      throw new AppError(
        "BUNDLE_INVALID",
        `The bundle's manifests[${twin}] and manifests[${index}] are both named "${printable(name!, 100)}"`,
      );
    }
    if (name !== undefined) names.set(name, index);
    const reference = referenceOf(notes.refName, path, digest);
    const manifestDigest = whole ? choose(digest) : digest;
    const indexDigest = known ? from : undefined;
    const problem = digestProblem(reference, { manifestDigest, indexDigest });
    if (problem !== undefined) {
      throw new AppError(
        "BUNDLE_INVALID",
        `The bundle's manifests[${index}] contradicts itself: ${problem}`,
      );
    }
    return {
      reference,
      manifestDigest,
      indexDigest,
      name,
      grants: notes.grants,
      signatures: notes.signatures,
      indexSignatures: notes.indexSignatures,
    };
  });
}

/**
 * The reference of a plugin. Layouts of other tools name an image by its tag only, or not at all. Such a plugin gets the
 * file's name as its repository, and a host that cannot exist: no upgrade asks a registry for it.
 */
function referenceOf(name: string | undefined, path: string, digest: string): Reference {
  if (name !== undefined && name.includes("/")) {
    try {
      return parseReference(name);
    } catch { /* not a reference */ }
  }
  const file = (path.split(/[\\/]/).at(-1) ?? "").replace(/\.(tar|oci)$/i, "").toLowerCase()
    .replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "plugin";
  return { registry: NO_REGISTRY, repository: file, tag: undefined, digest };
}
