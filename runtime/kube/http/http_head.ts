/**
 * HTTP/1.1 below `fetch` (RFC 9112): heads of answers. As net/http of Go, which kubectl is made with, and unlike hyper, which
 * Deno's fetch is made with, any number of headers is taken. Pure, but for reading what it is given.
 */

import { printable } from "../../base/text.ts";
import { toText } from "./header_text.ts";
import type { Input } from "./http_input.ts";

/** The most that a head may hold, in bytes: net/http's own limit for a client. */
export const LARGEST_HEAD = 10 << 20;
/** The most informational answers before the answer. */
const MOST_INFORMATIONAL = 64;

/** A server that does not speak HTTP as it should. */
export class HttpError extends Error {}

/** The server closed the connection before its answer began: it may never have seen the request. */
export class NoAnswer extends HttpError {}

/** The head of an answer. */
export interface Head {
  readonly status: number;
  /** Of HTTP/1: 0 or 1. */
  readonly minor: number;
  /** Names in lower case; in values each character is a byte. */
  readonly headers: [name: string, value: string][];
}

/**
 * Reads the head of an answer, past informational ones. 101 is an answer.
 *
 * @throws HttpError; what the operating system or TLS has against it
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

/** Where an empty line ends a head; a line may end without a carriage return (RFC 9112 2.2). */
function endOfHead(bytes: Uint8Array, from: number): { text: number; whole: number } | undefined {
  for (let at = bytes.indexOf(10, from); at >= 0; at = bytes.indexOf(10, at + 1)) {
    const whole = bytes[at + 1] === 10 ? at + 2 : bytes[at + 1] === 13 && bytes[at + 2] === 10 ? at + 3 : 0;
    if (whole > 0) return { text: bytes[at - 1] === 13 ? at - 1 : at, whole };
  }
  return undefined;
}

/** @throws HttpError */
export function parseHead(bytes: Uint8Array): Head {
  const [first = "", ...lines] = byteString(bytes).split(/\r?\n/);
  // A later minor version is read as 1.1 (RFC 9110 2.5).
  const [, minor, status] = /^HTTP\/1\.(\d) +([1-9]\d\d)(?: |$)/.exec(first) ?? [];
  if (status === undefined) {
    throw new HttpError(`the server does not speak HTTP: "${printable(toText(first), 80)}"`);
  }
  const headers: [string, string][] = [];
  for (const line of lines) {
    const last = headers.at(-1);
    if (isBlank(line, 0) && last) last[1] = `${last[1]} ${withoutBlanks(line, 0)}`.trimStart(); // folded, obsolete
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
  if (!TOKEN.test(name) || /[\0-\x08\n-\x1f\x7f]/.test(value)) {
    throw new HttpError(`the server sent a malformed header: "${printable(toText(line), 80)}"`);
  }
  return [name.toLowerCase(), value];
}

/** RFC 9110 5.6.2 */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** The text from `start` on without the blanks around it, or at its end. By hand: an expression for them takes the square of their number. */
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

/** A character for each byte. */
function byteString(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return text;
}

/** A byte for each character. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}
