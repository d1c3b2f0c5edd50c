import assert from "node:assert/strict";
import { formatLock, parseLock, planSync } from "../../../registry/fleet/lockfile.ts";
import { formerGrants } from "../../support/former.ts";
import { LEAST } from "../../../runtime/grants/grants.ts";
import type { Receipt } from "../../../runtime/store/receipt.ts";

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const receipt = (name: string, change: Partial<Receipt> = {}): Receipt => ({
  name,
  reference: `ghcr.io/acme/${name}:v1`,
  manifestDigest: digest("a"),
  digest: digest("b"),
  size: 1,
  kind: "preview1",
  source: { kind: "registry" },
  signatures: [],
  bindgen: "x",
  compiled: [],
  grants: LEAST,
  installedAt: "2026-01-01T00:00:00Z",
  ...change,
});
const home = "/home/me";
const parse = (text: string, at = home) => parseLock(text, at, "plugins.lock");

Deno.test("parseLock() reads the output of formatLock(), sorted by name", () => {
  const text = formatLock([receipt("foo"), receipt("bar", { version: "1.2" })], home);
  assert.deepEqual(parse(text).map(({ name }) => name), ["bar", "foo"]);
  assert.equal(text, formatLock([receipt("bar", { version: "1.2" }), receipt("foo")], home));
  assert.equal(JSON.parse(text).plugins[0].version, "1.2");
});

Deno.test("paths in the user's home resolve to the home on each machine", () => {
  const files = [
    { host: "/home/me/manifests", guest: "/home/me/manifests", write: false },
    { host: "/home/men", guest: "/home/men", write: false },
    { host: "/srv", guest: "/home/me", write: true },
  ];
  const text = formatLock([receipt("foo", { grants: { ...LEAST, files } })], home);
  assert.deepEqual(parse(text, "/Users/you")[0]!.grants.files, [
    { host: "/Users/you/manifests", guest: "/Users/you/manifests", write: false },
    { host: "/home/men", guest: "/home/men", write: false },
    { host: "/srv", guest: "/Users/you", write: true },
  ]);
});

Deno.test("parseLock() refuses an invalid lock file with the field's path", () => {
  const good = JSON.parse(formatLock([receipt("foo")], home));
  const plugin = good.plugins[0];
  const cases: [value: unknown, words: RegExp][] = [
    [null, /krewWasmLock/],
    [[], /krewWasmLock/],
    [{ plugins: [] }, /krewWasmLock/],
    [{ ...good, krewWasmLock: 3 }, /version 3, this krew-wasm reads 2 and older/],
    [{ ...good, krewWasmLock: "2" }, /krewWasmLock/],
    [{ krewWasmLock: 2 }, /plugins is missing/],
    [{ ...good, more: 1 }, /more is not known/],
    [{ ...good, plugins: [{ ...plugin, more: 1 }] }, /plugins\[0\]\.more is not known/],
    [{ ...good, plugins: [{ ...plugin, indexDigest: undefined }] }, /plugins\[0\]\.indexDigest is missing/],
    [
      { ...good, plugins: [{ ...plugin, grants: { ...plugin.grants, deny: undefined } }] },
      /grants\.deny is missing/,
    ],
    [
      { ...good, plugins: [{ ...plugin, grants: { ...plugin.grants, clustre: "none" } }] },
      /plugins\[0\]\.grants\.clustre is not known/,
    ],
    [
      {
        ...good,
        plugins: [{
          ...plugin,
          grants: {
            ...plugin.grants,
            files: [{ host: "/a", guest: "/a", write: false, directory: null, real: "/b" }],
          },
        }],
      },
      /plugins\[0\]\.grants\.files\[0\]\.real is of another machine/,
    ],
    [{ ...good, plugins: [null] }, /plugins\[0\] is not an object/],
    [{ ...good, plugins: [plugin, plugin] }, /plugins\[1\]\.name: there are two/],
    [{ ...good, plugins: [{ ...plugin, name: "../x" }] }, /plugins\[0\]\.name/],
    [{ ...good, plugins: [{ ...plugin, name: "get" }] }, /plugins\[0\]\.name/],
    [{ ...good, plugins: [{ ...plugin, reference: "https://x" }] }, /plugins\[0\]\.reference/],
    [{ ...good, plugins: [{ ...plugin, manifestDigest: "sha256:x" }] }, /plugins\[0\]\.manifestDigest/],
    [
      { ...good, plugins: [{ ...plugin, reference: `ghcr.io/acme/foo:v1@${digest("c")}` }] },
      /plugins\[0\]\.reference: its reference names sha256:c+, which is not the manifest, sha256:a+$/,
    ],
    [
      {
        ...good,
        plugins: [{
          ...plugin,
          reference: `ghcr.io/acme/foo@${digest("c")}`,
          indexDigest: digest("d"),
        }],
      },
      /nor its index, sha256:d+$/,
    ],
    [{ ...good, plugins: [{ ...plugin, digest: 1 }] }, /plugins\[0\]\.digest/],
    [{ ...good, plugins: [{ ...plugin, grants: {} }] }, /plugins\[0\]\.grants/],
  ];
  for (const [value, message] of cases) {
    assert.throws(() => parse(JSON.stringify(value)), { code: "LOCK_INVALID", message });
  }
  assert.throws(() => parse("{"), { code: "LOCK_INVALID" });
});

/** A lock file of an older krew-wasm. */
function former(): { krewWasmLock: number; plugins: Record<string, unknown>[] } {
  return {
    krewWasmLock: 1,
    plugins: [{
      name: "foo",
      reference: "ghcr.io:443/acme/foo:v1",
      manifestDigest: digest("a"),
      digest: digest("b"),
      grants: formerGrants({ ...LEAST, files: [{ host: "~/x", guest: "~/x", write: false }] }),
    }],
  };
}

Deno.test("parseLock() reads an older krew-wasm's lock file as strictly", () => {
  const [plugin] = parse(JSON.stringify(former()));
  assert.deepEqual(plugin!.grants.files, [{ host: "/home/me/x", guest: "/home/me/x", write: false }]);
  assert.equal(plugin!.reference.registry, "ghcr.io");
  const entry = former().plugins[0]!;
  for (const field of Object.keys(entry.grants as object)) {
    const grants = { ...entry.grants as object, [field]: undefined };
    assert.throws(() => parse(JSON.stringify({ ...former(), plugins: [{ ...entry, grants }] })), {
      code: "LOCK_INVALID",
      message: new RegExp(`plugins\\[0\\]\\.grants\\.${field} is missing`),
    });
  }
  for (const more of [{ extra: 1 }, { indexDigest: null }]) {
    const plugins = [{ ...entry, ...more }];
    assert.throws(() => parse(JSON.stringify({ ...former(), plugins })), { code: "LOCK_INVALID" });
  }
});

Deno.test("refuses a duplicate key", () => {
  const text = formatLock([receipt("foo", { grants: { ...LEAST, cluster: "none" } })], home);
  const forged = text.replace('"cluster": "none"', '"cluster": "none", "cluster": "full"');
  assert.notEqual(text, forged);
  assert.throws(() => parse(forged), { code: "LOCK_INVALID", message: /"cluster" twice/ });
});

Deno.test("parseLock() reads paths in canonical form", () => {
  const of = (path: string) => {
    const lock = JSON.parse(formatLock([receipt("foo")], home));
    lock.plugins[0].grants.files = [{ host: path, guest: path, write: true, directory: null, real: null }];
    lock.plugins[0].grants.deny.read = [path];
    const { files, deny } = parse(JSON.stringify(lock))[0]!.grants;
    assert.equal(files[0]!.host, files[0]!.guest);
    assert.equal(files[0]!.host, deny.read[0]);
    return files[0]!.host;
  };
  for (
    const [path, canonical] of [
      ["~", "/home/me"],
      ["~/", "/home/me"],
      ["~/x/../..", "/home"],
      ["~/x/../../../..", "/"],
      ["~//x/./y/", "/home/me/x/y"],
      ["/srv/data/../../etc/", "/etc"],
      ["//etc//", "/etc"],
    ] as const
  ) assert.equal(of(path), canonical, path);
  for (const path of ["x", "", "~me/x", "./x", "/a\0b"]) {
    assert.throws(() => of(path), { code: "LOCK_INVALID" }, JSON.stringify(path));
  }
});

Deno.test("planSync() lists the steps", () => {
  const locked = parse(formatLock(
    ["kept", "new", "other", "broken", "granted", "followed"].map((name) => receipt(name)),
    home,
  ));
  const steps = planSync(locked, [
    receipt("kept", { installedAt: "2020-01-01T00:00:00Z" }),
    receipt("other", { manifestDigest: digest("c") }),
    receipt("granted", { grants: { ...LEAST, home: true } }),
    receipt("followed", { reference: "ghcr.io/acme/followed:v2" }),
    receipt("extra"),
  ], ["broken", "wreck"]);
  assert.deepEqual(steps.map(({ kind, name }) => [name, kind]), [
    ["broken", "replace"],
    ["extra", "extra"],
    ["followed", "change"],
    ["granted", "change"],
    ["kept", "keep"],
    ["new", "install"],
    ["other", "replace"],
    ["wreck", "extra"],
  ]);
});

Deno.test("planSync() reinstalls a plugin of another repository or a refused one", () => {
  const locked = parse(formatLock(["moved", "refused", "kept"].map((name) => receipt(name)), home));
  const steps = planSync(
    locked,
    [receipt("moved", { reference: "ghcr.io/evil/moved:v1" }), receipt("refused"), receipt("kept")],
    [],
    new Set(["refused"]),
  );
  assert.deepEqual(steps.map(({ kind, name }) => [name, kind]), [
    ["kept", "keep"],
    ["moved", "replace"],
    ["refused", "replace"],
  ]);
});

Deno.test("planSync() verifies a plugin's index before it uses the digest", () => {
  const step = (change: Partial<Receipt>) => {
    const installed = receipt("foo", change);
    const locked = {
      ...installed,
      reference: `ghcr.io/acme/foo:v1@${digest("c")}`,
      indexDigest: digest("c"),
    };
    return planSync(parse(formatLock([locked], home)), [installed], [])[0]!.kind;
  };
  assert.equal(step({}), "replace");
  assert.equal(step({ indexDigest: digest("d") }), "replace");
  assert.equal(step({ indexDigest: digest("c") }), "change");
});
