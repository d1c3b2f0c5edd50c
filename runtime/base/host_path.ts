/**
 * Host paths in krew-wasm's own form: with slashes, on Windows too. There Deno returns backslashes and long-path prefixes,
 * and accepts both forms.
 */

/** Converts a path from Deno or the user. Pure but for the platform. */
export function hostPath(path: string): string {
  if (Deno.build.os !== "windows") return path;
  return path.replace(/^\\\\\?\\(?!UNC)/, "").replaceAll("\\", "/");
}

/**
 * An absolute host path as plugins see it. WASI uses POSIX paths, whose absolute form begins with a slash: on Windows
 * `/C:/Users/me`. Go's library would treat any other path as relative, and would find no preopen for it. Pure but for the
 * platform.
 */
export function guestPath(path: string, windows = Deno.build.os === "windows"): string {
  return windows && /^[A-Za-z]:(?:\/|$)/.test(path) ? `/${path}` : path;
}

/** The host path for an absolute path of a plugin. Pure but for the platform. */
export function pathMeant(guest: string, windows = Deno.build.os === "windows"): string {
  return windows && /^\/[A-Za-z]:(?:\/|$)/.test(guest) ? guest.slice(1) : guest;
}

/** Whether two absolute paths without dots are spelt the same; Windows ignores case. Pure but for the platform. */
export function isSamePath(one: string, other: string, windows = Deno.build.os === "windows"): boolean {
  return comparable(one, windows) === comparable(other, windows);
}

/** Whether an absolute path without dots is below a directory. Pure but for the platform. */
export function isBelow(path: string, root: string, windows = Deno.build.os === "windows"): boolean {
  const [at, above] = [comparable(path, windows), comparable(root, windows)];
  return at !== above && at.startsWith(above.endsWith("/") ? above : `${above}/`);
}

/** Whether an absolute path without dots is `root` or below it. Pure but for the platform. */
export function isWithin(path: string, root: string, windows = Deno.build.os === "windows"): boolean {
  return isSamePath(path, root, windows) || isBelow(path, root, windows);
}

/** The part of a path below a directory; undefined for a path elsewhere. Pure but for the platform. */
export function pathBelow(
  path: string,
  root: string,
  windows = Deno.build.os === "windows",
): string | undefined {
  if (!isBelow(path, root, windows)) return undefined;
  return path.slice(root.endsWith("/") ? root.length : root.length + 1);
}

/** Whether a path is the root of all files, or of a Windows drive or share. Pure. */
export function isRoot(path: string): boolean {
  return /^(?:\/|[A-Za-z]:\/?|\/\/[^/]+\/[^/]+\/?)$/.test(path);
}

/** A path in the form for comparisons: Windows ignores case, letter by letter. Pure but for the platform. */
export function comparable(path: string, windows = Deno.build.os === "windows"): string {
  if (!windows) return path;
  const upper = Array.from(path.replaceAll("\\", "/"), (letter) => {
    const capital = letter.toUpperCase();
    return capital.length === letter.length ? capital : letter;
  }).join("");
  return /^[A-Z]:$/.test(upper) ? `${upper}/` : upper;
}

/** Removes slashes at the end of a path, except a root's. Pure. */
export function withoutSlash(path: string): string {
  const bare = path.replace(/\/+$/, "");
  return bare === "" || /^[A-Za-z]:$/.test(bare) ? `${bare}/` : bare;
}

/** The directory of an absolute path; a root returns itself. Pure. */
export function parentOf(path: string): string {
  const parent = path.slice(0, path.lastIndexOf("/"));
  return parent === "" || /^[A-Za-z]:$/.test(parent) ? `${parent}/` : parent;
}

/** The last name of an absolute path; empty for a root. Pure. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** `Deno.realPathSync`, with slashes. */
export function realPath(path: string): string {
  return hostPath(Deno.realPathSync(path));
}

/** Whether a path exists, be it a dangling link. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether a file certainly does not exist. A dangling link, at the path or at its directory, does not count as absence: its
 * target may only be unreachable for a while.
 *
 * @param directory what its directory may be. With "not a link", a directory that is a link may hold the file elsewhere
 */
export function isNowhere(path: string, directory: "any" | "not a link" = "any"): boolean {
  if (!isMissing(path)) return false;
  const parent = parentOf(path);
  if (isMissing(parent)) return true;
  try {
    return (directory === "any" ? Deno.statSync(parent) : Deno.lstatSync(parent)).isDirectory;
  } catch {
    return false;
  }
}

function isMissing(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}
