/**
 * Removes directories that plugins fill. They can be deeper than the limits on open files, on the stack and on a path's
 * length, and a plugin that still runs can replace a directory by a link.
 */

/** How often to empty a directory in which a running plugin makes new files. */
const MAX_TRIES = 100;

/**
 * Removes a file, a link, or a directory with everything in it. Each directory in it is moved up to `room` before it is
 * listed. So no opened path has more than one name that a plugin could have replaced by a link, and that name is the last.
 *
 * @param room a directory of the same file system where no plugin can change names. The default is `path` itself, for a
 * tree that no other process changes meanwhile
 * @throws Deno.errors.NotFound, and other errors of the operating system. The rest of the tree is then in `path` or `room`
 */
export function removeTree(path: string, room = path): void {
  if (!Deno.lstatSync(path).isDirectory) return Deno.removeSync(path);
  // Windows moves no directory that is open. Its own call follows no link, and needs no handle for each level.
  if (Deno.build.os === "windows") return removeOnWindows(path);
  const isInRoom = path === room || path.slice(0, path.lastIndexOf("/")) === room;
  const pending = [{ at: isInRoom ? path : moved(path, room), tries: 0 }];
  for (let last = pending.at(-1); last !== undefined; last = pending.at(-1)) {
    const { at } = last;
    if (last.tries++ === MAX_TRIES) throw new Error(`new files appear in ${at} all the time`);
    const found = emptied(at, room);
    for (const directory of found) pending.push({ at: directory, tries: 0 });
    if (found.length > 0) continue;
    try {
      Deno.removeSync(at);
      pending.pop();
    } catch (error) {
      if (!isNotEmpty(error)) throw error; // otherwise a plugin has made a file since
    }
  }
}

/** Removes everything but full directories from a directory. Moves those to `room`, and returns their paths there. */
function emptied(path: string, room: string): string[] {
  const directories: string[] = [];
  for (const { name } of [...Deno.readDirSync(path)]) {
    const at = `${path}/${name}`;
    try {
      Deno.removeSync(at); // not recursive: follows no link
      continue;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue; // the plugin was faster
      if (!isNotEmpty(error)) throw error;
    }
    const nearer = path === room ? at : moved(at, room);
    // The plugin may have replaced the directory by a file or a link.
    if (Deno.lstatSync(nearer).isDirectory) directories.push(nearer);
    else Deno.removeSync(nearer);
  }
  return directories;
}

function moved(path: string, room: string): string {
  const to = `${room}/left-${crypto.randomUUID()}`;
  Deno.renameSync(path, to);
  return to;
}

function removeOnWindows(path: string): void {
  for (let tried = 1;; tried++) {
    try {
      return Deno.removeSync(path, { recursive: true });
    } catch (error) {
      if (!isNotEmpty(error) || tried === MAX_TRIES) throw error;
    }
  }
}

function isNotEmpty(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === "ENOTEMPTY" || code === "EEXIST"; // POSIX allows both
}
