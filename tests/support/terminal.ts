/** A command at a terminal, with somebody who types: `script` of util-linux makes the terminal. */

import type { Product } from "./product.ts";
import { plainText } from "./plain_text.ts";
import { findProgram, missing } from "./programs.ts";

/** Whether tests that need a terminal are left out. */
export function terminalMissing(): boolean {
  return missing("script", findProgram("script") !== undefined, "apt-get install bsdutils");
}

/** What was seen at a terminal, and how the command ended. */
export interface Seen {
  readonly code: number;
  readonly text: string;
  /** With what the terminal obeys. */
  readonly raw: string;
}

/**
 * Runs a line of /bin/sh at a terminal of its own. When what is shown holds the next of `cues`, the answer beside it is
 * typed, or what is to happen does.
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
