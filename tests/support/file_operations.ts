/** Random operations on a file tree for fuzz tests, and their results. */

import type {
  AnyFile,
  DirectoryNode,
  FileTree,
  OpenOptions,
  Stat,
} from "../../runtime/wasi/files/file_tree.ts";
import { fc } from "./fuzz.ts";
import { READ } from "./file_trees.ts";

/** One operation of a plugin. */
export type Operation =
  | { readonly do: "open"; readonly path: string; readonly options: OpenOptions; readonly text: string }
  | { readonly do: "stat"; readonly path: string; readonly follow: boolean }
  | { readonly do: "list" | "mkdir" | "rmdir" | "unlink" | "readlink" | "enter"; readonly path: string }
  | {
    readonly do: "rename" | "link";
    readonly path: string;
    readonly newPath: string;
    readonly handles: number;
  }
  | { readonly do: "symlink"; readonly target: string; readonly path: string };

const options: fc.Arbitrary<OpenOptions> = fc.record({
  follow: fc.boolean(),
  create: fc.boolean(),
  exclusive: fc.boolean(),
  truncate: fc.boolean(),
  directory: fc.nat(9).map((n) => n === 0),
  read: fc.boolean(),
  write: fc.boolean(),
});

/**
 * Operations on paths, each from one of four directories. `targets`: what links may say.
 */
export function operations(
  paths: fc.Arbitrary<string>,
  targets: fc.Arbitrary<string>,
): fc.Arbitrary<Operation & { readonly handle: number }> {
  return fc.tuple(
    fc.oneof<fc.Arbitrary<Operation>[]>(
      fc.record({
        do: fc.constant("open" as const),
        path: paths,
        options,
        text: fc.constantFrom("x", "yy", "zzz"),
      }),
      fc.record({ do: fc.constant("stat" as const), path: paths, follow: fc.boolean() }),
      fc.record({
        do: fc.constantFrom(
          ...["list", "mkdir", "mkdir", "mkdir", "rmdir", "unlink", "readlink", "enter"] as const,
        ),
        path: paths,
      }),
      fc.record({
        do: fc.constantFrom("rename" as const, "rename" as const, "link" as const),
        path: paths,
        newPath: paths,
        handles: fc.nat(3),
      }),
      fc.record({ do: fc.constant("symlink" as const), target: targets, path: paths }),
    ),
    fc.nat(3),
  ).map(([operation, handle]) => ({ ...operation, handle }));
}

/** Performs an operation and describes its result in words. @throws WasiError */
export function perform(
  tree: FileTree,
  operation: Operation,
  at: DirectoryNode,
  to: DirectoryNode,
): string {
  switch (operation.do) {
    case "open": {
      const node = tree.openAt(at, operation.path, operation.options) as DirectoryNode | AnyFile;
      try {
        if (node.kind === "directory") return "directory";
        const buffer = new Uint8Array(100);
        const before = node.readable ? decode(buffer.subarray(0, node.readAt(buffer, 0n))) : "unread";
        if (operation.options.write) node.writeAt(encode(operation.text), 0n);
        return `file ${before}`;
      } finally {
        node.close();
      }
    }
    case "stat": {
      const { type, size, links } = tree.statAt(at, operation.path, operation.follow) as Stat;
      return type === "regular-file" ? `file ${size} ${links}` : type === "symbolic-link" ? "link" : type;
    }
    case "list": {
      const node = tree.openAt(at, operation.path, { ...READ, directory: true }) as DirectoryNode;
      const listing = tree.readDirectory(node);
      const found: string[] = [];
      for (let index = 0;; index++) {
        const entry = listing.at(index);
        if (!entry) break;
        found.push(decode(entry.name));
      }
      listing.close();
      node.close();
      return found.sort().join();
    }
    case "enter":
      (tree.openAt(at, operation.path, { ...READ, directory: true }) as DirectoryNode).close();
      return "entered";
    case "mkdir":
      return tree.createDirectoryAt(at, operation.path) ?? "";
    case "rmdir":
      return tree.removeDirectoryAt(at, operation.path) ?? "";
    case "unlink":
      return tree.unlinkFileAt(at, operation.path) ?? "";
    case "readlink":
      return decode(tree.readLinkAt(at, operation.path));
    case "rename":
      return tree.renameAt(at, operation.path, to, operation.newPath) ?? "";
    case "link":
      return tree.linkAt(at, operation.path, false, to, operation.newPath) ?? "";
    case "symlink":
      return tree.symlinkAt(operation.target, at, operation.path) ?? "";
  }
}

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
