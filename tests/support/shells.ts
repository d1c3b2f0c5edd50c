/** Interactive shells at a terminal, with kubectl's completion for several versions of cobra. */

import { fileURLToPath } from "node:url";
import { findAssets } from "./envtest.ts";
import type { Product } from "./product.ts";
import { findProgram, missing } from "./programs.ts";
import { Tmux, tmuxMissing } from "./tmux.ts";

/** The shells that cobra has scripts for. `bash-v1` uses cobra's first script for bash. */
export const SHELLS = ["bash", "bash-v1", "zsh", "fish"] as const;
export type Shell = typeof SHELLS[number];

/** Whether to skip tests with shells. */
export function shellsMissing(): boolean {
  const completion = Deno.build.os === "linux" && exists(BASH_COMPLETION);
  return tmuxMissing() ||
    missing(
      "zsh or fish",
      ["zsh", "fish"].every((name) => findProgram(name) !== undefined),
      "apt-get install zsh fish",
    ) ||
    missing("bash-completion", completion, "apt-get install bash-completion");
}

const BASH_COMPLETION = "/usr/share/bash-completion/bash_completion";

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The versions of cobra for tests/fixtures/cobra. */
export const COBRAS = ["1.6", "1.7", "1.8", "1.9", "1.10"] as const;

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * A directory with a program `kubectl`: of a version of cobra, or the real kubectl. Returns undefined and prints why if it
 * cannot be built.
 */
export function kubectlOf(version: typeof COBRAS[number] | "kubectl"): string | undefined {
  if (version === "kubectl") {
    const path = findAssets()?.kubectl ?? findProgram("kubectl");
    const found = path === undefined ? undefined : path.slice(0, path.lastIndexOf("/"));
    missing("kubectl", found !== undefined, "https://kubernetes.io/docs/tasks/tools");
    return found;
  }
  const directory = `${root}build/fixtures/cobra-${version}`;
  if (exists(`${directory}/kubectl`)) return directory;
  if (findProgram("go") === undefined) {
    missing("go", false, "https://go.dev/dl");
    return undefined;
  }
  const modfile = version === COBRAS.at(-1) ? [] : [`-modfile=v${version}.mod`];
  const { success, stderr } = new Deno.Command("go", {
    args: [
      "build",
      "-C",
      "tests/fixtures/cobra",
      ...modfile,
      "-trimpath",
      "-ldflags=-s -w",
      "-o",
      `${directory}/kubectl`,
      ".",
    ],
    cwd: root,
  }).outputSync();
  missing(`cobra ${version}`, success, new TextDecoder().decode(stderr));
  return success ? directory : undefined;
}

/** A shell at its prompt, which completes kubectl. */
export class CompletingShell implements Disposable {
  readonly tmux: Tmux;
  #asked = 0;

  /**
   * @param kubectl the directory of the program whose script is used
   * @param cwd the shell's current directory
   */
  constructor(readonly shell: Shell, kubectl: string, product: Product, cwd: string) {
    const env = product.env();
    const file = `${product.home}/start-${shell}`;
    const script = shell === "bash-v1" ? "kubectl bash-v1" : `kubectl completion ${shell}`;
    Deno.writeTextFileSync(
      file,
      shell === "zsh"
        ? `autoload -U compinit; compinit -u -d ${product.home}/zcompdump; source <(${script}); compdef _kubectl kubectl; PROMPT='ready> '\n`
        : shell === "fish"
        ? `${script} | source\nfunction fish_prompt; echo -n 'ready> '; end\n`
        : `source ${BASH_COMPLETION}; source <(${script}); PS1='ready> '\n`,
    );
    const start = shell === "zsh"
      ? `mkdir -p ${product.home}/z; cp ${file} ${product.home}/z/.zshrc; ZDOTDIR=${product.home}/z exec zsh -d -i`
      : shell === "fish"
      ? `exec fish --no-config --init-command 'source ${file}' -i`
      : `exec bash --noprofile --rcfile ${file} -i`;
    this.tmux = new Tmux(start, { ...env, PATH: `${kubectl}:${env.PATH}` }, cwd);
  }

  /** Waits for the prompt. */
  async ready(): Promise<void> {
    await this.tmux.see("ready>");
  }

  /** Types keys one after the other. Returns when the shell has processed them and its line is empty. */
  async type(keys: string): Promise<void> {
    this.tmux.type(keys);
    this.tmux.type("\x15\x0b");
    this.tmux.type(`echo all-${++this.#asked}-done | tr a-z A-Z\r`);
    await this.tmux.see(`ALL-${this.#asked}-DONE`);
  }

  [Symbol.dispose](): void {
    this.tmux[Symbol.dispose]();
  }
}
