/** Selects the plugins that a command works on. */

import { AppError, messageOf } from "../runtime/base/errors.ts";
import { parsePluginName } from "../runtime/base/names.ts";
import { formatError } from "../runtime/run/error_report.ts";
import type { Layout } from "../runtime/store/layout.ts";
import { readReceipt, readReceipts } from "../runtime/store/read.ts";
import type { Receipt } from "../runtime/store/receipt.ts";
import { printable } from "../runtime/base/text.ts";
import type { Context, Exit } from "./context.ts";

/** Receipts of the named plugins, or of all. Reports unreadable receipts and sets the exit code to 1 for them. */
export function installedPlugins(
  context: Context,
  layout: Layout,
  names: readonly string[],
  exit: Exit,
): Receipt[] {
  if (names.length === 0) {
    const { receipts, broken } = readReceipts(layout);
    for (const { error } of broken) {
      context.stderr(`warning: ${printable(messageOf(error))}\n`);
      exit.code = 1;
    }
    return [...receipts];
  }
  return [...new Set(names.map((name) => parsePluginName(name)))].flatMap((name) => {
    try {
      return [readReceipt(layout, name)];
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      context.stderr(formatError(error, context.verbose));
      exit.code = 1;
      return [];
    }
  });
}
