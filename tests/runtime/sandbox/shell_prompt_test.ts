/** Pastes suggested commands at the prompt of an interactive shell, where more has a meaning, for example history. */

import assert from "node:assert/strict";
import { shellCommand } from "../../../runtime/base/shell_word.ts";
import { findProgram, missing } from "../../support/programs.ts";
import { Tmux, tmuxMissing } from "../../support/tmux.ts";

const SHELLS: readonly (readonly [string, string])[] = [
  ["bash", "PS1='ready> ' exec bash --noprofile --norc -i"],
  ["zsh", "PROMPT='ready> ' exec zsh -f -i"],
  ["fish", "exec fish --no-config --init-command \"function fish_prompt; echo -n 'ready> '; end\" -i"],
  ["dash", "PS1='ready> ' exec dash -i"],
];

const WORDS = [
  "!!",
  "a!touch",
  "it's !$ \\!x",
  "\\'; touch PWNED; #",
  "$(touch PWNED)",
  "`touch PWNED`",
  "a\u200b'; touch PWNED; '",
  "a\u200b\\'; touch PWNED; #!touch",
  "a\ntouch PWNED\n",
  "a\rtouch PWNED\r",
];

const ignore = Deno.build.os === "windows" || tmuxMissing() ||
  missing(
    "zsh or fish",
    ["zsh", "fish"].every((name) => findProgram(name) !== undefined),
    "apt-get install zsh fish",
  );

for (const [shell, start] of SHELLS) {
  Deno.test(`a suggested command runs nothing else when pasted, ${shell}`, {
    ignore: ignore || findProgram(shell) === undefined,
  }, async () => {
    const cwd = Deno.makeTempDirSync({ prefix: "krew-wasm-prompt-" });
    try {
      using tmux = new Tmux(
        start,
        { PATH: Deno.env.get("PATH") ?? "", HOME: cwd, HISTFILE: "/dev/null" },
        cwd,
      );
      await tmux.see("ready>");
      tmux.type("touch touched\r"); // history expansion could repeat this
      for (const [index, word] of WORDS.entries()) {
        const command = shellCommand(["true", word], false);
        assert.ok(command !== undefined, word);
        tmux.type(`${command}\r`);
        // fish keeps a refused line for editing.
        tmux.type(`\x15echo all-${index}-done | tr a-z A-Z\r`);
        await tmux.see(`ALL-${index}-DONE`);
        const made = [...Deno.readDirSync(cwd)].map(({ name }) => name).filter((name) =>
          !name.startsWith(".")
        );
        assert.deepEqual(made, ["touched"], `${command}: ${tmux.screen()}`);
      }
    } finally {
      Deno.removeSync(cwd, { recursive: true });
    }
  });
}
