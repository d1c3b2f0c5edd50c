/** Changed receipts are refused, or they are valid receipts. */

import assert from "node:assert/strict";
import { LEAST } from "../../../runtime/grants/grants.ts";
import { formatReceipt, parseReceipt, type Receipt } from "../../../runtime/store/receipt.ts";
import { fc, fuzz } from "../../support/fuzz.ts";

const digest = `sha256:${"ab".repeat(32)}`;
const RECEIPT: Receipt = {
  name: "foo",
  reference: "ghcr.io/acme/foo:v1",
  manifestDigest: digest,
  config: digest,
  digest,
  size: 42,
  kind: "component",
  source: { kind: "registry" },
  bindgen: "1",
  compiled: [{ file: "plugin.js", digest, size: 7 }, { file: "plugin.core.wasm", digest, size: 9 }],
  grants: { ...LEAST, files: [{ host: "/data", guest: "/data", write: false }], env: ["A"] },
  version: "1.0.0",
  description: "does things",
  signatures: [{
    kind: "key",
    key: digest,
    publicKey: "MCowBQYDK2VwAyEA",
    repository: "ghcr.io/acme/foo",
    names: undefined,
  }],
  installedAt: "2026-01-02T03:04:05Z",
};

/** A change of an existing value, or an added one. */
interface Change {
  /** The index of the value, in order of traversal. */
  readonly at: number;
  readonly how: "replace" | "remove" | "add";
  readonly name: string;
  readonly value: unknown;
}

const hostile = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom<unknown>(
    "../../bin/kubectl-evil",
    "..",
    ".",
    "",
    "/etc/passwd",
    "plugin.js\0.wasm",
    "a/b",
    "C:\\Windows",
    `sha256:${"AB".repeat(32)}`,
    `${digest}\n`,
    -1,
    1.5,
    2 ** 53,
    1e400,
    null,
    {},
    [],
    "bar",
    1,
    2,
    3,
  ),
);
const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(40),
  how: fc.constantFrom("replace", "remove", "add"),
  name: fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "file",
    "digest",
    "format",
    "host",
    "write",
    "x",
  ),
  value: hostile,
});

function apply(root: unknown, { at, how, name, value }: Change): unknown {
  const places: [Record<string, unknown>, string][] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    for (const key of Object.keys(node)) {
      places.push([node as Record<string, unknown>, key]);
      walk((node as Record<string, unknown>)[key]);
    }
  };
  walk(root);
  const place = places[at % Math.max(places.length, 1)];
  if (!place) return root;
  const [node, key] = place;
  if (how === "replace") node[key] = value;
  else if (how === "add") {
    if (Array.isArray(node)) node.push(value);
    else {
      Object.defineProperty(node, name, { value, enumerable: true, configurable: true, writable: true });
    }
  } else if (Array.isArray(node)) node.splice(Number(key), 1);
  else delete node[key];
  return root;
}

/** Checks everything that the rest of krew-wasm relies on. */
function check(text: string): void {
  let receipt: Receipt;
  try {
    receipt = parseReceipt(text, "foo");
  } catch (error) {
    assert.equal((error as { code?: string }).code, "RECEIPT_INVALID", String(error));
    return;
  }
  assert.equal(receipt.name, "foo");
  const digests = [receipt.digest, receipt.manifestDigest, ...receipt.compiled.map((entry) => entry.digest)];
  for (const each of digests) assert.match(each, /^sha256:[0-9a-f]{64}(?!\n)$/);
  for (const { file, size } of receipt.compiled) {
    assert.ok(!/[\/\\\0]|^\.|^$|\n/.test(file), JSON.stringify(file));
    assert.ok(Number.isSafeInteger(size) && size >= 0);
  }
  assert.ok(!/[\/\\\0]|^\.|^$|\n/.test(receipt.bindgen), JSON.stringify(receipt.bindgen));
  for (const { host, guest, write } of receipt.grants.files) {
    assert.deepEqual([typeof host, typeof guest, typeof write], ["string", "string", "boolean"]);
  }
  assert.deepEqual(Object.keys(Object.prototype), []);
  // Writing and reading the receipt again changes nothing.
  assert.deepEqual(parseReceipt(formatReceipt(receipt), "foo"), receipt);
}

Deno.test("refuses any changed receipt that is invalid", () =>
  fuzz(
    "receipts",
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const changed = changes.reduce<unknown>(apply, JSON.parse(formatReceipt(RECEIPT)));
      check(JSON.stringify(changed) ?? "");
    }),
  ));

Deno.test("refuses any cut or scrambled receipt that is invalid", () =>
  fuzz(
    "receipts' text",
    fc.property(
      fc.nat(2000),
      fc.nat(2000),
      fc.string({ maxLength: 5, unit: "binary" }),
      (from, length, text) => {
        const whole = formatReceipt(RECEIPT);
        check(whole.slice(0, from) + text + whole.slice(from + length));
      },
    ),
  ));
