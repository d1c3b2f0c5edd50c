import assert from "node:assert/strict";
import { whatIfJson, whatIfText } from "../../../../runtime/kube/what_if/what_if_report.ts";
import type { TriedWrite } from "../../../../runtime/kube/what_if/what_if_cluster.ts";

const WRITE: TriedWrite = {
  verb: "patch",
  resource: "deployments.apps",
  namespace: "shop",
  name: "web",
  answered: true,
  before: {
    kind: "Deployment",
    metadata: { name: "web", resourceVersion: "1", managedFields: [] },
    spec: { replicas: 1 },
  },
  after: {
    kind: "Deployment",
    metadata: { name: "web", resourceVersion: "2", generation: 9 },
    spec: { replicas: 3 },
  },
};

Deno.test("a change is a diff without the server's own fields", async () => {
  assert.equal(
    await whatIfText({ tried: [WRITE], refused: [] }, false),
    `What if: 1 change on the cluster; nothing was changed

change deployments.apps web in the namespace shop
--- live/shop/deployments.apps/web
+++ what-if/shop/deployments.apps/web
@@ -2,4 +2,4 @@
 metadata:
   name: web
 spec:
-  replicas: 1
+  replicas: 3
`,
  );
});

Deno.test("new and deleted objects are compared with nothing", async () => {
  const made = { ...WRITE, verb: "create", before: undefined };
  const gone = { ...WRITE, verb: "delete", name: "old", after: undefined };
  const text = await whatIfText({ tried: [made, gone], refused: [] }, false);
  assert.match(text, /^create deployments.apps web .*\n--- \/dev\/null\n\+\+\+ what-if\//m);
  assert.match(text, /^delete deployments.apps old .*\n--- live\/.*\n\+\+\+ \/dev\/null\n/m);
});

Deno.test("a delete is not hidden by a later change of the same object", async () => {
  const gone = { ...WRITE, verb: "delete", after: undefined };
  const same = { ...WRITE, after: WRITE.before };
  const text = await whatIfText({ tried: [gone, same], refused: [] }, false);
  assert.match(text, /2 changes/);
  assert.match(text, /^delete deployments.apps web /m);
  assert.equal(JSON.parse(whatIfJson({ tried: [gone, same], refused: [] })).changed.length, 2);
});

Deno.test("a write without an answer is there, a failed one is not", async () => {
  const open = { ...WRITE, verb: "delete", before: undefined, after: undefined, answered: false };
  const failed = { ...WRITE, name: "other", failed: true };
  const text = await whatIfText({ tried: [open, failed], refused: [] }, false);
  assert.match(text, /^delete deployments.apps web .*: no answer was seen/m);
  assert.doesNotMatch(text, /other/);
});

Deno.test("secrets are known by their resource, since items of a list have no kind", async () => {
  const before = { metadata: { name: "s" }, data: { password: "c2VjcmV0" } };
  const write = { ...WRITE, verb: "deletecollection", resource: "secrets", before, after: undefined };
  const record = { tried: [write], refused: [] };
  for (const report of [await whatIfText(record, false), whatIfJson(record)]) {
    assert.doesNotMatch(report, /c2VjcmV0/);
    assert.match(report, /password/);
  }
});

Deno.test("a change at the end of a long line shows", async () => {
  const long = "x".repeat(5000);
  const write = {
    ...WRITE,
    before: { ...WRITE.before, spec: `${long}1` },
    after: { ...WRITE.after, spec: `${long}2` },
  };
  const text = await whatIfText({ tried: [write], refused: [] }, false);
  assert.match(text, /x1$/m);
  assert.match(text, /x2$/m);
});

Deno.test("the JSON has no character that a terminal acts on", () => {
  const write = { ...WRITE, after: { ...WRITE.after, spec: "\u009b2J\u202e" } };
  assert.doesNotMatch(whatIfJson({ tried: [write], refused: [] }), /[\u0080-\u009f\u202e]/);
});

Deno.test("only the last write to an object counts", async () => {
  const again = { ...WRITE, after: { ...WRITE.after, spec: { replicas: 5 } } };
  const text = await whatIfText({ tried: [WRITE, again], refused: [] }, false);
  assert.match(text, /1 change on/);
  assert.match(text, /^\+ {2}replicas: 5$/m);
  assert.doesNotMatch(text, /replicas: 3/);
});

Deno.test("values of secrets are hidden, in both forms of the report", async () => {
  const annotations = { "kubectl.kubernetes.io/last-applied-configuration": "c2VjcmV0" };
  const secret = (data: Record<string, string>) => ({
    kind: "Secret",
    metadata: { name: "s", annotations },
    data,
  });
  const write = {
    ...WRITE,
    resource: "secrets",
    before: secret({ same: "c2VjcmV0", other: "c2VjcmV0" }),
    after: secret({ same: "c2VjcmV0", other: "c2VjcmV0Mg==", new: "c2VjcmV0Mw==" }),
  };
  const record = { tried: [write], refused: [] };
  const text = await whatIfText(record, false);
  assert.match(text, /^- {2}other: "?\*\*\* \(before\)/m);
  assert.match(text, /^\+ {2}other: "?\*\*\* \(after\)/m);
  for (const report of [text, whatIfJson(record)]) assert.doesNotMatch(report, /c2VjcmV0/);
});

Deno.test("what was not tried is said once, and names cannot draw on the terminal", async () => {
  const refused = { what: "exec in \x1b[2Jpod", why: "it connects to something in the cluster" };
  const text = await whatIfText({ tried: [], refused: [refused, refused] }, false);
  assert.match(text, /^What if: nothing would change/);
  assert.equal(text.match(/Not tried/g)?.length, 1);
  const evil = {
    ...WRITE,
    name: "\x1b[2Jx",
    after: { kind: "x", metadata: {}, spec: "\x1b[31m\nkrew-wasm: ok" },
  };
  const all = text + await whatIfText({ tried: [evil], refused: [] }, false);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(all, /[\x00-\x09\x0b-\x1f]/);
});

Deno.test("colours are those of git diff", async () => {
  const text = await whatIfText({ tried: [WRITE], refused: [] }, true);
  assert.match(text, /\x1b\[31m- {2}replicas: 1\x1b\[m/);
  assert.match(text, /\x1b\[32m\+ {2}replicas: 3\x1b\[m/);
});
