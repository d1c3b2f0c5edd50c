// deno-lint-ignore-file no-console -- a script prints to its user

/**
 * `deno task hostile [--check]`: writes the table of hostile plugins into docs/security.md, from the cases in
 * tests/hostile. With --check it fails if the table is stale.
 */

import { fileURLToPath } from "node:url";
import type { Case } from "../tests/hostile/case.ts";
import { ALL_GROUPS } from "../tests/hostile/cases.ts";

const page = fileURLToPath(new URL("../docs/security.md", import.meta.url));
const BEGIN = "<!-- Made by `deno task hostile` -->";
const END = "<!-- End of what is made by `deno task hostile` -->";

/** The page with a new table. @throws Error when the page has no place for the table */
export async function renewed(text: string): Promise<string> {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error("docs/security.md has no place for the table");
  return await formatted(`${text.slice(0, begin)}${BEGIN}\n\n${table()}\n${text.slice(end)}`);
}

function table(): string {
  const count = ALL_GROUPS.reduce((sum, { cases }) => sum + cases.length, 0);
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const rows = ALL_GROUPS.flatMap(({ title, cases }) => [
    `| **${cell(title)}** | | |`,
    ...cases.map((one) => `| ${cell(one.tries)} | ${granted(one)} | ${cell(seen(one))} |`),
  ]);
  return `${count} cases.\n\n| A plugin tries to | Granted | It gets |\n| --- | --- | --- |\n${
    rows.join("\n")
  }\n`;
}

function granted({ granted }: Case): string {
  return granted === undefined
    ? ""
    : granted.split(" ").map((flag) => `\`${flag.replaceAll("|", "\\|")}\``).join(" ");
}

function seen({ sees, shown }: Case): string {
  return shown ?? sees;
}

/** Formats text with `deno fmt`. */
async function formatted(text: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "-"],
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) {
  const text = await Deno.readTextFile(page);
  const fresh = await renewed(text);
  if (Deno.args.includes("--check")) {
    if (fresh === text) Deno.exit(0);
    console.error(
      "the table in docs/security.md is not of the cases in tests/hostile: deno task hostile makes it anew",
    );
    Deno.exit(1);
  }
  await Deno.writeTextFile(page, fresh);
}
