/** Asks a yes-or-no question at the terminal. */

import { openTerminal } from "../../runtime/sandbox/controlling_terminal.ts";
import { Dialog } from "../../runtime/sandbox/dialog.ts";
import { mayPrompt } from "../../runtime/sandbox/prompt.ts";
import type { Context } from "../context.ts";

/** The end of each yes-or-no question. The capital letter is the answer of an empty line. */
export const YES_NO = "[y]es, [N]o: ";

/** Whether an answer means yes. Any other answer means no. */
export function isYes(text: string): boolean {
  return /^y(es)?$/i.test(text.trim());
}

/** Asks a question. undefined if nobody can be asked. @throws Interrupted */
export function confirm(context: Pick<Context, "env">, question: string): boolean | undefined {
  const terminal = mayPrompt(context.env) ? openTerminal(context.env) : undefined;
  if (!terminal) return undefined;
  try {
    using dialog = Dialog.open(terminal);
    const line = dialog?.ask(`${question} ${YES_NO}`);
    return typeof line === "object" && isYes(line.text);
  } finally {
    terminal.close();
  }
}
