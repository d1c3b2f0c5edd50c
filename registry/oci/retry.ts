/** Retries: which failures, how often, and after which pause. Pure, except for the pause. */

import { AppError, type ErrorCode } from "../../runtime/base/errors.ts";
import { placeOf, textOf } from "./connection_error.ts";

const TRIES = 4;
/** Milliseconds. If a registry wants a longer pause, the command fails and tells the user. */
const MAX_PAUSE = 30_000;
const FIRST_PAUSE = 500;

/** A broken connection or body. */
export class Broken extends Error {
  /**
   * @param of what broke: the connection, or the content's length
   * @param again whether a retry may succeed
   */
  constructor(
    message: string,
    readonly of: "connection" | "content" = "connection",
    readonly again: boolean = true,
  ) {
    super(message);
  }
}

/** A failure that may be retried, after `pause` milliseconds if the registry named a pause. */
export class RetryLater extends AppError {
  constructor(code: ErrorCode, message: string, readonly pause: number | undefined) {
    super(
      code,
      message,
      pause !== undefined && pause > MAX_PAUSE ? { hint: `it asks to wait ${inWords(pause)}` } : {},
    );
  }
}

/** A pause of half a minute or more, in words. */
function inWords(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 600) return `for ${seconds} s`;
  if (seconds < 172_800) return `for ${Math.round(seconds / 60)} minutes`;
  return Number.isFinite(seconds) && seconds < 31_536_000_000
    ? `for ${Math.round(seconds / 86_400)} days`
    : "for ever";
}

/** Options for retries. */
export interface RetryOptions {
  /** Turns a failure into the error that the user sees. */
  readonly describe: (error: unknown) => AppError;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Called before each pause. */
  readonly notice: (line: string) => void;
  /** Number of attempts. Default: 4. */
  readonly tries?: number;
  /** Whether the last attempt made enough progress to start counting again. */
  readonly progressed?: () => boolean;
}

/** Runs `operation` until it succeeds, fails permanently, or fails too often in a row. @throws AppError */
export async function withRetries<T>(operation: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { describe, sleep, notice, tries = TRIES, progressed } = options;
  for (let tried = 1;; tried++) {
    try {
      return await operation();
    } catch (error) {
      const failure = describe(error);
      const asked = error instanceof RetryLater ? error.pause : undefined;
      if (progressed?.()) tried = 0;
      if (!isTransient(error) || tried >= tries || (asked ?? 0) > MAX_PAUSE) throw failure;
      const pause = asked ?? backoff(tried);
      notice(`${failure.message}; trying again in ${Math.max(1, Math.round(pause / 1000))} s`);
      await sleep(pause);
    }
  }
}

/** Milliseconds to wait after the `tried`th failure in a row: doubling, with half of it random. */
export function backoff(tried: number, random = Math.random): number {
  return Math.min(MAX_PAUSE, FIRST_PAUSE * 2 ** tried * (0.5 + random() / 2));
}

/** Deno's errors for an answer that is not HTTP. A retry gets the same answer. */
export const MALFORMED = /invalid (HTTP|content-length)|message head is too large/i;

/** Whether a retry may succeed. */
function isTransient(error: unknown): boolean {
  if (error instanceof RetryLater) return true;
  if (error instanceof AppError || error instanceof Broken && !error.again) return false;
  const text = textOf(error);
  // A host that answered before may be restarting.
  if (/refused|dns error|lookup/i.test(text)) return placeOf(error)?.answered === true;
  // An untrusted certificate fails again.
  return !MALFORMED.test(text) &&
    !/certificate|fatal alert|InvalidContentType|corrupt message|proxy (auth|server)/i.test(text);
}

/** `Retry-After`: seconds or an HTTP date (RFC 9110 10.2.3), as milliseconds from now. */
export function retryAfter(value: string | null, now = Date.now()): number | undefined {
  if (value === null) return undefined;
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, milliseconds);
}
