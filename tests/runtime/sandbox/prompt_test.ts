import assert from "node:assert/strict";
import type { Question } from "../../../runtime/sandbox/permission_request_types.ts";
import type { Terminal } from "../../../runtime/sandbox/controlling_terminal.ts";
import { Dialog, Interrupted } from "../../../runtime/sandbox/dialog.ts";
import { askAt } from "../../../runtime/sandbox/prompt.ts";
import { screenOf } from "../../../runtime/sandbox/screen.ts";
import { plainText } from "../../support/plain_text.ts";

const QUESTION: Question = {
  plugin: "foo",
  args: [],
  parts: [["to", "read a file"], ["path", "/etc/hosts"]],
  deniable: true,
};
const WIDER: Question = { ...QUESTION, wider: { words: "read all", word: "get:all" } };

/** A terminal where a person types `keys`, piece by piece. `ahead` came before the question. */
function terminal(
  keys: readonly string[],
  { ahead = [], background = false, plain = false, size }: {
    ahead?: readonly string[];
    background?: boolean;
    plain?: boolean;
    size?: { columns: number; rows: number };
  } = {},
) {
  const before = [...ahead];
  const later = [...keys];
  const log: string[] = [];
  const shown: string[] = [];
  const it: Terminal = {
    setRaw: (raw) => log.push(raw ? "raw" : "cooked"),
    write: (text) => shown.push(text),
    read(patience) {
      if (patience === undefined) log.push("key");
      const next = patience === undefined ? later.shift() : before.shift() ?? "";
      return next === undefined ? undefined : new TextEncoder().encode(next);
    },
    size: () => size,
    screen: screenOf((name) => name === "TERM" ? plain ? "dumb" : "xterm" : undefined),
    claim: () => {
      log.push("claim");
      return !background;
    },
    release: () => log.push("release"),
    suspend: () => log.push("suspend"),
    quietly: (write) => write(),
    close: () => log.push("close"),
  };
  return { it, log, raw: () => shown.join(""), text: () => plainText(shown.join("")) };
}

const no = { answer: "no", wider: false };

Deno.test("shows the whole question before it reads keys", () => {
  const { it, log, text } = terminal(["n", "\r"]);
  assert.deepEqual(askAt(it, QUESTION, true), no);
  assert.deepEqual(log, ["claim", "raw", "key", "key", "cooked", "release"]);
  assert.ok(
    text().endsWith(
      "\r\nkrew-wasm: a plugin asks for what it was not granted\r\n  plugin     foo\r\n  to         read a file\r\n" +
        "  path       /etc/hosts\r\nAllow it? [o]nce, this [r]un, [a]lways, [n]o, ne[v]er: n\r\n",
    ),
    JSON.stringify(text()),
  );
});

Deno.test("ignores earlier input and the end of an earlier report", () => {
  assert.deepEqual(askAt(terminal(["n", "\r"], { ahead: ["a", "\r", "a\r"] }).it, QUESTION, true), no);
  for (const begun of ["\x1b[24;80", "\x1b", "\x1b]l", "\x1b[M"]) {
    const { it, text } = terminal(["r", "\r", "\r"], { ahead: ["", "", begun] });
    assert.deepEqual(askAt(it, QUESTION, true), no, JSON.stringify(begun));
    assert.match(text(), /Please answer/, JSON.stringify(begun));
  }
  const two = terminal(["a\r\x1b\\", "\r", "\r"], { ahead: ["\x1b]l"] });
  assert.deepEqual(askAt(two.it, QUESTION, true), no);
});

Deno.test("Ctrl-C before the question can be answered ends the run too", () => {
  assert.throws(() => askAt(terminal([], { ahead: ["\x03"] }).it, QUESTION, true), Interrupted);
});

Deno.test("edits and shows a line, and accepts it at Enter", () => {
  const { it, text } = terminal(["x", "\x7f", "o", "\r"]);
  assert.deepEqual(askAt(it, QUESTION, true), { answer: "once", wider: false });
  assert.ok(text().endsWith("ne[v]er: x\b \bo\r\n"));
});

Deno.test("a line with other input than plain keys is no answer", () => {
  for (
    const line of [
      ["a", "\x1b[24;80R", "\r"],
      ["\x1b[24;80", "R", "a", "\r"],
      ["\x1b]lalways\x1b\\", "a", "\r"],
      ["\x1b[200~a\r\x1b[201~", "a\r"],
      ["é", "a\r"],
      ["\ta\r"],
      [`${"a".repeat(30)}\r`],
      ["\x1b[Ia\r"],
      ["\x1b", "a\r"],
    ]
  ) {
    const { it, text } = terminal([...line, "\r"]);
    assert.deepEqual(askAt(it, QUESTION, true), no, JSON.stringify(line));
    assert.match(text(), /Please answer o, r, a, v or n: /, JSON.stringify(line));
  }
});

Deno.test("repeats the question five times; then, or at the input's end, refuses", () => {
  const asked = terminal(["x\r", "why\r", "r\r"]);
  assert.deepEqual(askAt(asked.it, QUESTION, true), { answer: "run", wider: false });
  assert.equal(asked.text().split("Please answer o, r, a, v or n").length, 3);
  assert.deepEqual(askAt(terminal(Array(9).fill("x\r")).it, QUESTION, true), no);
  assert.deepEqual(askAt(terminal([]).it, QUESTION, true), no);
  assert.deepEqual(askAt(terminal(["a", "\x04"]).it, QUESTION, true), no);
});

Deno.test("keys after an answer do not count for the next question", () => {
  const { it } = terminal(["w\rr\r", "n\r"]);
  assert.deepEqual(askAt(it, WIDER, true), no);
});

Deno.test("the wider choice asks again and shows its rule", () => {
  const { it, text } = terminal(["w\r", "a\r"]);
  assert.deepEqual(askAt(it, WIDER, true), { answer: "always", wider: true });
  assert.match(
    text(),
    /something \[w\]ider, \[n\]o, ne\[v\]er: w\r\n {2}wider {6}read all\r\n {2}rule {7}get:all\r\n/,
  );
  assert.match(text(), /Allow all of that\? this \[r\]un, \[a\]lways, \[n\]o: a\r\n$/);
  assert.deepEqual(askAt(terminal(["w\r", "\r"]).it, WIDER, true), no);
  assert.deepEqual(askAt(terminal(["w\r", "o\r", "r\r"]).it, WIDER, true), { answer: "run", wider: true });
});

Deno.test("Ctrl-C ends the run and leaves the terminal as it was", () => {
  const { it, log } = terminal(["o", "\x03"]);
  assert.throws(() => askAt(it, QUESTION, true), Interrupted);
  assert.deepEqual(log.slice(-2), ["cooked", "release"]);
});

Deno.test("Ctrl-Z restores the terminal and stops the job; then the question shows again", () => {
  const { it, log, text } = terminal(["a", "\x1a", "o", "\r"]);
  assert.deepEqual(askAt(it, QUESTION, true), { answer: "once", wider: false });
  assert.deepEqual(log.filter((word) => word !== "key"), [
    "claim",
    "raw",
    "cooked",
    "suspend",
    "raw",
    "cooked",
    "release",
  ]);
  assert.equal(text().split("asks for").length, 3);
});

Deno.test("asks nobody in the background, or if the question does not fit", () => {
  const { it, log, text } = terminal(["o\r"], { background: true });
  assert.equal(askAt(it, QUESTION, true), undefined);
  assert.deepEqual([log, text()], [["claim"], ""]);
  const small = terminal(["o\r"], { size: { columns: 80, rows: 4 } });
  assert.equal(askAt(small.it, QUESTION, true), undefined);
  assert.match(small.text(), /no room on this terminal, and is refused\r\n$/);
  assert.deepEqual(small.log, ["claim", "raw", "cooked", "release"]);
});

Deno.test("resets the plugin's terminal modes before a question in its own colours", () => {
  const { it, raw } = terminal(["\r"]);
  askAt(it, QUESTION, true);
  assert.ok(raw().startsWith("\x18\x1b\\"));
  for (
    const sequence of [
      ...[
        "\x1b[!p",
        "\x1b]104\x1b\\",
        "\x1b]110\x1b\\",
        "\x1b]111\x1b\\",
        "\x1b]112\x1b\\",
        "\x1b[?2026l",
        "\x1b[?25h",
      ],
      ...[
        "\x1b[?1000l",
        "\x1b[?1003l",
        "\x1b[?1004l",
        "\x1b[?1006l",
        "\x1b[<99u",
        "\x1b[>4;0m",
        "\x1b(B",
        "\x1b[r",
      ],
      ...["\x1b[4i", "\x1b<", "\x1b]8;;\x1b\\", "\x1b_Ga=d,d=A,q=2\x1b\\", "\x1b[?2004h"],
    ]
  ) {
    assert.ok(
      raw().includes(sequence) && raw().indexOf(sequence) < raw().indexOf("krew-wasm"),
      JSON.stringify(sequence),
    );
  }
  for (const line of ["krew-wasm: a plugin", "  path  ", "Allow it"]) {
    assert.match(
      raw(),
      new RegExp(`\\x1b#5\\x1b\\[0;37;40;97m${line}`),
    );
  }
  assert.ok(raw().endsWith("\x1b[0m\r\n\x1b[0m\x1b[?2004l"));
});

Deno.test("sends no sequences to a terminal that knows none", () => {
  const { it, raw } = terminal(["o", "\r"], { plain: true });
  assert.deepEqual(askAt(it, QUESTION, true), { answer: "once", wider: false });
  assert.doesNotMatch(raw(), /\x1b/);
});

Deno.test("a dialog shows its lines again after a stop", () => {
  const { it, text } = terminal(["\x1a", "y\r"]);
  using dialog = Dialog.open(it)!;
  dialog.say(["one", "two"]);
  assert.deepEqual(dialog.ask("Grant? "), { text: "y" });
  assert.match(text(), /one\r\ntwo\r\nGrant\? \^Z\r\n[^]*one\r\ntwo\r\nGrant\? y\r\n$/);
});
