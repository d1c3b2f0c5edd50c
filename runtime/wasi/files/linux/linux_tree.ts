/**
 * The files of a plugin on Linux. Every mount is an open directory, and every operation is relative to one. The
 * kernel resolves paths (openat2) and never leaves the starting directory, even if something is renamed or linked
 * meanwhile. Names are bytes, times are nanoseconds. This file decides what the kernel can't know: which files show
 * as something else (overlays), which can't be changed (the store), and which names of a directory show (a grant of
 * one file).
 *
 * It recognises these files by device and inode after opening, so another name (a link, a hard link, a mount) does
 * not help. A second process with the same grant can't move them either: every process refuses to move, replace or
 * link them or a directory above them.
 */

import { isBelow } from "../../../base/host_path.ts";
import type { Files, Mount, Overlay } from "../../../sandbox/types.ts";
import { bytesOf, fromLatin1, isDots, isName, join, latin1, nameOf, SLASH } from "./byte_paths.ts";
import { isAbsence, WasiError } from "../../errno.ts";
import {
  type AnyFile,
  type DirectoryNode,
  type Entry,
  type FileTree,
  type GuestPath,
  type Listing,
  type NewTime,
  type NodeType,
  notMounted,
  type OpenOptions,
  type Probed,
  refuseInPlaceOfFile,
  type Stat,
} from "../file_tree.ts";
import { LinuxHost } from "./linux_host.ts";
import {
  AT_FDCWD,
  type Glance,
  Kernel,
  type KernelFiles,
  O_CREAT,
  O_EXCL,
  O_NOCTTY,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
} from "./file_calls.ts";
import { HostMemory } from "../../host_memory.ts";
import { HostNode } from "../host_node.ts";
import { OutsideTree } from "../broker_tree.ts";
import { DirectoryListing, identityOf, OpenDirectory, OpenFile, type Root } from "./linux_nodes.ts";
import { OverlayNode } from "../overlay.ts";
import { resolvePath, type Tree } from "../resolve_by_name.ts";
import { type Change, type Protected, Protection } from "../protection.ts";
import { isSpecial, refuseSpecial } from "../special_files.ts";
import type { MaybePromise } from "../../streams/streams.ts";

/** How many files a plugin may have open at once, if the system's limit allows. */
const MAX_OPEN = 16384;
/** Descriptors for the host itself: connections, files and libraries. */
const RESERVED = 128;
/** Linux's limit: a path with more links is a loop. */
const MAX_LINKS = 40;
const encoder = new TextEncoder();

/** The file may have been replaced by one that the plugin must not see: open it again. */
class Replaced extends Error {}

/** The place of a change: a name in an open directory. */
interface Place {
  readonly root: Root;
  readonly directory: number;
  /** As given, with slashes at its end, which require a directory. */
  readonly name: Uint8Array;
  /** Without those slashes. */
  readonly bare: Uint8Array;
}

/** The tree; undefined if the system calls are not available. @throws AppError GRANT_INVALID */
export function openLinuxTree(files: Files): FileTree | undefined {
  kernel ??= Kernel.load();
  if (!kernel) return undefined;
  const tree = new LinuxTree(kernel, files);
  return files.outside ? new OutsideTree(tree, kernel, files) : tree;
}

/** The process's system calls, loaded while it has the permission. */
let kernel: Kernel | undefined;

class LinuxTree implements FileTree {
  readonly roots: readonly { readonly guest: string; readonly node: OpenDirectory }[];
  readonly maxOpen: number;
  readonly needs = [] as const;
  readonly descriptors: readonly number[];
  #kernel: Kernel;
  #files: Files;
  #host: LinuxHost;
  #protection: Protection;
  #mounted: number[] = [];
  /** Memory of the open listings. */
  #listings = new HostMemory();
  #contents = new Map<Overlay, MaybePromise<Uint8Array>>();
  /** Devices that were looked at: the kernel's pseudo file system, or undefined. */
  #devices = new Map<bigint, KernelFiles | undefined>();
  /** The last regular device. Most files are on the same one. */
  #plain: bigint | undefined;
  /** The file at each overlay and at each denied path at the last look. */
  #seen: readonly (Glance | undefined)[] = [];

  constructor(kernel: Kernel, files: Files) {
    this.#kernel = kernel;
    this.#files = files;
    this.#host = new LinuxHost(kernel);
    this.#protection = new Protection(files, this.#host);
    // A listing takes two descriptors.
    const limit = kernel.raiseFileLimit(2 * MAX_OPEN + RESERVED);
    this.maxOpen = Math.min(MAX_OPEN, Math.max(16, Math.floor((limit - RESERVED) / 2)));
    const nodes = files.mounts.map((mount) => this.mount(mount));
    this.roots = nodes.map((node, index) => ({ guest: files.mounts[index]!.guest, node }));
    this.descriptors = nodes.map(({ fd }) => fd);
  }

  lookAhead(): void {
    const { mounts, unprotectedPaths } = this.#files;
    const granted = this.roots.filter((_, index) => {
      const { host, only } = mounts[index]!;
      return !only && !unprotectedPaths.includes(host);
    });
    if (granted.length === 0) return;
    this.#host.lookAtMounts();
    if (!granted.some(({ node }) => node.writable)) return;
    // The process may still list denied directories (runtime/sandbox/kernel/kept_access.ts).
    this.#protection.now().lookAhead(granted.map(({ node }) => node.root.identity), false);
  }

  mount(mount: Mount): OpenDirectory {
    const kernel = this.#kernel;
    try {
      const fd = kernel.openPlain(AT_FDCWD, mount.host, O_PATH | kernel.O_DIRECTORY);
      return this.#closing(fd, () => {
        const root: Root = {
          mount,
          fd,
          identity: identityOf(kernel.stat(fd)),
          only: mount.only,
          entangled: undefined,
          hasMounts: false,
        };
        this.#mounted.push(fd);
        return new OpenDirectory(root, fd);
      });
    } catch (error) {
      throw notMounted(mount, error);
    }
  }

  probe(host: string): Probed | undefined {
    const kernel = this.#kernel;
    let fd: number;
    try {
      fd = kernel.open(AT_FDCWD, host, O_PATH, false);
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
    try {
      const real = new TextDecoder("utf-8", { fatal: true }).decode(
        kernel.readLink(AT_FDCWD, `/proc/self/fd/${fd}`),
      );
      // A pipe or socket has no path, so it can't be granted.
      return real.startsWith("/") ? { type: kernel.stat(fd).type, real } : undefined;
    } catch (error) {
      if (error instanceof WasiError && !isAbsence(error)) throw error;
      return undefined; // only names that are text can be granted
    } finally {
      kernel.close(fd);
    }
  }

  openAt(
    from: OpenDirectory,
    path: GuestPath,
    options: OpenOptions,
  ): MaybePromise<DirectoryNode | AnyFile> {
    for (let attempts = 0;; attempts++) {
      try {
        return this.#openOnce(from, path, options);
      } catch (error) {
        if (!(error instanceof Replaced)) throw error;
        if (attempts === 1000) throw new WasiError("busy");
      }
    }
  }

  /** @throws WasiError, Replaced */
  #openOnce(
    from: OpenDirectory,
    path: GuestPath,
    options: OpenOptions,
  ): MaybePromise<DirectoryNode | AnyFile> {
    const { root } = from;
    const { write, truncate, directory } = options;
    // Opening can't create a directory.
    const create = options.create && !directory;
    if (options.create && options.exclusive) {
      const there = this.#existing(from, path, false);
      if (there !== undefined) {
        this.#kernel.close(there.fd);
        throw new WasiError("exist");
      }
    }
    if (!create && !write && !truncate) return this.#openToRead(from, path, options);
    if (directory) {
      // A directory can't be opened for writing, whether it exists or not.
      const there = this.#existing(from, path, options.follow);
      if (there === undefined) throw new WasiError("no-entry");
      this.#kernel.close(there.fd);
      throw new WasiError(there.stat.type === "directory" ? "is-directory" : "not-directory");
    }
    const reads = options.read || !write;
    if (!root.mount.write) {
      // Refuse the change with the error that POSIX requires.
      const there = this.#existing(from, path, options.follow);
      if (there === undefined) throw new WasiError(create ? "read-only" : "no-entry");
      this.#kernel.close(there.fd);
      if (there.stat.type === "symbolic-link") throw new WasiError("loop");
      if (there.stat.type === "directory") throw new WasiError("is-directory");
      if (create && !write && !truncate && !this.#overlayOf(there.stat)) {
        return this.#openToRead(from, path, options); // the file exists, so nothing is created
      }
      throw new WasiError("read-only");
    }
    return this.#atEnd(from, path, options.follow, (place) => {
      const { directory: parent, name, bare } = place;
      if (isDots(bare)) throw new WasiError("is-directory");
      this.#refuseDenied(place, create);
      const access = write || truncate ? reads || truncate ? O_RDWR : O_WRONLY : O_RDONLY;
      const flags = access | O_NOCTTY | this.#kernel.O_NOFOLLOW;
      let fd: number;
      let made = false;
      try {
        fd = this.#openToUse(
          root,
          this.#kernel.typeAt(parent, bare, false),
          flags,
          (flags) => this.#kernel.open(parent, name, flags, true),
        );
      } catch (error) {
        if (!(error instanceof WasiError)) throw error;
        // The user may not write it, or it is a running program, such as krew-wasm itself: the kernel's error comes
        // first.
        if (["access", "not-permitted", "text-file-busy"].includes(error.errno)) {
          this.#refuseEntry(place, this.#kernel.statAt(parent, bare), "content", this.#checkChange(place));
        }
        if (error.errno !== "no-entry") throw error;
        if (this.#overlayNamed(place)) throw new WasiError("read-only");
        if (!create) throw error;
        if (name.length > bare.length) throw new WasiError("is-directory");
        this.#checkChange(place);
        fd = this.#kernel.open(parent, name, flags | O_CREAT | (options.exclusive ? O_EXCL : 0), true);
        made = true;
      }
      return this.#closing(fd, () => {
        const { stat, overlay } = this.#look(fd, (fd) => this.#kernel.stat(fd), made && options.exclusive);
        if (stat.type === "directory") throw new WasiError("is-directory");
        if (overlay) throw new WasiError("read-only");
        this.#refuseDeniedFile(root, stat);
        this.#refuseSpecial(root, fd, stat);
        this.#refuseKernel(fd, stat, true);
        if (!made && (write || truncate)) this.#refuseEntry(place, stat, "content", this.#checkChange(place));
        if (truncate && stat.type === "regular-file") this.#kernel.setSize(fd, 0n);
        return new OpenFile(this.#kernel, root, fd, stat.type, reads, write);
      });
    });
  }

  #openToRead(
    from: OpenDirectory,
    path: GuestPath,
    { follow, directory }: OpenOptions,
  ): MaybePromise<DirectoryNode | AnyFile> {
    const kernel = this.#kernel;
    const kind = directory ? kernel.O_DIRECTORY : 0;
    let fd: number;
    try {
      fd = this.#open(from, path, O_RDONLY | O_NOCTTY | kind, follow);
    } catch (error) {
      if (!(error instanceof WasiError)) throw error;
      const overlay = this.#missingOverlay(from, path, follow, error);
      if (overlay) return this.#overlayNode(overlay.overlay, overlay.stat);
      // For example a directory that can be entered but not listed, or a kubeconfig that the user may not read.
      if (error.errno !== "access") throw error;
      const found = this.#existing(from, path, follow);
      if (found === undefined) throw error;
      const overlaid = this.#overlayOf(found.stat);
      if (found.stat.type === "directory") {
        return new OpenDirectory(from.root, found.fd, () => kernel.close(found.fd));
      }
      kernel.close(found.fd);
      if (overlaid) return this.#overlayNode(overlaid, found.stat);
      throw error;
    }
    const found = this.#closing(fd, () => {
      const { stat: glance, overlay } = this.#look(fd, (fd) => kernel.glance(fd), false);
      if (glance.type === "directory") return new OpenDirectory(from.root, fd, () => kernel.close(fd));
      if (overlay) return { overlay, stat: kernel.stat(fd) };
      this.#refuseSpecial(from.root, fd, glance);
      this.#refuseKernel(fd, glance, false);
      return new OpenFile(kernel, from.root, fd, glance.type, true, false);
    });
    if (!("overlay" in found)) return found;
    kernel.close(fd);
    return this.#overlayNode(found.overlay, found.stat);
  }

  stat(node: OpenDirectory | AnyFile): Stat {
    HostNode.check(node);
    return node.kind === "file" ? node.stat() : this.#shown(node.root, this.#kernel.stat(node.fd));
  }

  statAt(from: OpenDirectory, path: GuestPath, follow: boolean): MaybePromise<Stat> {
    HostNode.check(from);
    let stat: Stat;
    let overlay: Overlay | undefined;
    try {
      if (!follow && isName(path) && !from.root.only && !this.#protection.denies) {
        stat = this.#kernel.statAt(from.fd, path);
      } else {
        const fd = this.#open(from, path, O_PATH, follow);
        try {
          stat = this.#kernel.stat(fd);
        } finally {
          this.#kernel.close(fd);
        }
      }
      overlay = this.#overlayOf(stat);
    } catch (error) {
      if (!(error instanceof WasiError)) throw error;
      const missing = this.#missingOverlay(from, path, follow, error);
      if (!missing) throw error;
      ({ overlay, stat } = missing);
    }
    if (!overlay) return this.#shown(from.root, stat);
    const content = this.#contentOf(overlay);
    return content instanceof Promise
      ? content.then((bytes) => ({ ...stat, size: BigInt(bytes.length) }))
      : { ...stat, size: BigInt(content.length) };
  }

  setTimesAt(
    from: OpenDirectory,
    path: GuestPath,
    follow: boolean,
    accessed: NewTime,
    modified: NewTime,
  ): void {
    const found = this.#existing(from, path, follow);
    if (found === undefined) throw new WasiError("no-entry");
    this.#kernel.close(found.fd);
    if (!from.root.mount.write) throw new WasiError("read-only");
    if (isDots(nameOf(path).bare)) {
      const fd = this.#open(from, path, O_PATH, follow);
      try {
        refuseDirectoryOfFiles(from.root);
        this.#checkDirectory(from.root, fd);
        this.#kernel.setTimes(fd, accessed, modified);
      } finally {
        this.#kernel.close(fd);
      }
      return;
    }
    this.#atEnd(from, path, follow, (place) => {
      const fd = this.#kernel.open(place.directory, place.name, O_PATH | this.#kernel.O_NOFOLLOW, true);
      try {
        const stat = this.#kernel.stat(fd);
        if (stat.type === "symbolic-link" && follow) throw new WasiError("loop"); // the next turn follows the link
        this.#refuseDenied(place, false);
        this.#refuseEntry(place, stat, "content", this.#checkChange(place));
        this.#refuseKernel(fd, stat, true);
        this.#kernel.setTimes(fd, accessed, modified);
      } finally {
        this.#kernel.close(fd);
      }
    });
  }

  setTimes(node: OpenDirectory | AnyFile, accessed: NewTime, modified: NewTime): void {
    if (!(node instanceof OpenFile || node instanceof OpenDirectory) || !node.root.mount.write) {
      throw new WasiError("read-only");
    }
    if (node.kind === "directory") {
      refuseDirectoryOfFiles(node.root);
      this.#checkDirectory(node.root, node.fd);
    } // POSIX lets the owner set times through any descriptor; a file opened for reading was not checked for changes
    else if (!node.writable) {
      const stat = node.stat();
      if (this.#isEntangled(node.root) || stat.links > 1n) {
        const now = this.#protection.now();
        now.refuseEntry({ ...stat, identity: identityOf(stat) }, "content");
        now.refuseIn(this.#aboveFile(node.fd));
      }
      this.#refuseKernel(node.fd, stat, true);
    }
    this.#kernel.setTimes(node.fd, accessed, modified);
  }

  createDirectoryAt(from: OpenDirectory, path: GuestPath): void {
    this.#inParent(from, path, (place) => {
      this.#refuseDenied(place, true);
      if (this.#exists(place)) throw new WasiError("exist");
      this.#checkChange(place, "directory");
      refuseInPlaceOfFile(place.root.mount, "directory");
      this.#kernel.makeDirectory(place.directory, place.name);
    });
  }

  readDirectory(node: OpenDirectory): Listing {
    HostNode.check(node);
    const kernel = this.#kernel;
    // Opening `.` gives the same directory.
    if (node.root.only && identityOf(this.#kernel.stat(node.fd)) === node.root.identity) {
      return this.#listOnly(node);
    }
    const fd = kernel.open(node.fd, ".", O_RDONLY | kernel.O_DIRECTORY, true);
    if (!this.#protection.denies) return new DirectoryListing(kernel, fd, this.#listings);
    const now = this.#protection.now();
    const directory = identityOf(kernel.glance(fd));
    return new DirectoryListing(
      kernel,
      fd,
      this.#listings,
      (name, identity) => now.deniesAt(directory, textOf(name), identity),
    );
  }

  /** The listing of a granted file's directory: the granted names only. */
  #listOnly({ root }: OpenDirectory): Listing {
    const entries: Entry[] = [];
    for (const name of root.only!) {
      const bytes = encoder.encode(name);
      const host = encoder.encode(root.mount.names?.get(name) ?? name);
      const place = { root, directory: root.fd, name: host, bare: host };
      try {
        const { type, ino } = this.#kernel.statAt(root.fd, host);
        if (type !== "directory") entries.push({ name: bytes, type, ino });
      } catch (error) {
        if (!(error instanceof WasiError && error.errno === "no-entry")) throw error;
        if (this.#overlayNamed(place)) entries.push({ name: bytes, type: "regular-file", ino: 0n });
      }
    }
    return { at: (index) => entries[index], close: () => {} };
  }

  removeDirectoryAt(from: OpenDirectory, path: GuestPath): void {
    this.#inParent(from, path, (place) => {
      this.#refuseDenied(place, false);
      const stat = this.#kernel.statAt(place.directory, place.bare);
      if (stat.type !== "directory") throw new WasiError("not-directory");
      this.#refuseEntry(place, stat, "name", this.#checkChange(place));
      this.#kernel.remove(place.directory, place.name, true);
    });
  }

  unlinkFileAt(from: OpenDirectory, path: GuestPath): void {
    this.#inParent(from, path, (place) => {
      this.#refuseDenied(place, false);
      const stat = this.#kernel.statAt(place.directory, place.bare);
      if (stat.type === "directory") throw new WasiError("is-directory");
      if (place.name.length > place.bare.length) throw new WasiError("not-directory");
      this.#refuseEntry(place, stat, "name", this.#checkChange(place));
      this.#kernel.remove(place.directory, place.name, false);
    });
  }

  renameAt(from: OpenDirectory, path: GuestPath, to: OpenDirectory, newPath: GuestPath): void {
    this.#inParent(from, path, (source) =>
      this.#inParent(to, newPath, (target) => {
        this.#refuseDenied(source, false);
        const stat = this.#kernel.statAt(source.directory, source.bare);
        if (isDots(source.bare) || isDots(target.bare)) throw new WasiError("busy");
        this.#refuseDenied(target, true);
        this.#refuseEntry(source, stat, "name", this.#checkChange(source));
        const now = this.#checkChange(target);
        const there = this.#exists(target);
        if (there) this.#refuseEntry(target, there, "name", now);
        refuseInPlaceOfFile(target.root.mount, stat.type);
        this.#kernel.rename(source.directory, source.name, target.directory, target.name);
        if (!target.root.only) return;
        // The name may have changed hands: keep only a file.
        const { type } = this.#kernel.statAt(target.directory, target.bare);
        if (type === "regular-file") return;
        this.#kernel.rename(target.directory, target.bare, source.directory, source.bare);
        throw new WasiError("access");
      }));
  }

  linkAt(
    from: OpenDirectory,
    path: GuestPath,
    follow: boolean,
    to: OpenDirectory,
    newPath: GuestPath,
  ): void {
    if (follow) throw new WasiError("invalid");
    this.#inParent(from, path, (source) =>
      this.#inParent(to, newPath, (target) => {
        this.#refuseDenied(source, false);
        const stat = this.#kernel.statAt(source.directory, source.bare);
        if (source.name.length > source.bare.length && stat.type !== "directory") {
          throw new WasiError("not-directory");
        }
        if (stat.type === "directory") throw new WasiError("not-permitted");
        this.#refuseDenied(target, true);
        if (this.#exists(target)) throw new WasiError("exist");
        this.#refuseEntry(source, stat, "content", this.#checkChange(source));
        this.#checkChange(target);
        refuseInPlaceOfFile(target.root.mount, "hard-link");
        this.#kernel.link(source.directory, source.name, target.directory, target.name);
        // The name may have changed hands: keep the link only if it is the checked file.
        const linked = this.#kernel.statAt(target.directory, target.bare);
        if (identityOf(linked) !== identityOf(stat)) {
          this.#kernel.remove(target.directory, target.bare, false);
          throw new WasiError("access");
        }
      }));
  }

  symlinkAt(target: GuestPath, to: OpenDirectory, newPath: GuestPath): void {
    const text = bytesOf(target);
    if (text.length === 0) throw new WasiError("no-entry");
    // A link out of the tree would lead the user's other programs to places where the plugin may not go.
    if (text[0] === SLASH) throw new WasiError("not-permitted");
    this.#inParent(to, newPath, (place) => {
      this.#refuseDenied(place, true);
      if (this.#exists(place)) throw new WasiError("exist");
      this.#checkChange(place);
      refuseInPlaceOfFile(place.root.mount, "symbolic-link");
      this.#kernel.symlink(text, place.directory, place.name);
    });
  }

  readLinkAt(from: OpenDirectory, path: GuestPath): Uint8Array {
    const fd = this.#open(from, path, O_PATH, false);
    try {
      if (this.#kernel.stat(fd).type !== "symbolic-link") throw new WasiError("invalid");
      return this.#kernel.readLink(fd, "");
    } finally {
      this.#kernel.close(fd);
    }
  }

  [Symbol.dispose](): void {
    for (const fd of this.#mounted) this.#kernel.close(fd);
  }

  // Resolving

  /** Opens a path; the kernel resolves it. A directory of single files has only the granted names. */
  #open(from: OpenDirectory, path: GuestPath, flags: number, follow: boolean): number {
    HostNode.check(from);
    const { root, fd } = from;
    if (!root.only) return this.#granted(root, this.#reach(from, path, flags, follow));
    let names = this.#onlyName(from, path);
    for (let links = 0; links <= MAX_LINKS; links++) {
      if (names === undefined) return this.#kernel.open(fd, ".", flags, true);
      const stat = this.#kernel.statAt(fd, names.bare);
      if (stat.type === "directory") throw new WasiError("no-entry");
      if (stat.type !== "symbolic-link" || !follow) {
        const { name } = names;
        const open = (flags: number) => this.#kernel.open(fd, name, flags, true);
        return this.#granted(root, this.#openAs(root, stat.type, flags | this.#kernel.O_NOFOLLOW, open));
      }
      names = this.#onlyName(from, this.#kernel.readLink(fd, names.bare));
    }
    throw new WasiError("loop");
  }

  /**
   * Opens a path. The kernel resolves it, unless the path could go through something denied. Then this function
   * resolves it name by name, without following links in the kernel, so that no error reveals what is there.
   *
   * @param denied the path may go through something denied, to reach an overlay or an exempt directory
   */
  #reach(from: OpenDirectory, path: GuestPath, flags: number, follow: boolean, denied = false): number {
    const kernel = this.#kernel;
    const last = follow ? 0 : kernel.O_NOFOLLOW;
    if (!this.#protection.denies || !this.#isEntangled(from.root)) {
      const type = (flags & O_PATH) === 0 ? kernel.typeAt(from.fd, path, follow) : undefined;
      return this.#openAs(from.root, type, flags | last, (flags) => kernel.open(from.fd, path, flags, true));
    }
    const bytes = bytesOf(path);
    if (bytes.length === 0 && denied) return kernel.open(from.fd, ".", flags, true);
    const resolved = resolvePath(this.#treeFrom(from), [], latin1(bytes), follow);
    const names = fromLatin1((resolved.path.join("/") || ".") + (resolved.directory ? "/" : ""));
    if (!resolved.denied || denied) {
      const type = (flags & O_PATH) === 0 ? kernel.typeAt(from.fd, names, false) : undefined;
      return this.#openAs(from.root, type, flags | last, (flags) => kernel.openPlain(from.fd, names, flags));
    }
    let fd: number;
    try {
      fd = kernel.openPlain(from.fd, names, flags | last);
    } catch (error) {
      throw isAbsence(error) ? new WasiError("no-entry") : error;
    }
    return this.#closing(fd, () => {
      if (!this.#overlayOf(kernel.glance(fd))) throw new WasiError("no-entry");
      return fd;
    });
  }

  /** Opens a file as a path, or for use. */
  #openAs(root: Root, type: NodeType | undefined, flags: number, open: (flags: number) => number): number {
    return (flags & O_PATH) === 0 ? this.#openToUse(root, type, flags, open) : open(flags);
  }

  /** The files below an open directory, for resolving. Names are bytes, one character each. */
  #treeFrom({ root, fd }: OpenDirectory): Tree {
    const kernel = this.#kernel;
    const now = this.#protection.now();
    const pathOf = (names: readonly string[]) => fromLatin1(names.join("/") || ".");
    const stat = (names: readonly string[]): Stat | undefined => {
      try {
        return kernel.statAt(fd, pathOf(names));
      } catch (error) {
        if (error instanceof WasiError && error.errno === "no-entry") return undefined;
        throw error;
      }
    };
    const identity = (names: readonly string[]) => {
      const found = stat(names);
      return found && identityOf(found);
    };
    return {
      readLink: (names) =>
        stat(names)?.type === "symbolic-link" ? latin1(kernel.readLink(fd, pathOf(names))) : undefined,
      isDirectory: (names) => kernel.statAt(fd, pathOf(names)).type === "directory",
      denies: (names) => {
        if (names.length === 0) return now.deniesIn(this.#host.above(fd)) ? "denied" : undefined;
        const file = identity(names);
        if (now.isExempt(file)) return "exempt";
        const directory = identity(names.slice(0, -1));
        const name = textOf(fromLatin1(names.at(-1)!));
        const isDenied = directory !== undefined && now.deniesAt(directory, name, file) ||
          file !== undefined && root.hasMounts && now.deniesIn(this.#host.aboveMounted(fd, pathOf(names)));
        return isDenied ? "denied" : undefined;
      },
    };
  }

  /** The granted name that a path refers to in a directory of single files; undefined for the directory itself. */
  #onlyName({ root }: OpenDirectory, path: GuestPath): { name: Uint8Array; bare: Uint8Array } | undefined {
    const bytes = bytesOf(path);
    if (bytes.length === 0) throw new WasiError("no-entry");
    if (bytes.includes(0)) throw new WasiError("invalid");
    if (bytes[0] === SLASH) throw new WasiError("not-permitted");
    const text = latin1(bytes);
    let found: string | undefined;
    let slash = false;
    for (const name of text.split("/")) {
      if (name === "" || name === ".") {
        slash = found !== undefined;
        continue;
      }
      if (found !== undefined) throw new WasiError("not-directory");
      if (name === "..") throw new WasiError("not-permitted");
      const shown = root.only!.find((each) => latin1(encoder.encode(each)) === name);
      if (shown === undefined) throw new WasiError("no-entry");
      const host = root.mount.names?.get(shown);
      found = host === undefined ? name : latin1(encoder.encode(host));
    }
    if (found === undefined) return undefined;
    const bare = Uint8Array.from(found, (char) => char.charCodeAt(0));
    return { name: slash ? Uint8Array.of(...bare, SLASH) : bare, bare };
  }

  /** Opens a path without using the file; undefined if nothing is there. The caller closes it. */
  #existing(
    from: OpenDirectory,
    path: GuestPath,
    follow: boolean,
  ): { readonly fd: number; readonly stat: Stat } | undefined {
    try {
      const fd = this.#open(from, path, O_PATH, follow);
      return this.#closing(fd, () => ({ fd, stat: this.#kernel.stat(fd) }));
    } catch (error) {
      if (error instanceof WasiError && error.errno === "no-entry") return undefined;
      throw error;
    }
  }

  /** Returns the descriptor unless the file is denied. @throws WasiError no-entry, after closing it */
  #granted(root: Root, fd: number): number {
    if (!this.#protection.denies) return fd;
    return this.#closing(fd, () => {
      this.#refuseDeniedFile(root, this.#kernel.glance(fd));
      return fd;
    });
  }

  /** Calls `use` with the open directory of a path's last name. `denied`: even with a denied directory. */
  #inParent<T>(from: OpenDirectory, path: GuestPath, use: (place: Place) => T, denied = false): T {
    HostNode.check(from);
    const { root } = from;
    if (root.only) {
      const found = this.#onlyName(from, path);
      if (found === undefined) throw new WasiError(root.mount.write ? "busy" : "read-only");
      return use({ root, directory: from.fd, ...found });
    }
    const { parent, name, bare } = nameOf(path);
    if (bare.length === 2 && isDots(bare)) this.#kernel.close(this.#open(from, path, O_PATH, false));
    const flags = O_PATH | this.#kernel.O_DIRECTORY;
    if (parent.length === 0) {
      // The starting directory could be denied itself.
      if (this.#protection.denies && !denied) this.#kernel.close(this.#reach(from, ".", flags, true));
      return use({ root, directory: from.fd, name, bare });
    }
    const directory = this.#reach(from, parent, flags, true, denied);
    try {
      return use({ root, directory, name, bare });
    } finally {
      this.#kernel.close(directory);
    }
  }

  /**
   * Calls `use` with the end of a path. `use` throws `loop` at a link, which is then followed if wanted. The
   * directory stays open during the call, so that its checks stay valid.
   */
  #atEnd<T>(
    from: OpenDirectory,
    path: GuestPath,
    follow: boolean,
    use: (place: Place) => T,
    denied = false,
  ): T {
    let at = bytesOf(path);
    for (let links = 0;; links++) {
      let target: Uint8Array | undefined;
      try {
        return this.#inParent(from, at, (place) => {
          try {
            return use(place);
          } catch (error) {
            if (!(error instanceof WasiError && error.errno === "loop") || !follow) throw error;
            try {
              target = this.#kernel.readLink(place.directory, place.bare);
            } catch {
              throw error;
            }
            throw error;
          }
        }, denied);
      } catch (error) {
        if (target === undefined || links >= MAX_LINKS) throw error;
      }
      if (target![0] === SLASH) throw new WasiError("not-permitted");
      const { parent, name, bare } = nameOf(at);
      at = join(parent, join(target!, name.subarray(bare.length)));
    }
  }

  #closing<T>(fd: number, use: () => T): T {
    try {
      return use();
    } catch (error) {
      this.#kernel.close(fd);
      throw error;
    }
  }

  #exists({ directory, bare }: Place): Stat | undefined {
    try {
      return this.#kernel.statAt(directory, bare);
    } catch (error) {
      if (error instanceof WasiError && error.errno === "no-entry") return undefined;
      throw error;
    }
  }

  // Checks of changes and denials

  /**
   * Checks a change of a name in a directory.
   *
   * @returns the current protection; undefined if the change can't concern it
   * @throws WasiError read-only, not-permitted
   */
  #checkChange(place: Place, made?: "directory"): Protected | undefined {
    const now = this.#checkDirectory(place.root, place.directory);
    now?.refuseName(this.#identity(place.directory), textOf(place.bare), made);
    return now;
  }

  /** Checks an open directory, so that the check applies to this very directory. */
  #checkDirectory(root: Root, directory: number): Protected | undefined {
    if (!root.mount.write) throw new WasiError("read-only");
    if (!this.#isEntangled(root)) return undefined;
    this.#refuseKernel(directory, this.#kernel.glance(directory), true);
    const now = this.#protection.now();
    now.refuseIn(this.#host.above(directory));
    return now;
  }

  /** Checks a change of the file with a name. @throws WasiError not-permitted */
  #refuseEntry(place: Place, stat: Glance, change: Change, now: Protected | undefined): void {
    // Elsewhere only a further name could lead to a protected file.
    if (!now && (stat.type === "directory" || stat.links < 2n)) return;
    now ??= this.#protection.now();
    now.refuseEntry({ ...stat, identity: identityOf(stat) }, change);
    if (place.root.hasMounts) now.refuseIn(this.#host.aboveMounted(place.directory, place.bare));
  }

  /** Whether a tree contains something protected, or is inside of it. Found out before the first change. */
  #isEntangled(root: Root): boolean {
    if (root.entangled !== undefined) return root.entangled;
    root.hasMounts = this.#host.mounts.some(({ point }) => isBelow(point, root.mount.host));
    return root.entangled = root.hasMounts ||
      this.#protection.now().concerns([...this.#host.above(root.fd)]);
  }

  /** Refuses a denied name, whether or not a file exists. `made`: it would be created. @throws WasiError */
  #refuseDenied({ root, directory, bare }: Place, made: boolean): void {
    if (!this.#protection.denies || !this.#isEntangled(root)) return;
    let identity: string | undefined;
    try {
      identity = identityOf(this.#kernel.statAt(directory, bare));
    } catch (error) {
      if (!isAbsence(error)) throw error; // otherwise there is no file to identify
    }
    if (!this.#protection.now().deniesAt(this.#identity(directory), textOf(bare), identity)) return;
    throw new WasiError(!made ? "no-entry" : root.mount.write ? "not-permitted" : "read-only");
  }

  /**
   * Refuses a file that is denied itself, through a directory above it, or through a further name. @throws WasiError
   * no-entry
   */
  #refuseDeniedFile(root: Root, stat: Glance): void {
    if (!this.#protection.denies) return;
    const now = this.#protection.now();
    const identity = identityOf(stat);
    const denied = now.deniesFile(identity) || now.deniesLinkOf({ ...stat, identity }) ||
      root.only !== undefined && now.deniesIn(this.#host.above(root.fd));
    if (denied && !this.#overlayOf(stat)) throw new WasiError("no-entry");
  }

  /** A directory's attributes without its link count, which would reveal how many denied directories it has. */
  #shown(root: Root, stat: Stat): Stat {
    if (stat.type !== "directory" || !this.#protection.denies || !this.#isEntangled(root)) return stat;
    return this.#protection.now().hidesIn(identityOf(stat)) ? { ...stat, links: 1n, size: 0n } : stat;
  }

  #identity(fd: number): string {
    return identityOf(this.#kernel.glance(fd));
  }

  /** Identities of the directories above a file, under the name that the kernel knows. */
  *#aboveFile(fd: number): Generator<string> {
    const kernel = this.#kernel;
    const name = kernel.readLink(AT_FDCWD, `/proc/self/fd/${fd}`);
    const parent = name.subarray(0, Math.max(1, name.lastIndexOf(SLASH)));
    const directory = kernel.open(AT_FDCWD, parent, O_PATH | kernel.O_DIRECTORY, false);
    try {
      yield* this.#host.above(directory);
    } finally {
      kernel.close(directory);
    }
  }

  #refuseSpecial({ only }: Root, fd: number, { type }: Glance): void {
    refuseSpecial(type, only !== undefined, () => this.#kernel.isHarmlessDevice(fd));
  }

  /**
   * Opens a file for use. A device, or the other end of a pipe, notices nothing until the opening is allowed.
   *
   * @param type the file's type a moment ago
   */
  #openToUse(root: Root, type: NodeType | undefined, flags: number, open: (flags: number) => number): number {
    // If another file took its place, open it without blocking and refuse it after a look.
    if (!isSpecial(type)) return open(flags | O_NONBLOCK);
    const kernel = this.#kernel;
    const seen = open(O_PATH | flags & kernel.O_NOFOLLOW);
    let identity: string;
    try {
      const glance = kernel.glance(seen);
      this.#refuseSpecial(root, seen, glance);
      identity = identityOf(glance);
    } finally {
      kernel.close(seen);
    }
    const fd = open(flags);
    return this.#closing(fd, () => {
      if (identityOf(kernel.glance(fd)) !== identity) throw new WasiError("access");
      return fd;
    });
  }

  /**
   * Refuses files of processes: their memory, environment and open files belong to the host and to others. The
   * kernel's other files can be read, except its memory, its log and its debugging interfaces, and can't be changed.
   *
   * @throws WasiError access
   */
  #refuseKernel(fd: number, { dev }: Glance, changes: boolean): void {
    if (dev === this.#plain) return;
    if (!this.#devices.has(dev)) this.#devices.set(dev, this.#kernel.kernelFiles(fd));
    const files = this.#devices.get(dev);
    if (files === undefined) {
      this.#plain = dev;
      return;
    }
    if (changes || files === "debug") throw new WasiError("access");
    if (files !== "proc") return;
    const name = new TextDecoder().decode(this.#kernel.readLink(AT_FDCWD, `/proc/self/fd/${fd}`));
    if (!name.startsWith("/") || /\/(?:\d+(?:\/|$)|(?:kcore|kmsg|vmcore)$|kpage\w*$)/.test(name)) {
      throw new WasiError("access");
    }
  }

  // Overlays

  /** The overlay for a file, whatever name led to it. */
  #overlayOf(stat: Glance): Overlay | undefined {
    const { overlays } = this.#files;
    if (overlays.length === 0 || stat.type === "directory" || stat.type === "symbolic-link") return undefined;
    return overlays.find(({ host }) => isSame(this.#kernel.glanceHost(host), stat));
  }

  /**
   * The attributes of an opened file, and its overlay. Programs replace a kubeconfig by renaming a new one over it. A
   * file that was opened just before is then the old kubeconfig, with credentials, and looks like any other file.
   *
   * @param made the file is new
   * @throws Replaced if such a file changed since the last look, or the opened file has lost its name
   */
  #look<T extends Glance>(
    fd: number,
    look: (fd: number) => T,
    made: boolean,
  ): { readonly stat: T; readonly overlay: Overlay | undefined } {
    const { overlays } = this.#files;
    const denied = this.#files.deniedPaths ?? [];
    if (overlays.length === 0 && denied.length === 0) return { stat: look(fd), overlay: undefined };
    const before = this.#seen;
    const now = [...overlays.map(({ host }) => host), ...denied].map((host) => this.#kernel.glanceHost(host));
    this.#seen = now;
    // Look after that, so that a file that was replaced meanwhile shows it.
    const stat = look(fd);
    if (stat.type === "directory") return { stat, overlay: undefined };
    const overlay = overlays.find((_, index) => isSame(now[index], stat));
    // The writer of a pipe would see it closed if it was opened again.
    if (overlay || made || stat.type !== "regular-file") return { stat, overlay };
    // An inode number may be reused. The opened file keeps its own number, and shows that it has no name.
    const named = stat.links > 0n || !this.#isDeleted(fd);
    if (!named || !now.every((glance, index) => isSame(glance, before[index]))) throw new Replaced();
    return { stat, overlay };
  }

  /** Whether an open file has lost its name. Some file systems do not count links, so the count alone is not enough. */
  #isDeleted(fd: number): boolean {
    try {
      return latin1(this.#kernel.readLink(AT_FDCWD, `/proc/self/fd/${fd}`)).endsWith(" (deleted)");
    } catch {
      return true; // without /proc
    }
  }

  /** The overlay with exactly this name, whether or not its file exists. */
  #overlayNamed({ root, directory, bare }: Place): Overlay | undefined {
    if (this.#files.overlays.length === 0 || !this.#isEntangled(root)) return undefined;
    return this.#protection.now().overlayNamed(this.#identity(directory), textOf(bare));
  }

  /** The overlay for a path at which no file exists. */
  #missingOverlay(
    from: OpenDirectory,
    path: GuestPath,
    follow: boolean,
    error: WasiError,
  ): { readonly overlay: Overlay; readonly stat: Stat } | undefined {
    if (error.errno !== "no-entry" || this.#files.overlays.length === 0) return undefined;
    try {
      return this.#atEnd(from, path, follow, (place) => {
        const info = this.#exists(place);
        if (info?.type === "symbolic-link") throw new WasiError("loop");
        const overlay = place.name.length > place.bare.length ? undefined : this.#overlayNamed(place);
        const stat: Stat = { ...this.#kernel.stat(place.directory), type: "regular-file", links: 1n };
        return overlay && { overlay, stat };
      }, true);
    } catch (error) {
      if (error instanceof WasiError) return undefined;
      throw error;
    }
  }

  #overlayNode(overlay: Overlay, stat: Stat): MaybePromise<AnyFile> {
    const content = this.#contentOf(overlay);
    return content instanceof Promise
      ? content.then((bytes) => new OverlayNode(bytes, stat))
      : new OverlayNode(content, stat);
  }

  #contentOf(overlay: Overlay): MaybePromise<Uint8Array> {
    const known = this.#contents.get(overlay);
    if (known !== undefined) return known;
    const content = overlay.content();
    this.#contents.set(overlay, content);
    return content;
  }
}

/** Refuses operations on a directory of single granted files. @throws WasiError not-permitted */
function refuseDirectoryOfFiles({ only }: Root): void {
  if (only) throw new WasiError("not-permitted");
}

/** A name as text, for comparisons with names that people write. */
function textOf(name: Uint8Array): string {
  return new TextDecoder().decode(name);
}

/** Whether two are the same file, or both are missing. */
function isSame(one: Glance | undefined, other: Glance | undefined): boolean {
  return one?.ino === other?.ino && one?.dev === other?.dev;
}
