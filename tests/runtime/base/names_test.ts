import assert from "node:assert/strict";
import { defaultPluginName, linkName, nameOfLink, parsePluginName } from "../../../runtime/base/names.ts";

const refused = (text: string) => assert.throws(() => parsePluginName(text), { code: "NAME_INVALID" }, text);

Deno.test("parsePluginName() accepts lower-case letters, digits and dashes", () => {
  for (const name of ["a", "decoder", "foo-bar", "k8s-2", "a".repeat(64)]) {
    assert.equal(parsePluginName(name), name);
  }
});

Deno.test("parsePluginName() turns an underscore into a dash", () => {
  assert.equal(parsePluginName("foo_bar"), "foo-bar");
  assert.equal(linkName(parsePluginName("foo_bar")), linkName(parsePluginName("foo-bar")));
});

Deno.test("parsePluginName() refuses other characters and paths", () => {
  for (
    const text of [
      "",
      ".",
      "..",
      "a/b",
      "a\\b",
      "../x",
      "/x",
      "A",
      "a b",
      "a\n",
      "a\0",
      "-a",
      "a-",
      "a--b",
      "é",
      "a.b",
      "x@sha256",
      "a".repeat(65),
      "\u202ea",
    ]
  ) refused(text);
});

Deno.test("parsePluginName() refuses kubectl's own commands and Windows' devices", () => {
  for (const text of ["get", "events", "cluster-info", "cluster_info", "help", "con", "nul", "com1"]) {
    refused(text);
  }
});

Deno.test("linkName() replaces dashes as kubectl does, nameOfLink() reverses it", () => {
  assert.equal(linkName("foo-bar"), "kubectl-foo_bar");
  assert.equal(nameOfLink("kubectl-foo_bar"), "foo-bar");
  assert.equal(nameOfLink("kubectl-foo"), "foo");
});

Deno.test("defaultPluginName() takes the last segment without kubectl- and .wasm", () => {
  assert.equal(defaultPluginName("acme/plugins/decoder"), "decoder");
  assert.equal(defaultPluginName("acme/kubectl-foo_bar"), "foo-bar");
  assert.equal(defaultPluginName("C:\\x\\kubectl-foo.wasm"), "foo");
  assert.throws(() => defaultPluginName("acme/plugins/events"), { code: "NAME_INVALID" });
});

Deno.test("parsePluginName() refuses krew-wasm's own name", () => {
  assert.throws(() => parsePluginName("wasm"), { code: "NAME_INVALID" });
  assert.equal(parsePluginName("wasm-tools"), "wasm-tools");
});
