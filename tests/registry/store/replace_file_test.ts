import assert from "node:assert/strict";
import { replaceFileAt, replaceProtectedFile } from "../../../registry/store/replace_file.ts";
import { namesIn } from "../../support/store.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const windows = Deno.build.os === "windows";
const bytes = (text: string) => new TextEncoder().encode(text);
const writes = (text: string) => (write: (bytes: Uint8Array) => void) => write(bytes(text));
const LEFT = ".krew-wasm-01234567-89ab-4cde-8fab-0123456789ab";

/** Creates a directory for one test. */
function makeDirectory() {
  const path = temporaryDirectory();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

Deno.test("replaceFileAt() writes the whole file or nothing", async () => {
  using at = makeDirectory();
  const path = `${at.path}/file`;
  await replaceFileAt(path, { mode: 0o600 }, (write) => {
    write(bytes("one, "));
    write(bytes("two"));
  });
  assert.equal(Deno.readTextFileSync(path), "one, two");
  if (!windows) assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  const failing = replaceFileAt(path, { mode: 0o600 }, (write) => {
    write(bytes("half"));
    throw new RangeError("it failed");
  });
  await assert.rejects(failing, RangeError);
  await replaceFileAt(path, { mode: 0o600 }, (write) => {
    write(bytes("changed its mind"));
    return false;
  });
  assert.equal(Deno.readTextFileSync(path), "one, two");
  assert.deepEqual(namesIn(at.path), ["file"]);
  await assert.rejects(
    replaceFileAt(`${at.path}/none/file`, { mode: 0o600 }, writes("x")),
    Deno.errors.NotFound,
  );
});

Deno.test("replaceFileAt() resolves names in the current directory", async () => {
  using at = makeDirectory();
  const before = Deno.cwd();
  Deno.chdir(at.path);
  try {
    await replaceFileAt("file", { mode: 0o600 }, writes("x"));
    await replaceFileAt("./other", { mode: 0o600 }, writes("y"));
    if (!windows) await replaceFileAt("a\\b", { mode: 0o600 }, writes("z"));
  } finally {
    Deno.chdir(before);
  }
  assert.deepEqual(namesIn(at.path).filter((name) => !name.includes("\\")), ["file", "other"]);
});

Deno.test("replaceFileAt() keeps a link and refuses special files", { ignore: windows }, async () => {
  using at = makeDirectory();
  Deno.mkdirSync(`${at.path}/deep`);
  Deno.writeTextFileSync(`${at.path}/deep/file`, "before");
  Deno.symlinkSync("deep/file", `${at.path}/link`);
  await replaceFileAt(`${at.path}/link`, { mode: 0o600 }, writes("after"));
  assert.equal(Deno.readTextFileSync(`${at.path}/deep/file`), "after");
  assert.ok(Deno.lstatSync(`${at.path}/link`).isSymlink);
  assert.ok((await new Deno.Command("mkfifo", { args: [`${at.path}/pipe`] }).output()).success);
  Deno.symlinkSync("/dev/null", `${at.path}/null`);
  for (const name of ["pipe", "null", "deep"]) {
    await assert.rejects(
      replaceFileAt(`${at.path}/${name}`, { mode: 0o600 }, writes("x")),
      /not a file/,
      name,
    );
  }
  assert.ok(Deno.statSync("/dev/null").isCharDevice);
  assert.deepEqual(namesIn(at.path), ["deep", "link", "null", "pipe"]);
});

Deno.test("replaceFileAt() removes only leftovers of killed processes", {
  ignore: windows,
}, async () => {
  using at = makeDirectory();
  const others = [LEFT, "file.krew-wasm-", "file.krew-wasm-1", `file${LEFT}.tar`, "file.partial"];
  for (const name of [`file${LEFT}`, `other.tar${LEFT}`, ...others]) {
    Deno.writeTextFileSync(`${at.path}/${name}`, name);
  }
  Deno.mkdirSync(`${at.path}/directory${LEFT}/full`, { recursive: true });
  await replaceFileAt(`${at.path}/file`, { mode: 0o600 }, writes("x"));
  assert.deepEqual(namesIn(at.path), [`directory${LEFT}`, "file", ...others].sort());
});

Deno.test("two writers in a directory take turns", { ignore: windows }, async () => {
  using at = makeDirectory();
  const other = Deno.openSync(at.path, { read: true });
  await other.lock(true);
  Deno.writeTextFileSync(`${at.path}/theirs${LEFT}`, "half");
  const waiting = replaceFileAt(`${at.path}/ours`, { mode: 0o600 }, writes("x"));
  Deno.renameSync(`${at.path}/theirs${LEFT}`, `${at.path}/theirs`);
  other.close();
  await waiting;
  assert.deepEqual(namesIn(at.path), ["ours", "theirs"]);
});

Deno.test(
  "replaceProtectedFile() stages elsewhere, or writes the file itself",
  { ignore: windows },
  async () => {
    using at = makeDirectory();
    using other = makeDirectory();
    const path = `${at.path}/file`;
    const ino = () => Deno.statSync(path).ino;
    const replace = async (stage: string | undefined, text: string | undefined) =>
      await replaceProtectedFile(path, { mode: 0o600, stage }, () => {
        assert.deepEqual(namesIn(at.path).filter((name) => name !== "file"), []);
        return text === undefined ? undefined : bytes(text);
      });
    await replace(undefined, "new");
    Deno.chmodSync(path, 0o644);
    const first = ino();
    await replace(undefined, "in place");
    assert.deepEqual([Deno.readTextFileSync(path), ino()], ["in place", first]);
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    Deno.chmodSync(path, 0o644);
    await replace(other.path, "staged");
    assert.equal(Deno.readTextFileSync(path), "staged");
    assert.notEqual(ino(), first);
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    await replace(other.path, undefined);
    assert.equal(Deno.readTextFileSync(path), "staged");
    // Another file system than the file's.
    const { renameSync } = Deno;
    Deno.renameSync = () => {
      throw Object.assign(new Error("Invalid cross-device link"), { code: "EXDEV" });
    };
    try {
      const before = ino();
      await replace(other.path, "across");
      assert.deepEqual([Deno.readTextFileSync(path), ino()], ["across", before]);
    } finally {
      Deno.renameSync = renameSync;
    }
    assert.deepEqual([namesIn(at.path), namesIn(other.path)], [["file"], []]);
  },
);
