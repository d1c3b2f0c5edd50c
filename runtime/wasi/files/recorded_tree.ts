// deno-lint-ignore-file camelcase -- the functions have the names that the specification gives them

/** Records refusals of file operations: attempts to change protected files or to leave the grants. */

import type { RunRecord } from "../../sandbox/run_record.ts";
import { WasiError } from "../errno.ts";
import type { Memory } from "../p1/memory.ts";
import type { FileTree, GuestPath } from "./file_tree.ts";

const decoder = new TextDecoder();

const shown = (path: GuestPath): string => typeof path === "string" ? path : decoder.decode(path);

/** Errors that mean a refusal. A file that is not granted does not exist for the plugin, and is not recorded here. */
const REFUSALS: ReadonlySet<string> = new Set(["not-permitted", "access", "read-only"]);

/** preview1's functions on paths: what each tries, and the argument with the path's address; the length follows it. */
const PATH_FUNCTIONS: Readonly<Record<string, readonly [what: string, path: number]>> = {
  path_create_directory: ["make", 1],
  path_filestat_get: ["look at", 2],
  path_filestat_set_times: ["set the times of", 2],
  path_link: ["link", 2],
  path_open: ["open", 2],
  path_readlink: ["read the link", 1],
  path_remove_directory: ["remove", 1],
  path_rename: ["rename", 1],
  path_symlink: ["make a link", 3],
  path_unlink_file: ["remove", 1],
};

/** Records a failure of a preview1 function if it is a refusal. */
export function recordRefusal(
  record: RunRecord,
  memory: Memory,
  name: string,
  args: readonly (number | bigint)[],
  { errno }: WasiError,
): void {
  const [what, path] = PATH_FUNCTIONS[name] ?? [];
  if (what === undefined || path === undefined || !REFUSALS.has(errno) && errno !== "not-capable") return;
  let target: string;
  try {
    target = shown(memory.slice(Number(args[path]), Math.min(Number(args[path + 1]) >>> 0, 4096)));
  } catch {
    return; // no path: the address is past the memory's end
  }
  record.denied(`${what} "${target}"`);
}

/** Wraps the tree so that every refusal is recorded. */
export function recordTree(tree: FileTree, record: RunRecord): FileTree {
  const noting = <T>(what: string, path: GuestPath, run: () => T): T => {
    const { told } = record;
    try {
      return run();
    } catch (error) {
      // A permission request records its own refusals.
      if (error instanceof WasiError && REFUSALS.has(error.errno) && record.told === told) {
        record.denied(`${what} "${shown(path)}"`);
      }
      throw error;
    }
  };
  return {
    roots: tree.roots,
    maxOpen: tree.maxOpen,
    needs: tree.needs,
    descriptors: tree.descriptors,
    lookAhead: () => tree.lookAhead(),
    mount: (mount) => tree.mount(mount),
    probe: (host) => tree.probe(host),
    openAt: (from, path, options) =>
      noting(
        options.write || options.truncate || options.create ? "write" : "read",
        path,
        () => tree.openAt(from, path, options),
      ),
    stat: (node) => tree.stat(node),
    statAt: (from, path, follow) => noting("look at", path, () => tree.statAt(from, path, follow)),
    setTimes: (node, accessed, modified) => tree.setTimes(node, accessed, modified),
    setTimesAt: (from, path, follow, accessed, modified) =>
      noting("set the times of", path, () => tree.setTimesAt(from, path, follow, accessed, modified)),
    createDirectoryAt: (from, path) => noting("make", path, () => tree.createDirectoryAt(from, path)),
    readDirectory: (node) => tree.readDirectory(node),
    removeDirectoryAt: (from, path) => noting("remove", path, () => tree.removeDirectoryAt(from, path)),
    unlinkFileAt: (from, path) => noting("remove", path, () => tree.unlinkFileAt(from, path)),
    renameAt: (from, path, to, newPath) =>
      noting("rename", path, () => tree.renameAt(from, path, to, newPath)),
    linkAt: (from, path, follow, to, newPath) =>
      noting("link", path, () => tree.linkAt(from, path, follow, to, newPath)),
    symlinkAt: (target, to, newPath) =>
      noting("make a link", newPath, () => tree.symlinkAt(target, to, newPath)),
    readLinkAt: (from, path) => noting("read the link", path, () => tree.readLinkAt(from, path)),
    [Symbol.dispose]: () => tree[Symbol.dispose](),
  };
}
