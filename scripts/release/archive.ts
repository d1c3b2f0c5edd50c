/** Archives that depend on their content alone: sorted names, one date, no owner. */

import { type Zippable, zipSync } from "fflate";

/** A file of an archive. */
export interface Entry {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly executable?: boolean;
}

const BLOCK = 512;
/** The date of all files. zip knows none before 1980. */
const DATE = new Date("1980-01-01T00:00:00Z");

/** A `.tar.gz` (POSIX ustar). Paths have at most 100 characters. */
export async function tarGz(entries: readonly Entry[]): Promise<Uint8Array<ArrayBuffer>> {
  return await gzip(tar(entries));
}

/** Compresses bytes. The result depends on them alone. */
export async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

/** A `.tar`. @throws Error for a path of more than 100 characters */
export function tar(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (const entry of sorted(entries)) {
    parts.push(header(entry), entry.bytes, new Uint8Array(-entry.bytes.length & BLOCK - 1));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return concat(parts);
}

/** A `.zip`. */
export function zip(entries: readonly Entry[]): Uint8Array {
  const files: Zippable = {};
  for (const { path, bytes, executable } of sorted(entries)) {
    files[path] = [bytes, { os: 3, attrs: (executable ? 0o100755 : 0o100644) << 16, mtime: localDate() }];
  }
  return zipSync(files, { level: 6 });
}

/** zip has local times. */
function localDate(): Date {
  return new Date(DATE.getTime() + DATE.getTimezoneOffset() * 60_000);
}

function sorted(entries: readonly Entry[]): Entry[] {
  return [...entries].sort((a, b) => a.path < b.path ? -1 : 1);
}

function header({ path, bytes, executable }: Entry): Uint8Array {
  if (path.length > 100) throw new Error(`${path} is too long for a tar archive`);
  const block = new Uint8Array(BLOCK);
  const write = (at: number, text: string) => block.set(new TextEncoder().encode(text), at);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  write(0, path);
  write(100, `${octal(executable ? 0o755 : 0o644, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`);
  write(124, `${octal(bytes.length, 11)}\0${octal(DATE.getTime() / 1000, 11)}\0`);
  write(148, "        0"); // the checksum's field counts as spaces; then the type: a file
  write(257, "ustar\x0000");
  write(148, `${octal(block.reduce((sum, byte) => sum + byte, 0), 6)}\0 `);
  return block;
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
