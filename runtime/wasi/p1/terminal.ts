/**
 * `krew_wasm_terminal`: `krew-wasm:terminal` for preview1 modules.
 *
 *     set_mode(mode: i32) -> i32          0 line, 1 hidden, 2 raw, 3 transparent
 *     get_size(columns: i32, rows: i32) -> i32    two u16, stored at these addresses
 *
 * They return a preview1 errno: 0, `inval`, `notty`, `fault`.
 */

import { ERRNO } from "../errno.ts";
import type { ExtraImports } from "./preview1.ts";
import { NotATerminal, type TerminalControl, type TerminalMode } from "../terminal/raw_terminal.ts";

/** The module's name. */
const TERMINAL_MODULE = "krew_wasm_terminal";

const MODES: readonly TerminalMode[] = ["line", "hidden", "raw", "transparent"];

/** The functions. */
export function terminalImports(terminal: TerminalControl): ExtraImports {
  const errnoOf = (operation: () => void): number => {
    try {
      operation();
      return 0;
    } catch (error) {
      if (error instanceof NotATerminal) return ERRNO["no-tty"];
      if (error instanceof RangeError) return ERRNO.fault; // an address past the memory's end
      throw error;
    }
  };
  return {
    module: TERMINAL_MODULE,
    suspending: [],
    functions: (guest) => ({
      set_mode(mode: number) {
        const name = MODES[mode];
        return name === undefined ? ERRNO.invalid : errnoOf(() => terminal.setMode(name));
      },
      get_size: (columns: number, rows: number) =>
        errnoOf(() => {
          const size = terminal.size();
          guest.view().setUint16(columns >>> 0, size.columns, true);
          guest.view().setUint16(rows >>> 0, size.rows, true);
        }),
    }),
  };
}
