import assert from "node:assert/strict";
import { fc } from "../../support/fuzz.ts";
import { LEAST } from "../../../runtime/grants/grants.ts";
import { formerReceipt } from "../../support/former.ts";
import type { Signature } from "../../../runtime/policy/provenance.ts";
import { formatReceipt, parseReceipt, type Receipt } from "../../../runtime/store/receipt.ts";

const digest = `sha256:${"ab".repeat(32)}`;
const signatures: Signature[] = [
  { kind: "key", key: digest, publicKey: "AAAA", repository: "ghcr.io/acme/foo", names: undefined },
  {
    kind: "identity",
    identity: "me@acme.example",
    issuer: "https://issuer.example",
    trustRoot: { of: "administrator", digest },
    repository: "ghcr.io/acme/foo",
    names: "ghcr.io/acme/foo",
  },
];
const receipt: Receipt = {
  name: "foo",
  reference: "ghcr.io/acme/foo:v1",
  source: { kind: "registry" },
  manifestDigest: digest,
  digest,
  size: 42,
  kind: "component",
  bindgen: "1",
  compiled: [{ file: "plugin.js", digest, size: 7 }],
  grants: {
    ...LEAST,
    files: [
      { host: "/data", guest: "/in", write: true },
      { host: "/srv/x", guest: "/srv/x", write: false, directory: true, real: "/mnt/x" },
    ],
    env: ["A"],
    cluster: { rules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"], namespaces: ["demo"] }] },
    deny: { ...LEAST.deny, read: ["/home/me/.ssh"], cluster: [{ verbs: ["*"], nonResourceURLs: ["/x"] }] },
  },
  version: "1.0.0",
  signatures,
  installedAt: "2026-01-02T03:04:05Z",
};
const stored = () => JSON.parse(formatReceipt(receipt));
const refuses = (value: unknown, words: RegExp | undefined, label?: string) =>
  assert.throws(
    () => parseReceipt(JSON.stringify(value), "foo"),
    (error: Error & { code?: string }) =>
      error.code === "RECEIPT_INVALID" && (words?.test(error.message) ?? true),
    label,
  );

/** The same plugin's receipt by an older krew-wasm. */
const former = () => formerReceipt(receipt);

Deno.test("parseReceipt() reads what formatReceipt() wrote", () => {
  assert.deepEqual(parseReceipt(formatReceipt(receipt), "foo"), receipt);
  for (
    const source of [{ kind: "bundle" }, { kind: "mirror", place: "mirror.example:5000/ghcr/foo" }] as const
  ) {
    assert.deepEqual(parseReceipt(formatReceipt({ ...receipt, source }), "foo"), { ...receipt, source });
  }
});

/** All paths of an object's fields, for example `grants.deny.read`. */
function fieldsOf(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([field, each]) => [
    ...(Array.isArray(value) ? [] : [[...path, field]]),
    ...fieldsOf(each, [...path, field]),
  ]);
}

Deno.test("parseReceipt() refuses missing and unknown fields, with their path", () => {
  const paths = fieldsOf(stored());
  assert.ok(paths.length > 60, String(paths.length));
  for (const path of paths) {
    const shown = path.join(".").replace(/\.(\d+)/g, "[$1]");
    const parent = (root: Record<string, unknown>) =>
      path.slice(0, -1).reduce((node, part) => node[part] as Record<string, unknown>, root);
    const field = path.at(-1)!;
    const missing = stored();
    delete parent(missing)[field];
    // Receipts of before there were listeners grant none.
    if (field !== "listen") refuses(missing, undefined, `without ${shown}`);
    const misspelt = stored();
    parent(misspelt)[`${field}x`] = parent(misspelt)[field];
    refuses(misspelt, /is not known|is not a field of a rule/, `${shown}x beside it`);
    const another = stored();
    parent(another)[field] = { another: "kind" };
    refuses(another, undefined, `${shown} of another kind`);
  }
});

Deno.test("parseReceipt() reads an older receipt and adds nothing", () => {
  const read = parseReceipt(JSON.stringify(former()), "foo");
  assert.deepEqual(read.signatures, []);
  assert.deepEqual(read.source, { kind: "registry" });
  assert.deepEqual(read.grants.deny.read, ["/home/me/.ssh"]);
  assert.deepEqual(parseReceipt(JSON.stringify({ ...former(), format: 1 }), "foo"), read);
  assert.deepEqual(parseReceipt(formatReceipt(read), "foo"), read);
  // In the spelling that the user typed then.
  const spelt = parseReceipt(
    JSON.stringify({ ...former(), reference: "docker.io:443/Foo".toLowerCase() }),
    "foo",
  );
  assert.equal(spelt.reference, "docker.io/library/foo:latest");
  const bundled = { ...former(), reference: `bundle.invalid/foo@${digest}` };
  assert.deepEqual(parseReceipt(JSON.stringify(bundled), "foo").source, { kind: "bundle" });
  const key = { key: digest, publicKey: "AAAA" };
  assert.deepEqual(parseReceipt(JSON.stringify({ ...former(), verified: key }), "foo").signatures, [
    { kind: "key", ...key, repository: "ghcr.io/acme/foo", names: undefined },
  ]);
  const identity = { identity: "me", issuer: "https://i.example" };
  assert.deepEqual(parseReceipt(JSON.stringify({ ...former(), verified: identity }), "foo").signatures, [{
    kind: "identity",
    ...identity,
    trustRoot: { of: "unknown", digest: undefined },
    repository: "ghcr.io/acme/foo",
    names: undefined,
  }]);
});

Deno.test("parseReceipt() reads older formats strictly, and grants nothing missing", () => {
  for (const field of ["files", "home", "env", "kubeconfig", "cluster", "terminal", "limits", "deny"]) {
    const grants = { ...former().grants as Record<string, unknown> };
    delete grants[field];
    for (const format of [1, 2]) {
      refuses({ ...former(), format, grants }, new RegExp(`grants\\.${field} is missing`));
    }
  }
  const { deny } = former().grants as { deny: Record<string, unknown> };
  for (
    const change of [
      { grants: { ...former().grants as object, denied: {} } },
      { grants: { ...former().grants as object, deny: { ...deny, reads: [] } } },
      { signatures: [] },
      { source: { kind: "registry" } },
      { verified: null },
      { verified: { key: digest } },
      { verified: { key: "x", publicKey: "AAAA" } },
      { verified: { key: digest, publicKey: "AAAA", identity: "me", issuer: "i" } },
      { verified: { key: digest, publicKey: "AAAA", more: 1 } },
      { clusters: 1 },
    ]
  ) refuses({ ...former(), ...change }, undefined, JSON.stringify(change));
});

Deno.test("parseReceipt() refuses a newer format with a hint", () => {
  assert.throws(() => parseReceipt(JSON.stringify({ ...stored(), format: 4, more: 1 }), "foo"), {
    code: "RECEIPT_INVALID",
    message: /has the format 4, this krew-wasm reads 3 and older/,
    hint: /the krew-wasm that wrote it, or a newer one/,
  });
});

Deno.test("parseReceipt() refuses malformed fields and suggests a pull", () => {
  const { grants, signatures } = stored();
  const file = grants.files[0];
  const changes: [change: Record<string, unknown>, words: RegExp][] = [
    [{ format: 0 }, /format is 0/],
    [{ format: "3" }, /format is "3"/],
    [{ name: "bar" }, /name is "bar"/],
    [{ reference: "" }, /reference/],
    [
      { reference: "ghcr.io:443/acme/foo:v1" },
      /reference: it is not in its canonical form, ghcr\.io\/acme\/foo:v1/,
    ],
    [
      { reference: `ghcr.io/acme/foo:v1@sha256:${"0".repeat(64)}` },
      /its reference names sha256:0+, which is not the manifest, sha256:abab/,
    ],
    [
      { reference: `ghcr.io/acme/foo@sha256:${"0".repeat(64)}`, indexDigest: `sha256:${"1".repeat(64)}` },
      /nor its index, sha256:1+$/,
    ],
    [{ source: { kind: "elsewhere" } }, /source\.kind/],
    [{ source: { kind: "registry", place: "x.example/y" } }, /source\.place is not known/],
    [{ source: { kind: "mirror", place: "X.example/y" } }, /source\.place: is not in its canonical form/],
    [{ manifestDigest: "sha256:xyz" }, /manifestDigest/],
    [{ digest: "md5:1" }, /digest/],
    [{ size: -1 }, /size/],
    [{ size: 1.5 }, /size/],
    [{ kind: "native" }, /kind/],
    [{ bindgen: "../x" }, /bindgen/],
    [{ compiled: {} }, /compiled is not a list/],
    [{ compiled: [{ file: "../../x", digest, size: 1 }] }, /compiled\[0\]\.file/],
    [{ compiled: [{ file: "a/b", digest, size: 1 }] }, /compiled\[0\]\.file/],
    [{ compiled: [null] }, /compiled\[0\]/],
    [{ compiled: [{ file: "a", digest: "x", size: 1 }] }, /compiled\[0\]\.digest/],
    [{ grants: {} }, /grants\.files is missing/],
    [{ grants: { ...grants, cluster: "ful" } }, /grants\.cluster/],
    [{ grants: { ...grants, env: "some" } }, /grants\.env/],
    [{ grants: { ...grants, limits: { maxMemory: 0, descriptors: 1 } } }, /grants\.limits\.maxMemory/],
    [{ grants: { ...grants, deny: { ...grants.deny, env: "default" } } }, /grants\.deny\.env/],
    ...["/a/../b", "/a//b", "/a/", "a", "/a/./b", "", "/a\0"].map((
      host,
    ): [Record<string, unknown>, RegExp] => [
      { grants: { ...grants, files: [{ ...file, host }] } },
      /grants\.files\[0\]\.host is not an absolute path/,
    ]),
    [{ grants: { ...grants, deny: { ...grants.deny, read: ["/a/.."] } } }, /grants\.deny\.read\[0\]/],
    [{ signatures: {} }, /signatures is not a list/],
    [{ signatures: [{ ...signatures[0], key: "x" }] }, /signatures\[0\]\.key/],
    [{ signatures: [{ ...signatures[0], publicKey: "%" }] }, /signatures\[0\]\.publicKey/],
    [{ signatures: [{ ...signatures[0], identity: "me" }] }, /signatures\[0\]\.identity is not known/],
    [
      { signatures: [{ ...signatures[1], trustRoot: { of: "me", digest: null } }] },
      /signatures\[0\]\.trustRoot\.of/,
    ],
    [{ signatures: [{ ...signatures[1], names: "foo" }] }, /signatures\[0\]\.names/],
    [{ signatures: [{ ...signatures[1], kind: "x" }] }, /signatures\[0\]\.kind/],
    [{ completion: "zsh" }, /completion/],
    [{ version: 1 }, /version/],
    [{ installedAt: null }, /installedAt/],
  ];
  for (const [change, words] of changes) {
    refuses({ ...stored(), ...change }, words, JSON.stringify(change));
  }
  assert.throws(() => parseReceipt(JSON.stringify({ ...stored(), extra: 1 }), "foo"), {
    hint: `install it again: krew-wasm pull --force ghcr.io/acme/foo:v1@${digest} --name foo`,
  });
  for (
    const change of [
      { reference: `ghcr.io/acme/foo:v1@${digest}` },
      { reference: `ghcr.io/acme/foo@sha256:${"1".repeat(64)}`, indexDigest: `sha256:${"1".repeat(64)}` },
    ]
  ) {
    assert.equal(
      parseReceipt(JSON.stringify({ ...stored(), ...change }), "foo").reference,
      change.reference,
    );
  }
  assert.throws(() => parseReceipt("{", "foo"), { hint: /krew-wasm pull --force REF --name foo/ });
});

Deno.test("parseReceipt() answers any text with a receipt or RECEIPT_INVALID", () => {
  const check = (text: string) => {
    try {
      parseReceipt(text, "foo");
    } catch (error) {
      assert.equal((error as { code?: string }).code, "RECEIPT_INVALID");
    }
  };
  fc.assert(fc.property(fc.string(), check));
  fc.assert(fc.property(fc.jsonValue(), (value) => check(JSON.stringify(value))));
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.keys(stored())),
      fc.jsonValue(),
      (field, value) => check(JSON.stringify({ ...stored(), [field]: value })),
    ),
  );
});
