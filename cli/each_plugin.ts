/** Applies an operation to several plugins. A failure is reported and does not stop the others. */

import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { AppError } from "../runtime/base/errors.ts";
import { formatError } from "../runtime/run/error_report.ts";
import type { Context } from "./context.ts";

/**
 * Handles the items one after another. With several items, it reports each failure at once. An error other than AppError,
 * such as an interruption or a defect, ends the loop.
 */
export async function eachOf<T>(
  items: readonly T[],
  operation: (item: T) => Promise<void>,
  context: Context,
): Promise<AppError[]> {
  const failures: AppError[] = [];
  for (const item of items) {
    try {
      await operation(item);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      failures.push(error);
      if (items.length > 1) context.stderr(formatError(error, context.verbose));
    }
  }
  return failures;
}

/** Handles up to `limit` items at a time. Returns the results in the order of the items. */
export async function allOf<T, R>(
  items: readonly T[],
  limit: number,
  operation: (item: T) => Promise<R>,
): Promise<R[]> {
  const answers: R[] = new Array(items.length);
  let next = 0;
  const work = async () => {
    for (let index = next++; index < items.length; index = next++) {
      answers[index] = await operation(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
  return answers;
}

/** `--keep N` */
export function keepOption() {
  return new Option(
    "--keep <n>",
    "versions to keep, with the new one (default: 3)",
  )
    .argParser((text) => {
      if (!/^[1-9]\d{0,2}$/.test(text)) {
        throw new InvalidArgumentError("is not a number from 1 to 999");
      }
      return Number(text);
    });
}
