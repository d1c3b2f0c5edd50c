import assert from "node:assert/strict";
import { inColours, screenOf } from "../../../runtime/sandbox/screen.ts";

const of = (env: Record<string, string>) => screenOf((name) => env[name]);

Deno.test("a question is white on black in each kind of colours", () => {
  assert.equal(of({ TERM: "vt220" })!.colours, "\x1b[0;37;40;97m");
  assert.equal(of({})!.colours, "\x1b[0;37;40;97m");
  assert.equal(of({ TERM: "xterm-256color" })!.colours, "\x1b[0;37;40;97m\x1b[38;5;231;48;5;16m");
  assert.equal(
    of({ TERM: "xterm-256color", COLORTERM: "truecolor" })!.colours,
    "\x1b[0;37;40;97m\x1b[38;5;231;48;5;16m\x1b[38;2;255;255;255;48;2;0;0;0m",
  );
  assert.equal(inColours({ reset: "", colours: "<c>" }, "line"), "\x1b#5<c>line\x1b[K");
});

Deno.test("sends no unknown sequences, and resets colours outside a multiplexer", () => {
  assert.equal(of({ TERM: "dumb" }), undefined);
  assert.ok(of({ TERM: "screen", STY: "1.x" })!.reset.endsWith("\x1bP\x1b]119\x07\x1b\\"));
  assert.ok(of({ TERM: "tmux-256color", TMUX: "/x" })!.reset.includes("\x1bPtmux;\x1b\x1b]104\x07\x1b\\"));
  assert.doesNotMatch(of({ TERM: "screen", TMUX: "/x", STY: "1.x" })!.reset, /tmux;/);
  assert.doesNotMatch(of({ TERM: "xterm" })!.reset, /\x1bP/);
});
