import assert from "node:assert/strict";
import { chooseManifest, INDEX_OF_PLUGINS, isIndex, parseManifest } from "../../../registry/oci/manifest.ts";
import { duplicateName } from "../../../registry/oci/json_text.ts";
import { makeArtifact } from "../../../scripts/servers/artifacts.ts";

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

Deno.test("parseManifest() distinguishes other artifacts from invalid manifests", () => {
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
    [{ layers: [{ ...layer, digest: layer.digest.replace("sha256", "SHA256") }] }, "MANIFEST_INVALID"],
    [{ layers: [{ ...layer, digest: `sha256:${"AB".repeat(32)}` }] }, "MANIFEST_INVALID"],
    [{ config: undefined }, "MANIFEST_INVALID"],
    [{ config: [good().config, good().config] }, "MANIFEST_INVALID"],
    [{ config: { ...good().config, digest: "sha512:1" } }, "MANIFEST_INVALID"],
    [`{"config":{},${JSON.stringify(good()).slice(1)}`, "MANIFEST_INVALID"],
    [`{"Layers":[],${JSON.stringify(good()).slice(1)}`, "MANIFEST_INVALID"],
    [JSON.stringify(good()).replace('"size":8', '"size":8,"siz\\u0065":9'), "MANIFEST_INVALID"],
    ["[".repeat(1_000_000) + "]".repeat(1_000_000), "MANIFEST_INVALID"],
    [`{"layers":${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}}`, "MANIFEST_INVALID"],
  ];
  for (const [change, code] of cases) {
    const text = typeof change === "string" ? change : JSON.stringify({ ...good(), ...change });
    assert.throws(() => parseManifest(text, "x"), { code }, text);
  }
});

Deno.test("parseManifest() distinguishes an index of plugins from a container image", () => {
  const of = (mediaType: string) =>
    JSON.stringify({ ...good(), layers: [{ ...good().layers[0], mediaType }] });
  assert.throws(() => parseManifest(of(INDEX_OF_PLUGINS), "x"), { hint: /krew-wasm index add/ });
  assert.throws(() => parseManifest(of("application/vnd.oci.image.layer.v1.tar+gzip"), "x"), {
    hint: /container image/,
  });
});

Deno.test("parseManifest() truncates annotations and accepts only strings", () => {
  const annotate = (annotations: unknown) => parseManifest(JSON.stringify({ ...good(), annotations }), "x");
  assert.equal(
    annotate({ "org.opencontainers.image.description": "x".repeat(10_000_000) }).description?.length,
    500,
  );
  assert.equal(annotate({ "org.opencontainers.image.version": { a: 1 } }).version, undefined);
  assert.equal(annotate(null).version, undefined);
});

Deno.test("parseManifest() ignores a layer's foreign URLs", () => {
  const layer = { ...good().layers[0], urls: ["http://169.254.169.254/"] };
  assert.equal(parseManifest(JSON.stringify({ ...good(), layers: [layer] }), "x").digest, layer.digest);
});

Deno.test("duplicateName() finds a duplicate key of an object in any spelling", () => {
  assert.equal(duplicateName('{"a":1,"b":{"a":[{"a":"b"}]},"c":"a"}'), undefined);
  assert.equal(duplicateName('{"a":{"x":1,"y":2,"X":3}}'), "X");
  assert.equal(duplicateName('{"a\\"b":1,"\\u0061\\"b":2}'), 'a"b');
  assert.equal(duplicateName('["a","a",{"a":"a"},{"a":1}]'), undefined);
});

const entry = (os: string, architecture = "wasm", fill = os.length) => ({
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  digest: `sha256:${fill.toString(16).padStart(64, "0")}`,
  size: 100,
  platform: { os, architecture },
});
const index = (...manifests: unknown[]) =>
  JSON.stringify({ schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests });

Deno.test("chooseManifest() chooses the WebAssembly entry or the only entry", () => {
  const linux = entry("linux", "amd64", 1);
  const attestation = {
    ...entry("unknown", "unknown", 2),
    annotations: { "vnd.docker.reference.type": "attestation-manifest" },
  };
  const [p1, p2, js] = [entry("wasip1", "wasm", 3), entry("wasip2", "wasm", 4), entry("js", "wasm", 5)];
  const { platform: _, ...plain } = entry("x", "x", 6);
  const typed = (at: number, artifactType = "application/vnd.wasm.config.v0+json") => {
    const { platform: _, ...rest } = entry("x", "x", at);
    return { ...rest, artifactType };
  };
  for (
    const [entries, chosen] of [
      [[linux, p1], p1],
      [[p1, linux, p2], p2],
      [[linux, js], js],
      [[linux, attestation], linux],
      [[plain], plain],
      // The same entry twice.
      [[p2, p2], p2],
      [[plain, plain], plain],
      [[{ ...p2, platform: linux.platform }, p2], p2],
      // Entries that differ only in the artifact type.
      [[{ ...plain, artifactType: "application/spdx+json" }, typed(7), linux], typed(7)],
      [[{ ...p2, artifactType: "application/spdx+json" }, { ...typed(8), platform: p2.platform }], typed(8)],
      [[{ ...plain, artifactType: "application/vnd.krew-wasm.index.v1+json" }, linux], linux],
      [[{ ...plain, artifactType: "application/spdx+json" }, { ...linux, artifactType: "" }], linux],
      [[{ ...plain, artifactType: "application/spdx+json" }, { ...linux, artifactType: null }], linux],
      [[typed(9, "application/vnd.wasm.config.v1+json"), plain], typed(9)],
      [[typed(9, "application/wasm"), linux], typed(9)],
    ] as const
  ) {
    assert.ok(isIndex(index(...entries)));
    assert.equal(chooseManifest(index(...entries), "x").digest, chosen.digest);
  }
});

Deno.test("chooseManifest() refuses an ambiguous index and other documents", () => {
  const one = entry("linux", "amd64", 1);
  for (
    const [text, code] of [
      [index(), "ARTIFACT_UNSUPPORTED"],
      [index(one, entry("linux", "arm64", 2)), "ARTIFACT_UNSUPPORTED"],
      [index(entry("wasip1"), entry("wasip1", "wasm", 9)), "ARTIFACT_UNSUPPORTED"],
      [
        index(...[1, 2].map((at) => ({ ...entry("wasip2", "wasm", at), artifactType: "application/wasm" }))),
        "ARTIFACT_UNSUPPORTED",
      ],
      [index({ ...one, digest: "sha512:00" }), "MANIFEST_INVALID"],
      [index(null), "MANIFEST_INVALID"],
      [index(one).replace("2", "1"), "MANIFEST_INVALID"],
      [index(one).replace("{", '{"layers":[],'), "MANIFEST_INVALID"],
      [index(one).replace("{", '{"manifests":[],'), "MANIFEST_INVALID"],
    ] as const
  ) {
    assert.throws(() => chooseManifest(text, "x"), { code }, text);
  }
});
