/** Bundles that contradict themselves or repeat themselves. */

import assert from "node:assert/strict";
import { Bundle } from "../../../registry/fleet/bundle_file.ts";
import { digestOf } from "../../../registry/oci/digest.ts";
import { tarEnd, tarHeader, tarPadding } from "../../../registry/fleet/tar.ts";
import { LEAST } from "../../../runtime/grants/grants.ts";
import { portableGrants } from "../../../registry/fleet/portable_grants.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const encoder = new TextEncoder();

const manifestOf = (layer: string) =>
  encoder.encode(JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, layers: [layer] }));

interface Entry {
  readonly bytes: Uint8Array;
  readonly reference?: string;
  readonly name?: string;
  readonly index?: string;
  readonly signatures?: string;
  readonly mediaType?: string;
}

/** Writes a bundle and opens it. */
function open(entries: readonly Entry[], blobs: readonly Uint8Array[] = []): Bundle {
  const parts: Uint8Array[] = [];
  const add = (name: string, bytes: Uint8Array) =>
    parts.push(tarHeader(name, bytes.length), bytes, tarPadding(bytes.length));
  add("oci-layout", encoder.encode('{"imageLayoutVersion":"1.0.0"}'));
  const manifests = entries.map(({ bytes, reference, name, index, signatures, mediaType = MANIFEST }) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
    annotations: {
      ...(reference === undefined ? {} : { "org.opencontainers.image.ref.name": reference }),
      ...(name === undefined ? {} : {
        "krew-wasm.dev/bundle": "2",
        "krew-wasm.dev/name": name,
        "krew-wasm.dev/granted": JSON.stringify(portableGrants(LEAST, "/home/me")),
        "krew-wasm.dev/signatures": signatures ?? "",
        "krew-wasm.dev/index": index ?? "",
        "krew-wasm.dev/index-signatures": "",
      }),
    },
  }));
  add("index.json", encoder.encode(JSON.stringify({ schemaVersion: 2, manifests })));
  const all = new Map([...entries.map(({ bytes }) => bytes), ...blobs].map((each) => [digestOf(each), each]));
  for (const [digest, bytes] of all) add(`blobs/sha256/${digest.slice(7)}`, bytes);
  parts.push(tarEnd());
  const path = `${temporaryDirectory()}/bundle.tar`;
  Deno.writeFileSync(path, new Uint8Array(parts.flatMap((part) => [...part])));
  return Bundle.open(path, "/home/me");
}

const good = manifestOf("good");
const evil = manifestOf("evil");
const index = encoder.encode(JSON.stringify({
  schemaVersion: 2,
  mediaType: INDEX,
  manifests: [{ mediaType: MANIFEST, digest: digestOf(good), size: good.length }],
}));

Deno.test("refuses a reference with another digest than the content's or its index's", () => {
  const refuses = (entry: Entry, blobs: readonly Uint8Array[] = []) =>
    assert.throws(() => open([entry], blobs), { code: "BUNDLE_INVALID", message: /contradicts itself/ });
  const named = (bytes: Uint8Array) => `ghcr.io/acme/foo:v1@${digestOf(bytes)}`;
  using pinned = open([{ bytes: good, reference: named(good), name: "foo" }]);
  assert.equal(pinned.plugins[0]!.reference.digest, digestOf(good));
  using indexed = open([{ bytes: good, reference: named(index), name: "foo", index: digestOf(index) }], [
    index,
  ]);
  assert.equal(indexed.plugins[0]!.indexDigest, digestOf(index));
  using whole = open([{ bytes: index, reference: named(index), mediaType: INDEX }], [good]);
  assert.equal(whole.plugins[0]!.manifestDigest, digestOf(good));
  refuses({ bytes: evil, reference: named(good), name: "foo" });
  refuses({ bytes: evil, reference: named(good) });
  // An index that the bundle lacks proves nothing.
  refuses({ bytes: good, reference: named(index), name: "foo", index: digestOf(index) });
});

Deno.test("refuses a bundle that names a plugin twice", () => {
  assert.throws(
    () => open([{ bytes: good, name: "foo" }, { bytes: evil, name: "foo" }]),
    { code: "BUNDLE_INVALID", message: /manifests\[0\] and manifests\[1\] are both named "foo"/ },
  );
  using other = open([{ bytes: good }, { bytes: evil }]);
  assert.equal(other.plugins.length, 2);
});

Deno.test("refuses a manifest that is not UTF-8 or begins with a byte order mark", async () => {
  const reference = (bytes: Uint8Array) => ({
    registry: "ghcr.io",
    repository: "acme/foo",
    tag: undefined,
    digest: digestOf(bytes),
  });
  const marked = new Uint8Array([0xef, 0xbb, 0xbf, ...good]);
  using bundle = open([{ bytes: marked, name: "foo" }]);
  const { text } = await bundle.fetchManifest(reference(marked));
  assert.equal(digestOf(encoder.encode(text)), digestOf(marked));
  const broken = new Uint8Array([...good, 0xff]);
  using invalid = open([{ bytes: broken, name: "foo" }]);
  await assert.rejects(invalid.fetchManifest(reference(broken)), { code: "BUNDLE_INVALID" });
  const deep = encoder.encode("[".repeat(100_000) + "]".repeat(100_000));
  using nested = open([{ bytes: deep, name: "foo" }]);
  await assert.rejects(nested.fetchManifest(reference(deep)), { code: "BUNDLE_INVALID", message: /deep/ });
});

Deno.test("checks no more signatures of a bundle than of a registry", async () => {
  const list = (count: number) =>
    encoder.encode(JSON.stringify(Array(count).fill({ kind: "bundle", json: "{}" })));
  const read = async (count: number, plugins: number) => {
    const signatures = list(count);
    using bundle = open(
      Array.from({ length: plugins }, (_, each) => ({
        bytes: good,
        name: `foo${each}`,
        signatures: digestOf(signatures),
      })),
      [signatures],
    );
    const reference = { registry: "ghcr.io", repository: "a", tag: undefined, digest: undefined };
    return (await Array.fromAsync(bundle.signatures(reference, digestOf(good)))).length;
  };
  assert.equal(await read(50, 3), 50);
  await assert.rejects(read(51, 1), { code: "BUNDLE_INVALID", message: /more than 50/ });
});
