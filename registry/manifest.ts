/**
 * Image manifests that hold a plugin (OCI image-spec manifest.md; the CNCF Wasm OCI artifact layout, and the layout of
 * wasm-to-oci that the plugins of 2022 have). Pure. Whether the layer is a module or a component is told by its bytes.
 */

import { AppError } from "../runtime/errors.ts";
import { printable } from "../runtime/text.ts";

/** Media types of manifests, in the order they are preferred. */
export const MANIFEST_TYPES = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
] as const;
/** Media types of indexes: asked for too, so that a registry sends what there is instead of a 404. */
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

/** The most a plugin's wasm may weigh, in bytes. */
export const MAX_BLOB = 1 << 30;

/** What a manifest says of a plugin. */
export interface PluginManifest {
  /** `sha256:<hex>` of the wasm. */
  readonly digest: string;
  /** Bytes of the wasm. */
  readonly size: number;
  readonly version: string | undefined;
  readonly description: string | undefined;
}

/**
 * @param shown the reference, for errors
 * @throws AppError MANIFEST_INVALID, ARTIFACT_UNSUPPORTED, TOO_LARGE
 */
export function parseManifest(text: string, shown: string): PluginManifest {
  const fail = (
    code: "MANIFEST_INVALID" | "ARTIFACT_UNSUPPORTED" | "TOO_LARGE",
    what: string,
    hint?: string,
  ): never => {
    throw new AppError(code, `Cannot pull "${shown}": ${what}`, hint === undefined ? {} : { hint });
  };
  let manifest: Record<string, unknown>;
  try {
    manifest = JSON.parse(text);
  } catch {
    return fail("MANIFEST_INVALID", "its manifest is not JSON");
  }
  if (typeof manifest !== "object" || manifest === null || Array.isArray(manifest)) {
    return fail("MANIFEST_INVALID", "its manifest is not an object");
  }
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
      "this may be a container image, not a plugin",
    );
  }
  if (typeof layer.digest !== "string" || !/^sha256:[0-9a-f]{64}$/.test(layer.digest)) {
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
  const annotation = (key: string, limit: number): string | undefined => {
    const value = typeof annotations === "object" && annotations !== null
      ? (annotations as Record<string, unknown>)[key]
      : undefined;
    return typeof value === "string" && value !== "" ? value.slice(0, limit) : undefined;
  };
  return {
    digest: layer.digest,
    size: layer.size as number,
    version: annotation("org.opencontainers.image.version", 100),
    description: annotation("org.opencontainers.image.description", 500),
  };
}

/** The config of a manifest that {@linkcode parseManifest} took; undefined where it names none by a sha256 digest. Pure. */
export function configOf(text: string): { readonly digest: string; readonly size: number } | undefined {
  const { config } = JSON.parse(text) as { config?: unknown };
  const { digest, size } = (config ?? {}) as Record<string, unknown>;
  return typeof digest === "string" && /^sha256:[0-9a-f]{64}$/.test(digest) && Number.isSafeInteger(size) &&
      (size as number) >= 0
    ? { digest, size: size as number }
    : undefined;
}
