/**
 * Bundles: plugins for machines without network. A bundle is a tar archive of an OCI image layout (image-spec,
 * image-layout.md), which skopeo reads and writes as `oci-archive:FILE:REFERENCE`. It holds the registry's own bytes,
 * so digests, and everything pinned to them, stay valid.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { whyNotRead } from "../../runtime/base/file_error.ts";
import { lowerFirst, printable } from "../../runtime/base/text.ts";
import type { FetchedManifest } from "../oci/registry_client.ts";
import { Digester, digestOf } from "../oci/digest.ts";
import type { ArtifactSource } from "../install/download.ts";
import { type BundledPlugin, readBundleIndex } from "./bundle_index.ts";
import { parseSignatures } from "./bundle_signatures.ts";
import { chooseManifest, isIndex } from "../oci/manifest.ts";
import { duplicateName, isDeep, manifestText } from "../oci/json_text.ts";
import { formatReference, type Reference } from "../oci/mirrored_reference.ts";
import { type FoundSignature, MAX_SIGNATURES, type SignatureSource } from "../signing/find_signatures.ts";
import { blobPath, listTar, type TarEntry } from "./tar.ts";

const MAX_INDEX = 16 << 20;
const MAX_MANIFEST = 4 << 20;
/** Limit for the signatures of one manifest. Bytes. */
const MAX_SIGNATURES_SIZE = 64 << 20;
const CHUNK = 1 << 16;

/** An open bundle, which is a source of artifacts like a registry. It checks everything against its digest. */
export class Bundle implements ArtifactSource, SignatureSource, Disposable {
  readonly plugins: readonly BundledPlugin[];
  #file: Deno.FsFile;
  #entries: Map<string, TarEntry>;

  private constructor(file: Deno.FsFile, entries: Map<string, TarEntry>, path: string, home: string) {
    this.#file = file;
    this.#entries = entries;
    this.plugins = readBundleIndex(
      {
        has: (path) => this.#entries.has(path),
        json: (path) => this.#json(path),
        manifest: (digest) => this.#manifest(digest),
      },
      path,
      home,
    );
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
