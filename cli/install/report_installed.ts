/** Reports an installation: the plugin, how to call it, and how to put bin/ on PATH. */

import { effectiveGrants } from "../../runtime/grants/merge_grants.ts";
import { hostPath } from "../../runtime/base/host_path.ts";
import { linkName, nameOfLink } from "../../runtime/base/names.ts";
import { shellCommand } from "../../runtime/base/shell_word.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Context } from "../context.ts";
import { kindText, originText } from "./plugin_words.ts";
import { pathDirectories, shadowOf } from "./on_path.ts";
import { plain } from "../terminal/color.ts";
import { formatSize } from "../terminal/output.ts";
import { describeSignature } from "./verify_option.ts";

/** Prints the installed plugin and how to call it. */
export function tellInstalled(context: Context, layout: Layout, receipt: Receipt): void {
  const call = nameOfLink(linkName(receipt.name));
  // Without bin/ on PATH, the other hint puts bin/ first.
  const other = pathHint(layout.bin, context.env) === undefined
    ? shadowOf(context, layout, receipt.name)
    : undefined;
  const paint = context.paint ?? plain;
  const dim = (lines: string) => lines.replace(/^.+$/gm, (line) => paint("dim", line));
  context.stdout(
    `${paint("green", "Installed")} ${receipt.name} (${kindText(receipt.kind)}, ${
      formatSize(receipt.size)
    })\n` +
      dim(
        `  from    ${originText(receipt)}\n` +
          `  digest  ${receipt.manifestDigest}\n` +
          receipt.signatures.map((signature) => `  signed  by ${describeSignature(signature)}\n`).join("") +
          completionLine(receipt),
      ) +
      `  run     ${other === undefined ? `kubectl ${call}` : `krew-wasm run ${receipt.name}`}\n`,
  );
  if (other === undefined) return;
  context.stderr(
    `warning: kubectl ${call} runs ${printable(other, 300)}, which comes first on PATH\n` +
      `hint: put ${printable(layout.bin, 300)} first on PATH, or choose another name with --name\n`,
  );
}

/** Says that a plugin is installed already, as it was asked for. */
export function tellAlreadyInstalled(context: Context, receipt: Receipt): void {
  const version = receipt.version === undefined ? "" : ` ${printable(receipt.version, 40)}`;
  context.stdout(`${receipt.name}${version} is already installed (${receipt.manifestDigest.slice(0, 19)})\n`);
}

/** A line that says that the plugin runs at Tab. Empty if it does not, or if the replaced plugin `before` did too. */
export function completionLine(receipt: Receipt, before?: Receipt): string {
  const completes = (one: Receipt | undefined) =>
    one?.completion !== undefined && effectiveGrants(one.grants).completion;
  return completes(receipt) && !completes(before)
    ? `  Tab     asks it to complete its arguments (krew-wasm grants ${receipt.name} --deny-completion)\n`
    : "";
}

/** The exact line for the user's shell that puts bin/ on PATH, or undefined if it is there. Pure. */
export function pathHint(bin: string, env: (name: string) => string | undefined): string | undefined {
  if (pathDirectories(env("PATH")).includes(hostPath(bin))) return undefined;
  const notFound = `\nkubectl does not find it yet: ${printable(bin)} is not on PATH.`;
  const home = env("HOME");
  const below = home && bin.startsWith(`${home}/`) ? bin.slice(home.length) : "";
  const isPlain = /^[\w/.+-]+$/.test(below);
  const word = isPlain ? `"$HOME${below}"` : shellCommand([bin]);
  if (word === undefined) return `${notFound} Add it there.\n`;
  const added = `export PATH=${isPlain ? `"$HOME${below}:$PATH"` : `${word}:"$PATH"`}`;
  const shell = (env("SHELL") ?? "").split("/").at(-1);
  const [file, line] = shell === "fish"
    ? ["~/.config/fish/config.fish", `fish_add_path ${word}`]
    : shell === "zsh"
    ? ["~/.zshrc", added]
    : Deno.build.os === "windows"
    ? ["your PowerShell profile", `$env:Path = "${bin};$env:Path"`]
    : ["~/.bashrc", added];
  return `${notFound} Add this line to ${file}:\n  ${line}\n`;
}
