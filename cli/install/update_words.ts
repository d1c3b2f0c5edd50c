/** Updates in words, for `outdated` and `upgrade`. */

import { listsNone, type Update } from "../../registry/install/find_updates.ts";
import { AppError } from "../../runtime/base/errors.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { formatError } from "../../runtime/run/error_report.ts";
import { lowerFirst, printable } from "../../runtime/base/text.ts";
import type { Context } from "../context.ts";

/** A version for people: its name, or a digest prefix. */
export function versionText(
  { version, manifestDigest }: Pick<Receipt, "version" | "manifestDigest">,
): string {
  return version === undefined ? shortDigest(manifestDigest) : printable(version, 40);
}

/** `sha256:0123456789ab` */
export function shortDigest(digest: string): string {
  return digest.slice(0, "sha256:".length + 12);
}

/** The update in one cell of a table. */
export function availableText(update: Update): string {
  switch (update.status) {
    case "available":
      return `${update.tag} (${shortDigest(update.manifestDigest)})`;
    case "moved":
      return `${shortDigest(update.manifestDigest)}${
        update.newest === undefined ? "" : `, ${update.newest}`
      }`;
    case "current":
      return update.newest ?? "";
    default:
      return "";
  }
}

/** A sentence that says why a plugin is not upgraded, or undefined. */
export function whyNot(
  { name, reference }: Pick<Receipt, "name" | "reference">,
  update: Update,
): string | undefined {
  switch (update.status) {
    case "moved":
      return `The tag of "${name}", ${reference}, stands for something else now, ${
        shortDigest(update.manifestDigest)
      }; a tag of one version should not move`;
    case "gone":
      if (update.unlisted !== undefined && !listsNone(update.unlisted)) {
        return `The registry has no ${reference}, and does not say which other tags "${name}" has: ${update.unlisted.message}`;
      }
      return update.tags.length === 0
        ? `The registry has "${name}", ${reference}, no more, nor other versions of it`
        : `The registry has no ${reference}; "${name}" has other tags: ${
          printable(update.tags.slice(-8).join(", "), 200)
        }`;
    case "unreachable":
    case "refused":
      return update.error.message;
    default:
      return undefined;
  }
}

/**
 * Warns that newer versions may exist that krew-wasm could not see.
 *
 * @returns whether that is a failure; false for a registry that never lists tags
 */
export function tellUnseen(
  { stderr }: Pick<Context, "stderr">,
  { name }: Pick<Receipt, "name">,
  { status, unlisted }: Update,
): boolean {
  if (unlisted === undefined || status === "gone") return false;
  const why = `newer versions of "${name}" can't be seen: ${lowerFirst(unlisted.message)}`;
  if (listsNone(unlisted)) {
    stderr(`warning: ${why}\n`);
    return false;
  }
  const { code, hint } = unlisted;
  stderr(formatError(new AppError(code, `N${why.slice(1)}`, { hint }), false));
  return true;
}

/** The hint for {@linkcode whyNot}. */
export function wayOut(
  { name, reference }: Pick<Receipt, "name" | "reference">,
  update: Update,
): string | undefined {
  switch (update.status) {
    case "moved":
      return `to take it all the same: krew-wasm pull --force --name ${name} ${reference}`;
    case "gone":
      return update.tags.length === 0
        ? "what is installed goes on working"
        : `krew-wasm upgrade ${name} --to TAG`;
    case "unreachable":
    case "refused":
      return update.error.hint;
    default:
      return undefined;
  }
}
