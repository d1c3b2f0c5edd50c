import assert from "node:assert/strict";
import { writeInPlace } from "../../../runtime/base/write_in_place.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("a file keeps its identity and mode, and no other file comes beside it", () => {
  const directory = temporaryDirectory();
  const path = `${directory}/config`;
  Deno.writeTextFileSync(path, "a longer text than the new one");
  Deno.chmodSync(path, 0o640);
  const { ino } = Deno.statSync(path);
  writeInPlace(path, bytes("new"), 0o600);
  assert.equal(Deno.readTextFileSync(path), "new");
  const after = Deno.statSync(path);
  assert.deepEqual([after.ino, after.mode! & 0o777], [ino, 0o640]);
  assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["config"]);
});

Deno.test("a new file gets the mode, and a link is followed", () => {
  const directory = temporaryDirectory();
  writeInPlace(`${directory}/new`, bytes("x"), 0o600);
  assert.equal(Deno.statSync(`${directory}/new`).mode! & 0o777, 0o600);
  Deno.symlinkSync("new", `${directory}/link`);
  writeInPlace(`${directory}/link`, bytes("y"), 0o600);
  assert.equal(Deno.readTextFileSync(`${directory}/new`), "y");
  assert.ok(Deno.lstatSync(`${directory}/link`).isSymlink);
});

Deno.test("if writing fails, the old content is back", () => {
  const path = `${temporaryDirectory()}/config`;
  Deno.writeTextFileSync(path, "old");
  const { open, openSync } = Deno;
  Deno.openSync = (...args) => {
    const file = openSync(...args);
    const write = file.writeSync.bind(file);
    let calls = 0;
    file.writeSync = (part) => {
      if (calls++ === 1) throw new Error("the disk is full");
      return write(calls === 1 ? part.subarray(0, 2) : part);
    };
    return file;
  };
  try {
    assert.throws(() => writeInPlace(path, bytes("something new"), 0o600), /disk is full/);
  } finally {
    Object.assign(Deno, { open, openSync });
  }
  assert.equal(Deno.readTextFileSync(path), "old");
});
