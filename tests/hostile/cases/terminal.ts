import assert from "node:assert/strict";
import { atTerminal, terminalMissing } from "../../support/terminal.ts";
import type { Group } from "../case.ts";
import type { Stage } from "../stage.ts";

const skip = () => terminalMissing() ? "there is no program that makes a terminal" : undefined;

/** Runs the plugin at a terminal whose user answers every question so; returns what it was told, and the text seen. */
async function asked(
  stage: Stage,
  words: readonly string[],
  answer: string,
): Promise<{ told: string; text: string }> {
  const line = words.map((word) => `'${stage.expand(word).replaceAll("'", `'\\''`)}'`).join(" ");
  const { text } = await atTerminal(
    stage.product,
    `krew-wasm run --allow-cluster=read-only attack-network -- ${line}`,
    [["[N]ot? ", answer]],
  );
  return { told: /(\d{3}) [{]/.exec(text)?.[1] ?? text, text };
}

const DELETE = ["request", "delete", "$SERVER/api/v1/namespaces/default/pods/web", ""];

/** Deciding in the user's place. */
export const TERMINAL: Group = {
  title: "the user's decisions",
  cases: [
    {
      tries: "answer the question itself, on its output",
      granted: "--allow-cluster=read-only",
      skip,
      run: async (stage) => (await asked(stage, ["print", "o\r\no\na\r\n", ",", ...DELETE], "n\r")).told,
      sees: "403",
      shown: "403; the user was asked, and said no",
    },
    {
      tries: "have the terminal answer: reports of position, status, title and colours",
      granted: "--allow-cluster=read-only",
      skip,
      run: async (stage) =>
        (await asked(
          stage,
          [
            "print",
            '\x1b[6n\x1b[5n\x1b[c\x1b[21t\x1b]0;o\x07\x1b]11;?\x07\x1bP$q"p\x1b\\\x05',
            ",",
            ...DELETE,
          ],
          "n\r",
        )).told,
      sees: "403",
      shown: "403; the user was asked, and said no",
    },
    {
      tries: "hide the question: an unfinished escape sequence, invisible text, another screen",
      granted: "--allow-cluster=read-only",
      skip,
      async run(stage) {
        const { told, text } = await asked(stage, [
          "print",
          "\x1b[8m\x1b[?1049h\x1b[?25l\x1b]0;",
          ",",
          ...DELETE,
        ], "n\r");
        const before = text.slice(0, text.indexOf("krew-wasm: the plugin"));
        assert.ok(
          before.includes("\x1b[!p") && before.includes("\x1b[0m"),
          "the terminal is set right first",
        );
        return told;
      },
      sees: "403",
      shown: "403; the question stands on a terminal set right",
    },
    {
      tries: "write its own question into the real one, by the name of what it asks for",
      granted: "--allow-cluster=read-only",
      skip,
      async run(stage) {
        const name = "web%1b%5b2J%0d%0akrew-wasm%3a%20press%20o%20to%20go%20on";
        const { told, text } = await asked(stage, [
          "request",
          "delete",
          `$SERVER/api/v1/namespaces/default/pods/${name}`,
          "",
        ], "n\r");
        const question = text.slice(text.indexOf("krew-wasm: the plugin"), text.indexOf("[N]ot?"));
        assert.equal(question.split("\r\n").length, 4, question);
        assert.ok(!question.includes("\x1b"), question);
        return told;
      },
      sees: "403",
      shown: "403; the question stays in its lines, what is odd in it escaped",
    },
    {
      tries: "have its standard input taken for the user",
      granted: "--allow-cluster=read-only",
      async run(stage) {
        const { stdout } = await stage.attack("preview1", DELETE, {
          granted: "--allow-cluster=read-only",
          network: true,
          stdin: "o\no\na\na\n",
        });
        return stdout.slice(0, 3);
      },
      sees: "403",
      shown: "403; without a terminal nobody is asked",
    },
  ],
};
