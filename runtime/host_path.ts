/**
 * Paths of the host as the rest of krew-wasm writes them: with slashes, on Windows too, where Deno answers with backslashes
 * and long-path prefixes, and takes either.
 */

/** A path that Deno, or a user, gave. Pure but for the platform. */
export function hostPath(path: string): string {
  if (Deno.build.os !== "windows") return path;
  return path.replace(/^\\\\\?\\(?!UNC)/, "").replaceAll("\\", "/");
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
