/** Removes directories that plugins fill. They can be deeper than the limits on open files and on a path's length. */

/** A directory with a longer path is moved to the top first. Linux accepts 4095 bytes, macOS 1023. */
const LONGEST = 700;

/**
 * Removes a directory and everything in it. No other process may change it meanwhile: if a directory is too deep for the
 * system's own call, a link that replaces it could be followed.
 *
 * @throws Deno.errors.NotFound, and other errors of the operating system
 */
export function removeTree(path: string): void {
  try {
    return Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!isTooDeep(error)) throw error;
  }
  const pending = [path];
  for (let at = pending.at(-1); at !== undefined; at = pending.at(-1)) {
    const directories = emptied(at);
    if (directories.length === 0) {
      Deno.removeSync(at);
      pending.pop();
    }
    for (const directory of directories) {
      if (directory.length < path.length + LONGEST) {
        pending.push(directory);
        continue;
      }
      const nearer = `${path}/${crypto.randomUUID()}`;
      Deno.renameSync(directory, nearer);
      pending.splice(1, 0, nearer); // before the directory that now contains it
    }
  }
}

/** Removes everything but directories, and returns the directories. */
function emptied(path: string): string[] {
  const directories: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(path)) {
    const at = `${path}/${name}`;
    if (isDirectory) directories.push(at);
    else Deno.removeSync(at);
  }
  return directories;
}

function isTooDeep(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === "EMFILE" || code === "ENFILE" || code === "ENAMETOOLONG";
}
