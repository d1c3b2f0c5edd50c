import assert from "node:assert/strict";
import type { Question } from "../../runtime/desk.ts";
import { askAt, formatQuestion, Interrupted, parseAnswer, type Terminal } from "../../runtime/prompt.ts";

const QUESTION: Question = {
  plugin: "foo",
  what: "read /etc/hosts",
  why: "it is not granted",
  flag: "--allow-read=/etc/hosts",
};

/** A terminal at which `keys` are typed, after `ahead`, which was typed before the question. */
function terminal(keys: readonly string[], ahead: readonly string[] = [], background = false) {
  let pending = [...ahead];
  const later = [...keys];
  const log: string[] = [];
  const shown: string[] = [];
  const it: Terminal = {
    setRaw: (raw) => log.push(raw ? "raw" : "cooked"),
    write: (text) => shown.push(text),
    read: () => pending.shift() ?? later.shift(),
    flush: () => {
      log.push("flush");
      pending = [];
    },
    claim: () => {
      log.push("claim");
      return !background;
    },
    release: () => log.push("release"),
    suspend: () => log.push("suspend"),
    quietly: (write) => write(),
    close: () => log.push("close"),
  };
  return { it, log, text: () => shown.join("") };
}

Deno.test("a question tells who, what and why, and offers the answers", () => {
  assert.equal(
    formatQuestion(QUESTION, true),
    'krew-wasm: the plugin "foo" asks to\r\n  read /etc/hosts\r\nbut it is not granted\r\n' +
      "Allow it [o]nce, for this [r]un, [a]lways, or [N]ot? ",
  );
  assert.doesNotMatch(formatQuestion(QUESTION, false), /always/);
});

Deno.test("what a plugin names can't draw over the question", () => {
  const text = formatQuestion(
    { ...QUESTION, what: "read \x1b[2J\x1b[1;1H\r\nAllow? yes\u202e\u009b31m" },
    true,
  );
  assert.match(text, /read \\x1b\[2J\\x1b\[1;1H\\r\\nAllow\? yes\\u\{202e\}\\x9b31m\r\n/);
  assert.equal(text.split("\r\n").length, 4);
});

Deno.test("answers are words or their first letters, and no is what is left", () => {
  const answers = ["o", "once", "R", "run", " a ", "always", "n", "no", ""].map((line) =>
    parseAnswer(line, true)
  );
  assert.deepEqual(answers, ["once", "once", "run", "run", "always", "always", "no", "no", "no"]);
  for (const line of ["y", "yes", "allow", "oo", "a\0"]) {
    assert.equal(parseAnswer(line, true), undefined, line);
  }
  assert.equal(parseAnswer("a", false), undefined, "always is not offered");
});

Deno.test("what was typed before the question is no answer to it", () => {
  const { it, log } = terminal(["n", "\r"], ["a", "\r"]);
  assert.equal(askAt(it, QUESTION, true), "no");
  assert.deepEqual(log, ["claim", "raw", "flush", "cooked", "release"]);
});

Deno.test("a line is edited, shown, and taken when it is ended", () => {
  const { it, text } = terminal(["x", "\x7f", "o", "\r"]);
  assert.equal(askAt(it, QUESTION, true), "once");
  assert.ok(text().endsWith("ot? x\b \bo\r\n"));
});

Deno.test("a terminal's own reports are no answer, nor what comes with them", () => {
  const { it } = terminal(["a", "\x1b[24;80R", "\x1b]lalways\r", "a\x1b[0n\ra\r", "n", "\r"]);
  assert.equal(askAt(it, QUESTION, true), "no");
});

Deno.test("nonsense is asked again, and no after five times; the end of input is no", () => {
  const asked = terminal(["y\r", "why\r", "r\r"]);
  assert.equal(askAt(asked.it, QUESTION, true), "run");
  assert.equal(asked.text().split("Please answer o, r, a or n").length, 3);
  assert.equal(askAt(terminal(Array(9).fill("y\r")).it, QUESTION, true), "no");
  assert.equal(askAt(terminal([]).it, QUESTION, true), "no");
  assert.equal(askAt(terminal(["a", "\x04"]).it, QUESTION, true), "no");
});

Deno.test("Ctrl-C ends the run and leaves the terminal as it was", () => {
  const { it, log } = terminal(["o", "\x03"]);
  assert.throws(() => askAt(it, QUESTION, true), Interrupted);
  assert.deepEqual(log.slice(-2), ["cooked", "release"]);
});

Deno.test("Ctrl-Z stops the job with the terminal as it was, and the question is shown again", () => {
  const { it, log, text } = terminal(["a", "\x1a", "o", "\r"]);
  assert.equal(askAt(it, QUESTION, true), "once");
  assert.deepEqual(log, ["claim", "raw", "flush", "cooked", "suspend", "raw", "flush", "cooked", "release"]);
  assert.equal(text().split("asks to").length, 3);
});

Deno.test("in the background nobody is asked", () => {
  const { it, log, text } = terminal(["o\r"], [], true);
  assert.equal(askAt(it, QUESTION, true), undefined);
  assert.deepEqual([log, text()], [["claim"], ""]);
});

Deno.test("gaps don't carry what a plugin names to the beginning of a line", () => {
  const text = formatQuestion({ ...QUESTION, what: `read a${" ".repeat(90)}Allow it?\u3000\u00a0` }, true);
  assert.doesNotMatch(text.split("\r\n")[1]!.slice(2), / {2}|\u3000|\u00a0/);
  assert.match(text, /read a \\x20\\x20/);
  assert.match(text, /\\u\{3000\}\\xa0\r\n/);
});

Deno.test("whatever a plugin left the terminal in is ended before the question", () => {
  const { it, text } = terminal(["\r"]);
  askAt(it, QUESTION, true);
  assert.ok(text().startsWith("\x18\x1b\\\x1b[!p\x1b[0m"));
});
