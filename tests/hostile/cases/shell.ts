import type { Case, Group } from "../case.ts";

/** A plugin's completion output, and the part that the shell gets. */
function completing(tries: string, text: string, sees: string, shown?: string): Case {
  return { tries, attack: ["__complete", text, ""], sees, ...(shown === undefined ? {} : { shown }) };
}

/** Running code in the user's shell, at a press of Tab. tests/e2e/completion_test.ts tries this on the shells. */
export const SHELL: Group = {
  title: "the user's shell",
  cases: [
    completing(
      "run a command in the shell at a press of Tab, by a word that the shell expands",
      "$(touch PWNED)\n`touch PWNED`\nx;touch PWNED\nx$IFS\nharmless\n:4\n",
      "harmless; :4",
      "words of harmless characters alone get to the shell",
    ),
    completing(
      "by words that the shell's script reads as file extensions",
      "$(touch PWNED)\nyaml\n:8\n",
      ":0",
      "the shell completes all files",
    ),
    completing("by a directive that is an expression", "harmless\n:a[$(touch PWNED)]\n", "harmless; :0"),
    completing(
      "by the description of a repeated word",
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
      tries: "by the rest of an address that bash splits at a colon",
      attack: ["__complete", "//evil\nevil\n//evil:443\n:6\n", "--server=https", ":", "//"],
      sees: ":6",
      shown: "such words are left out",
    },
    {
      tries: "by a common prefix of two words that is a flag itself",
      attack: [
        "__complete",
        "--insecure-skip-tls-verify-1\n--insecure-skip-tls-verify-2\n--insecure\n:4\n",
        "--i",
      ],
      sees: "--insecure; :4",
      shown: "such words are left out",
    },
    completing(
      "write to the terminal while the user is typing",
      "\x1b[2J\nx\t\x1b[2Jpress \u2800Enter\n_activeHelp_ press Enter\n:4\n",
      "x\t2Jpress Enter; :4",
      "a description in plain letters",
    ),
  ],
};
