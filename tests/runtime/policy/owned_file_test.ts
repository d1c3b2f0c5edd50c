import assert from "node:assert/strict";
import { isSystemRoot, ownerProblem, whyChangeable } from "../../../runtime/policy/owned_file.ts";

Deno.test("ownerProblem() accepts files that only root may change", () => {
  const of = (uid: number, mode: number, isSymlink = false) => ownerProblem({ uid, mode, isSymlink }, 1000);
  assert.equal(of(0, 0o644), undefined);
  assert.equal(of(0, 0o755), undefined);
  assert.equal(of(0, 0o777, true), undefined);
  assert.match(of(0, 0o664)!, /mode 664/);
  assert.match(of(0, 0o646)!, /mode 646/);
  assert.match(of(1000, 0o644)!, /the user 1000/);
  assert.match(of(1000, 0o777, true)!, /the user 1000/);
  assert.equal(of(65534, 0o644), undefined, "root outside of a container");
  assert.match(ownerProblem({ uid: 65534, mode: 0o644, isSymlink: false }, 65534)!, /65534/);
});

Deno.test("whyChangeable() accepts a system file, and refuses a temporary one", {
  ignore: Deno.build.os === "windows",
}, () => {
  assert.equal(whyChangeable("/etc/passwd"), undefined);
  const directory = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    Deno.writeTextFileSync(`${directory}/file`, "");
    assert.notEqual(whyChangeable(`${directory}/file`), undefined);
    // The user can change this link, although not its target.
    Deno.symlinkSync("/etc/passwd", `${directory}/link`);
    assert.notEqual(whyChangeable(`${directory}/link`), undefined);
    assert.notEqual(whyChangeable(`/etc/../${directory}/link`), undefined);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test(
  "the root of a user namespace is not the system's root",
  { ignore: Deno.build.os === "windows" },
  () => {
    const { uid } = Deno;
    try {
      Deno.uid = () => 0;
      assert.equal(isSystemRoot(() => 0xeffffffd), true);
      assert.equal(isSystemRoot(() => undefined), true, "a system without user namespaces");
      assert.equal(isSystemRoot(() => 4026532177), false);
      assert.equal(isSystemRoot(() => assert.fail("unreadable")), false);
      Deno.uid = () => 1000;
      assert.equal(isSystemRoot(() => 0xeffffffd), false);
    } finally {
      Object.assign(Deno, { uid });
    }
  },
);
