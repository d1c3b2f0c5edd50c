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

/** Whether an absolute path, free of dots, is below a directory. Pure. */
export function isBelow(path: string, root: string): boolean {
  return path !== root && path.startsWith(root.endsWith("/") ? root : `${root}/`);
}

/** Whether an absolute path, free of dots, is `root` or below it. Pure. */
export function isWithin(path: string, root: string): boolean {
  return path === root || isBelow(path, root);
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
 * Whether there is no such file, nor a link in its place, or in its directory's, that leads nowhere now: a bound that is only
 * out of reach for a while is no less one.
 */
export function isNowhere(path: string): boolean {
  return [path, path.slice(0, path.lastIndexOf("/"))].every((each) => {
    try {
      const info = Deno.lstatSync(each);
      return each !== path && info.isDirectory;
    } catch (error) {
      return error instanceof Deno.errors.NotFound;
    }
  });
}
