import assert from "node:assert/strict";
import { whyChangeable } from "../../runtime/changeable.ts";

Deno.test("a file of the system's is the administrator's alone, one in a temporary directory is not", {
  ignore: Deno.build.os === "windows",
}, () => {
  assert.equal(whyChangeable("/etc/passwd"), undefined);
  const directory = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    Deno.writeTextFileSync(`${directory}/file`, "");
    assert.notEqual(whyChangeable(`${directory}/file`), undefined);
    // A link to what nobody can change can be made to lead elsewhere.
    Deno.symlinkSync("/etc/passwd", `${directory}/link`);
    assert.notEqual(whyChangeable(`${directory}/link`), undefined);
    assert.notEqual(whyChangeable(`/etc/../${directory}/link`), undefined);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
