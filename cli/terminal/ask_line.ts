/** Questions at a terminal. The question goes to stderr, the answer comes from stdin. */

import { AppError } from "../../runtime/base/errors.ts";
import { Interrupted } from "../../runtime/sandbox/dialog.ts";
import type { Output } from "./output.ts";

/** Reads stdin as text of at most 64 KiB, without the final newline. @throws AppError USAGE */
export async function readStdin(): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of Deno.stdin.readable) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > 65536) throw new AppError("USAGE", "There is more on stdin than a password can be");
  }
  return text.replace(/\r?\n$/, "");
}

/** Asks for a line. `hidden` turns the echo off. @throws AppError USAGE without an answer; Interrupted */
export function ask({ stderr }: Output, question: string, hidden = false): string {
  // Before the question, because the terminal would echo early input.
  if (hidden) Deno.stdin.setRaw(true);
  try {
    stderr(question);
    return readLine(hidden);
  } finally {
    if (hidden) {
      Deno.stdin.setRaw(false);
      stderr("\n");
    }
  }
}

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const BACKSPACE = [0x08, 0x7f];
const CTRL_U = 0x15;

function readLine(raw: boolean): string {
  const line: number[] = [];
  const byte = new Uint8Array(1);
  const broken = () => new AppError("USAGE", "The question was not answered");
  for (;;) {
    if (Deno.stdin.readSync(byte) === null) throw broken();
    const code = byte[0]!;
    if (code === 0x0a || code === 0x0d) break;
    if (!raw) line.push(code);
    else if (code === CTRL_C) throw new Interrupted();
    else if (code === CTRL_D) throw broken();
    else if (code === CTRL_U) line.length = 0;
    else if (BACKSPACE.includes(code)) {
      while (((line.pop() ?? 0) & 0xc0) === 0x80); // remove all bytes of one character
    } else line.push(code);
  }
  return new TextDecoder().decode(new Uint8Array(line));
}
