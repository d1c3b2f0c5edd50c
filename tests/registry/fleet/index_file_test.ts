import assert from "node:assert/strict";
import {
  formatIndexDocument,
  type IndexedPlugin,
  parseIndexDocument,
} from "../../../registry/fleet/index_document.ts";
import { offersOf, searchOffers } from "../../../registry/fleet/index_offers.ts";
import type { StoredIndex } from "../../../registry/fleet/index_file.ts";

const plugin = (name: string, change: Partial<IndexedPlugin> = {}): IndexedPlugin => ({
  name,
  reference: `ghcr.io/acme/${name}:v1`,
  ...change,
});
const index = (name: string, ...plugins: IndexedPlugin[]): StoredIndex => ({
  name,
  reference: `ghcr.io/${name}/index:latest`,
  manifestDigest: `sha256:${"0".repeat(64)}`,
  fetchedAt: "2026-01-01T00:00:00Z",
  document: { plugins },
});

Deno.test("parseIndexDocument() reads the sorted output of formatIndexDocument()", () => {
  const plugins = [plugin("b", { version: "1.0", description: "ü", homepage: "https://x" }), plugin("a")];
  const text = formatIndexDocument({ plugins });
  assert.deepEqual(parseIndexDocument(text, "x").plugins, [plugins[1], plugins[0]]);
});

Deno.test("parseIndexDocument() refuses an invalid document with the field's path", () => {
  const good = { krewWasmIndex: 1, plugins: [plugin("a")] };
  const cases: [value: unknown, message: RegExp][] = [
    [null, /it is not an object/],
    [{ ...good, krewWasmIndex: 2 }, /version 2, this krew-wasm reads 1/],
    [{ krewWasmIndex: 1 }, /plugins is missing/],
    [{ ...good, plugins: [null] }, /plugins\[0\] is not an object/],
    [{ ...good, plugins: [{ name: "a" }] }, /plugins\[0\]\.reference/],
    [{ ...good, plugins: [plugin("../a")] }, /plugins\[0\]/],
    [{ ...good, plugins: [plugin("get")] }, /plugins\[0\]/],
    [{ ...good, plugins: [plugin("a_b", { reference: "ghcr.io/x/y" })] }, /underscore/],
    [{ ...good, plugins: [plugin("a", { reference: "https://evil" })] }, /plugins\[0\]/],
    [{ ...good, plugins: [plugin("a"), plugin("a")] }, /two of the name "a"/],
    [{ ...good, plugins: [{ ...plugin("a"), description: 1 }] }, /plugins\[0\]\.description/],
  ];
  for (const [value, message] of cases) {
    assert.throws(() => parseIndexDocument(JSON.stringify(value), "x"), { code: "INDEX_INVALID", message });
  }
  assert.throws(() => parseIndexDocument("{", "x"), { code: "INDEX_INVALID" });
});

Deno.test("offersOf() counts equal references of two indexes as one offer", () => {
  const one = index("one", plugin("a"), plugin("b"));
  const two = index("two", plugin("a"), plugin("b", { reference: "ghcr.io/evil/b:v1" }));
  assert.deepEqual(offersOf([one, two], "a").map(({ index }) => index), ["one"]);
  assert.deepEqual(offersOf([one, two], "b").map(({ index }) => index), ["one", "two"]);
  assert.deepEqual(offersOf([one, two], "c"), []);
});

Deno.test("searchOffers() matches parts of names and descriptions, and one wrong letter", async () => {
  const all = [index(
    "acme",
    plugin("decoder", { description: "Decodes Secrets and certificates" }),
    plugin("events", { description: "Watches events" }),
    plugin("whoami", { description: "Who you are to the API server" }),
    plugin("secret-lint"),
  )];
  const find = async (word?: string) => (await searchOffers(all, word)).map(({ plugin }) => plugin.name);
  assert.deepEqual(await find(), ["decoder", "events", "secret-lint", "whoami"]);
  assert.equal((await find("decoder"))[0], "decoder");
  assert.equal((await find("decodr"))[0], "decoder");
  assert.deepEqual((await find("secret")).sort(), ["decoder", "secret-lint"]);
  assert.equal((await find("secret"))[0], "secret-lint", "a name counts more than a description");
  assert.deepEqual(await find("zzzzzz"), []);
  assert.deepEqual(await find("x".repeat(10_000)), []);
});
