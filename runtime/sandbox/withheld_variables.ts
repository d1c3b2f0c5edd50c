/**
 * Tells the user of a failed run which held-back variables its error message names. A plugin gets all variables at once, so
 * krew-wasm cannot see which one it looks for.
 */

import { shellCommand } from "../base/shell_word.ts";
import { printable } from "../base/text.ts";
import type { ByteSink } from "../wasi/streams/streams.ts";

/** How much of the plugin's last output is searched. Bytes. */
const KEPT = 8192;
/** Variables that most programs need. The suggested list keeps them. */
const COMMON = ["HOME", "USER", "PATH", "LANG", "LC_ALL", "TERM", "TMPDIR", "KUBECONFIG"];
/** At most this many variables are suggested. */
const MOST = 8;

/** Remembers the end of a plugin's stderr, and finds the names of held-back variables in it. */
export class WithheldVariables {
  #withheld: readonly string[];
  #given: readonly string[];
  #listed: boolean;
  #tail = new Uint8Array(0);

  /**
   * @param withheld names that the plugin did not get
   * @param given names that it got
   * @param listed whether its grants list exactly these names
   */
  constructor(withheld: readonly string[], given: readonly string[], listed: boolean) {
    this.#withheld = withheld;
    this.#given = given;
    this.#listed = listed;
  }

  /** Passes bytes on to `sink` and remembers the last ones. */
  watch(sink: ByteSink): ByteSink {
    if (this.#withheld.length === 0) return sink;
    return {
      ready: () => sink.ready(),
      wait: () => sink.wait(),
      capacity: () => sink.capacity(),
      flush: () => sink.flush(),
      close: () => sink.close(),
      write: (bytes) => {
        this.#remember(bytes);
        return sink.write(bytes);
      },
    };
  }

  #remember(bytes: Uint8Array): void {
    const tail = new Uint8Array(Math.min(KEPT, this.#tail.length + bytes.length));
    const last = bytes.subarray(Math.max(0, bytes.length - KEPT));
    tail.set(this.#tail.subarray(this.#tail.length - (tail.length - last.length)));
    tail.set(last, tail.length - last.length);
    this.#tail = tail;
  }

  /**
   * One line for a failed run; undefined if its message names no held-back variable.
   *
   * @param started how a plugin was started that is not installed: `./x.wasm`
   */
  hint(plugin: string, started: string | undefined): string | undefined {
    const words = new Set(new TextDecoder().decode(this.#tail).match(/[A-Za-z_][A-Za-z0-9_]{2,}/g));
    const named = this.#withheld.filter((name) => words.has(name)).slice(0, MOST);
    if (named.length === 0) return undefined;
    const kept = this.#listed ? this.#given : COMMON.filter((name) => this.#given.includes(name));
    const flag = `--allow-env=${[...kept, ...named].join(",")}`;
    const command = shellCommand(
      started === undefined ? ["krew-wasm", "grants", plugin, flag] : ["krew-wasm", "run", flag, started],
    );
    const what = named.map((name) => printable(name, 100)).join(", ");
    return `krew-wasm: ${printable(plugin, 100)} did not see the variable${
      named.length === 1 ? "" : "s"
    } ${what}${command === undefined ? "" : `; to show it these variables only: ${command}`}`;
  }
}
