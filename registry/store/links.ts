/**
 * The links that kubectl finds. Each plugin's link points to `bin/krew-wasm`, the only link that knows the binary's
 * path. If the binary moves, one repair is enough, and every command makes it.
 *
 * On Windows a link needs a right that users don't have, so each is a small `.cmd` file.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { linkName } from "../../runtime/base/names.ts";
import { checkStore } from "../../runtime/store/check.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { makeSymlink } from "../../runtime/base/symlink.ts";
import { shellQuoted } from "../../runtime/base/text.ts";
import { publish, storeFailed, writeSynced } from "./disk.ts";

/** What a plugin's link starts in the end: this binary, or, when run from source, an equivalent command. */
export type LinkTarget =
  | { readonly kind: "binary"; readonly path: string }
  | { readonly kind: "launcher"; readonly command: readonly string[] };

const LAUNCHER_MARK = "made by krew-wasm";

/** The file names by which kubectl may find a plugin. */
export function linkFiles(layout: Layout, name: string): string[] {
  const link = layout.link(name);
  return Deno.build.os === "windows" ? [`${link}.cmd`, link] : [link];
}

/** The owner of a file in bin/. Ours are links to our own link, and launchers. */
export function ownerOfLink(layout: Layout, path: string): "us" | "others" | "nobody" {
  try {
    const info = Deno.lstatSync(path);
    const ours = info.isSymlink
      ? ["krew-wasm", layout.self].includes(Deno.readLinkSync(path))
      : info.isFile && info.size < 65536 && Deno.readTextFileSync(path).includes(LAUNCHER_MARK);
    return ours ? "us" : "others";
  } catch (error) {
    // It never existed, or another process removed it with its plugin in between.
    return error instanceof Deno.errors.NotFound ? "nobody" : "others";
  }
}

/** Refuses to replace a file of somebody else at the path of a plugin's link. @throws AppError STORE_FAILED */
export function checkLinkIsOurs(layout: Layout, name: string): void {
  for (const link of linkFiles(layout, name)) refuseOthers(layout, link);
}

function refuseOthers(layout: Layout, link: string): void {
  if (ownerOfLink(layout, link) !== "others") return;
  throw new AppError("STORE_FAILED", `${link} is there and not made by krew-wasm`, {
    hint: `move it away, or choose another name with --name`,
  });
}

/** Creates or repairs a plugin's links. Under the lock. @throws AppError STORE_FAILED */
export function writeLinks(layout: Layout, { name, completion }: Pick<Receipt, "name" | "completion">): void {
  const make = (link: string, launcher: string) => {
    for (const path of Deno.build.os === "windows" ? [`${link}.cmd`] : [link]) refuseOthers(layout, path);
    try {
      if (Deno.build.os === "windows") {
        placeFile(layout, `${link}.cmd`, launcher);
      } else if (linkTargetOf(link) !== "krew-wasm") {
        placeLink("krew-wasm", `${layout.stage}/link`, link);
      }
    } catch (error) {
      throw storeFailed(`Cannot write ${link}`, error);
    }
  };
  make(layout.link(name), windowsLauncher(name));
  if (completion !== undefined) make(layout.completionLink(name), windowsLauncher(name, "__complete "));
}

/** Creates or repairs `bin/krew-wasm`. Under the lock. @throws AppError STORE_FAILED */
export function writeSelf(layout: Layout, target: LinkTarget): void {
  try {
    if (Deno.build.os === "windows") {
      const command = target.kind === "binary" ? [target.path] : target.command;
      placeFile(layout, `${layout.self}.cmd`, windowsSelf(command));
    } else if (target.kind === "launcher") {
      placeFile(layout, layout.self, shellSelf(target.command));
    } else if (target.path !== layout.self && linkTargetOf(layout.self) !== target.path) {
      placeLink(target.path, `${layout.stage}/self`, layout.self);
    }
  } catch (error) {
    throw storeFailed(`Cannot write ${layout.self}`, error);
  }
}

/**
 * Repairs a dangling `bin/krew-wasm` after the binary moved. Takes no lock, because it must not wait: replacing the
 * link is atomic. A read-only store stays as it is.
 *
 * @returns whether it repaired the link
 */
export function repairSelf(layout: Layout, findTarget: () => LinkTarget): boolean {
  if (Deno.build.os === "windows" || reaches(layout.self) || linkTargetOf(layout.self) === undefined) {
    return false;
  }
  const target = findTarget();
  if (target.kind !== "binary") return false;
  try {
    checkStore(layout);
    placeLink(target.path, `${layout.bin}/.krew-wasm-${Deno.pid}`, layout.self);
    return true;
  } catch {
    return false;
  }
}

/** Whether the target of a link exists. */
export function reaches(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The target of a symbolic link; undefined for anything else. */
export function linkTargetOf(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}

/** The script `bin/krew-wasm` when run from source. Called through a plugin's link, it runs that plugin. Pure. */
export function shellSelf(command: readonly string[]): string {
  const words = command.map(shellQuoted).join(" ");
  return `#!/bin/sh
# ${LAUNCHER_MARK}
name=\${0##*/}
case $name in
kubectl-?*) exec ${words} run "\${name#kubectl-}" -- "$@" ;;
kubectl_complete-?*) exec ${words} run --no-prompt "\${name#kubectl_complete-}" -- __complete "$@" ;;
*) exec ${words} "$@" ;;
esac
`;
}

/**
 * The start of a batch file. It disables delayed expansion, which `cmd /v:on` or the registry may enable and which
 * would change exclamation marks in arguments. The setting ends with the file, and the last command's exit code stays.
 */
const BATCH = `@rem ${LAUNCHER_MARK}\r\n@setlocal DisableDelayedExpansion\r\n`;

/** The file `bin\krew-wasm.cmd`. Pure. */
export function windowsSelf(command: readonly string[]): string {
  // A batch file doubles percent signs. Quotes protect other characters; a path cannot contain a quote.
  const words = command.map((word) => `"${word.replaceAll("%", "%%")}"`).join(" ");
  // cmd.exe reads each line in the console's code page, by default that of the country.
  const codePage = /^[ -~]*$/.test(words) ? "" : "@chcp 65001 >nul\r\n";
  return `${BATCH}${codePage}@${words} %*\r\n`;
}

/**
 * A plugin's `.cmd` file. It starts the launcher beside it, which knows the binary. It does not use `call`, which would
 * parse the arguments again and double their carets. Pure.
 */
export function windowsLauncher(name: string, first: "" | "__complete " = ""): string {
  const flags = first === "" ? "" : "--no-prompt ";
  return `${BATCH}@"%~dp0krew-wasm.cmd" run ${flags}${name} -- ${first}%*\r\n`;
}

function placeLink(to: string, staged: string, path: string): void {
  makeSymlink(to, staged);
  publish(staged, path);
}

function placeFile(layout: Layout, path: string, text: string): void {
  try {
    if (linkTargetOf(path) === undefined && Deno.readTextFileSync(path) === text) return;
  } catch { /* missing or unreadable */ }
  const staged = `${layout.stage}/${linkName("launcher")}`;
  writeSynced(staged, new TextEncoder().encode(text), 0o700);
  if (Deno.build.os !== "windows") Deno.chmodSync(staged, 0o700);
  publish(staged, path);
}

/** The file name that kubectl looks for. */
export function linkFileName(name: string): string {
  return Deno.build.os === "windows" ? `${linkName(name)}.cmd` : linkName(name);
}
