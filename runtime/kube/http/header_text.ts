/**
 * Converts header values between text and bytes. The host keeps a value as bytes, one character each; interfaces with
 * text values use UTF-8, as net/http and client-go do. Pure.
 */

import { decodeUtf8, fromLatin1, latin1 } from "../../base/bytes.ts";

type Headers = readonly (readonly [name: string, value: string])[];

/** A text as a header value: its UTF-8, one character for each byte. */
export function toBytes(text: string): string {
  if (isAscii(text)) return text;
  return latin1(new TextEncoder().encode(text));
}

/** A header value as text: decoded as UTF-8, or as ISO 8859-1 if it is invalid. */
export function toText(value: string): string {
  return isAscii(value) ? value : decodeUtf8(fromLatin1(value)) ?? value;
}

/** An interface's headers as they are sent. */
export function headersFromText(headers: Headers): [name: string, value: string][] {
  return headers.map(([name, value]) => [name, toBytes(value)]);
}

/** Received headers for an interface with text values. */
export function headersToText(headers: Headers): [name: string, value: string][] {
  return headers.map(([name, value]) => [name, toText(value)]);
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}
