import assert from "node:assert/strict";
import { ProgramFile } from "../../../cli/install/program_file.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const ignore = Deno.build.os === "windows";

function text(path: string): string {
  using file = ProgramFile.open(path);
  return new TextDecoder().decode(file.read());
}

Deno.test("reads the whole file and reports its real path", { ignore }, () => {
  const directory = temporaryDirectory();
  const long = "x".repeat(3 << 20);
  Deno.writeTextFileSync(`${directory}/a.wasm`, long);
  Deno.symlinkSync("a.wasm", `${directory}/link.wasm`);
  assert.equal(text(`${directory}/link.wasm`), long);
  using file = ProgramFile.open(`${directory}/link.wasm`);
  assert.equal(file.path, `${directory}/a.wasm`);
  for (const none of [directory, "/dev/zero", `${directory}/none`]) {
    assert.throws(() => ProgramFile.open(none), { code: "FILE_UNREADABLE" }, none);
  }
});

Deno.test(
  "reads the opened file, even if another file replaces it",
  { ignore },
  () => {
    const directory = temporaryDirectory();
    const at = `${directory}/at`;
    Deno.writeTextFileSync(`${directory}/approved`, "approved");
    Deno.writeTextFileSync(at, "own");
    using file = ProgramFile.open(at);
    Deno.removeSync(at);
    Deno.symlinkSync("approved", at);
    assert.equal(file.path, at);
    assert.equal(new TextDecoder().decode(file.read()), "own");
  },
);

Deno.test("does not read a file that replaces a pipe", { ignore }, async () => {
  const directory = temporaryDirectory();
  const pipe = `${directory}/pipe`;
  Deno.writeTextFileSync(`${directory}/approved`, "approved");
  const open = `import { ProgramFile } from ${
    JSON.stringify(import.meta.resolve("../../../cli/install/program_file.ts"))
  };
try { using file = ProgramFile.open("pipe"); console.log(file.path, new TextDecoder().decode(file.read())); }
catch (error) { console.log(error.code); }`;
  Deno.writeTextFileSync(`${directory}/open.ts`, open);
  const made = await new Deno.Command("/bin/sh", { args: ["-c", "mkfifo pipe"], cwd: directory }).output();
  assert.equal(made.code, 0);
  const reader = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", "open.ts"],
    cwd: directory,
    stdout: "piped",
  }).spawn();
  const writer = await Deno.open(pipe, { write: true }); // waits for the reader
  Deno.symlinkSync("approved", `${directory}/new`);
  Deno.renameSync(`${directory}/new`, pipe);
  await writer.write(new TextEncoder().encode("own")).catch(() => {}); // the reader may have closed it
  writer.close();
  const { stdout } = await reader.output();
  assert.match(new TextDecoder().decode(stdout), /^(FILE_UNREADABLE|.*\/pipe own)\n$/);
});
