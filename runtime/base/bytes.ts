/** Bytes: as text, put together, and written whole. */

/** Base64 of a text's UTF-8. */
export function encodeBase64(text: string): string {
  return new TextEncoder().encode(text).toBase64();
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 as text, with a byte order mark if it begins with one; undefined for other bytes. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes as text, one character each. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** The reverse of {@linkcode latin1}. */
export function fromLatin1(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at); // in a tenth of Uint8Array.from's time
  return bytes;
}

/** The parts as one piece. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Writes all bytes: one call may write fewer. */
export function writeAllSync(to: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  for (let sent = 0; sent < bytes.length;) sent += to.writeSync(bytes.subarray(sent));
}
