import assert from "node:assert/strict";
import { namesOnPath, programPaths } from "../../../runtime/base/program_path.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const paths = (os: "linux" | "windows", env: Record<string, string>, name = "login") =>
  programPaths(name, (each) => env[each], os);

Deno.test("programPaths() looks in PATH's absolute entries only, in their order", () => {
  assert.deepEqual(paths("linux", { PATH: ":/a:.:b/c:~/d:/e/:../f:" }), ["/a/login", "/e/login"]);
  assert.deepEqual(paths("linux", { PATH: "" }), []);
  assert.deepEqual(paths("linux", {}), []);
});

Deno.test("programPaths() adds Windows' extensions and leaves out the current directory", () => {
  const PATH = 'C:\\a;;.;b;\\c;C:d;"C:\\e f\\";\\\\host\\share';
  assert.deepEqual(paths("windows", { PATH, PATHEXT: ".EXE;cmd" }), [
    ...["C:\\a\\login.exe", "C:\\a\\login.cmd", "C:\\e f\\login.exe", "C:\\e f\\login.cmd"],
    ...["\\\\host\\share\\login.exe", "\\\\host\\share\\login.cmd"],
  ]);
  assert.deepEqual(paths("windows", { PATH: "C:\\a" }, "login.exe").slice(0, 2), [
    "C:\\a\\login.exe",
    "C:\\a\\login.exe.com",
  ]);
});

Deno.test({
  name: "namesOnPath() finds a file and its links, and no other file of the name",
  ignore: Deno.build.os === "windows",
  fn() {
    const base = temporaryDirectory();
    for (const name of ["opt", "a", "b", "c"]) Deno.mkdirSync(`${base}/${name}`);
    Deno.writeTextFileSync(`${base}/opt/tool`, "");
    Deno.symlinkSync("../opt/tool", `${base}/a/tool`);
    Deno.writeTextFileSync(`${base}/b/tool`, "another");
    Deno.symlinkSync("nowhere", `${base}/c/tool`);
    const PATH = ["a", "b", "c", "opt", "none"].map((name) => `${base}/${name}`).join(":");
    assert.deepEqual(namesOnPath("tool", `${base}/opt/tool`, () => PATH), [
      `${base}/a/tool`,
      `${base}/opt/tool`,
    ]);
  },
});
