/** Files of text as kubectl reads them. */

/** A file's text. @throws as Deno.readFileSync; in words for devices, which Deno does not open */
export function readText(path: string): string {
  if (isStdin(path)) return decodeText(readStdin());
  try {
    return decodeText(Deno.readFileSync(path));
  } catch (error) {
    if (!/^\/(?:dev|proc)\//.test(path) || !(error instanceof Deno.errors.NotCapable)) throw error;
    throw new Error("of what is below /dev and /proc, only pipes and standard input are read", {
      cause: error,
    });
  }
}

/** Whether a path stands for standard input, which Deno opens by no name. */
export function isStdin(path: string): boolean {
  return Deno.build.os !== "windows" && /^\/dev\/(?:stdin|fd\/0)$|^\/proc\/self\/fd\/0$/.test(path);
}

/** Whether a file is gone once it is read: standard input, or a pipe as of `<(command)`. */
export function isReadOnce(path: string): boolean {
  if (isStdin(path)) return true;
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
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** UTF-8, or UTF-16 where it begins with that byte order mark, as PowerShell's `>` writes it. */
export function decodeText(bytes: Uint8Array): string {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe
    ? "utf-16le"
    : bytes[0] === 0xfe && bytes[1] === 0xff
    ? "utf-16be"
    : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}
