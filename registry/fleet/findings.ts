/** What checks find, and the commands that fix it. */

import { shellCommand } from "../../runtime/base/shell_word.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";

/** Severity: an `error` breaks a plugin, a `warning` may. */
export type Level = "ok" | "warning" | "error";

/** The result of one check. */
export interface Finding {
  /** The name of the check, a word or two. */
  readonly check: string;
  readonly level: Level;
  readonly message: string;
  /** The command that fixes it. */
  readonly fix?: string | undefined;
}

/** A finding of the store, with what `--fix` may do about it. */
export interface StoreFinding extends Finding {
  readonly repair?:
    | { readonly kind: "version" | "modes" | "sweep" }
    | { readonly kind: "history" | "link" | "compile"; readonly name: string }
    /** An earlier version that `rollback` cannot use. */
    | { readonly kind: "earlier"; readonly receipt: Receipt }
    /** Bytes that only the registry has. */
    | { readonly kind: "pull"; readonly receipt: Receipt };
}

/** The command that fixes what needs no person. */
export const FIX = "krew-wasm doctor --fix";
/** Adds a finding. */
export type Found = (check: string, level: Level, message: string, more?: Partial<StoreFinding>) => void;

/** The command that moves a file; undefined if its path cannot be typed. */
export function moveCommand(from: string, to: string): string | undefined {
  return shellCommand([Deno.build.os === "windows" ? "move" : "mv", from, to]);
}
