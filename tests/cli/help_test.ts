/** Help: it fits a screen, names every command, and its examples of files are valid. */

import assert from "node:assert/strict";
import { parse } from "yaml";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { createProgram, runManager } from "../../cli/app.ts";
import { processContext } from "../../cli/context.ts";
import { TOPICS } from "../../cli/help/topics.ts";
import { GROUPED_COMMANDS } from "../../cli/terminal/help_text.ts";
import { commandPath } from "../../cli/terminal/arguments.ts";
import { parseWish } from "../../registry/install/plugin_wish.ts";
import { readPluginYaml } from "../../registry/oci/artifact.ts";
import { parseRegistriesYaml } from "../../registry/oci/hosts/registries_yaml.ts";
import { parsePolicy } from "../../runtime/policy/parse_policy.ts";
import { unusedHost } from "../support/unused_host.ts";

async function help(...args: string[]): Promise<string> {
  let text = "";
  const context = { ...processContext(), stdout: (part: string) => void (text += part) };
  assert.equal(await runManager(args, unusedHost, context), 0, args.join(" "));
  return text;
}

function* commandsOf(command: CommandUnknownOpts): Generator<CommandUnknownOpts> {
  for (const sub of command.commands) {
    if (sub.name().startsWith("__")) continue;
    yield sub;
    yield* commandsOf(sub);
  }
}

const program = createProgram(processContext(), { code: 0 }, unusedHost);

Deno.test("the root's help fits 24 lines of 80 columns and names every command", async () => {
  const text = await help("--help");
  assert.ok(text.split("\n").length <= 24, text);
  for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
  const names = program.commands.map((command) => command.name()).filter((name) => !name.startsWith("__"));
  assert.deepEqual([...GROUPED_COMMANDS].sort(), names.sort());
});

Deno.test("the help of each command fits a screen", async () => {
  for (const command of commandsOf(program)) {
    const path = commandPath(command).split(" ").slice(1);
    const text = await help(...path, "--help");
    assert.ok(text.split("\n").length <= 40, `${path.join(" ")}\n${text}`);
    assert.match(text, /^Usage: krew-wasm/);
  }
});

Deno.test("help shows topics, and their examples are valid", async () => {
  const root = await help("help", "help");
  for (const name of Object.keys(TOPICS)) {
    const text = await help("help", name);
    assert.ok(root.includes(`  ${name} `), name);
    for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
    assert.ok(text.split("\n").length <= 50, `${name} has ${text.split("\n").length} lines`);
  }
  const yamlIn = async (topic: string, first: RegExp): Promise<unknown> => {
    const lines = (await help("help", topic)).split("\n");
    const from = lines.findIndex((line) => first.test(line));
    assert.ok(from >= 0, topic);
    const length = lines.slice(from).findIndex((line) => !line.startsWith("  "));
    return parse(lines.slice(from, from + length).join("\n"));
  };
  const policy = parsePolicy(
    await yamlIn("policy", /^ {2}version:/),
    "policy.yaml",
    "/home/me",
    "administrator",
  );
  assert.equal(policy.rules.length, 3);
  parsePolicy(await yamlIn("signatures", /^ {2}version:/), "policy.yaml", "/home/me", "user");
  parseRegistriesYaml(await yamlIn("registries", /^ {2}registries:/), "registries.yaml", "/home/me");
  const plugin = readPluginYaml(await yamlIn("plugins", /^ {2}version:/), "plugin.yaml");
  const wish = parseWish(JSON.stringify({ version: 1, ...plugin.grants as object }), "/home/me");
  assert.equal(wish.why, "Reads your manifests");
});
