/**
 * Resolves a plugin's paths name by name. It follows every link itself instead of the operating system, so no path
 * leaves its tree. Pure: it asks the file system two questions.
 */

import { WasiError } from "../errno.ts";

/** The file system. Paths are lists of names below the tree's root. */
export interface Tree {
  /** The target of the link at `path`; undefined for other files and if nothing is there. */
  readLink(path: readonly string[]): string | undefined;
  /** Whether a directory is at `path`. @throws WasiError no-entry if nothing is there */
  isDirectory(path: readonly string[]): boolean;
  /**
   * Whether `path`, existing or not, is denied to the plugin, or exempt from a denial above it. Also called for the
   * starting directory. Without this function nothing is denied.
   */
  denies?(path: readonly string[]): "denied" | "exempt" | undefined;
}

/** The result of a resolution. */
export interface Resolved {
  /** Names below the root, without links. All but the last are directories. */
  readonly path: readonly string[];
  /** The path ended in a slash or a dot: it must name a directory. */
  readonly directory: boolean;
  /** `here`: the file is denied, whether or not it exists. `above`: the path goes through something denied. */
  readonly denied: "here" | "above" | undefined;
}

/** Linux's limit: a path with more links is a loop. */
export const MAX_LINKS = 40;
/** Linux's PATH_MAX and NAME_MAX, here in UTF-16 units, which have at most three UTF-8 bytes each. */
const MAX_PATH = 4096;
const MAX_NAME = 255;

/**
 * Resolves `path` from the directory `base` and never goes above it. If the path goes through something denied, no
 * error reveals whether that exists.
 *
 * @param follow whether to follow a link at the end
 * @throws WasiError not-permitted (absolute, or leaving `base`), loop, not-directory, no-entry, invalid,
 * name-too-long
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
      // Do not reveal what it is; it may be a link.
      if (restIsSlashes) return { path: at, directory: pending.length > 0 };
    }
    const last = pending.length === 0;
    // `link/` names the link's target, as in POSIX.
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
 * Refuses names with a special meaning on Windows: drives and alternate streams (`c:x`, `file:stream`), paths
 * (backslashes), devices (`NUL`, `com1.txt`), names that Windows shortens (a dot or blank at the end), and characters
 * that Windows forbids (Naming Files, Win32).
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
