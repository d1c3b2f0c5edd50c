/** Opens the files of a sandbox: with Linux's own calls if possible, by name otherwise. */

import type { Files } from "../../sandbox/types.ts";
import type { FileTree } from "./file_tree.ts";
import { KubeconfigTree } from "./kubeconfig_tree.ts";
import { AskingTree } from "./ungranted_files.ts";

/**
 * Opens the files of a sandbox with the best available tree. Call it before a plugin's first instruction: later the
 * process may lack the permission (`ffi`).
 *
 * @throws AppError GRANT_INVALID if a granted directory can't be opened
 */
export async function openFileTree(files: Files): Promise<FileTree> {
  const tree = await openTree(files);
  // A plugin without granted directories gets no preopens (--allow-env with a list).
  if (files.mounts.length === 0) return tree;
  const asking = files.requests ? new AskingTree(tree, files, files.requests) : tree;
  return files.kube ? new KubeconfigTree(asking, files.kube) : asking;
}

/** Loads the code that {@linkcode openFileTree} will need. */
export async function preloadTree(): Promise<void> {
  if (Deno.build.os === "linux") await import("./linux/linux_tree.ts");
}

/** The tree of all mounts, without permission requests. @throws AppError GRANT_INVALID */
export async function openTree(files: Files): Promise<FileTree> {
  if (Deno.build.os === "linux") {
    const { openLinuxTree } = await import("./linux/linux_tree.ts");
    const tree = openLinuxTree(files);
    if (tree) return tree;
  }
  const { NamedTree } = await import("./named/named_tree.ts");
  return new NamedTree(files);
}
