/** The shells themselves read back the words of suggested commands. */

import assert from "node:assert/strict";
import { isVisible } from "../../../runtime/base/invisible.ts";
import { shellCommand } from "../../../runtime/base/shell_word.ts";
import { fc, fuzz } from "../../support/fuzz.ts";
import { findProgram, missing } from "../../support/programs.ts";

/** The installed shells. All take a script by `-c`. `escapes`: whether they know `$'…'`. */
const SHELLS = ([
  ["bash", [], true],
  ["zsh", ["-f"], true],
  ["ksh", [], true],
  ["mksh", [], true],
  ["dash", [], false],
  ["fish", ["--no-config"], false],
] as const).filter(([name]) => findProgram(name) !== undefined);

const ignore = Deno.build.os === "windows" || missing(
  "zsh or fish",
  ["zsh", "fish"].every((name) => findProgram(name) !== undefined),
  "apt-get install zsh fish",
);

/** Hostile words: they try to end their quotes, run a program, or end the line. */
const WORDS = [
  "",
  "a b",
  "it's",
  "\\",
  "'\\''",
  "\\'; touch P; #",
  "/srv/m\\'; touch P; #\u200b",
  "/srv/m'; touch P; #\u2800",
  "$(touch P)",
  "`touch P`",
  "$(touch P)\u202e",
  "a\ntouch P\n",
  "a\r\ntouch P\r",
  "!touch",
  "!!\u200b",
  "~/x",
  "=ls",
  "%self",
  "{a,b}",
  "*",
  "#x",
  "\\\\'\u200b\\",
  "ends in a backslash\u200b\\",
  "\x1b[2J",
  "\x9b2J",
  "\u{e0041}",
  "日本",
  "''",
  "'",
  "\u200b'",
  "-n",
  "--flag=a b",
];

/** Runs a shell on words. `left`: files that were created. */
function readBack(
  name: string,
  flags: readonly string[],
  words: readonly string[],
): { told: string; left: string[] } {
  const cwd = Deno.makeTempDirSync({ prefix: "krew-wasm-words-" });
  try {
    const { stdout } = new Deno.Command(name, {
      args: [...flags, "-c", `printf '<%s>' ${words.join(" ")} end`],
      cwd,
      stderr: "null",
      env: { LC_ALL: "C.UTF-8" },
    }).outputSync();
    return {
      told: new TextDecoder().decode(stdout),
      left: [...Deno.readDirSync(cwd)].map(({ name }) => name),
    };
  } finally {
    Deno.removeSync(cwd, { recursive: true });
  }
}

function checkWords(texts: readonly string[]): void {
  const words = texts.map((text) => shellCommand([text], false));
  for (const [at, text] of texts.entries()) {
    assert.ok(
      words[at] === undefined ? text.includes("\0") || !text.isWellFormed() : isVisible(words[at]),
      text,
    );
  }
  const plain = texts.map((text, at) => ({ text, word: words[at]! })).filter(({ word }) =>
    word !== undefined
  );
  const check = (name: string, flags: readonly string[], each: typeof plain) => {
    const { told, left } = readBack(name, flags, each.map(({ word }) => word));
    const shown = `${name}: ${JSON.stringify(each)}: ${JSON.stringify(told)}`;
    assert.deepEqual(left, [], shown);
    return { told, shown };
  };
  for (const [name, flags, escapes] of SHELLS) {
    const known = plain.filter(({ text }) => escapes || isVisible(text));
    const { told, shown } = check(name, flags, known);
    assert.equal(told, `${known.map(({ text }) => `<${text}>`).join("")}<end>`, shown);
    // Without $'…' a shell reads another word, or refuses the line, but it never reads two words.
    for (const each of plain.filter((each) => !known.includes(each)).slice(0, 3)) {
      const { told, shown } = check(name, flags, [each]);
      assert.ok(told === "" || told === `<${each.word.replace(/'/g, "")}><end>`, shown);
    }
  }
}

Deno.test(
  "every shell reads each word of a suggested command unchanged",
  { ignore },
  () => {
    for (const text of WORDS) checkWords([text]);
  },
);

Deno.test("no text ends its quotes in any shell", { ignore }, async () => {
  const parts = fc.constantFrom(
    "'",
    "\\",
    '"',
    "$",
    "`",
    "(",
    ")",
    ";",
    "&",
    "|",
    "\n",
    "\r",
    " ",
    "!",
    "#",
    "~",
    "*",
    "{",
    "}",
    ",",
    "=",
    "%",
    "^",
    "a",
    "0",
    "7",
    "x27",
    "\u200b",
    "\x1b",
    "é",
    "\u2019",
    "touch P;",
  );
  const text = fc.array(parts, { maxLength: 12 }).map((all) => all.join(""));
  await fuzz("shell words", fc.property(fc.array(text, { minLength: 20, maxLength: 60 }), checkWords));
});

Deno.test("cmd.exe and PowerShell read a word alike, or there is no command", () => {
  const word = (text: string) => shellCommand([text], true);
  assert.equal(word("--allow-home"), "--allow-home");
  assert.equal(word("C:\\Users\\me"), "C:\\Users\\me");
  assert.equal(word("--allow-read=C:/a b"), '"--allow-read=C:/a b"');
  assert.equal(word("list,watch:pods@demo"), '"list,watch:pods@demo"');
  for (
    const text of [
      'a"b',
      "%PATH%",
      "$(calc)",
      "`n",
      "!x!",
      "\u201d; calc; \u201c",
      "a b\\",
      "a\u200b",
      "a\nb",
    ]
  ) {
    assert.equal(word(text), undefined, text);
  }
  assert.equal(shellCommand(["krew-wasm", 'a"b'], true), undefined, "nor a command with it");
});

Deno.test("shellCommand() joins words, and returns none if one cannot be quoted", () => {
  assert.equal(
    shellCommand(["krew-wasm", "grants", "foo", "--allow-read=/a b"], false),
    "krew-wasm grants foo '--allow-read=/a b'",
  );
  assert.equal(shellCommand(["a", "b\0c"], false), undefined);
});
