/** The document of an index of plugins, and its artifact. Pure. */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { visibleJson } from "../../runtime/base/invisible.ts";
import { parsePluginName } from "../../runtime/base/names.ts";
import {
  list,
  malformed,
  object,
  optional,
  parsed,
  parseJson,
  type Reader,
  text as textReader,
} from "../../runtime/base/strict_json.ts";
import { printable } from "../../runtime/base/text.ts";
import { type Artifact, type Blob, blobOf, MANIFEST_TYPE, timestamp } from "../oci/artifact.ts";
import { INDEX_OF_PLUGINS } from "../oci/manifest.ts";
import { formatReference, parseReference } from "../oci/mirrored_reference.ts";

const EMPTY_CONFIG = "application/vnd.oci.empty.v1+json";
/** The version of the document's format. */
export const INDEX_VERSION = 1;
const MAX_PLUGINS = 20_000;

/** A plugin in an index. */
export interface IndexedPlugin {
  readonly name: string;
  readonly reference: string;
  readonly description?: string | undefined;
  readonly version?: string | undefined;
  readonly homepage?: string | undefined;
}

/** The content of an index. */
export interface IndexDocument {
  readonly plugins: readonly IndexedPlugin[];
}

/**
 * Parses a document. A malformed entry is an error, so that the publisher notices it.
 *
 * @throws AppError INDEX_INVALID with the field's path in its message
 */
export function parseIndexDocument(text: string, shown: string): IndexDocument {
  const invalid = (what: string): never => {
    throw new AppError("INDEX_INVALID", `${printable(shown, 400)} is no index of plugins: ${what}`);
  };
  let plugins: IndexedPlugin[];
  try {
    ({ plugins } = DOCUMENT(parseJson(text), ""));
  } catch (error) {
    return invalid(messageOf(error));
  }
  const names = new Set<string>();
  plugins.forEach(({ name }, index) => {
    if (names.has(name)) invalid(`plugins[${index}].name: there are two of the name "${name}"`);
    names.add(name);
  });
  return { plugins };
}

/** Reads a text and keeps at most `limit` characters of it. */
const shortened = (limit: number): Reader<string> => (value, path) =>
  textReader(/^[^]*$/)(value, path).slice(0, limit);

const DOCUMENT = object<{ krewWasmIndex: number; plugins: IndexedPlugin[] }>({
  krewWasmIndex: (value, path) => {
    if (Number.isSafeInteger(value) && (value as number) > INDEX_VERSION) {
      throw new Error(`it has the version ${value}, this krew-wasm reads ${INDEX_VERSION}`);
    }
    return value === INDEX_VERSION ? INDEX_VERSION : malformed(path, `is not ${INDEX_VERSION}`);
  },
  plugins: list(
    object<IndexedPlugin>({
      name: parsed((name) => {
        if (parsePluginName(name) !== name) throw new Error(`"${printable(name, 100)}" has an underscore`);
        return name;
      }),
      reference: parsed((reference) => formatReference(parseReference(reference))),
      version: optional(shortened(100)),
      description: optional(shortened(500)),
      homepage: optional(shortened(500)),
    }, "ignored"),
    MAX_PLUGINS,
  ),
}, "ignored");

/** Formats a document for publishing, sorted by name. */
export function formatIndexDocument({ plugins }: IndexDocument): string {
  const sorted = [...plugins].sort((a, b) => a.name < b.name ? -1 : 1);
  return `${visibleJson(JSON.stringify({ krewWasmIndex: INDEX_VERSION, plugins: sorted }, null, 2))}\n`;
}

/** Makes the artifact of a document (image-spec, manifest.md, "Guidelines for Artifact Usage"). */
export function makeIndexArtifact(text: string, created: Date): Omit<Artifact, "kind"> {
  const config = blobOf(new TextEncoder().encode("{}"), EMPTY_CONFIG);
  const layer = blobOf(new TextEncoder().encode(text), INDEX_OF_PLUGINS);
  const descriptor = ({ mediaType, digest, size }: Blob) => ({ mediaType, digest, size });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType: INDEX_OF_PLUGINS,
    config: descriptor(config),
    layers: [{ ...descriptor(layer), annotations: { "org.opencontainers.image.title": "index.json" } }],
    annotations: { "org.opencontainers.image.created": timestamp(created) },
  });
  return { manifest, mediaType: MANIFEST_TYPE, config, layer };
}
