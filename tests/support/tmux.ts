/** Runs programs in tmux and reads its screen as a person sees it. */

import { findProgram, missing } from "./programs.ts";

/** Whether to skip tests that need a terminal emulator. */
export function tmuxMissing(): boolean {
  return missing("tmux", findProgram("tmux") !== undefined, "apt-get install tmux");
}

/** Timeout for text on a screen. Milliseconds. */
const PATIENCE = 60_000;

/** A terminal of 80 columns and 24 rows, with its own server. */
export class Tmux implements Disposable {
  #env: Record<string, string>;
  #directory = Deno.makeTempDirSync({ prefix: "krew-wasm-tmux-" });

  /** Runs a line of /bin/sh. The terminal stays after it has ended. */
  constructor(line: string, env: Record<string, string>, cwd: string) {
    this.#env = { ...env, TERM: "xterm-256color", LC_ALL: "C.UTF-8" };
    const command = `${line}\nsleep 600`;
    this.#run("new-session", "-d", "-x", "80", "-y", "24", "-c", cwd, "/bin/sh", "-c", command);
  }

  /** The lines of the screen; with `attributes`, also the sequences of their colours. */
  screen(attributes = false): string {
    return this.#run("capture-pane", "-p", ...(attributes ? ["-e"] : []));
  }

  /** A value of tmux's formats: `#{alternate_on}` and others. */
  state(format: string): string {
    return this.#run("display-message", "-p", format).trim();
  }

  /** Types text unchanged. */
  type(text: string): void {
    this.#run("send-keys", "-l", "--", text);
  }

  /** Waits until the screen shows a text; with `last`, as its last text. @throws Error with the screen */
  async see(text: string, last = false): Promise<string> {
    for (const end = Date.now() + PATIENCE; Date.now() < end;) {
      const screen = this.screen();
      if (last ? screen.trimEnd().endsWith(text) : screen.includes(text)) return screen;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`"${text}" is not on the screen:\n${this.screen()}`);
  }

  [Symbol.dispose](): void {
    try {
      this.#run("kill-server");
    } catch { /* it has ended */ }
    Deno.removeSync(this.#directory, { recursive: true });
  }

  #run(...args: string[]): string {
    const { success, stdout, stderr } = new Deno.Command("tmux", {
      args: ["-S", `${this.#directory}/socket`, "-f", "/dev/null", ...args],
      clearEnv: true,
      env: this.#env,
    }).outputSync();
    if (!success) throw new Error(`tmux ${args[0]}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  }
}
