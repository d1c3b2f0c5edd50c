/** Makes artifacts like other clients do, and pushes them to any registry by the distribution API. */

import { digestOf } from "../../registry/oci/digest.ts";

/** The layouts of plugins. */
export type ArtifactLayout = "cncf" | "legacy";

/** A manifest with its blobs. */
export interface Artifact {
  readonly manifest: string;
  readonly mediaType: string;
  readonly blobs: readonly Uint8Array[];
}

const encoder = new TextEncoder();

/** An artifact with one wasm layer, like those of wkg (cncf) or wasm-to-oci (legacy). */
export function makeArtifact(
  wasm: Uint8Array,
  layout: ArtifactLayout = "cncf",
  annotations: Record<string, string> = {},
): Artifact {
  const digest = digestOf(wasm);
  const isComponent = wasm[4] === 0x0d;
  const config = encoder.encode(
    layout === "legacy" ? "{}" : JSON.stringify({
      created: "2026-01-01T00:00:00Z",
      architecture: "wasm",
      os: isComponent ? "wasip2" : "wasip1",
      layerDigests: [digest],
    }),
  );
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: {
      mediaType: layout === "legacy"
        ? "application/vnd.wasm.config.v1+json"
        : "application/vnd.wasm.config.v0+json",
      digest: digestOf(config),
      size: config.length,
    },
    layers: [{
      mediaType: layout === "legacy" ? "application/vnd.wasm.content.layer.v1+wasm" : "application/wasm",
      digest,
      size: wasm.length,
    }],
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
  });
  return { manifest, mediaType, blobs: [config, wasm] };
}

/** Pushes an artifact to `origin` (`http://127.0.0.1:5000`). */
export async function push(
  origin: string,
  repository: string,
  tag: string,
  artifact: Artifact,
  headers: Record<string, string> = {},
): Promise<void> {
  const check = async (response: Response, expected: number): Promise<Response> => {
    if (response.status !== expected) {
      throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
    }
    await response.body?.cancel();
    return response;
  };
  for (const blob of artifact.blobs) {
    const started = await check(
      await fetch(`${origin}/v2/${repository}/blobs/uploads/`, { method: "POST", headers }),
      202,
    );
    const location = new URL(started.headers.get("location")!, origin);
    location.searchParams.set("digest", digestOf(blob));
    await check(
      await fetch(location, {
        method: "PUT",
        headers: { ...headers, "content-type": "application/octet-stream" },
        body: blob as Uint8Array<ArrayBuffer>,
      }),
      201,
    );
  }
  await check(
    await fetch(`${origin}/v2/${repository}/manifests/${tag}`, {
      method: "PUT",
      headers: { ...headers, "content-type": artifact.mediaType },
      body: artifact.manifest,
    }),
    201,
  );
}
