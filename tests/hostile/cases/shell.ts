import type { Case, Group } from "../case.ts";

/** What a plugin prints when it is asked for completions, and what of it the shell is told. */
function completing(tries: string, text: string, sees: string, shown?: string): Case {
  return { tries, attack: ["__complete", text, ""], sees, ...(shown === undefined ? {} : { shown }) };
}

/** Running code in the user's shell, at a press of Tab. tests/e2e/completion_test.ts tries it on the shells. */
export const SHELL: Group = {
  title: "the user's shell",
  cases: [
    completing(
      "have a shell run a command at a press of Tab, by a word that it expands",
      "$(touch PWNED)\n`touch PWNED`\nx;touch PWNED\nx$IFS\nharmless\n:4\n",
      "harmless; :4",
      "words of harmless characters alone get to the shell",
    ),
    completing(
      "by words that are the ends of files' names to the shell's script",
      "$(touch PWNED)\nyaml\n:8\n",
      ":0",
      "the shell completes all files",
    ),
    completing("by a directive that is an expression", "harmless\n:a[$(touch PWNED)]\n", "harmless; :0"),
    completing(
      "by a description, of a word that is there twice",
      "x\t$(touch PWNED)\nx\t$(touch PWNED)\n:4\n",
      "x\ttouch PWNED; :4",
      "the word once, its description in plain letters",
    ),
    completing(
      "lead krew-wasm to another kubeconfig or server, by a flag that Tab puts on the command line",
      "--kubeconfig=/tmp/k\n--server=https://evil\n--insecure-skip-tls-verify\n--namespace=demo\n:4\n",
      "--namespace=demo; :4",
      "such flags are left out",
    ),
    {
      tries: "by what follows a begun address, where bash parts it at a colon",
      attack: ["__complete", "//evil\nevil\n//evil:443\n:6\n", "--server=https", ":", "//"],
      sees: ":6",
      shown: "such words are left out",
    },
    {
      tries: "by a beginning that two words share, and that is a flag by itself",
      attack: [
        "__complete",
        "--insecure-skip-tls-verify-1\n--insecure-skip-tls-verify-2\n--insecure\n:4\n",
        "--i",
      ],
      sees: "--insecure; :4",
      shown: "such words are left out",
    },
    completing(
      "draw on the terminal, or speak to the user, in the middle of what is typed",
      "\x1b[2J\nx\t\x1b[2Jpress \u2800Enter\n_activeHelp_ press Enter\n:4\n",
      "x\t2Jpress Enter; :4",
      "a description in plain letters",
    ),
  ],
};
