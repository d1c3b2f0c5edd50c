import assert from "node:assert/strict";
import { programPaths } from "../../../runtime/base/program_path.ts";

const paths = (os: "linux" | "windows", env: Record<string, string>, name = "login") =>
  programPaths(name, (each) => env[each], os);

Deno.test("programPaths() looks in PATH's absolute entries, in their order, and nowhere else", () => {
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
