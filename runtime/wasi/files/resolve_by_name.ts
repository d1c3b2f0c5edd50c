/**
 * Resolution of a plugin's paths: component by component, every link followed here and never by the operating
 * system, so that no path leaves the tree it starts in. Pure over two questions to the file system.
 */

import { WasiError } from "../errno.ts";

/** The questions. Paths are lists of names below the tree's root. */
export interface Tree {
  /** The target of the link at `path`; undefined where there is no link, or nothing. */
  readLink(path: readonly string[]): string | undefined;
  /** Whether a directory is at `path`. @throws WasiError no-entry where nothing is */
  isDirectory(path: readonly string[]): boolean;
  /**
   * Whether what is, or would be, at `path` is denied to the plugin, or exempt from what is denied above it. Asked of the
   * directory that a path starts in, too. Without it nothing is denied.
   */
  denies?(path: readonly string[]): "denied" | "exempt" | undefined;
}

/** Where a path leads. */
export interface Resolved {
  /** Names below the root, no link among them; all but the last are directories. */
  readonly path: readonly string[];
  /** The path ended in a slash or a dot: what it names must be a directory. */
  readonly directory: boolean;
  /** `here`: what it names is denied, whether or not it is there. `above`: something that it goes through is. */
  readonly denied: "here" | "above" | undefined;
}

/** As Linux: a path with more links than this is a loop. */
const MAX_LINKS = 40;
/** As Linux's PATH_MAX and NAME_MAX, in UTF-8 bytes at most three times as many. */
const MAX_PATH = 4096;
const MAX_NAME = 255;

/**
 * Resolves `path` from the directory `base`, above which it never goes. Of a path that goes through what is denied, no error
 * tells whether that is there.
 *
 * @param follow whether a link in the last place is followed
 * @throws WasiError not-permitted (absolute, or leaving `base`), loop, not-directory, no-entry, invalid, name-too-long
 */
export function resolvePath(tree: Tree, base: readonly string[], path: string, follow: boolean): Resolved {
  if (path === "") throw new WasiError("no-entry");
  if (path.includes("\0")) throw new WasiError("invalid");
  if (path.length > MAX_PATH) throw new WasiError("name-too-long");
  if (path.startsWith("/")) throw new WasiError("not-permitted");
  const state: State = { denied: tree.denies?.(base) === "denied" ? "above" : undefined };
  try {
    return { ...resolveNames(tree, base, path, follow, state), denied: state.denied };
  } catch (error) {
    throw state.denied ? new WasiError("no-entry") : error;
  }
}

interface State {
  denied: Resolved["denied"];
}

function resolveNames(
  tree: Tree,
  base: readonly string[],
  path: string,
  follow: boolean,
  state: State,
): Omit<Resolved, "denied"> {
  const at = [...base];
  const pending = path.split("/").reverse();
  let links = 0;
  let directory = false;
  while (pending.length > 0) {
    const name = pending.pop()!;
    if (name === "") {
      directory = true;
      continue;
    }
    if (state.denied === "here") state.denied = "above";
    if (name === ".") {
      directory = true;
      continue;
    }
    if (name === "..") {
      if (at.length <= base.length) throw new WasiError("not-permitted");
      at.pop();
      directory = true;
      continue;
    }
    if (name.length > MAX_NAME) throw new WasiError("name-too-long");
    at.push(name);
    directory = false;
    const restIsSlashes = pending.every((part) => part === "");
    const denies = tree.denies?.(at);
    if (denies === "exempt") state.denied = undefined;
    else if (denies === "denied" && !state.denied) {
      state.denied = "here";
      // What it is, a link perhaps, is not told.
      if (restIsSlashes) return { path: at, directory: pending.length > 0 };
    }
    const last = pending.length === 0;
    // `link/` names what the link points to, as in POSIX.
    if (last && !follow) break;
    const target = tree.readLink(at);
    if (target !== undefined) {
      if (++links > MAX_LINKS) throw new WasiError("loop");
      if (target.startsWith("/")) throw new WasiError("not-permitted");
      at.pop();
      pending.push(...target.split("/").reverse());
      continue;
    }
    if (!restIsSlashes && !tree.isDirectory(at)) throw new WasiError("not-directory");
  }
  return { path: at, directory };
}

/**
 * Refuses names that Windows gives to something else than a file of the directory: drives and alternate streams
 * (`c:x`, `file:stream`), paths in disguise (backslashes), devices (`NUL`, `com1.txt`), names that another name is cut
 * to (a dot or blank at the end), and the characters no name has there (Naming Files, Win32).
 *
 * @throws WasiError no-entry
 */
export function checkWindowsName(name: string): void {
  if (
    /[\\/:*?"<>|\u0000-\u001f]|[. ]$/.test(name) ||
    /^(con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|:|$)/i.test(name)
  ) {
    throw new WasiError("no-entry");
  }
}
