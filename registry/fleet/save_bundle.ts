/** Writes bundles (bundle_file.ts): gathers what the store does not have, then writes the archive. */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import type { ArtifactSource } from "../install/download.ts";
import { digestOf } from "../oci/digest.ts";
import { configOf, MANIFEST_TYPES } from "../oci/manifest.ts";
import { formatReference, parseReference, type Reference } from "../oci/mirrored_reference.ts";
import type { FoundSignature } from "../signing/find_signatures.ts";
import { readIntact } from "../store/blobs.ts";
import { bundledAnnotations } from "./bundle_annotations.ts";
import { formatSignatures } from "./bundle_signatures.ts";
import { blobPath, tarEnd, tarHeader, tarPadding } from "./tar.ts";

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Sources of what the store does not have. */
export interface SaveSources {
  /** For blobs that an older krew-wasm did not keep. */
  readonly missing: ArtifactSource;
  /** The signatures of a plugin that `pull` verified: those of its manifest, or of its index. */
  readonly signatures: (
    receipt: Receipt,
    repository: Reference,
    digest: string,
  ) => Promise<readonly FoundSignature[]>;
  /** The text of the index that the plugin was chosen from; undefined if it is unavailable. */
  readonly index: (receipt: Receipt, reference: Reference) => Promise<string | undefined>;
}

/** Writes a bundle synchronously through a function. @throws AppError STORE_CORRUPT */
export type WriteBundle = (write: (bytes: Uint8Array) => void) => void;

/** Gathers what a bundle needs and the store does not have. @throws AppError REGISTRY_… */
export async function gatherBundle(
  layout: Layout,
  receipts: readonly Receipt[],
  { missing, signatures, index }: SaveSources,
  home: string,
): Promise<WriteBundle> {
  const blobs = new Map<string, Uint8Array>();
  const manifests: (Descriptor & { annotations: Record<string, string> })[] = [];
  const layers: { digest: string; size: number }[] = [];
  for (const receipt of receipts) {
    const reference = parseReference(receipt.reference);
    const manifest = await storedManifest(layout, receipt, reference, missing);
    blobs.set(receipt.manifestDigest, manifest);
    const text = new TextDecoder().decode(manifest);
    const config = configOf(text);
    if (config) blobs.set(config.digest, await storedBlob(layout, config, reference, missing));
    if (!layers.some(({ digest }) => digest === receipt.digest)) layers.push(receipt);
    const { mediaType } = JSON.parse(text) as { mediaType?: string };
    const signed = { signatures: "", index: "", indexSignatures: "" };
    const repository = { ...reference, tag: undefined, digest: undefined };
    const keep = async (of: "signatures" | "indexSignatures", digest: string) => {
      const found = await signatures(receipt, repository, digest);
      if (of === "indexSignatures" && found.length === 0) return;
      const bytes = formatSignatures(found);
      signed[of] = digestOf(bytes);
      blobs.set(signed[of], bytes);
    };
    if (receipt.signatures.length > 0) {
      await keep("signatures", receipt.manifestDigest);
      const { indexDigest } = receipt;
      if (indexDigest !== undefined) await keep("indexSignatures", indexDigest);
      const text = indexDigest !== undefined && signed.indexSignatures !== ""
        ? await index(receipt, { ...repository, digest: indexDigest })
        : undefined;
      if (indexDigest !== undefined && text !== undefined) {
        signed.index = indexDigest;
        blobs.set(indexDigest, new TextEncoder().encode(text));
      }
    }
    manifests.push({
      mediaType: mediaType ?? MANIFEST_TYPES[0],
      digest: receipt.manifestDigest,
      size: manifest.length,
      annotations: bundledAnnotations(
        { ...receipt, reference: formatReference(referenceIn(reference, receipt, signed.index)) },
        signed,
        home,
      ),
    });
  }
  return (write) => writeTar(layout, manifests, blobs, layers, write);
}

/** The reference for a bundle. It names an index's digest only if the bundle has that index. */
function referenceIn(reference: Reference, { manifestDigest }: Receipt, index: string): Reference {
  const { digest } = reference;
  return digest === undefined || digest === index ? reference : { ...reference, digest: manifestDigest };
}

function writeTar(
  layout: Layout,
  manifests: readonly unknown[],
  blobs: ReadonlyMap<string, Uint8Array>,
  layers: readonly { readonly digest: string; readonly size: number }[],
  write: (bytes: Uint8Array) => void,
): void {
  const encoder = new TextEncoder();
  const add = (name: string, bytes: Uint8Array) => {
    write(tarHeader(name, bytes.length));
    write(bytes);
    write(tarPadding(bytes.length));
  };
  add("oci-layout", encoder.encode('{"imageLayoutVersion":"1.0.0"}'));
  add(
    "index.json",
    encoder.encode(JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests,
    })),
  );
  for (const [digest, bytes] of blobs) add(blobPath(digest), bytes);
  for (const layer of layers) {
    if (blobs.has(layer.digest)) continue;
    const bytes = readIntact(layout.blob(layer.digest), layer);
    if (!bytes) {
      throw new AppError("STORE_CORRUPT", `The stored bytes ${layer.digest} are missing or changed`, {
        hint: "krew-wasm doctor says which plugin they are of",
      });
    }
    add(blobPath(layer.digest), bytes);
  }
  write(tarEnd());
}

async function storedManifest(
  layout: Layout,
  { manifestDigest }: Receipt,
  reference: Reference,
  missing: ArtifactSource,
): Promise<Uint8Array> {
  try {
    const bytes = Deno.readFileSync(layout.blob(manifestDigest));
    if (digestOf(bytes) === manifestDigest) return bytes;
  } catch { /* an older krew-wasm stored no manifests */ }
  const { text } = await missing.fetchManifest({ ...reference, digest: manifestDigest });
  const bytes = new TextEncoder().encode(text);
  if (digestOf(bytes) !== manifestDigest) {
    throw new AppError(
      "DIGEST_MISMATCH",
      `The manifest of ${printable(formatReference(reference), 400)} is not text`,
    );
  }
  return bytes;
}

async function storedBlob(
  layout: Layout,
  blob: { readonly digest: string; readonly size: number },
  reference: Reference,
  missing: ArtifactSource,
): Promise<Uint8Array> {
  const stored = readIntact(layout.blob(blob.digest), blob);
  if (stored) return stored;
  let chunks: Uint8Array<ArrayBuffer>[] = [];
  await missing.fetchBlob(reference, blob, () => {
    chunks = [];
    return (bytes) => chunks.push(bytes.slice());
  });
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
