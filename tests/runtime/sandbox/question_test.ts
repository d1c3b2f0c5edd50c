import assert from "node:assert/strict";
import type { Question } from "../../../runtime/sandbox/permission_request_types.ts";
import { isVisible } from "../../../runtime/base/invisible.ts";
import {
  againLine,
  answersLine,
  type Choices,
  linesThatFit,
  parseAnswer,
  shownValue,
} from "../../../runtime/sandbox/question.ts";

const QUESTION: Question = {
  plugin: "tool",
  args: ["-n", "demo", "a b"],
  deniable: true,
  parts: [
    ["namespace", "demo"],
    ["verb", "get"],
    ["resource", "secrets"],
    ["name", "db"],
    ["so far", "read-only"],
    ["rule", "get:secrets[db]@demo"],
  ],
  wider: { words: 'get secrets of any name in the namespace "demo"', word: "get:secrets@demo" },
};

Deno.test("a question has lines for the plugin, each part, the rule and the wider rule", () => {
  const shown = linesThatFit(QUESTION, undefined)!;
  assert.deepEqual(shown.lines, [
    "krew-wasm: a plugin asks for what it was not granted",
    "  plugin     tool",
    '  arguments  -n demo "a b"',
    "  namespace  demo",
    "  verb       get",
    "  resource   secrets",
    "  name       db",
    "  so far     read-only",
    "  rule       get:secrets[db]@demo",
    '  wider      get secrets of any name in the namespace "demo"',
  ]);
  assert.deepEqual(shown.wider, [
    '  wider      get secrets of any name in the namespace "demo"',
    "  rule       get:secrets@demo",
  ]);
  const none = { ...QUESTION, args: [], wider: undefined };
  assert.equal(linesThatFit(none, undefined)!.lines.length, 8);
});

Deno.test("a value stays on its line and cannot be misread", () => {
  const values: readonly (readonly [string, string])[] = [
    ["/srv/a\r\n  name       web", "/srv/a\\r\\n \\x20name \\x20\\x20\\x20\\x20\\x20\\x20web"],
    ["\x1b[2J\x1b[1;1H", "\\x1b[2J\\x1b[1;1H"],
    [`a${" ".repeat(4)}b`, "a \\x20\\x20\\x20b"],
    [" a ", "\\x20a\\x20"],
    ["a\u3000b\u2800\u3164", "a\\u{3000}b\\u{2800}\\u{3164}"],
    ["a\\u{202e}b", "a\\\\u{202e}b"],
    ["a\u202eb", "a\\u{202e}b"],
    ["/srv/אב/גד", "/srv/\\u{5d0}\\u{5d1}/\\u{5d2}\\u{5d3}"],
    ["/srv/日本/größe", "/srv/日本/größe"],
    [`a${"\u0301".repeat(9)}`, `a\u0301\u0301\u0301${"\\u{301}".repeat(6)}`],
  ];
  for (const [value, shown] of values) {
    assert.equal(shownValue(value), shown);
    assert.ok(isVisible(shownValue(value)));
    const lines =
      linesThatFit({ plugin: value, args: [value], deniable: true, parts: [["path", value]] }, undefined)!
        .lines;
    assert.equal(lines.length, 4);
    assert.ok(lines.every((line) => isVisible(line)));
  }
});

Deno.test("refuses a part that is too long, and cuts the arguments", () => {
  assert.equal(linesThatFit({ ...QUESTION, parts: [["path", `/${"x".repeat(600)}`]] }, undefined), undefined);
  assert.equal(
    linesThatFit({ ...QUESTION, parts: [["path", `/${"\u200b".repeat(100)}`]] }, undefined),
    undefined,
  );
  const long = linesThatFit({ ...QUESTION, args: ["x".repeat(5000)] }, undefined)!.lines;
  assert.ok(long[2]!.length < 250 && long[2]!.endsWith("x…"));
});

Deno.test("a small terminal shows the whole grant, or asks nobody", () => {
  const fits = (columns: number, rows: number) => linesThatFit(QUESTION, { columns, rows });
  assert.equal(fits(80, 24)!.lines.length, 10);
  assert.ok(fits(80, 24)!.wider);
  assert.equal(linesThatFit(QUESTION, undefined)!.lines.length, 10);
  assert.equal(fits(0, 0)!.lines.length, 10, "a terminal that knows no size of its own");
  assert.ok(!fits(80, 14)!.lines.some((line) => line.includes("arguments")) && fits(80, 14)!.wider);
  assert.equal(fits(80, 12)!.wider, undefined);
  assert.equal(fits(80, 8), undefined);
  assert.equal(fits(10, 5), undefined);
  for (let rows = 1; rows < 40; rows++) {
    for (const columns of [10, 20, 40, 80]) {
      const lines = fits(columns, rows)?.lines;
      if (!lines) continue;
      // The lines together contain every part.
      const joined = lines.join("").replaceAll(" ", "");
      for (const [label, value] of QUESTION.parts) {
        assert.ok(joined.includes(`${label}${value}`.replaceAll(" ", "")), `${label} at ${columns}x${rows}`);
      }
      const all = [...lines, answersLine({ stays: true, never: false, wider: "none" })];
      const height = all.reduce((sum, line) => sum + Math.ceil(line.length / columns), 0);
      assert.ok(height < rows, `${columns}x${rows}`);
    }
  }
});

Deno.test("a long value continues where no label can begin", () => {
  const path = `/srv/${"x".repeat(62)}  name       harmless${"y".repeat(100)}`;
  const question = { plugin: "p", args: [], deniable: true, parts: [["path", path]] } as const;
  const { lines } = linesThatFit(question, { columns: 80, rows: 24 })!;
  assert.ok(
    lines.length > 4 && lines.slice(3).every((line) => line.startsWith(" ".repeat(13))),
    lines.join("\n"),
  );
  assert.ok(lines.every((line) => line.length <= 80));
  const narrow = linesThatFit(question, { columns: 20, rows: 60 })!.lines;
  assert.ok(narrow.slice(3).every((line) => line.length <= 20 && line.startsWith(" ")), narrow.join("\n"));
  // With an indent of one blank, a continuation line could look like a line with a label.
  for (let before = 0; before < 40; before++) {
    const value = `/${"x".repeat(before)} name y`;
    const lines = linesThatFit({ ...question, parts: [["path", value]] }, { columns: 20, rows: 60 })!.lines;
    assert.ok(lines.slice(3).every((line) => /^ \S/.test(line)), lines.join("\n"));
    assert.ok(lines.every((line) => line.length <= 20 || line === lines[0]), lines.join("\n"));
  }
});

Deno.test("parseAnswer() accepts words and first letters", () => {
  const all: Choices = { stays: true, never: true, wider: "offered" };
  assert.deepEqual(
    ["o", "once", "r", "run", " a ", "always", "w", "wider", "n", "N", "no", "", "y", "yes", "v", "never"]
      .map((line) => parseAnswer(line, all)),
    [
      "once",
      "once",
      "run",
      "run",
      "always",
      "always",
      "wider",
      "wider",
      "no",
      "no",
      "no",
      "no",
      "once",
      "once",
      "never",
      "never",
    ],
  );
  for (const line of ["not", "Y", "V", "allow", "oo", "a\0", "R", "O", "A", "W", "Run", "r r"]) {
    assert.equal(parseAnswer(line, all), undefined, line);
  }
  assert.equal(
    parseAnswer("a", { stays: false, never: false, wider: "none" }),
    undefined,
    "always is not offered",
  );
  assert.equal(parseAnswer("w", { stays: true, never: false, wider: "none" }), undefined, "nor wider");
  assert.equal(parseAnswer("w", { stays: true, never: false, wider: "chosen" }), undefined);
  assert.equal(
    parseAnswer("o", { stays: true, never: false, wider: "chosen" }),
    undefined,
    "once is not offered",
  );
});

Deno.test("answersLine() offers the possible answers", () => {
  const cases: [choices: Choices, line: string, again: string][] = [
    [
      { stays: true, never: true, wider: "none" },
      "Allow it? [o]nce, this [r]un, [a]lways, [n]o, ne[v]er: ",
      "Please answer o, r, a, v or n: ",
    ],
    [
      { stays: false, never: false, wider: "none" },
      "Allow it? [o]nce, this [r]un, [n]o: ",
      "Please answer o, r or n: ",
    ],
    [
      { stays: true, never: true, wider: "offered" },
      "Allow it? [o]nce, this [r]un, [a]lways, something [w]ider, [n]o, ne[v]er: ",
      "Please answer o, r, a, w, v or n: ",
    ],
    [
      { stays: true, never: false, wider: "chosen" },
      "Allow all of that? this [r]un, [a]lways, [n]o: ",
      "Please answer r, a or n: ",
    ],
  ];
  for (const [choices, line, again] of cases) {
    assert.equal(answersLine(choices), line);
    assert.equal(againLine(choices), again);
    assert.ok(line.length < 80, line);
  }
});
