/** The product's file trees, and helpers to test each of them. */

import assert from "node:assert/strict";
import type { Json } from "../../runtime/sandbox/broker/channel.ts";
import { Fields } from "../../runtime/sandbox/broker/fields.ts";
import { failureToJson, fileCalls } from "../../runtime/sandbox/broker/remote_file_calls.ts";
import { type Answer, FileService, namedOverlays } from "../../runtime/sandbox/broker/file_service.ts";
import { Syscalls } from "../../runtime/sandbox/kernel/kernel_calls.ts";
import type { Files, Mount } from "../../runtime/sandbox/types.ts";
import { WasiError } from "../../runtime/wasi/errno.ts";
import type { AnyFile, DirectoryNode, FileTree, OpenOptions } from "../../runtime/wasi/files/file_tree.ts";
import { NamedTree } from "../../runtime/wasi/files/named/named_tree.ts";
import { openLinuxTree } from "../../runtime/wasi/files/linux/linux_tree.ts";
import "./linux_library.ts";
import { temporaryDirectory } from "./temporary.ts";

/** Options to open an existing file for reading. */
export const READ: OpenOptions = {
  follow: true,
  create: false,
  exclusive: false,
  truncate: false,
  directory: false,
  read: true,
  write: false,
};
/** Options to open a file for reading and writing, and create it if missing. */
export const WRITE: OpenOptions = { ...READ, write: true, create: true };

/** Opens a tree. Missing fields mean none. */
export type OpenTree = (files: Partial<Files>) => FileTree;

/** The implementations: by Linux's system calls; by name, which works everywhere; and by messages to a broker. */
export const IMPLEMENTATIONS: Readonly<Record<string, OpenTree>> = {
  "by name": (files) => new NamedTree({ ...NO_FILES, ...files }),
  ...(Deno.build.os === "linux"
    ? {
      "by descriptor": (files: Partial<Files>) => openLinuxTree({ ...NO_FILES, ...files })!,
      "by a broker": openOutside,
    }
    : {}),
};

const NO_FILES: Files = { mounts: [], overlays: [], protectedPaths: [], unprotectedPaths: [] };

/** A tree whose mounts are all open in a broker. Here the broker is in this process. */
function openOutside(given: Partial<Files>): FileTree {
  const files = { ...NO_FILES, ...given };
  const hosts = files.overlays.map(({ host }) => host);
  const elsewhere = openLinuxTree({ ...files, overlays: namedOverlays(hosts) })!;
  const service = new FileService(elsewhere, hosts);
  const system = Syscalls.load()!;
  const answer = (message: Readonly<Record<string, Json>>): Answer => {
    const fields = new Fields(JSON.parse(JSON.stringify(message)));
    if (fields.text("ask") === "file") return service.call(fields.text("name"), fields);
    try {
      return { message: { node: service.mount(files.mounts[mounted++] ?? assert.fail()) } };
    } catch (error) {
      return { message: failureToJson(error) };
    }
  };
  let mounted = 0;
  const calls = fileCalls((message) => {
    const { message: answered, files = [] } = answer(message);
    const copies = files.map((fd) => Number(system.call(system.numbers.fcntl, fd, 1030, 0)));
    return { message: JSON.parse(JSON.stringify(answered)), files: copies };
  });
  const tree = openLinuxTree({ ...files, mounts: [], outside: { calls } })!;
  const roots = files.mounts.map((mount) => ({ guest: mount.guest, node: tree.mount(mount) }));
  return new Proxy(tree, {
    get(tree, name) {
      if (name === "roots") return roots;
      const value = Reflect.get(tree, name, tree);
      return typeof value === "function" ? value.bind(tree) : value;
    },
  });
}

/** Tests each implementation. */
export function testTrees(
  name: string,
  run: (open: OpenTree, implementation: string) => void | Promise<void>,
): void {
  for (const [implementation, open] of Object.entries(IMPLEMENTATIONS)) {
    Deno.test(`${name} (${implementation})`, () => run(open, implementation));
  }
}

/** Tests behaviour that needs the kernel. */
export function testLinuxTree(name: string, run: (open: OpenTree) => void | Promise<void>): void {
  const open = IMPLEMENTATIONS["by descriptor"];
  Deno.test({ name, ignore: !open, fn: () => run(open!) });
}

/** The error of an operation; `ok` without one. */
export function errnoOf(operation: () => unknown): string {
  try {
    operation();
    return "ok";
  } catch (error) {
    assert.ok(error instanceof WasiError, String(error));
    return error.errno;
  }
}

/** Uses an open file and closes it. */
export function withFile(node: unknown, use: (file: AnyFile) => void): void {
  const file = node as AnyFile;
  try {
    use(file);
  } finally {
    file.close();
  }
}

/** Reads up to 100 bytes of text from an open file and closes it. */
export function read(node: unknown): string {
  let text = "";
  withFile(node, (file) => {
    const bytes = new Uint8Array(100);
    text = new TextDecoder().decode(bytes.subarray(0, file.readAt(bytes, 0n)));
  });
  return text;
}

/** A granted directory beside ungranted files. */
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

/** The entries of a directory. */
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
