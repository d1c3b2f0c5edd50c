import assert from "node:assert/strict";
import { type GoEnvironment, goIn, overlayable } from "../../../registry/build/run_go.ts";

const env = { GOVERSION: "go1.27.3", GOFLAGS: "", GOMOD: "", GOWORK: "", GOMODCACHE: "/go/pkg/mod" };

Deno.test("overlayable() links to a toolchain in the module cache from outside", async () => {
  const root = await Deno.makeTempDir();
  try {
    const go = goIn(root);
    const installed: GoEnvironment = { ...env, GOROOT: "/usr/local/go" };
    assert.deepEqual(overlayable(go, installed, root, root), { go, env: installed });
    const cached: GoEnvironment = {
      ...env,
      GOROOT: "/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.27.3.linux-amd64",
    };
    const linked = overlayable(go, cached, root, root);
    assert.equal(linked.env.GOROOT, `${root}/goroot`);
    assert.equal(await Deno.readLink(`${root}/goroot`), cached.GOROOT);
    assert.notEqual(linked.go, go);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
