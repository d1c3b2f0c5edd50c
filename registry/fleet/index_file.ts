/**
 * Indexes of plugins. An index is an OCI artifact with one small JSON document as its layer. The store keeps it, and
 * compares digests to notice changes. Names, descriptions and references come from the publisher: printing escapes
 * them, and a reference gets no special trust.
 */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { nearest } from "../../runtime/base/nearest.ts";
import {
  anything,
  malformed,
  object,
  parseJson,
  text as textReader,
} from "../../runtime/base/strict_json.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { DIGEST } from "../../runtime/store/receipt.ts";
import { INDEX_OF_PLUGINS } from "../oci/manifest.ts";
import { formatReference, type Reference } from "../oci/mirrored_reference.ts";
import type { RegistryClient } from "../oci/registry_client.ts";
import { replaceFile, storeFailed, syncDirectory } from "../store/disk.ts";
import { openForWriting } from "../store/open.ts";
import { INDEX_VERSION, type IndexDocument, parseIndexDocument } from "./index_document.ts";

/** The largest document. Bytes. */
const MAX_DOCUMENT = 8 << 20;

/** An index that the user added, with its last known document. */
export interface StoredIndex {
  readonly name: string;
  readonly reference: string;
  /** Digest of the manifest that the document came from. */
  readonly manifestDigest: string;
  /** RFC 3339, UTC: the time of the last request. */
  readonly fetchedAt: string;
  readonly document: IndexDocument;
}

const STORED = 1;
const NAME = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** The indexes that the user added, by name, and those that cannot be read. */
export function readIndexes(layout: Layout): {
  readonly indexes: StoredIndex[];
  readonly broken: { readonly name: string; readonly error: unknown }[];
} {
  const indexes: StoredIndex[] = [];
  const broken: { name: string; error: unknown }[] = [];
  let entries: Deno.DirEntry[] = [];
  try {
    entries = [...Deno.readDirSync(layout.indexes)];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  for (const { name: file } of entries) {
    const name = /^([a-z0-9-]+)\.json$/.exec(file)?.[1];
    if (name === undefined || !NAME.test(name)) continue;
    try {
      indexes.push(parseStored(Deno.readTextFileSync(layout.index(name)), name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue; // removed meanwhile
      broken.push({ name, error });
    }
  }
  const byName = (a: { name: string }, b: { name: string }) => a.name < b.name ? -1 : 1;
  return { indexes: indexes.sort(byName), broken: broken.sort(byName) };
}

const ANY_TEXT = textReader(/^[^]*$/);

const STORED_INDEX = object<Omit<StoredIndex, "name" | "document"> & { format: number; document: unknown }>({
  format: (value, path) => value === STORED ? STORED : malformed(path, `is not ${STORED}`),
  reference: ANY_TEXT,
  manifestDigest: ANY_TEXT,
  fetchedAt: ANY_TEXT,
  document: anything,
}, "ignored");

function parseStored(content: string, name: string): StoredIndex {
  let stored: ReturnType<typeof STORED_INDEX>;
  try {
    stored = STORED_INDEX(parseJson(content), "");
  } catch (error) {
    throw new AppError(
      "INDEX_INVALID",
      `What is kept of the index "${name}" is broken: ${messageOf(error)}`,
      {
        hint: `krew-wasm index remove ${name}, and add it again`,
        cause: error,
      },
    );
  }
  const { format: _, document, ...rest } = stored;
  return { name, ...rest, document: parseIndexDocument(JSON.stringify(document), name) };
}

function formatStored({ reference, manifestDigest, fetchedAt, document }: StoredIndex): string {
  return `${
    JSON.stringify({
      format: STORED,
      reference,
      manifestDigest,
      fetchedAt,
      document: { krewWasmIndex: INDEX_VERSION, plugins: document.plugins },
    })
  }\n`;
}

/**
 * Reads an index from its registry. If the manifest is unchanged, no more requests are made.
 *
 * @throws AppError REGISTRY_…, INDEX_INVALID, DIGEST_MISMATCH, TOO_LARGE
 */
export async function fetchIndex(
  client: RegistryClient,
  reference: Reference,
  known: StoredIndex | undefined,
): Promise<Pick<StoredIndex, "manifestDigest" | "document">> {
  const manifest = await client.fetchAnyManifest(reference, "read the index");
  if (known?.manifestDigest === manifest.digest) return known;
  const shown = formatReference(reference);
  const invalid = (what: string): never => {
    throw new AppError("INDEX_INVALID", `${printable(shown, 400)} is no index of plugins: ${what}`, {
      hint: "krew-wasm index push makes one",
    });
  };
  let layers: unknown;
  try {
    ({ layers } = JSON.parse(manifest.text) as { layers?: unknown });
  } catch {
    return invalid("its manifest is not JSON");
  }
  const layer = (Array.isArray(layers) && layers.length === 1 ? layers[0] : undefined) as
    | Record<string, unknown>
    | null
    | undefined;
  if (layer?.mediaType !== INDEX_OF_PLUGINS) return invalid(`it is an artifact of another kind`);
  const { digest, size } = layer;
  if (typeof digest !== "string" || !DIGEST.test(digest) || !Number.isSafeInteger(size)) {
    return invalid("its manifest's layer is malformed");
  }
  if ((size as number) > MAX_DOCUMENT || (size as number) < 0) {
    throw new AppError(
      "TOO_LARGE",
      `The index ${printable(shown, 400)} is larger than ${MAX_DOCUMENT} bytes`,
    );
  }
  let chunks: Uint8Array<ArrayBuffer>[] = [];
  await client.fetchBlob(
    reference,
    { digest, size: size as number },
    () => {
      chunks = [];
      return (bytes) => chunks.push(bytes.slice());
    },
    undefined,
    "read the index",
  );
  return {
    manifestDigest: manifest.digest,
    document: parseIndexDocument(await new Blob(chunks).text(), shown),
  };
}

/** Stores an index. `replace`: whether an index of that name may exist. @throws AppError INDEX_INVALID, STORE_… */
export async function storeIndex(
  layout: Layout,
  index: StoredIndex,
  replace: boolean,
  notice?: (line: string) => void,
): Promise<void> {
  if (!NAME.test(index.name) || index.name.length > 64) {
    throw new AppError("NAME_INVALID", `"${printable(index.name, 100)}" is not the name of an index`, {
      hint: "choose one with --name, of lower-case letters, digits and dashes",
    });
  }
  using _lock = await openForWriting(layout, { task: `index ${index.name}`, notice });
  const there = readIndexes(layout).indexes.some(({ name }) => name === index.name);
  if (there && !replace) {
    throw new AppError("ALREADY_INSTALLED", `There is an index "${index.name}" already`, {
      hint: `krew-wasm index remove ${index.name}, or --name`,
    });
  }
  if (!there && replace) return; // removed meanwhile
  replaceFile(layout, "index", layout.index(index.name), formatStored(index));
}

/** Removes an index. @throws AppError INDEX_UNKNOWN, STORE_… */
export async function removeIndex(
  layout: Layout,
  name: string,
  notice?: (line: string) => void,
): Promise<void> {
  const { indexes, broken } = readIndexes(layout);
  const added = [...indexes, ...broken].map((index) => index.name);
  if (!added.includes(name)) throw indexUnknown(name, added);
  using _lock = await openForWriting(layout, { task: `index remove ${name}`, notice });
  try {
    Deno.removeSync(layout.index(name));
    syncDirectory(layout.indexes);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return; // another process removed it meanwhile
    throw storeFailed(`Cannot remove the index "${name}"`, error);
  }
}

/** The error for an index name that does not exist. `added`: the names that do. */
export function indexUnknown(name: string, added: readonly string[]): AppError {
  const near = nearest(name, added);
  return new AppError("INDEX_UNKNOWN", `No index "${printable(name, 100)}" was added`, {
    hint: near.length > 0
      ? `did you mean ${near.join(" or ")}?`
      : "krew-wasm index list shows the added indexes; krew-wasm index add REF adds one",
  });
}
