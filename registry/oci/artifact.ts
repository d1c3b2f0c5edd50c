/**
 * Makes the artifacts that `push` uploads: the CNCF Wasm OCI layout, or the layout of wasm-to-oci for clients of 2022.
 * Pure. The binary's header tells a module from a component.
 */

import { isObject } from "../../runtime/base/strict_json.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { digestOf } from "./digest.ts";
import type { Descriptor } from "./manifest.ts";
import { readComponentNames } from "../compile/import_names.ts";
import { wasmKind } from "../compile/wasm_reader.ts";

/** The layouts that krew-wasm writes. */
export const ARTIFACT_FORMATS = ["cncf", "legacy"] as const;
/** One of those layouts. */
export type ArtifactFormat = typeof ARTIFACT_FORMATS[number];

/** Metadata of a plugin. */
export interface ArtifactMetadata {
  /** The manifest's annotations, by their full names. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly author?: string | undefined;
  /** The file name for clients that save the layer. */
  readonly title: string;
  readonly created: Date;
}

/** A manifest with its blobs. */
export interface Artifact {
  readonly manifest: string;
  readonly mediaType: string;
  readonly config: Blob;
  readonly layer: Blob;
  readonly kind: "module" | "component";
}

/** Bytes with their descriptor. */
export interface Blob extends Descriptor {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const TITLE = "org.opencontainers.image.title";

/** Makes an artifact of a plugin. @throws AppError WASM_INVALID */
export function makeArtifact(
  wasm: Uint8Array<ArrayBuffer>,
  { annotations, author, title, created }: ArtifactMetadata,
  format: ArtifactFormat = "cncf",
): Artifact {
  const kind = wasmKind(wasm);
  const legacy = format === "legacy";
  const layer = blobOf(
    wasm,
    legacy ? "application/vnd.wasm.content.layer.v1+wasm" : "application/wasm",
  );
  const config = blobOf(
    new TextEncoder().encode(
      legacy ? "{}" : JSON.stringify({
        created: timestamp(created),
        ...(author === undefined ? {} : { author }),
        architecture: "wasm",
        os: kind === "component" ? "wasip2" : "wasip1",
        layerDigests: [layer.digest],
        ...(kind === "component" ? { component: readComponentNames(wasm) } : {}),
      }),
    ),
    legacy ? "application/vnd.wasm.config.v1+json" : "application/vnd.wasm.config.v0+json",
  );
  const descriptor = ({ mediaType, digest, size }: Blob) => ({ mediaType, digest, size });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: descriptor(config),
    layers: [{ ...descriptor(layer), annotations: { [TITLE]: title } }],
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
  });
  return { manifest, mediaType: MANIFEST_TYPE, config, layer, kind };
}

/** Makes a blob of bytes. */
export function blobOf(bytes: Uint8Array<ArrayBuffer>, mediaType: string): Blob {
  return { bytes, mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** RFC 3339 without fractions. */
export function timestamp(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}

/** The fields of `plugin.yaml` that become OCI's own annotations. */
const FIELDS: Readonly<Record<string, string>> = {
  version: "org.opencontainers.image.version",
  description: "org.opencontainers.image.description",
  licenses: "org.opencontainers.image.licenses",
  source: "org.opencontainers.image.source",
  url: "org.opencontainers.image.url",
  documentation: "org.opencontainers.image.documentation",
  authors: "org.opencontainers.image.authors",
  revision: "org.opencontainers.image.revision",
};

/** The content of a `plugin.yaml`. */
export interface PluginYaml {
  readonly annotations: Readonly<Record<string, string>>;
  readonly author: string | undefined;
  /** The grants that the plugin asks for, not validated. */
  readonly grants: unknown;
}

/**
 * Reads a parsed `plugin.yaml`. An unknown field is an error: it may be a misspelt known one.
 *
 * @throws AppError USAGE
 */
export function readPluginYaml(value: unknown, path: string): PluginYaml {
  const fail = (what: string): never => {
    throw new AppError("USAGE", `"${printable(path, 300)}": ${what}`, {
      hint: "krew-wasm help plugins shows an example",
    });
  };
  if (value === null || value === undefined) return { annotations: {}, author: undefined, grants: undefined };
  if (!isObject(value)) return fail("it is not a mapping");
  const annotations: Record<string, string> = {};
  for (const [field, content] of Object.entries(value)) {
    if (field === "grants") continue;
    if (field === "annotations") {
      if (!isObject(content)) {
        return fail("annotations is not a mapping");
      }
      for (const [name, text] of Object.entries(content)) {
        if (typeof text !== "string") return fail(`annotations["${printable(name, 100)}"] is not a text`);
        annotations[name] = text;
      }
      continue;
    }
    const name = FIELDS[field] ?? fail(`"${printable(field, 100)}" is not a field of it`);
    // YAML reads the version 1.10 as the number 1.1.
    if (typeof content !== "string") return fail(`${field} is not a text: put it in quotes`);
    annotations[name] = content;
  }
  return {
    annotations,
    author: annotations[FIELDS.authors!],
    grants: (value as { grants?: unknown }).grants,
  };
}
