import assert from "node:assert/strict";
import { fc } from "../../../support/fuzz.ts";
import { LineEditor } from "../../../../runtime/wasi/terminal/line_editor.ts";
import { StdinSource } from "../../../../runtime/wasi/streams/stdio.ts";
import {
  NotATerminal,
  TerminalControl,
  type TerminalDevice,
} from "../../../../runtime/wasi/terminal/raw_terminal.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

/** The lines that these keys produce. */
function linesOf(...typed: string[]): string[] {
  const editor = new LineEditor();
  const lines: string[] = [];
  for (const keys of typed) {
    editor.push(bytes(keys));
    for (let line = editor.next(); line; line = editor.next()) lines.push(text(line));
  }
  return lines;
}

Deno.test("LineEditor ends a line at Enter, and edits it as a terminal does", () => {
  assert.deepEqual(linesOf("abc\r"), ["abc\n"]);
  assert.deepEqual(linesOf("a", "b\n", "c"), ["ab\n"]);
  assert.deepEqual(linesOf("abd\x7fc\r"), ["abc\n"]);
  assert.deepEqual(linesOf("\x7f\x7fa\r"), ["a\n"]);
  assert.deepEqual(linesOf("aü\x08b\r", "日本\x7f\r"), ["ab\n", "日\n"]);
  assert.deepEqual(linesOf("wrong\x15right\r"), ["right\n"]);
  assert.deepEqual(linesOf("one two  \x17three\r"), ["one three\n"]);
  assert.deepEqual(linesOf("\r\r"), ["\n", "\n"]);
});

Deno.test("LineEditor returns the line at Ctrl-D, or the end if it is empty", () => {
  assert.deepEqual(linesOf("abc\x04d\r"), ["abc", "d\n"]);
  assert.deepEqual(linesOf("\x04"), [""]);
});

Deno.test("LineEditor limits a line as a terminal does", () => {
  assert.deepEqual(linesOf("x".repeat(10_000) + "\r"), ["x".repeat(4095) + "\n"]);
});

Deno.test("LineEditor returns typed bytes that nobody took", () => {
  const editor = new LineEditor();
  editor.push(bytes("one\rtwo\rthr"));
  assert.equal(text(editor.next()!), "one\n");
  assert.equal(text(editor.rest()), "two\nthr");
  assert.equal(editor.next(), undefined);
  assert.equal(editor.rest().length, 0);
});

Deno.test("keys from hidden mode come before keys from raw mode", async () => {
  const reads: PromiseWithResolvers<string>[] = [];
  const stdin = new StdinSource({
    readSync: () => assert.fail("it would wait"),
    async read(into) {
      reads.push(Promise.withResolvers());
      return new TextEncoder().encodeInto(await reads.at(-1)!.promise, into).written;
    },
  });
  stdin.edit(new LineEditor());
  const waiting = stdin.wait();
  reads[0]!.resolve("ab");
  while (reads.length < 2) await Promise.resolve();
  stdin.edit(undefined);
  reads[1]!.resolve("c");
  await waiting;
  const into = new Uint8Array(10);
  assert.equal(text(into.subarray(0, await stdin.read(into))), "abc");
});

Deno.test("LineEditor makes the same lines however reads split the keys", () => {
  const keys = fc.array(
    fc.constantFrom("a", "b", " ", "ü", "日", "\r", "\n", "\x7f", "\x08", "\x15", "\x17", "\x04"),
  );
  fc.assert(fc.property(keys, fc.array(fc.nat(5)), (keys, cuts) => {
    const all = bytes(keys.join(""));
    const editor = new LineEditor();
    const lines: string[] = [];
    let at = 0;
    for (const size of [...cuts, all.length]) {
      editor.push(all.subarray(at, at + size));
      at += size;
      for (let line = editor.next(); line; line = editor.next()) lines.push(text(line));
    }
    assert.deepEqual(lines, linesOf(keys.join("")));
  }));
});

/** A terminal with typed-ahead keys, and a record of calls to it. */
function device(typed: string[], size = { columns: 80, rows: 24 }) {
  const log: string[] = [];
  let resized = () => {};
  const terminal: TerminalDevice = {
    setRaw: (raw, options) => log.push(raw ? (options?.cbreak ? "cbreak" : "raw") : "cooked"),
    size: () => size,
    onResize: (listener) => {
      resized = listener;
      return () => log.push("no more resizes");
    },
    startRestorer: () =>
      Promise.resolve({
        tell: (state) => log.push(state),
        close: () => log.push("closed"),
      }),
  };
  const read = (into: Uint8Array) => {
    const keys = typed.shift();
    if (keys === undefined) return null;
    return into.set(bytes(keys)), bytes(keys).length;
  };
  const stdin = new StdinSource({ readSync: read, read: (into) => Promise.resolve(read(into)) });
  return { terminal, stdin, log, resize: () => resized() };
}

function readAll(stdin: StdinSource): string {
  const into = new Uint8Array(100);
  return text(into.subarray(0, stdin.read(into) as number));
}

Deno.test("TerminalControl reports changes to the restorer and restores the terminal", async () => {
  const { terminal, stdin, log } = device([]);
  const control = await TerminalControl.open(terminal, stdin);
  control.setMode("line");
  control.setMode("raw");
  control.setMode("hidden");
  control.close();
  control.close();
  assert.deepEqual(log, [
    ...["changing", "raw", "changed"],
    ...["changing", "cbreak", "changed"],
    ...["cooked", "restored", "closed"],
  ]);
});

Deno.test("hidden mode reads lines and leaves typed-ahead keys to the next mode", async () => {
  const { terminal, stdin } = device(["se", "\x7fecret\rnext", "!\r"]);
  const control = await TerminalControl.open(terminal, stdin);
  control.setMode("hidden");
  assert.equal(readAll(stdin), "secret\n");
  control.setMode("raw");
  assert.equal(readAll(stdin), "next");
  assert.equal(readAll(stdin), "!\r");
  control.close();
});

Deno.test("a wait in hidden mode ends with a complete line or the input", async () => {
  const { terminal, stdin } = device(["a", "b", "c\r", "\x04"]);
  const control = await TerminalControl.open(terminal, stdin);
  control.setMode("hidden");
  assert.equal(stdin.readAvailable(new Uint8Array(9)), 0);
  await stdin.wait();
  assert.equal(readAll(stdin), "abc\n");
  await stdin.wait();
  assert.equal(stdin.readAvailable(new Uint8Array(9)), -1);
  control.close();
});

Deno.test("TerminalControl reports a new size until size() is called", async () => {
  const { terminal, stdin, resize, log } = device([]);
  const control = await TerminalControl.open(terminal, stdin);
  const { resized } = control;
  assert.equal(resized.ready(), false);
  const waiting = resized.wait();
  resize();
  await waiting;
  assert.equal(resized.ready(), true);
  assert.deepEqual(control.size(), { columns: 80, rows: 24 });
  assert.equal(resized.ready(), false);
  control.close();
  assert.deepEqual(log, ["no more resizes", "closed"]);
});

Deno.test("without a terminal, setMode() and size() throw", async () => {
  const control = await TerminalControl.open(undefined, device([]).stdin);
  assert.throws(() => control.setMode("raw"), NotATerminal);
  assert.throws(() => control.size(), NotATerminal);
  assert.equal(control.resized.ready(), false);
  control.close();
});
