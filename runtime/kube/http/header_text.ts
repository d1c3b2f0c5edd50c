/**
 * Headers as texts and as what is sent. The host's side holds a value as bytes, a character for each; doors that have texts
 * read and write UTF-8, as net/http and client-go do. Pure.
 */

type Headers = readonly (readonly [name: string, value: string])[];

/** A text as the value of a header: its UTF-8, a character for each byte. */
export function toBytes(text: string): string {
  if (isAscii(text)) return text;
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

/** The text of a header's value: UTF-8, or where it is none, a character for each byte (ISO 8859-1). */
export function toText(value: string): string {
  if (isAscii(value)) return value;
  try {
    const bytes = Uint8Array.from(value, (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return value;
  }
}

/** A door's texts, to be sent. */
export function headersFromText(headers: Headers): [name: string, value: string][] {
  return headers.map(([name, value]) => [name, toBytes(value)]);
}

/** What was received, for a door that has texts. */
export function headersToText(headers: Headers): [name: string, value: string][] {
  return headers.map(([name, value]) => [name, toText(value)]);
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}
