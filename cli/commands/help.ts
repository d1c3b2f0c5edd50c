/** `krew-wasm help`: the help of a command, and topics. */

import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { AppError } from "../../runtime/base/errors.ts";
import type { Context } from "../context.ts";
import { TOPICS } from "../help/topics.ts";
import { commandNames, commandPath, findCommand } from "../terminal/arguments.ts";
import { unknownCommand } from "../terminal/usage.ts";

/** The command. commander's own accepts one word only, and ignores an unknown one. */
export function helpCommand(context: Context, program: CommandUnknownOpts) {
  return new Command("help")
    .description("show the help of a command, or a topic")
    .argument("[command...]", "a command or a topic (default: all commands)")
    .addHelpText(
      "after",
      `
Topics:
${topicLines()}
Examples:
  krew-wasm help pull
  krew-wasm help grants`,
    )
    .action(async (words) => {
      // `help grants` is the topic, which says more; `grants --help` is the command.
      const topic = words.length === 1 && Object.hasOwn(TOPICS, words[0]!) ? TOPICS[words[0]!] : undefined;
      if (topic) return context.stdout(await topic.text());
      let command = program;
      for (const word of words) {
        const sub = word.startsWith("__") ? undefined : findCommand(command, word);
        if (!sub) {
          const known = [
            ...command.commands.flatMap(commandNames),
            ...(command === program ? Object.keys(TOPICS) : []),
          ];
          const [message, hint] = unknownCommand(word, commandPath(command), known);
          throw new AppError("USAGE", message, { hint });
        }
        command = sub;
      }
      command.outputHelp();
    });
}

function topicLines(): string {
  return Object.entries(TOPICS).map(([name, { about }]) => `  ${name.padEnd(12)}  ${about}\n`).join("");
}
