import assert from "node:assert/strict";
import { whatIfJson, whatIfText } from "../../../../runtime/kube/what_if/what_if_report.ts";
import type { TriedWrite } from "../../../../runtime/kube/what_if/what_if_cluster.ts";

const WRITE: TriedWrite = {
  verb: "patch",
  resource: "deployments.apps",
  namespace: "shop",
  name: "web",
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
    `What if: 1 object would change; nothing was changed

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

Deno.test("only the last write to an object counts", async () => {
  const again = { ...WRITE, after: { ...WRITE.after, spec: { replicas: 5 } } };
  const text = await whatIfText({ tried: [WRITE, again], refused: [] }, false);
  assert.match(text, /1 object would change/);
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
