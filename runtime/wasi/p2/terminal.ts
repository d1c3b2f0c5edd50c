/** The host's side of `krew-wasm:terminal/control` 0.1 (wit/deps/terminal.wit). Not part of WASI. */

import type * as Wit from "../../../wit/generated/interfaces/krew-wasm-terminal-control.d.ts";
import { NotATerminal, type TerminalControl } from "../terminal/raw_terminal.ts";
import { pollableOf } from "./pollables.ts";

function told<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    if (error instanceof NotATerminal) throw "not-a-terminal" satisfies Wit.Error;
    throw error;
  }
}

/** The interface by name. */
export function terminalInterfaces(terminal: TerminalControl) {
  return {
    "krew-wasm:terminal/control": {
      setMode: (mode: Wit.Mode): void => told(() => terminal.setMode(mode)),
      getSize: (): Wit.Size => told(() => terminal.size()),
      subscribeSize: () => pollableOf(terminal.resized),
    },
  };
}
