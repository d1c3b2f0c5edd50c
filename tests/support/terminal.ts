/** Runs a command at a terminal, made by util-linux's `script`, and types answers. */

import type { Product } from "./product.ts";
import { plainText } from "./plain_text.ts";
import { findProgram, missing } from "./programs.ts";

/** Whether to skip tests that need a terminal. */
export function terminalMissing(): boolean {
  return missing("script", findProgram("script") !== undefined, "apt-get install bsdutils");
}

/** The output at a terminal, and the command's exit. */
export interface Seen {
  readonly code: number;
  readonly text: string;
  /** With escape sequences. */
  readonly raw: string;
}

/**
 * Runs a line of /bin/sh at its own terminal. When the output contains the next of `cues`, types its answer or runs its
 * action.
 */
export async function atTerminal(
  product: Product,
  line: string,
  cues: readonly (readonly [cue: string, keys: string | (() => Promise<void>)])[],
  env: Record<string, string> = {},
): Promise<Seen> {
  const child = new Deno.Command("script", {
    args: ["-qefc", line, "/dev/null"],
    clearEnv: true,
    env: { ...product.env(env), SHELL: "/bin/sh", TERM: "xterm" },
    cwd: product.home,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  const waiting = [...cues];
  let text = "";
  let from = 0;
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let cue = waiting[0]; cue && text.indexOf(cue[0], from) >= 0; cue = waiting[0]) {
      from = text.indexOf(cue[0], from) + cue[0].length;
      waiting.shift();
      const [, keys] = cue;
      if (typeof keys !== "string") await keys();
      else await writer.write(new TextEncoder().encode(keys)).catch(() => {});
    }
  }
  await writer.close().catch(() => {});
  const { code } = await child.status;
  return { code, text: plainText(text), raw: text };
}
