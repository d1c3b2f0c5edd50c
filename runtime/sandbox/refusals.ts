/** The refusals of a run, and the hint at exit with the command that grants them. */

import { shellCommand } from "../base/shell_word.ts";
import { printable } from "../base/text.ts";

/** Limit on the kept refusals, since a plugin may ask without end. */
const MAX_REFUSED = 100;

/** A longer flag is not suggested to the user. UTF-16 units. */
const MAX_SHOWN_FLAG = 500;

/** A refusal. */
interface Refused {
  readonly what: string;
  /** The flag that would have granted it; or a denial; or no grant can name it. */
  readonly why: { readonly flag: string } | "denied" | "nameless";
}

/** Collects the refusals of one run. */
export class Refusals {
  #refused = new Map<string, Refused>();
  /** What the plugin may do without, by flag. */
  #optional = new Map<string, string>();
  #more = 0;

  /** Adds a refusal. */
  add(what: string, why: Refused["why"]): void {
    const key = typeof why === "string" ? `\0${what}` : why.flag;
    if (this.#refused.has(key)) return;
    if (this.#refused.size < MAX_REFUSED) this.#refused.set(key, { what, why });
    else this.#more++;
  }

  /** Adds a refusal that counts only if the run fails. */
  addOptional(what: string, flag: string): void {
    if (this.#optional.size < MAX_REFUSED) this.#optional.set(flag, what);
  }

  /**
   * One line with the missing grants and the command that adds them; undefined if none was missing.
   *
   * @param failed whether the run failed. Files that the plugin looked for may be the reason
   * @param started how a plugin was started that is not installed: `run ./x.wasm`
   */
  hint(plugin: string, started: string | undefined, failed: boolean): string | undefined {
    if (failed) { for (const [flag, what] of this.#optional) this.add(what, { flag }); }
    if (this.#refused.size === 0) return undefined;
    const refused = [...this.#refused.values()];
    const shown = refused.slice(0, 3).map(({ what }) => printable(what, 200)).join("; ");
    const rest = refused.length - 3 + this.#more;
    const more = rest > 0 ? `; and ${rest} more` : "";
    return `krew-wasm: ${printable(plugin, 100)} was not allowed to ${shown}${more}${
      whatToDo(plugin, started, refused)
    }`;
  }
}

function whatToDo(plugin: string, started: string | undefined, refused: readonly Refused[]): string {
  const flags = refused.flatMap(({ why }) => typeof why === "string" ? [] : [why.flag]);
  const words = flags.filter(isToBeTyped).slice(0, 8);
  const command = words.length === 0 ? undefined : shellCommand(
    started === undefined
      ? ["krew-wasm", "grants", plugin, ...words]
      : ["krew-wasm", "run", ...words, started],
  );
  if (command !== undefined) return `; to allow it: ${command}`;
  return refused.every(({ why }) => why === "denied")
    ? ": its grants, or the administrator of this machine, deny that"
    : ""; // no flag can name it
}

/** Whether a user can type a flag for exactly the refused access. Two colons in a path would split it. */
function isToBeTyped(flag: string): boolean {
  return flag.length <= MAX_SHOWN_FLAG && !/^--allow-(?:read|write)=.*::/s.test(flag) &&
    shellCommand([flag]) !== undefined;
}
