import assert from "node:assert/strict";
import { lowerFirst, printable, printableLines, shellQuoted } from "../../../runtime/base/text.ts";

Deno.test("printable() leaves text of any script as it is", () => {
  for (const text of ["plain", "Größe 日本語 עברית 🦀", 'quotes " and \\ backslash']) {
    assert.equal(printable(text), text);
  }
});

Deno.test("printable() escapes what could forge a terminal's display", () => {
  assert.equal(printable("a\x1b[2Jb\r\n\t\x00"), "a\\x1b[2Jb\\r\\n\\t\\x00");
  assert.equal(
    printable("\x9b\u202e\u2066\u200b\ufeff\u{e0041}"),
    "\\x9b\\u{202e}\\u{2066}\\u{200b}\\u{feff}\\u{e0041}",
  );
  assert.equal(printable("\ud800x"), "\\u{d800}x");
});

Deno.test("printable() cuts long text and says so", () => {
  assert.equal(printable("abcdef", 3), "abc…");
  assert.equal(printable("abc", 3), "abc");
});

Deno.test("shellQuoted() makes one word of anything", () => {
  for (const word of ["a", "a b", "it's", "$(x)", "", "a\nb", '"', "\\"]) {
    const { stdout } = new Deno.Command("/bin/sh", { args: ["-c", `printf %s ${shellQuoted(word)}`] })
      .outputSync();
    assert.equal(new TextDecoder().decode(stdout), word);
  }
});

Deno.test("lowerFirst() lower-cases a message's first letter", () => {
  assert.equal(lowerFirst("Cannot read it"), "cannot read it");
  assert.equal(lowerFirst(""), "");
});

Deno.test("printableLines() keeps line ends and escapes other characters", () => {
  assert.equal(printableLines("a\x1b[2J\r\nb\u2800\n"), "a\\x1b[2J\\r\nb\\u{2800}\n");
});
