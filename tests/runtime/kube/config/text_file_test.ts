import assert from "node:assert/strict";
import { decodeText, isReadOnce, isStdin, readText } from "../../../../runtime/kube/config/text_file.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

Deno.test("decodeText() decodes UTF-8, and UTF-16 with a byte order mark", () => {
  const utf16 = (text: string, little: boolean) =>
    [...text].flatMap((character) => {
      const unit = character.charCodeAt(0);
      return little ? [unit & 255, unit >> 8] : [unit >> 8, unit & 255];
    });
  for (const text of ["", "a: größe ✓"]) {
    assert.equal(decodeText(new TextEncoder().encode(text)), text);
    assert.equal(decodeText(new TextEncoder().encode(`\ufeff${text}`)), text);
    assert.equal(decodeText(Uint8Array.from(utf16(`\ufeff${text}`, true))), text);
    assert.equal(decodeText(Uint8Array.from(utf16(`\ufeff${text}`, false))), text);
  }
  assert.equal(decodeText(Uint8Array.of(0xff, 0xfe, 0x61)), "\ufffd"); // half a character
});

Deno.test({
  name: "isReadOnce() tells pipes and standard input from files",
  ignore: Deno.build.os === "windows",
  async fn() {
    const directory = temporaryDirectory();
    try {
      await Deno.writeTextFile(`${directory}/file`, "text");
      const { success } = await new Deno.Command("mkfifo", { args: [`${directory}/pipe`] }).output();
      assert.ok(success);
      assert.equal(isReadOnce(`${directory}/pipe`), true);
      for (const name of ["file", ".", "none"]) assert.equal(isReadOnce(`${directory}/${name}`), false, name);
      assert.equal(readText(`${directory}/file`), "text");
      await Deno.symlink("file", `${directory}/link`);
      await Deno.symlink("/dev/stdin", `${directory}/stdin`);
      await Deno.symlink("stdin", `${directory}/stdin2`);
      await Deno.symlink("loop", `${directory}/loop`);
      assert.equal(readText(`${directory}/link`), "text");
      assert.deepEqual(
        ["link", "stdin", "stdin2", "loop"].map((name) => isStdin(`${directory}/${name}`)),
        [false, true, true, false],
      );
      assert.throws(() => readText(`${directory}/loop`));
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
    assert.equal(isReadOnce("/dev/null"), true);
    for (const path of ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"]) {
      assert.ok(isStdin(path) && isReadOnce(path), path);
    }
    for (const path of ["/dev/fd/1", "/dev/stdout", "dev/stdin", "/dev/stdin/x"]) {
      assert.equal(isStdin(path), false);
    }
  },
});
