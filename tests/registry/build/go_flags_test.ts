import assert from "node:assert/strict";
import { goFlags } from "../../../registry/build/go_flags.ts";
import { checkVersion } from "../../../registry/build/run_go.ts";
import { AppError, type ErrorCode } from "../../../runtime/base/errors.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof AppError && error.code === expected;

Deno.test("goFlags() adds its -ldflags to those of the command line or GOFLAGS", () => {
  const linked = (flags: readonly string[], variable?: string) => goFlags(flags, variable).build[1];
  assert.equal(linked([]), "-ldflags=-s -w");
  assert.equal(linked(["-ldflags", "-X main.version=v1"]), "-ldflags=-s -w -X main.version=v1");
  assert.equal(linked(["--ldflags=-X main.v=1"]), "-ldflags=-s -w -X main.v=1");
  assert.equal(
    linked([], "-mod=mod '-ldflags=-X main.v=2 -X main.w=3'"),
    "-ldflags=-s -w -X main.v=2 -X main.w=3",
  );
  assert.equal(linked(["-ldflags=-X a.b=1"], "-ldflags=-X"), "-ldflags=-s -w -X a.b=1");
});

Deno.test("goFlags() passes the flags that choose files and modules to go list", () => {
  const { build, list } = goFlags(["-tags", "netgo,x", "-v", "-mod=vendor"]);
  assert.deepEqual(build.slice(2), ["-buildvcs=false", "-tags", "netgo,x", "-v", "-mod=vendor"]);
  assert.deepEqual(list, ["-buildvcs=false", "-tags", "netgo,x", "-mod=vendor"]);
});

Deno.test("goFlags() keeps Go from running git, unless the user asks for it", () => {
  for (const { build, list } of [goFlags(["-buildvcs=true"]), goFlags([], "-buildvcs=auto -v")]) {
    assert.ok(![...build, ...list].includes("-buildvcs=false"));
  }
});

Deno.test("goFlags() refuses krew-wasm's own flags and other arguments", () => {
  for (const flags of [["-o", "x"], ["-overlay=x"], ["--modfile", "x"], ["-buildmode=pie"], ["./cmd"]]) {
    assert.throws(() => goFlags(flags), code("USAGE"), flags.join(" "));
  }
});

Deno.test("checkVersion() accepts Go 1.24 and later, also development versions", () => {
  for (const version of ["go1.24", "go1.26.8", "go1.27rc1", "devel go1.28-abcdef", "go2.0"]) {
    checkVersion(version);
  }
  for (const version of ["go1.23.9", "go1.4", "unknown"]) {
    assert.throws(() => checkVersion(version), code("GO_UNUSABLE"), version);
  }
});
