/**
 * Parses image manifests of plugins: OCI image-spec manifest.md, the CNCF Wasm OCI artifact layout, and wasm-to-oci's
 * layout that plugins of 2022 have. Pure. The layer's bytes tell a module from a component.
 */

import { isObject } from "../../runtime/base/strict_json.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { DIGEST } from "../../runtime/store/receipt.ts";
import { printable } from "../../runtime/base/text.ts";
import { duplicateName } from "./json_text.ts";

/** Media types of manifests, in order of preference. */
export const MANIFEST_TYPES = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
] as const;
/** Media types of indexes. Asking for them, too, makes a registry send an index instead of a 404. */
export const INDEX_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
] as const;

const WASM_LAYERS: ReadonlySet<string> = new Set([
  "application/wasm",
  "application/vnd.wasm.content.layer.v1+wasm",
  "application/vnd.wasm.component.v1",
  "application/vnd.wasm.component.v1+wasm",
  "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
  "application/vnd.module.wasm.content.layer.v1+wasm",
]);

/** Media type of the layer, and artifact type, of an index of plugins (index_file.ts). */
export const INDEX_OF_PLUGINS = "application/vnd.krew-wasm.index.v1+json";

/** The largest WebAssembly of a plugin. Bytes. */
export const MAX_BLOB = 1 << 30;

/** A content descriptor (image-spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:<hex>` */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

/** What a manifest says about a plugin. */
export interface PluginManifest {
  /** `sha256:<hex>` of the wasm. */
  readonly digest: string;
  /** Bytes of the wasm. */
  readonly size: number;
  readonly version: string | undefined;
  readonly description: string | undefined;
  /** Media type of the layer. */
  readonly mediaType: string;
  readonly config: Descriptor;
  /** All annotations with string values; not yet safe to print. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** Whether a manifest is an index. False for text that cannot be parsed. */
export function isIndex(text: string): boolean {
  try {
    const manifest = JSON.parse(text) as Record<string, unknown> | null;
    return typeof manifest === "object" && manifest !== null &&
      ((INDEX_TYPES as readonly unknown[]).includes(manifest.mediaType) || Array.isArray(manifest.manifests));
  } catch {
    return false;
  }
}

/**
 * Chooses the plugin's entry of an index. Order of preference: the platform wasm/wasip2, wasm/wasip1, any other wasm
 * platform, the only entry. Entries without a platform, such as attestations, do not count.
 *
 * @throws AppError MANIFEST_INVALID, ARTIFACT_UNSUPPORTED
 */
export function chooseManifest(text: string, shown: string, verb = "pull"): Descriptor {
  const fail = (code: "MANIFEST_INVALID" | "ARTIFACT_UNSUPPORTED", what: string, hint?: string): never => {
    throw new AppError(code, `Cannot ${verb} "${shown}": ${what}`, { hint });
  };
  const index = parseObject(text, (what) => fail("MANIFEST_INVALID", what));
  if (index.schemaVersion !== 2 || !Array.isArray(index.manifests)) {
    return fail("MANIFEST_INVALID", "its index is none of schema version 2");
  }
  if ("layers" in index || "config" in index) {
    return fail("MANIFEST_INVALID", "its manifest is an index and an image in one");
  }
  const entries = index.manifests.map((entry: unknown, at) => {
    const { platform, annotations } = (entry ?? {}) as Record<string, Record<string, unknown> | undefined>;
    return {
      descriptor: parseDescriptor(entry) ??
        fail("MANIFEST_INVALID", `manifests[${at}] of its index is malformed`),
      type: (entry as { artifactType?: unknown } | null)?.artifactType,
      architecture: platform?.architecture,
      os: platform?.os,
      attestation: annotations !== undefined && "vnd.docker.reference.type" in annotations,
    };
  });
  const images = entries.filter(({ architecture, attestation }) =>
    architecture !== "unknown" && !attestation
  );
  const wasm = images.filter(({ architecture }) => architecture === "wasm" || architecture === "wasm32");
  const choices = ["wasip2", "wasip1"].map((os) => wasm.filter((entry) => entry.os === os));
  const nearest = [...choices, wasm, images].find((some) => some.length > 0) ?? [];
  // Some indexes have the same entry twice.
  const found = [...new Map(byType(nearest).map((entry) => [entry.descriptor.digest, entry])).values()];
  if (found.length === 0) return fail("ARTIFACT_UNSUPPORTED", "its index is empty");
  if (found.length > 1) {
    return fail(
      "ARTIFACT_UNSUPPORTED",
      `it is an index of ${images.length} images, of which ${
        wasm.length === 0 && !isWasm(found[0]!.type) ? "none is" : "several are"
      } for WebAssembly`,
      `pull one of them by its digest: REF@${found[0]!.descriptor.digest}`,
    );
  }
  return found[0]!.descriptor;
}

/** Artifact types of WebAssembly that clients write into an index. */
const WASM_ARTIFACT = /^application\/(wasm$|vnd\.wasm\.|vnd\.(module|bytecodealliance)\.wasm\.)/;

const isWasm = (type: unknown) => typeof type === "string" && WASM_ARTIFACT.test(type);

/** The entries whose artifact type is WebAssembly; if there are none, the entries without an artifact type. */
function byType<T extends { readonly type: unknown }>(entries: readonly T[]): readonly T[] {
  if (entries.length < 2) return entries;
  const typed = entries.filter(({ type }) => isWasm(type));
  const untyped = entries.filter(({ type }) => typeof type !== "string" || type === "");
  return [typed, untyped].find((some) => some.length > 0) ?? entries;
}

/** Parses a JSON object. Refuses duplicate keys, because parsers differ in which one they use. */
function parseObject(text: string, fail: (what: string) => never): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fail("its manifest is not JSON");
  }
  if (!isObject(value)) return fail("its manifest is not an object");
  const twice = duplicateName(text);
  if (twice !== undefined) return fail(`its manifest has "${printable(twice, 100)}" twice`);
  return value;
}

function parseDescriptor(value: unknown): Descriptor | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { mediaType, digest, size } = value as Record<string, unknown>;
  return typeof mediaType === "string" && typeof digest === "string" && DIGEST.test(digest) &&
      Number.isSafeInteger(size) && (size as number) >= 0
    ? { mediaType, digest, size: size as number }
    : undefined;
}

/**
 * @param shown the reference, for errors
 * @throws AppError MANIFEST_INVALID, ARTIFACT_UNSUPPORTED, TOO_LARGE
 */
export function parseManifest(text: string, shown: string, verb = "pull"): PluginManifest {
  const fail = (
    code: "MANIFEST_INVALID" | "ARTIFACT_UNSUPPORTED" | "TOO_LARGE",
    what: string,
    hint?: string,
  ): never => {
    throw new AppError(code, `Cannot ${verb} "${shown}": ${what}`, { hint });
  };
  const manifest = parseObject(text, (what) => fail("MANIFEST_INVALID", what));
  const { mediaType } = manifest;
  if (mediaType !== undefined && typeof mediaType !== "string") {
    return fail("MANIFEST_INVALID", "its manifest's mediaType is not a string");
  }
  if ((INDEX_TYPES as readonly unknown[]).includes(mediaType) || Array.isArray(manifest.manifests)) {
    return fail(
      "ARTIFACT_UNSUPPORTED",
      "it is an index of several images, not a plugin",
      "pull one of them by its digest: REF@sha256:…",
    );
  }
  if (manifest.schemaVersion !== 2) {
    return fail(
      "MANIFEST_INVALID",
      `its manifest has schemaVersion ${
        printable(JSON.stringify(manifest.schemaVersion) ?? "none", 40)
      }, not 2`,
    );
  }
  if (mediaType !== undefined && !(MANIFEST_TYPES as readonly string[]).includes(mediaType)) {
    return fail("ARTIFACT_UNSUPPORTED", `its manifest is of the type ${printable(mediaType, 100)}`);
  }
  const { layers, annotations } = manifest;
  const config = parseDescriptor(manifest.config) ??
    fail("MANIFEST_INVALID", "its manifest's config is not a descriptor");
  if (!Array.isArray(layers)) return fail("MANIFEST_INVALID", "its manifest has no layers");
  if (layers.length !== 1) {
    return fail(
      "ARTIFACT_UNSUPPORTED",
      `it has ${layers.length} layers, a plugin has one`,
      "this may be a container image, not a plugin",
    );
  }
  const layer = layers[0] as Record<string, unknown> | null;
  if (typeof layer !== "object" || layer === null) {
    return fail("MANIFEST_INVALID", "its layer is not an object");
  }
  if (typeof layer.mediaType !== "string" || !WASM_LAYERS.has(layer.mediaType)) {
    return fail(
      "ARTIFACT_UNSUPPORTED",
      `its layer is of the type ${printable(String(layer.mediaType), 100)}, not WebAssembly`,
      layer.mediaType === INDEX_OF_PLUGINS
        ? "this is an index of plugins: krew-wasm index add REF"
        : "this may be a container image, not a plugin",
    );
  }
  if (typeof layer.digest !== "string" || !DIGEST.test(layer.digest)) {
    return fail(
      "MANIFEST_INVALID",
      `its layer's digest "${printable(String(layer.digest), 100)}" is not a sha256 digest`,
    );
  }
  if (!Number.isSafeInteger(layer.size) || (layer.size as number) < 8) {
    return fail(
      "MANIFEST_INVALID",
      `its layer's size ${printable(String(layer.size), 40)} can't be that of WebAssembly`,
    );
  }
  if ((layer.size as number) > MAX_BLOB) {
    return fail("TOO_LARGE", `its layer has ${layer.size} bytes, more than the ${MAX_BLOB} that are allowed`);
  }
  const texts = Object.fromEntries(
    Object.entries(typeof annotations === "object" && annotations !== null ? annotations : {})
      .filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
  const annotation = (key: string, limit: number): string | undefined =>
    Object.hasOwn(texts, key) && texts[key] !== "" ? texts[key]!.slice(0, limit) : undefined;
  return {
    digest: layer.digest,
    size: layer.size as number,
    version: annotation("org.opencontainers.image.version", 100),
    description: annotation("org.opencontainers.image.description", 500),
    mediaType: layer.mediaType,
    config,
    annotations: texts,
  };
}

/**
 * The config's descriptor in a manifest that {@linkcode parseManifest} accepts; undefined without a sha256 digest.
 * Pure.
 */
export function configOf(text: string): { readonly digest: string; readonly size: number } | undefined {
  const { config } = JSON.parse(text) as { config?: unknown };
  const { digest, size } = (config ?? {}) as Record<string, unknown>;
  return typeof digest === "string" && DIGEST.test(digest) && Number.isSafeInteger(size) &&
      (size as number) >= 0
    ? { digest, size: size as number }
    : undefined;
}
