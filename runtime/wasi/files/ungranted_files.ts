/**
 * Handles paths outside of all mounts. A WASI program can name only paths below its preopens, so it gets the root,
 * `/`, which contains only the way to its mounts. If a plugin names another path there, a person may grant it.
 * Without a person the host records it, so that it can name the missing grant at exit. A granted path becomes one
 * more mount of the wrapped tree, with all of its rules.
 *
 * wasi-libc resolves relative and absolute paths alike, below the last preopen of `.` and `/`, and removes slashes
 * and dots at the front. So a path here may be relative or absolute.
 */

import type { FileRequests, Files } from "../../sandbox/types.ts";
import { WasiError } from "../errno.ts";
import type { MaybePromise } from "../streams/streams.ts";
import type {
  AnyFile,
  DirectoryNode,
  FileTree,
  GuestPath,
  Listing,
  NewTime,
  OpenOptions,
  Stat,
} from "./file_tree.ts";
import { synthetic } from "./ungranted_paths.ts";
import { Routes, type Seen, UngrantedDirectory } from "./ungranted_routes.ts";
import { WrappedTree } from "./wrapped_tree.ts";

/** A tree that asks for paths without a grant. */
export class AskingTree extends WrappedTree implements FileTree {
  override readonly roots: FileTree["roots"];
  override readonly maxOpen: number;
  #routes: Routes;

  constructor(tree: FileTree, files: Files, requests: FileRequests) {
    super(tree);
    this.maxOpen = Math.min(tree.maxOpen, requests.descriptors);
    const seen = tree.roots.map(({ guest, node }, index): Seen => {
      return { ...files.mounts[index]!, guest, node };
    });
    this.#routes = new Routes(tree, requests, seen);
    const root = seen.some(({ guest }) => guest === "/");
    const current = seen.filter(({ guest }) => guest === ".").map(({ node }) =>
      new UngrantedDirectory("/", node)
    );
    const roots = [
      // Single files are reached from the root, so that the host can ask for files beside them, too.
      ...seen.filter(({ guest, only }) => guest !== "." && (root || !only)).map((mount) => ({
        guest: mount.guest,
        node: mount.write ? mount.node : new UngrantedDirectory(mount.guest, mount.node, mount),
      })),
      ...(root ? [] : [{ guest: "/", node: new UngrantedDirectory("/") }]),
    ];
    // First, because Zig and AssemblyScript take descriptor 3 for the current directory; if that is not granted, the
    // root serves. Last again, under another name for `.`: wasi-libc uses the last of `.` and `/`.
    this.roots = current.length > 0
      ? [
        ...current.map((node) => ({ guest: ".", node })),
        ...roots,
        ...current.map((node) => ({ guest: "./", node })),
      ]
      : [...roots.filter(({ guest }) => guest === "/"), ...roots.filter(({ guest }) => guest !== "/")];
  }

  openAt(from: DirectoryNode, path: GuestPath, options: OpenOptions): MaybePromise<DirectoryNode | AnyFile> {
    if (!(from instanceof UngrantedDirectory)) return this.tree.openAt(from, path, options);
    const kind = options.write || options.create || options.truncate ? "write" : "read";
    const route = this.#routes.route(from, path, kind);
    if (route instanceof UngrantedDirectory) {
      if (options.create || options.write || options.truncate) throw new WasiError("is-directory");
      return route;
    }
    return this.tree.openAt(route.node, route.path, options);
  }

  override stat(node: DirectoryNode | AnyFile): Stat {
    if (!(node instanceof UngrantedDirectory)) return this.tree.stat(node);
    return node.under ? this.tree.stat(node.under) : synthetic(node.path);
  }

  statAt(from: DirectoryNode, path: GuestPath, follow: boolean): MaybePromise<Stat> {
    if (!(from instanceof UngrantedDirectory)) return this.tree.statAt(from, path, follow);
    const route = this.#routes.route(from, path, "read");
    return route instanceof UngrantedDirectory
      ? this.stat(route)
      : this.tree.statAt(route.node, route.path, follow);
  }

  override setTimes(node: DirectoryNode | AnyFile, accessed: NewTime, modified: NewTime): void {
    if (!(node instanceof UngrantedDirectory)) return this.tree.setTimes(node, accessed, modified);
    if (!node.under) throw new WasiError("read-only");
    this.tree.setTimes(node.under, accessed, modified);
  }

  setTimesAt(
    from: DirectoryNode,
    path: GuestPath,
    follow: boolean,
    accessed: NewTime,
    modified: NewTime,
  ): void {
    const route = this.#routes.change(from, path);
    this.tree.setTimesAt(route.node, route.path, follow, accessed, modified);
  }

  createDirectoryAt(from: DirectoryNode, path: GuestPath): void {
    const route = this.#routes.change(from, path, "exist", "directory");
    this.tree.createDirectoryAt(route.node, route.path);
    route.made?.();
  }

  override readDirectory(node: DirectoryNode): Listing {
    if (!(node instanceof UngrantedDirectory)) return this.tree.readDirectory(node);
    if (node.under) return this.tree.readDirectory(node.under);
    throw new WasiError("access"); // the plugin must not know what else is there
  }

  removeDirectoryAt(from: DirectoryNode, path: GuestPath): void {
    const route = this.#routes.change(from, path);
    this.tree.removeDirectoryAt(route.node, route.path);
  }

  unlinkFileAt(from: DirectoryNode, path: GuestPath): void {
    const route = this.#routes.change(from, path, "is-directory");
    this.tree.unlinkFileAt(route.node, route.path);
  }

  renameAt(from: DirectoryNode, path: GuestPath, to: DirectoryNode, newPath: GuestPath): void {
    const source = this.#routes.change(from, path);
    const target = this.#routes.change(to, newPath);
    this.tree.renameAt(source.node, source.path, target.node, target.path);
  }

  linkAt(from: DirectoryNode, path: GuestPath, follow: boolean, to: DirectoryNode, newPath: GuestPath): void {
    const source = this.#routes.change(from, path);
    const target = this.#routes.change(to, newPath);
    this.tree.linkAt(source.node, source.path, follow, target.node, target.path);
  }

  symlinkAt(target: GuestPath, to: DirectoryNode, newPath: GuestPath): void {
    const route = this.#routes.change(to, newPath, "exist");
    this.tree.symlinkAt(target, route.node, route.path);
  }

  readLinkAt(from: DirectoryNode, path: GuestPath): Uint8Array {
    const route = this.#routes.route(from, path, "read");
    if (route instanceof UngrantedDirectory) throw new WasiError("invalid");
    return this.tree.readLinkAt(route.node, route.path);
  }
}
