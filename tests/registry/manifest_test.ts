import assert from "node:assert/strict";
import { parseManifest } from "../../registry/manifest.ts";
import { makeArtifact } from "../support/oci.ts";

const WASM = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const good = (layout: "cncf" | "legacy" = "cncf") =>
  JSON.parse(makeArtifact(WASM, layout, { "org.opencontainers.image.version": "1.2" }).manifest);

Deno.test("parseManifest() reads both layouts", () => {
  for (const layout of ["cncf", "legacy"] as const) {
    const { digest, size, version } = parseManifest(JSON.stringify(good(layout)), "x");
    assert.equal(digest, good().layers[0].digest);
    assert.deepEqual([size, version], [8, "1.2"]);
  }
});

Deno.test("parseManifest() tells what is no plugin from what is broken", () => {
  const layer = good().layers[0];
  const cases: [change: object | string, code: string][] = [
    ["", "MANIFEST_INVALID"],
    ["[]", "MANIFEST_INVALID"],
    ["null", "MANIFEST_INVALID"],
    [{ schemaVersion: 1 }, "MANIFEST_INVALID"],
    [{ layers: undefined }, "MANIFEST_INVALID"],
    [{ layers: {} }, "MANIFEST_INVALID"],
    [{ layers: [null] }, "MANIFEST_INVALID"],
    [{ mediaType: 5 }, "MANIFEST_INVALID"],
    [{ layers: [] }, "ARTIFACT_UNSUPPORTED"],
    [{ layers: [layer, layer] }, "ARTIFACT_UNSUPPORTED"],
    [
      { layers: [{ ...layer, mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" }] },
      "ARTIFACT_UNSUPPORTED",
    ],
    [{ layers: [{ ...layer, mediaType: undefined }] }, "ARTIFACT_UNSUPPORTED"],
    [{ layers: [{ ...layer, digest: "sha512:abc" }] }, "MANIFEST_INVALID"],
    [{ layers: [{ ...layer, digest: layer.digest.toUpperCase() }] }, "MANIFEST_INVALID"],
    [{ layers: [{ ...layer, size: -1 }] }, "MANIFEST_INVALID"],
    [{ layers: [{ ...layer, size: "8" }] }, "MANIFEST_INVALID"],
    [{ layers: [{ ...layer, size: 2 ** 40 }] }, "TOO_LARGE"],
    [{ mediaType: "application/vnd.oci.image.index.v1+json", manifests: [] }, "ARTIFACT_UNSUPPORTED"],
    [{ manifests: [] }, "ARTIFACT_UNSUPPORTED"],
    [{ mediaType: "text/html" }, "ARTIFACT_UNSUPPORTED"],
  ];
  for (const [change, code] of cases) {
    const text = typeof change === "string" ? change : JSON.stringify({ ...good(), ...change });
    assert.throws(() => parseManifest(text, "x"), { code }, text);
  }
});

Deno.test("parseManifest() cuts annotations and takes strings only", () => {
  const annotate = (annotations: unknown) => parseManifest(JSON.stringify({ ...good(), annotations }), "x");
  assert.equal(
    annotate({ "org.opencontainers.image.description": "x".repeat(10_000_000) }).description?.length,
    500,
  );
  assert.equal(annotate({ "org.opencontainers.image.version": { a: 1 } }).version, undefined);
  assert.equal(annotate(null).version, undefined);
});
