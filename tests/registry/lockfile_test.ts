import assert from "node:assert/strict";
import { formatLock, parseLock, planSync } from "../../registry/lockfile.ts";
import { LEAST } from "../../runtime/grants.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const receipt = (name: string, change: Partial<Receipt> = {}): Receipt => ({
  name,
  reference: `ghcr.io/acme/${name}:v1`,
  manifestDigest: digest("a"),
  digest: digest("b"),
  size: 1,
  kind: "preview1",
  bindgen: "x",
  compiled: [],
  grants: LEAST,
  installedAt: "2026-01-01T00:00:00Z",
  ...change,
});
const home = "/home/me";
const parse = (text: string, at = home) => parseLock(text, at, "plugins.lock");

Deno.test("parseLock() reads what formatLock() wrote, sorted by name", () => {
  const text = formatLock([receipt("foo"), receipt("bar", { version: "1.2" })], home);
  assert.deepEqual(parse(text).map(({ name }) => name), ["bar", "foo"]);
  assert.equal(text, formatLock([receipt("bar", { version: "1.2" }), receipt("foo")], home));
  assert.equal(JSON.parse(text).plugins[0].version, "1.2");
});

Deno.test("paths in the user's home are those of the other machine's", () => {
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

Deno.test("parseLock() refuses what is none, with the field's path", () => {
  const good = JSON.parse(formatLock([receipt("foo")], home));
  const plugin = good.plugins[0];
  const cases: [value: unknown, words: RegExp][] = [
    [null, /krewWasmLock/],
    [[], /krewWasmLock/],
    [{ plugins: [] }, /krewWasmLock/],
    [{ ...good, krewWasmLock: 2 }, /version 2, this krew-wasm reads 1/],
    [{ krewWasmLock: 1 }, /plugins/],
    [{ ...good, plugins: [null] }, /plugins\[0\] is not an object/],
    [{ ...good, plugins: [plugin, plugin] }, /plugins\[1\]\.name: there are two/],
    [{ ...good, plugins: [{ ...plugin, name: "../x" }] }, /plugins\[0\]\.name/],
    [{ ...good, plugins: [{ ...plugin, name: "get" }] }, /plugins\[0\]\.name/],
    [{ ...good, plugins: [{ ...plugin, reference: "https://x" }] }, /plugins\[0\]\.reference/],
    [{ ...good, plugins: [{ ...plugin, manifestDigest: "sha256:x" }] }, /plugins\[0\]\.manifestDigest/],
    [{ ...good, plugins: [{ ...plugin, digest: 1 }] }, /plugins\[0\]\.digest/],
    [{ ...good, plugins: [{ ...plugin, grants: {} }] }, /plugins\[0\]\.grants/],
  ];
  for (const [value, message] of cases) {
    assert.throws(() => parse(JSON.stringify(value)), { code: "LOCK_INVALID", message });
  }
  assert.throws(() => parse("{"), { code: "LOCK_INVALID" });
});

Deno.test("planSync() tells what is to be done", () => {
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
