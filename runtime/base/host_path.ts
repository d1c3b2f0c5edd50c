/**
 * Paths of the host as the rest of krew-wasm writes them: with slashes, on Windows too, where Deno answers with backslashes
 * and long-path prefixes, and takes either.
 */

/** A path that Deno, or a user, gave. Pure but for the platform. */
export function hostPath(path: string): string {
  if (Deno.build.os !== "windows") return path;
  return path.replace(/^\\\\\?\\(?!UNC)/, "").replaceAll("\\", "/");
}

/**
 * An absolute path of the host's as plugins have it. WASI's paths are POSIX's, of which the absolute ones begin with a slash:
 * on Windows `/C:/Users/me`. Go's library would take any other for a relative one, and find no preopen that begins so. Pure
 * but for the platform.
 */
export function guestPath(path: string, windows = Deno.build.os === "windows"): string {
  return windows && /^[A-Za-z]:(?:\/|$)/.test(path) ? `/${path}` : path;
}

/** What an absolute path of a plugin's is on the host. Pure but for the platform. */
export function pathMeant(guest: string, windows = Deno.build.os === "windows"): string {
  return windows && /^\/[A-Za-z]:(?:\/|$)/.test(guest) ? guest.slice(1) : guest;
}

/** Whether two absolute paths, free of dots, are written for the same: on Windows in whatever letters. Pure but for the platform. */
export function isSamePath(one: string, other: string, windows = Deno.build.os === "windows"): boolean {
  return comparable(one, windows) === comparable(other, windows);
}

/** Whether an absolute path, free of dots, is below a directory. Pure but for the platform. */
export function isBelow(path: string, root: string, windows = Deno.build.os === "windows"): boolean {
  const [at, above] = [comparable(path, windows), comparable(root, windows)];
  return at !== above && at.startsWith(above.endsWith("/") ? above : `${above}/`);
}

/** Whether an absolute path, free of dots, is `root` or below it. Pure but for the platform. */
export function isWithin(path: string, root: string, windows = Deno.build.os === "windows"): boolean {
  return isSamePath(path, root, windows) || isBelow(path, root, windows);
}

/** What follows a directory's path in one below it; undefined for any other. Pure but for the platform. */
export function pathBelow(
  path: string,
  root: string,
  windows = Deno.build.os === "windows",
): string | undefined {
  if (!isBelow(path, root, windows)) return undefined;
  return path.slice(root.endsWith("/") ? root.length : root.length + 1);
}

/** Whether a path is the root of all files, or of a drive or share of Windows'. Pure. */
export function isRoot(path: string): boolean {
  return /^(?:\/|[A-Za-z]:\/?|\/\/[^/]+\/[^/]+\/?)$/.test(path);
}

/** A path as it compares: Windows takes letters for the same in either case, each for itself. Pure but for the platform. */
export function comparable(path: string, windows = Deno.build.os === "windows"): string {
  if (!windows) return path;
  const upper = Array.from(path.replaceAll("\\", "/"), (letter) => {
    const capital = letter.toUpperCase();
    return capital.length === letter.length ? capital : letter;
  }).join("");
  return /^[A-Z]:$/.test(upper) ? `${upper}/` : upper;
}

/** A path without slashes at its end, but for a root's. Pure. */
export function withoutSlash(path: string): string {
  const bare = path.replace(/\/+$/, "");
  return bare === "" || /^[A-Za-z]:$/.test(bare) ? `${bare}/` : bare;
}

/** The directory that an absolute path is in; of a root, the root. Pure. */
export function parentOf(path: string): string {
  const parent = path.slice(0, path.lastIndexOf("/"));
  return parent === "" || /^[A-Za-z]:$/.test(parent) ? `${parent}/` : parent;
}

/** The last name of an absolute path; of a root, nothing. Pure. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** `Deno.realPathSync`, with slashes. */
export function realPath(path: string): string {
  return hostPath(Deno.realPathSync(path));
}

/** Whether anything, a dangling link too, is at a path. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether there is no such file, nor a link in its place, or in its directory's, that leads nowhere now: what is only out of
 * reach for a while is not gone.
 *
 * @param directory what its directory may be: with "not a link", a file in one that is a link may be anywhere
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
