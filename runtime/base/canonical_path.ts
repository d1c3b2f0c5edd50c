/**
 * The one spelling of an absolute path of the host, so that what is shown of a path is what is stored and opened: no `//`,
 * `/./`, `/../` and slash at the end. Pure but for the platform.
 */

const ROOT = /^(?:[A-Za-z]:)?\//;

/**
 * An absolute path, normalized by its text: `..` takes back the part before it, whatever is there.
 *
 * @returns undefined for what is not absolute, or can't be a path
 */
export function canonicalPath(path: string, windows = Deno.build.os === "windows"): string | undefined {
  if (path.includes("\0")) return undefined;
  const share = windows ? /^\/\/[^/]+\/[^/]+(?=\/|$)/.exec(path)?.[0] : undefined;
  const root = share === undefined ? ROOT.exec(path)?.[0] : `${share}/`;
  if (root === undefined || !windows && root !== "/") return undefined;
  const parts: string[] = [];
  for (const part of path.slice(root.length).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  const whole = root + parts.join("/");
  return whole === root && share !== undefined ? share : whole;
}
