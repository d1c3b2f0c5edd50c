/** Removes directories that plugins fill: they may be deeper than a process can have open, or a path can be long. */

/** Paths as long as that are dealt with from further up: Linux takes 4095 bytes, macOS 1023. */
const LONGEST = 700;

/**
 * Removes a directory and all in it. Nobody else may be at work in it: a link that takes a directory's place meanwhile could
 * be followed, where it is too deep for the system's own way.
 *
 * @throws Deno.errors.NotFound, and what else the operating system has against it
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
      pending.splice(1, 0, nearer); // before what it is in now
    }
  }
}

/** Removes what is in a directory but directories, which it returns. */
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
