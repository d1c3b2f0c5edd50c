/** Reads text files as kubectl does. */

import { concatBytes } from "../../base/bytes.ts";

/** A file's text. @throws as Deno.readFileSync; an error in words for devices, which Deno does not open */
export function readText(path: string): string {
  const file = followed(path);
  if (STDIN.test(file)) return decodeText(readStdin());
  try {
    return decodeText(Deno.readFileSync(file));
  } catch (error) {
    if (!OPEN_FILES.test(file) || !(error instanceof Deno.errors.NotCapable)) throw error;
    throw new Error("krew-wasm reads no devices, only files, pipes and standard input", { cause: error });
  }
}

/** Names of standard input. Deno opens none of them. */
const STDIN = Deno.build.os === "windows" ? /^(?!)/ : /^\/dev\/(?:stdin|fd\/0)$|^\/proc\/self\/fd\/0$/;
/** Directories in which the system names open files and devices. */
const OPEN_FILES = /^\/(?:dev|proc)\//;

/** Follows links. Returns an open file's own path, if it has one. */
function followed(path: string): string {
  for (let links = 0; links < 40 && !STDIN.test(path); links++) {
    let target: string;
    try {
      target = Deno.readLinkSync(path);
    } catch {
      return path;
    }
    if (target.startsWith("/")) path = target;
    else if (OPEN_FILES.test(path)) return path; // `pipe:[1]`
    else path = path.slice(0, path.lastIndexOf("/") + 1) + target;
  }
  return path;
}

/** Whether a path leads to standard input. */
export function isStdin(path: string): boolean {
  return STDIN.test(followed(path));
}

/**
 * Whether a plugin can't be shown a file in its place: a pipe, standard input, or a file that only this process has
 * open.
 */
export function isReadOnce(path: string): boolean {
  if (OPEN_FILES.test(path) || isStdin(path)) return true;
  try {
    return Deno.statSync(path).isFifo === true;
  } catch {
    return false;
  }
}

function readStdin(): Uint8Array {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(65536);
  for (let count = Deno.stdin.readSync(buffer); count !== null; count = Deno.stdin.readSync(buffer)) {
    parts.push(buffer.slice(0, count));
  }
  return concatBytes(parts);
}

/** Decodes UTF-8, or UTF-16 with a byte order mark, which PowerShell's `>` writes. */
export function decodeText(bytes: Uint8Array): string {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe
    ? "utf-16le"
    : bytes[0] === 0xfe && bytes[1] === 0xff
    ? "utf-16be"
    : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}
