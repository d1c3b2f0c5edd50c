/** The two file trees of the product, and what tests do with either. */

import assert from "node:assert/strict";
import type { Files, Mount } from "../../runtime/sandbox.ts";
import { WasiError } from "../../runtime/wasi/errno.ts";
import type { AnyFile, DirectoryNode, FileTree, OpenOptions } from "../../runtime/wasi/files.ts";
import { NamedTree } from "../../runtime/wasi/files_by_name.ts";
import { openLinuxTree } from "../../runtime/wasi/files_linux.ts";
import "./linux_library.ts";
import { temporaryDirectory } from "./temporary.ts";

/** How a file that is there is opened to be read. */
export const READ: OpenOptions = {
  follow: true,
  create: false,
  exclusive: false,
  truncate: false,
  directory: false,
  read: true,
  write: false,
};
/** How a file is opened to be read and written, made if it is not there. */
export const WRITE: OpenOptions = { ...READ, write: true, create: true };

/** Opens a tree; what is not said is nothing. */
export type OpenTree = (files: Partial<Files>) => FileTree;

/** The two implementations: through Linux's system calls, and by name, which is there everywhere. */
export const IMPLEMENTATIONS: Readonly<Record<string, OpenTree>> = {
  "by name": (files) => new NamedTree({ ...NO_FILES, ...files }),
  ...(Deno.build.os === "linux"
    ? { "by descriptor": (files: Partial<Files>) => openLinuxTree({ ...NO_FILES, ...files })! }
    : {}),
};

const NO_FILES: Files = { mounts: [], overlays: [], protectedPaths: [], unprotectedPaths: [] };

/** A test of both. */
export function testTrees(
  name: string,
  run: (open: OpenTree, implementation: string) => void | Promise<void>,
): void {
  for (const [implementation, open] of Object.entries(IMPLEMENTATIONS)) {
    Deno.test(`${name} (${implementation})`, () => run(open, implementation));
  }
}

/** A test of what only the kernel can do. */
export function testLinuxTree(name: string, run: (open: OpenTree) => void | Promise<void>): void {
  const open = IMPLEMENTATIONS["by descriptor"];
  Deno.test({ name, ignore: !open, fn: () => run(open!) });
}

/** The error of an operation, `ok` for none. */
export function errnoOf(operation: () => unknown): string {
  try {
    operation();
    return "ok";
  } catch (error) {
    assert.ok(error instanceof WasiError, String(error));
    return error.errno;
  }
}

/** Uses what was opened, and closes it. */
export function withFile(node: unknown, use: (file: AnyFile) => void): void {
  const file = node as AnyFile;
  try {
    use(file);
  } finally {
    file.close();
  }
}

/** The text of an open file, up to 100 bytes, which is closed. */
export function read(node: unknown): string {
  let text = "";
  withFile(node, (file) => {
    const bytes = new Uint8Array(100);
    text = new TextDecoder().decode(bytes.subarray(0, file.readAt(bytes, 0n)));
  });
  return text;
}

/** A directory with a granted tree beside what is not granted. */
export function setUp(open: OpenTree, mount: Partial<Mount> = {}, files: Partial<Files> = {}) {
  const root = temporaryDirectory();
  Deno.mkdirSync(`${root}/in/sub`, { recursive: true });
  Deno.writeTextFileSync(`${root}/in/file`, "inside");
  Deno.writeTextFileSync(`${root}/in/sub/deep`, "deep");
  Deno.writeTextFileSync(`${root}/secret`, "outside");
  const tree = open({
    mounts: [{ guest: "/g", host: `${root}/in`, write: true, ...mount }],
    ...files,
  });
  return {
    root,
    tree,
    at: tree.roots[0]!.node,
    [Symbol.dispose]: () => {
      tree[Symbol.dispose]();
      Deno.removeSync(root, { recursive: true });
    },
  };
}

/** What a directory holds. */
export function entriesOf(tree: FileTree, node: DirectoryNode) {
  const listing = tree.readDirectory(node);
  const entries = [];
  for (let index = 0;; index++) {
    const entry = listing.at(index);
    if (!entry) break;
    entries.push({ name: new TextDecoder().decode(entry.name), type: entry.type });
  }
  listing.close();
  return entries;
}
