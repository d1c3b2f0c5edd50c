/**
 * Parses the heads of HTTP/1.1 responses (RFC 9112). It accepts any number of headers, as Go's net/http does and
 * hyper, which is below Deno's fetch, does not. Pure, apart from reading its input.
 */

import { latin1 } from "../../base/bytes.ts";
import { isToken } from "../../base/http_token.ts";
import { printable } from "../../base/text.ts";
import { toText } from "./header_text.ts";
import type { Input } from "./http_input.ts";

/** The maximum size of a head, in bytes: net/http's own limit for clients. */
export const LARGEST_HEAD = 10 << 20;
/** The maximum number of informational responses. */
const MOST_INFORMATIONAL = 64;

/** A violation of HTTP by the server. */
export class HttpError extends Error {}

/** The server closed the connection before its answer began: it may never have seen the request. */
export class NoAnswer extends HttpError {}

/** The head of a response. */
export interface Head {
  readonly status: number;
  /** The minor version of HTTP/1: 0 or 1. */
  readonly minor: number;
  /** Names in lower case. In values each character is one byte. */
  readonly headers: [name: string, value: string][];
}

/**
 * Reads the head of a response and skips informational ones. 101 counts as a response.
 *
 * @throws HttpError; the error of the operating system or TLS
 */
export async function readHead(input: Input): Promise<Head> {
  for (let count = 0; count <= MOST_INFORMATIONAL; count++) {
    const head = await readOneHead(input);
    if (head.status >= 200 || head.status === 101) return head;
  }
  throw new HttpError("the server sent informational answers without end");
}

async function readOneHead(input: Input): Promise<Head> {
  let searched = 0;
  for (;;) {
    const end = endOfHead(input.bytes, searched);
    if (end !== undefined) {
      const head = parseHead(input.bytes.subarray(0, end.text));
      input.take(end.whole);
      return head;
    }
    searched = Math.max(0, input.bytes.length - 3);
    if (input.bytes.length >= LARGEST_HEAD) throw new HttpError("the server sent headers without end");
    if (await input.more()) continue;
    if (input.bytes.length === 0) throw new NoAnswer("the server closed the connection without an answer");
    throw new HttpError("the server closed the connection in the middle of the answer's head");
  }
}

/** Finds the empty line that ends a head. A line may end without a carriage return (RFC 9112 2.2). */
function endOfHead(bytes: Uint8Array, from: number): { text: number; whole: number } | undefined {
  for (let at = bytes.indexOf(10, from); at >= 0; at = bytes.indexOf(10, at + 1)) {
    const whole = bytes[at + 1] === 10 ? at + 2 : bytes[at + 1] === 13 && bytes[at + 2] === 10 ? at + 3 : 0;
    if (whole > 0) return { text: bytes[at - 1] === 13 ? at - 1 : at, whole };
  }
  return undefined;
}

/** @throws HttpError */
export function parseHead(bytes: Uint8Array): Head {
  const [first = "", ...lines] = latin1(bytes).split(/\r?\n/);
  // A later minor version is read as 1.1 (RFC 9110 2.5).
  const [, minor, status] = /^HTTP\/1\.(\d) +([1-9]\d\d)(?: |$)/.exec(first) ?? [];
  if (status === undefined) {
    throw new HttpError(`the server does not speak HTTP: "${printable(toText(first), 80)}"`);
  }
  const headers: [string, string][] = [];
  for (const line of lines) {
    const last = headers.at(-1);
    if (isBlank(line, 0) && last) last[1] = `${last[1]} ${withoutBlanks(line, 0)}`.trimStart(); // obsolete line folding
    else headers.push(parseLine(line));
  }
  return { status: Number(status), minor: Math.min(Number(minor), 1), headers };
}

function parseLine(line: string): [name: string, value: string] {
  const colon = line.indexOf(":");
  // Blanks before the colon do not belong to the name (RFC 9112 5.1).
  const name = withoutBlanks(line.slice(0, Math.max(colon, 0)), 0, "end");
  const value = withoutBlanks(line, colon + 1);
  // deno-lint-ignore no-control-regex -- no header holds a control character, except tabs (RFC 9110 5.5)
  if (!isToken(name) || /[\0-\x08\n-\x1f\x7f]/.test(value)) {
    throw new HttpError(`the server sent a malformed header: "${printable(toText(line), 80)}"`);
  }
  return [name.toLowerCase(), value];
}

/**
 * The text from `start` without the blanks around it, or at its end. A loop, because a regular expression would take
 * quadratic time.
 */
export function withoutBlanks(text: string, start: number, where: "both" | "end" = "both"): string {
  let [from, to] = [start, text.length];
  while (where === "both" && from < to && isBlank(text, from)) from++;
  while (to > from && isBlank(text, to - 1)) to--;
  return text.slice(from, to);
}

/** RFC 9110 5.6.3: a space or a tab. */
function isBlank(text: string, at: number): boolean {
  return text[at] === " " || text[at] === "\t";
}
