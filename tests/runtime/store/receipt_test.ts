import assert from "node:assert/strict";
import { fc } from "../../support/fuzz.ts";
import { LEAST } from "../../../runtime/grants.ts";
import { formatReceipt, parseReceipt, type Receipt } from "../../../runtime/store/receipt.ts";

const digest = `sha256:${"ab".repeat(32)}`;
const receipt: Receipt = {
  name: "foo",
  reference: "ghcr.io/acme/foo:v1",
  manifestDigest: digest,
  digest,
  size: 42,
  kind: "component",
  bindgen: "1",
  compiled: [{ file: "plugin.js", digest, size: 7 }],
  grants: { ...LEAST, env: ["A"] },
  version: "1.0.0",
  installedAt: "2026-01-02T03:04:05Z",
};

Deno.test("parseReceipt() reads what formatReceipt() wrote", () => {
  assert.deepEqual(parseReceipt(formatReceipt(receipt), "foo"), receipt);
  for (
    const verified of [{ key: digest, publicKey: "AAAA" }, {
      identity: "me@acme.example",
      issuer: "https://issuer.example",
    }]
  ) {
    assert.deepEqual(parseReceipt(formatReceipt({ ...receipt, verified }), "foo"), { ...receipt, verified });
  }
});

Deno.test("parseReceipt() reads receipts of format 1", () => {
  const older = { ...JSON.parse(formatReceipt(receipt)), format: 1 };
  assert.deepEqual(parseReceipt(JSON.stringify(older), "foo"), receipt);
});

Deno.test("parseReceipt() refuses each field that is missing or malformed", () => {
  const good = JSON.parse(formatReceipt(receipt));
  const changes: Record<string, unknown>[] = [
    { format: 3 },
    { name: "bar" },
    { reference: "" },
    { manifestDigest: "sha256:xyz" },
    { digest: "md5:1" },
    { size: -1 },
    { size: 1.5 },
    { kind: "native" },
    { bindgen: "../x" },
    { compiled: {} },
    { compiled: [{ file: "../../x", digest, size: 1 }] },
    { compiled: [{ file: "a/b", digest, size: 1 }] },
    { compiled: [null] },
    { compiled: [{ file: "a", digest: "x", size: 1 }] },
    { grants: {} },
    { installedAt: undefined },
    { verified: { key: "x", publicKey: "AAAA" } },
    { verified: { key: digest } },
    { verified: { identity: "me" } },
    { verified: null },
  ];
  for (const change of changes) {
    assert.throws(() => parseReceipt(JSON.stringify({ ...good, ...change }), "foo"), {
      code: "RECEIPT_INVALID",
    }, JSON.stringify(change));
  }
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
      fc.constantFrom(...Object.keys(receipt)),
      fc.jsonValue(),
      (field, value) => check(JSON.stringify({ ...JSON.parse(formatReceipt(receipt)), [field]: value })),
    ),
  );
});
