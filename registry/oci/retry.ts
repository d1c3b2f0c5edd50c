/** Trying again: after what, how often, how long after. Pure, but for the pause. */

import { AppError, type ErrorCode } from "../../runtime/base/errors.ts";
import { placeOf, textOf } from "./connection_error.ts";

const TRIES = 4;
/** Milliseconds. A registry that wants a longer pause is told to the user instead. */
const MAX_PAUSE = 30_000;
const FIRST_PAUSE = 500;

/** What broke off and may be tried again. */
export class Broken extends Error {
  /**
   * @param of what it was: the connection, or content that is not as long as it should be
   * @param again whether another try may go otherwise
   */
  constructor(
    message: string,
    readonly of: "connection" | "content" = "connection",
    readonly again: boolean = true,
  ) {
    super(message);
  }
}

/** A failure after which the registry may be asked again, after `pause` milliseconds where it said so. */
export class RetryLater extends AppError {
  constructor(code: ErrorCode, message: string, readonly pause: number | undefined) {
    super(
      code,
      message,
      pause !== undefined && pause > MAX_PAUSE ? { hint: `it asks to wait ${inWords(pause)}` } : {},
    );
  }
}

/** A pause, of half a minute or more, for people. */
function inWords(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 600) return `for ${seconds} s`;
  if (seconds < 172_800) return `for ${Math.round(seconds / 60)} minutes`;
  return Number.isFinite(seconds) && seconds < 31_536_000_000
    ? `for ${Math.round(seconds / 86_400)} days`
    : "for ever";
}

/** How often and with what in between. */
export interface RetryOptions {
  /** Any failure as the error that the user sees. */
  readonly describe: (error: unknown) => AppError;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Told before each pause. */
  readonly notice: (line: string) => void;
  /** How many times in all; 4 without it. */
  readonly tries?: number;
  /** Whether the last try got so far that counting begins anew. */
  readonly progressed?: () => boolean;
}

/** Runs `operation` until it is done, fails for good, or has failed too often in a row. @throws AppError */
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

/** Milliseconds to wait after the `tried`th failure in a row: doubling, and half of it by chance. */
export function backoff(tried: number, random = Math.random): number {
  return Math.min(MAX_PAUSE, FIRST_PAUSE * 2 ** tried * (0.5 + random() / 2));
}

/** What Deno's fetch calls an answer that is no HTTP; who listens there will send the same again. */
export const MALFORMED = /invalid (HTTP|content-length)|message head is too large/i;

/** Whether another try may go otherwise. */
function isTransient(error: unknown): boolean {
  if (error instanceof RetryLater) return true;
  if (error instanceof AppError || error instanceof Broken && !error.again) return false;
  const text = textOf(error);
  // A host that has answered before is being restarted.
  if (/refused|dns error|lookup/i.test(text)) return placeOf(error)?.answered === true;
  // A certificate that is not trusted: the next try would meet the same.
  return !MALFORMED.test(text) &&
    !/certificate|fatal alert|InvalidContentType|corrupt message|proxy (auth|server)/i.test(text);
}

/** `Retry-After`: seconds or an HTTP date (RFC 9110 10.2.3), as milliseconds from now. */
export function retryAfter(value: string | null, now = Date.now()): number | undefined {
  if (value === null) return undefined;
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, milliseconds);
}
