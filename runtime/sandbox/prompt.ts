/** Asks questions at the terminal. */

import { openTerminal, type Terminal } from "./controlling_terminal.ts";
import { Dialog } from "./dialog.ts";
import type { Ask, Question, Reply } from "./permission_request_types.ts";
import { againLine, answersLine, type Choices, linesThatFit, parseAnswer } from "./question.ts";

/** While waiting for keys, how often to check whether the answer is still needed. Milliseconds. */
const GLANCE = 500;
/** A question is repeated this often without a valid answer. */
const TRIES = 5;

/**
 * Asks until there is a valid answer.
 *
 * @param stays whether to offer "always" and "never"
 * @returns undefined if nobody can be asked: in the background, or if the whole question does not fit
 * @throws Interrupted
 */
export function askAt(terminal: Terminal, question: Question, stays: boolean): Reply | undefined {
  using dialog = Dialog.open(terminal);
  if (!dialog) return undefined;
  const fitting = linesThatFit(question, dialog.size);
  if (!fitting) {
    dialog.say(["krew-wasm: a plugin asks for what has no room on this terminal, and is refused"]);
    return undefined;
  }
  const { lines, wider } = fitting;
  dialog.say(lines);
  const never = stays && question.deniable;
  let choices: Choices = { stays, never, wider: wider ? "offered" : "none" };
  let prompt = answersLine(choices);
  for (let tries = 0; tries < TRIES; tries++) {
    // Waits for silence before every try: the rest of a paste or of a terminal's report may follow an invalid line.
    const line = dialog.ask(prompt);
    if (line === "end") break;
    const answer = line === "odd" ? undefined : parseAnswer(line.text, choices);
    if (answer === undefined) prompt = againLine(choices);
    else if (answer !== "wider") return { answer, wider: choices.wider === "chosen" && answer !== "no" };
    else {
      choices = { stays, never: false, wider: "chosen" };
      prompt = answersLine(choices);
      dialog.say(wider!);
    }
  }
  return { answer: "no", wider: false };
}

/** The user's environment. */
type Env = (name: string) => string | undefined;

/**
 * Asks at the process's terminal; undefined if it has none. Opens the terminal now, for later questions.
 *
 * @param canStay whether to offer "always"
 * @param isOver whether nobody waits for the answer any more. A question then ends within a second
 */
export function terminalAsk(canStay: boolean, env: Env, isOver?: () => boolean): Ask | undefined {
  const terminal = openTerminal(env);
  if (!terminal) return undefined;
  const asked = isOver ? endingWith(terminal, isOver) : terminal;
  const ask = (question: Question) => askAt(asked, question, canStay);
  return Object.assign(ask, { quietly: terminal.quietly });
}

/** A terminal whose input ends when `isOver` says so. */
function endingWith(terminal: Terminal, isOver: () => boolean): Terminal {
  return {
    ...terminal,
    read(patience) {
      if (patience !== undefined) return terminal.read(patience);
      while (!isOver()) {
        const bytes = terminal.read(GLANCE);
        if (bytes === undefined || bytes.length > 0) return bytes;
      }
      return undefined;
    },
  };
}

/** Whether krew-wasm may ask: a person is at a terminal and has not disabled questions. */
export function mayPrompt(env: Env): boolean {
  const no = env("KREW_WASM_NO_PROMPT");
  if (no !== undefined && no !== "" && no !== "0") return false;
  return Deno.build.os !== "windows" &&
    (Deno.stdin.isTerminal() || Deno.stdout.isTerminal() || Deno.stderr.isTerminal());
}
