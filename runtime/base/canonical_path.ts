/**
 * The canonical form of an absolute host path: no `//`, `/./` or `/../`, and no slash at the end. krew-wasm shows, stores
 * and opens a path in this one form. Pure but for the platform.
 */

const ROOT = /^(?:[A-Za-z]:)?\//;

/**
 * Normalizes an absolute path as text: `..` removes the part before it, without a look at the file system. A drive's letter
 * becomes a capital.
 *
 * @returns undefined if the text is not absolute, or cannot be a path
 */
export function canonicalPath(path: string, windows = Deno.build.os === "windows"): string | undefined {
  if (path.includes("\0")) return undefined;
  const share = windows ? /^\/\/[^/]+\/[^/]+(?=\/|$)/.exec(path)?.[0] : undefined;
  const root = share === undefined ? ROOT.exec(path)?.[0].toUpperCase() : `${share}/`;
  if (root === undefined || !windows && root !== "/") return undefined;
  const parts: string[] = [];
  for (const part of path.slice(root.length).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  const whole = root + parts.join("/");
  return whole === root && share !== undefined ? share : whole;
}
