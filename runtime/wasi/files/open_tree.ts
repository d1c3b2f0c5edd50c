/** Opens the files of a sandbox: with Linux's own calls where it has them, by name elsewhere. */

import type { Files } from "../../sandbox/types.ts";
import type { FileTree } from "./file_tree.ts";
import { AskingTree } from "./ungranted_files.ts";

/**
 * Opens the files of a sandbox, by the better way there is. It is called before a plugin's first instruction: later the
 * process may have given up the permissions that this takes (`ffi`).
 *
 * @throws AppError GRANT_INVALID where a granted directory can't be opened
 */
export async function openFileTree(files: Files): Promise<FileTree> {
  const tree = await openTree(files);
  // Who is told of no directory at all (--allow-env with a list) finds no descriptor of one.
  return files.requests && files.mounts.length > 0 ? new AskingTree(tree, files, files.requests) : tree;
}

/** Loads what {@linkcode openFileTree} will need. */
export async function preloadTree(): Promise<void> {
  if (Deno.build.os === "linux") await import("./linux/linux_tree.ts");
}

/** The tree of all that is mounted, without questions. @throws AppError GRANT_INVALID */
export async function openTree(files: Files): Promise<FileTree> {
  if (Deno.build.os === "linux") {
    const { openLinuxTree } = await import("./linux/linux_tree.ts");
    const tree = openLinuxTree(files);
    if (tree) return tree;
  }
  const { NamedTree } = await import("./named_tree.ts");
  return new NamedTree(files);
}
