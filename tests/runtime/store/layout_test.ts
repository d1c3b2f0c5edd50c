import assert from "node:assert/strict";
import { layoutAt, storeRoot } from "../../../runtime/store/layout.ts";

Deno.test("storeRoot() is $KREW_WASM_ROOT, else ~/.krew-wasm", () => {
  const root = (env: Record<string, string>) => storeRoot((name) => env[name]);
  assert.equal(root({ HOME: "/h" }), "/h/.krew-wasm");
  assert.equal(root({ HOME: "/h", KREW_WASM_ROOT: "" }), "/h/.krew-wasm");
  assert.equal(root({ KREW_WASM_ROOT: "/opt/kw/" }), "/opt/kw");
  assert.throws(() => root({ KREW_WASM_ROOT: "kw" }), { code: "USAGE" });
  assert.throws(() => root({}), { code: "NO_HOME" });
});

Deno.test("layoutAt() keeps all paths below the root", () => {
  const layout = layoutAt("/r");
  const digest = `sha256:${"0".repeat(64)}`;
  const paths = [
    layout.bin,
    layout.blob(digest),
    layout.compiledDir(digest, "1"),
    layout.receipt("a"),
    layout.link("a-b"),
    layout.self,
  ];
  for (const path of paths) assert.ok(path.startsWith("/r/"), path);
  assert.equal(layout.link("a-b"), "/r/bin/kubectl-a_b");
});
