/**
 * Bundles: plugins for machines without network. A bundle is a tar archive of an OCI image layout (image-spec,
 * image-layout.md), which skopeo reads and writes as `oci-archive:FILE:REFERENCE`. It holds the registry's own bytes,
 * so digests, and everything pinned to them, stay valid.
 */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { whyNotRead } from "../../runtime/base/file_error.ts";
import type { Grants } from "../../runtime/grants/grants.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { DIGEST, type Receipt } from "../../runtime/store/receipt.ts";
import { lowerFirst, printable } from "../../runtime/base/text.ts";
import type { FetchedManifest } from "../oci/registry_client.ts";
import { Digester, digestOf } from "../oci/digest.ts";
import type { ArtifactSource } from "../install/download.ts";
import { bundledAnnotations, readBundled } from "./bundle_annotations.ts";
import {
  chooseManifest,
  configOf,
  duplicateName,
  INDEX_TYPES,
  isDeep,
  isIndex,
  MANIFEST_TYPES,
  manifestText,
} from "../oci/manifest.ts";
import { formatReference, parseReference, type Reference } from "../oci/mirrored_reference.ts";
import { digestProblem } from "../../runtime/policy/provenance.ts";
import { type FoundSignature, MAX_SIGNATURES, type SignatureSource } from "../signing/find_signatures.ts";
import { readIntact } from "../store/blobs.ts";
import { listTar, tarEnd, type TarEntry, tarHeader, tarPadding } from "./tar.ts";

const MAX_INDEX = 16 << 20;
const MAX_MANIFEST = 4 << 20;
/** Limit for the signatures of one manifest. Bytes. */
const MAX_SIGNATURES_SIZE = 64 << 20;
/** The most plugins in a bundle. */
const MAX_PLUGINS = 10_000;
const CHUNK = 1 << 16;

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

function blobPath(digest: string): string {
  return `blobs/sha256/${digest.slice("sha256:".length)}`;
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

/** Serializes signatures for a bundle. Pure. */
function formatSignatures(signatures: readonly FoundSignature[]): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    JSON.stringify(
      signatures.map((signature) =>
        signature.kind === "bundle" ? signature : { ...signature, payload: signature.payload.toBase64() }
      ),
    ),
  );
}

/** Parses serialized signatures, without verifying them. Pure. @throws AppError BUNDLE_INVALID */
function parseSignatures(text: string): FoundSignature[] {
  try {
    const json: unknown = JSON.parse(text);
    if (!Array.isArray(json)) throw new Error("it is not a list");
    if (json.length > MAX_SIGNATURES) throw new Error(`there are more than ${MAX_SIGNATURES}`);
    return json.map((value: unknown): FoundSignature => {
      const { kind, json, payload, annotations } = (value ?? {}) as Record<string, unknown>;
      if (kind === "bundle" && typeof json === "string") return { kind, json };
      if (
        kind !== "simple" || typeof payload !== "string" || typeof annotations !== "object" || !annotations
      ) {
        throw new Error("it is of an unknown kind");
      }
      return {
        kind,
        payload: Uint8Array.fromBase64(payload),
        annotations: annotations as Record<string, unknown>,
      };
    });
  } catch (error) {
    throw new AppError(
      "BUNDLE_INVALID",
      `The bundle's signatures can't be read: ${printable(messageOf(error), 200)}`,
    );
  }
}

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

/** An open bundle, which is a source of artifacts like a registry. It checks everything against its digest. */
export class Bundle implements ArtifactSource, SignatureSource, Disposable {
  readonly plugins: readonly BundledPlugin[];
  #file: Deno.FsFile;
  #entries: Map<string, TarEntry>;

  private constructor(file: Deno.FsFile, entries: Map<string, TarEntry>, path: string, home: string) {
    this.#file = file;
    this.#entries = entries;
    this.plugins = this.#readIndex(path, home);
  }

  /**
   * @param home the user's home directory, for paths that begin with `~`
   * @param shown the file's name, for errors
   * @throws AppError FILE_UNREADABLE, BUNDLE_INVALID
   */
  static open(path: string, home: string, shown = path): Bundle {
    let file: Deno.FsFile;
    try {
      file = Deno.openSync(path, { read: true });
    } catch (error) {
      throw unreadable(shown, error);
    }
    try {
      return new Bundle(file, listTar((offset, length) => readAt(file, offset, length)), shown, home);
    } catch (error) {
      file.close();
      if (error instanceof AppError) {
        throw new AppError(
          error.code,
          `Cannot load "${printable(shown, 300)}": ${lowerFirst(error.message)}`,
        );
      }
      throw unreadable(shown, error); // opening a directory succeeds; reading it fails
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  /**
   * Reads a manifest. For an index, reads its manifest for WebAssembly.
   *
   * @throws AppError BUNDLE_INVALID, DIGEST_MISMATCH, MANIFEST_INVALID, ARTIFACT_UNSUPPORTED
   */
  async fetchManifest(reference: Reference): Promise<FetchedManifest> {
    const { digest } = reference;
    if (digest === undefined) throw new Error("a bundle's plugins are asked for by digest");
    const text = await Promise.resolve(this.#manifest(digest));
    const source = { kind: "bundle" } as const;
    if (!isIndex(text)) return { text, digest, source };
    const chosen = chooseManifest(text, printable(formatReference(reference), 400), "load");
    return { text: this.#manifest(chosen.digest), digest: chosen.digest, indexDigest: digest, source };
  }

  #manifest(digest: string): string {
    const bytes = this.#read(blobPath(digest), MAX_MANIFEST);
    const actual = digestOf(bytes);
    if (actual !== digest) {
      throw new AppError("DIGEST_MISMATCH", `The bundle's manifest ${digest} has the digest ${actual}`);
    }
    return this.#text(bytes, `manifest ${digest}`);
  }

  /** Decodes JSON text: it must be UTF-8, and not nested too deeply for the parser. @throws AppError BUNDLE_INVALID */
  #text(bytes: Uint8Array, what: string): string {
    let text: string;
    try {
      text = manifestText(bytes);
    } catch {
      throw new AppError("BUNDLE_INVALID", `The bundle's ${what} is not UTF-8`);
    }
    if (isDeep(text)) throw new AppError("BUNDLE_INVALID", `The bundle's ${what} is nested too deeply`);
    return text;
  }

  /** @throws AppError BUNDLE_INVALID, DIGEST_MISMATCH */
  fetchBlob(
    _reference: Reference,
    blob: { readonly digest: string; readonly size: number },
    begin: () => (bytes: Uint8Array<ArrayBuffer>) => void,
    progress: (bytes: number) => void = () => {},
  ): Promise<void> {
    const entry = this.#entry(blobPath(blob.digest));
    if (entry.size !== blob.size) {
      throw new AppError(
        "DIGEST_MISMATCH",
        `The bundle's ${blob.digest} has ${entry.size} bytes, its manifest says ${blob.size}`,
      );
    }
    const sink = begin();
    const digester = new Digester();
    while (digester.size < entry.size) {
      const bytes = readAt(
        this.#file,
        entry.offset + digester.size,
        Math.min(CHUNK, entry.size - digester.size),
      );
      digester.update(bytes);
      sink(bytes);
      progress(digester.size);
    }
    const actual = digester.digest();
    if (actual !== blob.digest) {
      throw new AppError("DIGEST_MISMATCH", `The bundle's ${blob.digest} has the digest ${actual}`);
    }
    return Promise.resolve();
  }

  /** The signatures saved with a manifest, or with its index. */
  async *signatures(_repository: Reference, digest: string): AsyncGenerator<FoundSignature> {
    const of = (blob: string | undefined): FoundSignature[] =>
      blob === undefined
        ? []
        : parseSignatures(this.#text(this.#read(blobPath(blob), MAX_SIGNATURES_SIZE), "list of signatures"));
    // Several plugins may have the same bytes and the same signatures.
    const lists = new Set<string | undefined>();
    for (const { manifestDigest, signatures, indexDigest, indexSignatures } of this.plugins) {
      if (manifestDigest === digest) lists.add(signatures);
      if (indexDigest === digest) lists.add(indexSignatures);
    }
    let left = MAX_SIGNATURES;
    for (const list of lists) {
      for (const signature of await Promise.resolve(of(list))) if (left-- > 0) yield signature;
      if (left <= 0) return;
    }
  }

  /** The text of a manifest or index. @throws AppError BUNDLE_INVALID, DIGEST_MISMATCH */
  manifest({ digest }: Reference): Promise<string> {
    return new Promise((done) => done(this.#manifest(digest ?? "")));
  }

  #entry(path: string): TarEntry {
    const entry = this.#entries.get(path);
    if (!entry) throw new AppError("BUNDLE_INVALID", `The bundle lacks ${path}`);
    return entry;
  }

  #read(path: string, limit: number): Uint8Array<ArrayBuffer> {
    const { offset, size } = this.#entry(path);
    if (size > limit) {
      throw new AppError("BUNDLE_INVALID", `The bundle's ${path} is larger than ${limit} bytes`);
    }
    return readAt(this.#file, offset, size);
  }

  #json(path: string): Record<string, unknown> {
    try {
      const text = this.#text(this.#read(path, MAX_INDEX), path);
      const value: unknown = JSON.parse(text);
      const twice = duplicateName(text);
      if (twice !== undefined) {
        throw new AppError("BUNDLE_INVALID", `The bundle's ${path} has "${printable(twice, 100)}" twice`);
      }
      if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
    } catch (error) {
      if (error instanceof AppError) throw error;
    }
    throw new AppError("BUNDLE_INVALID", `The bundle's ${path} is not a JSON object`);
  }

  #readIndex(path: string, home: string): BundledPlugin[] {
    const { imageLayoutVersion } = this.#json("oci-layout");
    if (imageLayoutVersion !== "1.0.0") {
      throw new AppError(
        "BUNDLE_INVALID",
        `The bundle is an OCI layout of the version "${
          printable(String(imageLayoutVersion), 40)
        }", not 1.0.0`,
      );
    }
    const { manifests } = this.#json("index.json");
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
        found = chooseManifest(this.#manifest(digest), `${printable(path, 300)}@${digest}`, "load").digest;
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
      const known = from !== undefined && this.#entries.has(blobPath(from));
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
}

/**
 * The reference of a plugin. Layouts of other tools name an image by its tag only, or not at all. Such a plugin is
 * named after the file, on a host that cannot exist, so that no upgrade asks a registry for it.
 */
function referenceOf(name: string | undefined, path: string, digest: string): Reference {
  if (name !== undefined && name.includes("/")) {
    try {
      return parseReference(name);
    } catch { /* not a reference */ }
  }
  const file = (path.split(/[\\/]/).at(-1) ?? "").replace(/\.(tar|oci)$/i, "").toLowerCase()
    .replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "plugin";
  return { registry: "bundle.invalid", repository: file, tag: undefined, digest };
}

function unreadable(path: string, error: unknown): AppError {
  return new AppError("FILE_UNREADABLE", `Cannot read "${printable(path, 300)}": ${whyNotRead(error)}`, {
    cause: error,
  });
}

function readAt(file: Deno.FsFile, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  file.seekSync(offset, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < length) {
    const read = file.readSync(bytes.subarray(filled));
    if (read === null) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}
