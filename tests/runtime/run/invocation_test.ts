import assert from "node:assert/strict";
import { parseInvocation } from "../../../runtime/run/invocation.ts";

Deno.test("parseInvocation() finds the plugin in a link's name, with any path", () => {
  for (
    const argv0 of [
      "kubectl-foo_bar",
      "/h/.krew-wasm/bin/kubectl-foo_bar",
      "./kubectl-foo_bar",
      "C:\\b\\kubectl-foo_bar.EXE",
    ]
  ) {
    assert.deepEqual(parseInvocation(argv0, ["a"]), {
      life: "plugin",
      link: "kubectl-foo_bar",
      name: "foo-bar",
      args: ["a"],
      completing: false,
    });
  }
});

Deno.test("parseInvocation() recognizes kubectl_complete-NAME", () => {
  assert.deepEqual(parseInvocation("/b/kubectl_complete-foo_bar", ["get", ""]), {
    life: "plugin",
    link: "kubectl-foo_bar",
    name: "foo-bar",
    args: ["__complete", "get", ""],
    completing: true,
  });
  assert.equal(parseInvocation("kubectl_complete-", []).life, "manager");
});

Deno.test("parseInvocation() treats every other name as the manager", () => {
  for (
    const argv0 of [
      "krew-wasm",
      "/usr/local/bin/krew-wasm",
      "",
      "kubectl",
      "kubectl-",
      "/x/kubectl-foo/krew-wasm",
      "krew-wasm-linux-x64",
    ]
  ) {
    assert.deepEqual(parseInvocation(argv0, []), { life: "manager", args: [] });
  }
});

Deno.test("parseInvocation() takes kubectl-wasm for the manager", () => {
  for (const argv0 of ["kubectl-wasm", "/home/me/.krew/bin/kubectl-wasm", "C:\\krew\\kubectl-wasm.exe"]) {
    assert.deepEqual(parseInvocation(argv0, ["list"]), { life: "manager", args: ["list"] });
  }
  assert.deepEqual(parseInvocation("kubectl_complete-wasm", ["li"]), {
    life: "manager",
    args: ["__complete", "--", "li"],
  });
  assert.equal(parseInvocation("kubectl-wasm-tools", []).life, "plugin");
});
