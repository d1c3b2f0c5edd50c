/** JSON text from elsewhere: its encoding, its depth, its keys. Pure. */

/** The deepest nesting of a manifest. */
const MAX_DEPTH = 64;

/** Whether JSON text is nested so deeply that parsing it would take a hundred times its size. */
export function isDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_DEPTH) return true;
    } else if (code === 0x7d || code === 0x5d) depth--;
    else if (code === 0x22) {
      for (at++; at < text.length && text.charCodeAt(at) !== 0x22; at++) {
        if (text.charCodeAt(at) === 0x5c) at++;
      }
    }
  }
  return false;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a manifest. Encoding it again gives the same bytes. @throws TypeError for invalid UTF-8 */
export function manifestText(bytes: Uint8Array): string {
  return UTF8.decode(bytes);
}

/** A duplicate key in valid JSON text. Ignores case, as Go's parser does. */
export function duplicateName(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = []; // undefined: an array
  let isName = false;
  for (let at = 0; at < text.length; at++) {
    const token = text[at]!;
    if (token === "{") {
      open.push(new Set());
      isName = true;
    } else if (token === "[") {
      open.push(undefined);
      isName = false;
    } else if (token === "}" || token === "]") open.pop();
    else if (token === ",") isName = open.at(-1) !== undefined;
    else if (token === ":") isName = false;
    else if (token === '"') {
      const start = at;
      for (at++; text[at] !== '"'; at++) if (text[at] === "\\") at++;
      if (!isName) continue;
      const name = JSON.parse(text.slice(start, at + 1)) as string;
      const names = open.at(-1)!;
      if (names.has(name.toLowerCase())) return name;
      names.add(name.toLowerCase());
    }
  }
  return undefined;
}
