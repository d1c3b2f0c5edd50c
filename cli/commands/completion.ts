/** `krew-wasm completion`: completion scripts for shells. */

import { Argument, Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { readIndexes } from "../../registry/fleet/index_file.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import { isHarmlessWord, plainDescription } from "../../runtime/run/completion_filter.ts";
import { TOPICS } from "../help/topics.ts";
import { type Candidate, complete, formatCompletion, type KnownNames } from "../terminal/complete.ts";
import type { Context } from "../context.ts";

/** The shells. */
const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;
type Shell = typeof SHELLS[number];

const INSTALL: Readonly<Record<Shell, string>> = {
  bash: "source <(krew-wasm completion bash)",
  zsh: "source <(krew-wasm completion zsh)",
  fish: "krew-wasm completion fish | source",
  powershell: "krew-wasm completion powershell | Out-String | Invoke-Expression",
};

/** The command. */
export function completionCommand(context: Context) {
  return new Command("completion")
    .description("print a script that completes krew-wasm's commands in a shell")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .addHelpText(
      "after",
      `
Add the line of your shell to its start-up file:
${SHELLS.map((shell) => `  ${INSTALL[shell]}`).join("\n")}

Examples:
  krew-wasm completion bash > /etc/bash_completion.d/krew-wasm`,
    )
    .action((shell) => context.stdout(SCRIPTS[shell]));
}

/** The hidden command that the scripts call. */
export function completeCommand(context: Context, program: CommandUnknownOpts) {
  return new Command("__complete")
    .argument("[words...]")
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .action((words) => context.stdout(formatCompletion(complete(program, words, knownNames(context)))));
}

/** Names to complete. Skips unreadable ones, and names that a shell would not read as one word. */
function knownNames(context: Context): KnownNames {
  const quietly = (read: () => Candidate[]): Candidate[] => {
    try {
      checkStore(context.layout());
      return read().filter(({ word }) => isHarmlessWord(word));
    } catch {
      return [];
    }
  };
  return {
    topics: () => Object.entries(TOPICS).map(([word, { about }]) => ({ word, about })),
    plugins: () =>
      quietly(() =>
        readReceipts(context.layout()).receipts.map(({ name, description, reference }) => ({
          word: name,
          about: plainDescription(description ?? reference),
        }))
      ),
    indexes: () =>
      quietly(() =>
        readIndexes(context.layout()).indexes.map(({ name, reference }) => ({
          word: name,
          about: plainDescription(reference),
        }))
      ),
    offers: () =>
      quietly(() =>
        readIndexes(context.layout()).indexes.flatMap(({ document }) =>
          document.plugins.map(({ name, description }) => ({
            word: name,
            about: plainDescription(description ?? ""),
          }))
        )
      ),
  };
}

const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# bash completion for krew-wasm
_krew_wasm() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o default 2>/dev/null
    else
      COMPREPLY+=("\${line%%$'\\t'*}")
    fi
  done < <(krew-wasm __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _krew_wasm krew-wasm
`,
  zsh: `#compdef krew-wasm
_krew_wasm() {
  local line files
  local -a candidates
  for line in "\${(@f)$(krew-wasm __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == ':files' ]]; then
      files=1
    elif [[ -n $line ]]; then
      candidates+=("\${\${line//:/\\\\:}/$'\\t'/:}")
    fi
  done
  (( \${#candidates} )) && _describe 'krew-wasm' candidates
  if [[ -n $files ]]; then
    compset -P '--*='
    _files
  fi
}
compdef _krew_wasm krew-wasm
`,
  fish: `# fish completion for krew-wasm
function __krew_wasm_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in (krew-wasm __complete -- $words[2..-1] 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c krew-wasm -f -a '(__krew_wasm_complete)'
`,
  powershell: `# PowerShell completion for krew-wasm
Register-ArgumentCompleter -Native -CommandName krew-wasm -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  if ($wordToComplete -eq '') { $words += '' }
  krew-wasm __complete -- @words 2>$null | Where-Object { $_ -ne ':files' } | ForEach-Object {
    $parts = $_ -split "\`t", 2
    $about = if ($parts.Count -gt 1) { $parts[1] } else { $parts[0] }
    [System.Management.Automation.CompletionResult]::new($parts[0], $parts[0], 'ParameterValue', $about)
  }
}
`,
};
