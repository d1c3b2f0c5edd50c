/**
 * The files of a plugin on systems where files can't be opened relative to an open directory: macOS, Windows, and
 * Linux inside a sandbox that refuses openat2. Deno has no `openat`, so this file resolves paths link by link
 * (resolve_by_name.ts) and then checks that it opened the intended file. It notices a link that somebody swaps in
 * between, and refuses. Times have milliseconds, as in Deno, and names that are not Unicode can't be reached.
 */

import type { Files, Mount, Overlay } from "../../sandbox/types.ts";
import { baseName, isWithin, parentOf, realPath } from "../../base/host_path.ts";
import { foundOf, walkPath } from "../../base/path_walk.ts";
import { makeSymlink } from "../../base/symlink.ts";
import { type ErrnoName, errnoOf, isAbsence, WasiError } from "../errno.ts";
import {
  type AnyFile,
  type DirectoryNode,
  type Entry as ListedEntry,
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
} from "./file_tree.ts";
import { HostMemory } from "../host_memory.ts";
import { HostNode } from "./host_node.ts";
import { keptListing, sizeOfEntry } from "./listing.ts";
import { NamedHost } from "./named_host.ts";
import { OverlayNode } from "./overlay.ts";
import { checkWindowsName, type Resolved, resolvePath, type Tree } from "./resolve_by_name.ts";
import { type Change, type Entry, type Protected, Protection } from "./protection.ts";
import { HARMLESS_DEVICES, refuseSpecial } from "./special_files.ts";
import type { MaybePromise } from "../streams/streams.ts";

/** How many descriptors a plugin may have open at once. */
const MAX_OPEN = 16384;
/** Listings of directories up to this size include inodes. In larger ones a program asks for each file. */
const MAX_INODES = 4096;

/** An open directory. */
class NamedDirectory extends HostNode implements DirectoryNode {
  readonly kind = "directory";
  /** Names below the mount's root, free of links. */
  readonly path: readonly string[];

  constructor(readonly mount: Mount, path: readonly string[]) {
    super();
    this.path = path;
  }

  /** Whether the plugin may change anything below it. */
  get writable(): boolean {
    return this.mount.write;
  }

  close(): void {}
}

/**
 * An open file of the host. The caller passes the position of reads and writes, so that two callers can share the
 * file.
 */
class NamedFile extends HostNode implements AnyFile {
  readonly kind = "file";
  #file: Deno.FsFile;
  /** The operating system's own position. */
  #position = 0n;
  #closed = false;
  #type: NodeType | undefined;

  constructor(
    file: Deno.FsFile,
    readonly mount: Mount,
    readonly host: string,
    readonly readable: boolean,
    readonly writable: boolean,
  ) {
    super();
    this.#file = file;
  }

  #seek(offset: bigint): void {
    if (this.#position === offset) return;
    try {
      this.#file.seekSync(offset, Deno.SeekMode.Start);
    } catch (error) {
      if (errnoOf(error) !== "invalid-seek") throw new WasiError(errnoOf(error)); // a pipe or terminal has no positions
    }
    this.#position = offset;
  }

  get type(): NodeType {
    return this.#type ??= this.stat().type;
  }

  /** Fills the front of `into` from `offset`; returns 0 at the end. @throws WasiError */
  readAt(into: Uint8Array, offset: bigint): number {
    if (!this.readable) throw new WasiError("bad-descriptor");
    return attempt(() => {
      this.#seek(offset);
      const count = this.#file.readSync(into) ?? 0;
      this.#position += BigInt(count);
      return count;
    });
  }

  /** Writes the front of `bytes` at `offset`; returns how many bytes. @throws WasiError */
  writeAt(bytes: Uint8Array, offset: bigint): number {
    if (!this.writable) throw new WasiError("bad-descriptor");
    return attempt(() => {
      this.#seek(offset);
      const count = this.#file.writeSync(bytes);
      this.#position += BigInt(count);
      return count;
    });
  }

  append(bytes: Uint8Array): number {
    return this.writeAt(bytes, this.size());
  }

  /** The current size in bytes. */
  size(): bigint {
    return attempt(() => BigInt(this.#file.statSync().size));
  }

  stat(): Stat {
    return attempt(() => statOf(this.#file.statSync()));
  }

  /** @throws WasiError invalid, file-too-large, insufficient-space */
  setSize(size: bigint): void {
    if (!this.writable) throw new WasiError("invalid");
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new WasiError("file-too-large");
    attempt(() => this.#file.truncateSync(Number(size)));
  }

  // Deno has no function that allocates. The file still gets the length, as POSIX requires.
  allocate(offset: bigint, length: bigint): void {
    if (!this.writable) throw new WasiError("bad-descriptor");
    if (offset + length > this.size()) this.setSize(offset + length);
  }

  advise(): void {}

  setTimes(accessed: NewTime, modified: NewTime): void {
    attempt(() => setTimes(this.#file.statSync(), accessed, modified, (a, m) => this.#file.utimeSync(a, m)));
  }

  sync(dataOnly: boolean): void {
    attempt(() => dataOnly ? this.#file.syncDataSync() : this.#file.syncSync());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
  }
}

/** The tree of all mounts. */
export class NamedTree implements FileTree {
  readonly maxOpen = MAX_OPEN;
  readonly needs = ["read", "write"] as const;
  readonly descriptors = undefined;
  /** The roots in the order of the mounts. */
  readonly roots: readonly { readonly guest: string; readonly node: NamedDirectory }[];
  #files: Files;
  #host = new NamedHost();
  #protection: Protection;
  #contents = new Map<Overlay, MaybePromise<Uint8Array>>();
  #listings = new HostMemory();
  /** Whether a mount contains something protected, or is inside of it. Found out before the first change. */
  #entangled = new Map<string, boolean>();

  constructor(files: Files) {
    this.#files = files;
    this.#protection = new Protection(files, this.#host);
    // Look now: later the process may be unable to see above the mounts.
    this.#protection.now();
    this.roots = files.mounts.map((mount) => ({ guest: mount.guest, node: this.mount(mount) }));
  }

  lookAhead(): void {
    const now = this.#protection.now();
    const { mounts, unprotectedPaths } = this.#files;
    const granted = mounts.filter(({ host, only }) => !only && !unprotectedPaths.includes(host));
    now.lookAhead(granted.flatMap(({ host }) => this.#host.find(host)?.identity ?? []), true);
  }

  mount(mount: Mount): NamedDirectory {
    try {
      if (walkPath(mount.host, this.#host).links.length > 0) throw new WasiError("loop");
      // Use the system's spelling: on Windows and macOS a path can be written in several ways.
      const host = attempt(() => realPath(mount.host));
      for (const _ of this.#host.above(host)) { /* it is remembered */ }
      return new NamedDirectory({ ...mount, host }, []);
    } catch (error) {
      throw notMounted(mount, error);
    }
  }

  probe(host: string): Probed | undefined {
    try {
      return { type: statOf(Deno.statSync(host)).type, real: realPath(host) };
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw new WasiError(errnoOf(error));
    }
  }

  /**
   * Opens the file at `path`, from `from`. Returns a promise if the host must first generate the content.
   *
   * @throws WasiError
   */
  openAt(from: NamedDirectory, path: GuestPath, options: OpenOptions): MaybePromise<DirectoryNode | AnyFile> {
    path = textOf(path);
    const follow = options.follow && !(options.create && options.exclusive);
    const makes = options.create && !options.directory;
    const resolved = this.#resolve(from, path, follow, makes);
    const host = pathIn(from.mount, resolved.path);
    const info = lstat(host);
    const overlay = this.#overlayAt(from.mount, host, info, resolved);
    if (!overlay) this.#refuseDeniedFile(host, info);
    else if (!info?.isDirectory && !resolved.directory && !options.directory) {
      return this.#openOverlay(overlay, host, info, options);
    }
    const mustBeDirectory = options.directory || resolved.directory;
    if (resolved.directory && info && !info.isDirectory && !info.isSymlink) {
      throw new WasiError("not-directory");
    }
    if (info && options.create && options.exclusive) throw new WasiError("exist");
    if (info?.isSymlink) throw new WasiError(options.directory ? "not-directory" : "loop"); // the caller does not want to follow it
    if (info?.isDirectory) {
      if (options.write || options.truncate) throw new WasiError("is-directory");
      if (options.create && !options.directory) throw new WasiError("is-directory");
      return new NamedDirectory(from.mount, resolved.path);
    }
    if (info && mustBeDirectory) throw new WasiError("not-directory");
    if (info) this.#refuseSpecial(from.mount, info);
    refuseProcess(host, options.write || options.truncate);
    const { write } = options;
    const changes = write || options.truncate || (!info && options.create);
    if (!info && (!options.create || mustBeDirectory)) {
      throw new WasiError(
        options.create && !options.directory && resolved.directory ? "is-directory" : "no-entry",
      );
    }
    if (changes) this.#checkEntry(from.mount, host, info, "content");
    const file = attempt(() =>
      Deno.openSync(host, {
        read: options.read || !write,
        // Deno creates and truncates only files that it opens for writing. The node refuses writes that were not
        // asked for.
        write: changes,
        create: !info,
        createNew: !info && options.exclusive,
        truncate: options.truncate,
        // Never create a file that existed a moment ago: a link may have appeared in its place.
        ...(info ? { create: false } : {}),
      })
    );
    try {
      this.#verify(from.mount, host, file);
    } catch (error) {
      file.close();
      throw error;
    }
    return new NamedFile(file, from.mount, host, options.read || !write, write);
  }

  #openOverlay(
    overlay: Overlay,
    host: string,
    info: Deno.FileInfo | undefined,
    { write, truncate, create, exclusive }: OpenOptions,
  ): MaybePromise<AnyFile> {
    if (info && create && exclusive) throw new WasiError("exist");
    if (write || truncate || !info && create) throw new WasiError("read-only");
    const stat = overlayStat(host, info);
    const content = this.#contentOf(overlay);
    return content instanceof Promise
      ? content.then((bytes) => new OverlayNode(bytes, stat))
      : new OverlayNode(content, stat);
  }

  /** @throws WasiError */
  stat(node: NamedDirectory | AnyFile): Stat {
    HostNode.check(node);
    return node.kind === "file" ? node.stat() : this.#shown(
      pathIn(node.mount, node.path),
      attempt(() => Deno.lstatSync(pathIn(node.mount, node.path))),
    );
  }

  /** @throws WasiError */
  statAt(from: NamedDirectory, path: GuestPath, follow: boolean): MaybePromise<Stat> {
    path = textOf(path);
    const resolved = this.#resolve(from, path, follow);
    const host = pathIn(from.mount, resolved.path);
    const info = lstat(host);
    const overlay = this.#overlayAt(from.mount, host, info, resolved);
    if (!overlay) this.#refuseDeniedFile(host, info);
    else {
      const stat = overlayStat(host, info);
      const content = this.#contentOf(overlay);
      return content instanceof Promise
        ? content.then((bytes) => ({ ...stat, size: BigInt(bytes.length) }))
        : { ...stat, size: BigInt(content.length) };
    }
    if (!info) throw new WasiError("no-entry");
    if (resolved.directory && !info.isDirectory) throw new WasiError("not-directory");
    return this.#shown(host, info);
  }

  /** @throws WasiError */
  setTimesAt(
    from: NamedDirectory,
    path: GuestPath,
    follow: boolean,
    accessed: NewTime,
    modified: NewTime,
  ): void {
    path = textOf(path);
    const { host, info } = this.#existing(from, path, follow);
    refuseDirectoryOfFiles(from.mount, host);
    this.#checkEntry(from.mount, host, info, "content");
    refuseProcess(host, true);
    const apply = info.isSymlink ? setLinkTimes : Deno.utimeSync;
    attempt(() => setTimes(info, accessed, modified, (a, m) => apply(host, a, m)));
  }

  /** Sets the times of an open file or directory. @throws WasiError */
  setTimes(node: NamedDirectory | AnyFile, accessed: NewTime, modified: NewTime): void {
    HostNode.check(node);
    if (node.kind === "file") {
      if (node instanceof NamedFile && !node.writable) {
        // POSIX lets the owner set times through any descriptor; a grant to read does not.
        this.#checkEntry(node.mount, node.host, lstat(node.host), "content");
      }
      return node instanceof NamedFile ? node.setTimes(accessed, modified) : refuse("read-only");
    }
    const host = pathIn(node.mount, node.path);
    refuseDirectoryOfFiles(node.mount, host);
    this.#checkEntry(node.mount, host, lstat(host), "content");
    attempt(() => setTimes(Deno.lstatSync(host), accessed, modified, (a, m) => Deno.utimeSync(host, a, m)));
  }

  /** @throws WasiError */
  createDirectoryAt(from: NamedDirectory, path: GuestPath): void {
    path = textOf(path);
    const { path: names } = this.#resolveLast(from, path, true);
    const host = pathIn(from.mount, names);
    if (lstat(host)) throw new WasiError("exist");
    this.#checkChange(from.mount, host, "directory");
    refuseInPlaceOfFile(from.mount, "directory");
    attempt(() => Deno.mkdirSync(host));
  }

  /** Entries in the operating system's order. @throws WasiError */
  readDirectory(node: NamedDirectory): Listing {
    HostNode.check(node);
    const { mount, path } = node;
    const host = pathIn(mount, path);
    let found = attempt(() => [...Deno.readDirSync(host)]).map((entry): { name: string; type: NodeType } => ({
      name: entry.name,
      type: entry.isFile
        ? "regular-file"
        : entry.isDirectory
        ? "directory"
        : entry.isSymlink
        ? "symbolic-link"
        : "unknown",
    }));
    if (mount.only && path.length === 0) {
      const there = new Map(found.map((entry) => [entry.name, entry.type]));
      found = mount.only.flatMap((name) => {
        const type = there.get(mount.names?.get(name) ?? name) ??
          (this.#overlayAt(mount, pathIn(mount, [name])) ? "regular-file" : undefined);
        return type === undefined ? [] : [{ name, type }];
      });
    }
    if (this.#protection.denies) {
      const now = this.#protection.now();
      const directory = this.#host.find(host)?.identity ?? "";
      found = found.filter(({ name }) =>
        !now.deniesAt(directory, name, this.#host.find(pathIn(mount, [...path, name]))?.identity)
      );
    }
    const inodes = found.length <= MAX_INODES;
    const at = (index: number): ListedEntry | undefined => {
      const entry = found[index];
      return entry && {
        name: encoder.encode(entry.name),
        type: entry.type,
        ino: inodes ? BigInt(lstat(pathIn(mount, [...path, entry.name]))?.ino ?? 0) : 0n,
      };
    };
    const bytes = found.reduce((sum, { name }) => sum + sizeOfEntry(name.length), 0);
    return keptListing(at, bytes, this.#listings);
  }

  /** @throws WasiError */
  removeDirectoryAt(from: NamedDirectory, path: GuestPath): void {
    path = textOf(path);
    const { path: names } = this.#resolveLast(from, path);
    if (endsInDots(path)) {
      throw new WasiError(path.replace(/\/+$/, "").endsWith("..") ? "not-empty" : "invalid");
    }
    const host = pathIn(from.mount, names);
    const info = lstat(host);
    if (!info) throw new WasiError("no-entry");
    if (!info.isDirectory) throw new WasiError("not-directory");
    this.#checkEntry(from.mount, host, info, "name");
    attempt(() => Deno.removeSync(host));
  }

  /** @throws WasiError */
  unlinkFileAt(from: NamedDirectory, path: GuestPath): void {
    path = textOf(path);
    const { path: names, directory } = this.#resolveLast(from, path);
    const host = pathIn(from.mount, names);
    const info = lstat(host);
    if (!info) throw new WasiError("no-entry");
    if (info.isDirectory) throw new WasiError("is-directory");
    if (directory || path.endsWith("/")) throw new WasiError("not-directory");
    this.#checkEntry(from.mount, host, info, "name");
    attempt(() => Deno.removeSync(host));
  }

  /** @throws WasiError */
  renameAt(from: NamedDirectory, path: GuestPath, to: NamedDirectory, newPath: GuestPath): void {
    path = textOf(path);
    newPath = textOf(newPath);
    const source = this.#resolveLast(from, path);
    const target = this.#resolveLast(to, newPath, true);
    const host = pathIn(from.mount, source.path);
    const newHost = pathIn(to.mount, target.path);
    const info = lstat(host);
    if (!info) throw new WasiError("no-entry");
    if (endsInDots(path) || endsInDots(newPath)) throw new WasiError("busy");
    const there = lstat(newHost);
    if (
      !info.isDirectory &&
      (source.directory || target.directory || path.endsWith("/") || newPath.endsWith("/"))
    ) {
      throw new WasiError("not-directory");
    }
    this.#checkEntry(from.mount, host, info, "name");
    this.#checkEntry(to.mount, newHost, there, "name");
    refuseInPlaceOfFile(to.mount, typeOf(info));
    if (there?.isDirectory && !info.isDirectory) throw new WasiError("is-directory");
    if (there && !there.isDirectory && info.isDirectory) throw new WasiError("not-directory");
    if (Deno.build.os === "windows" && info.isDirectory && there?.isDirectory) makeWay(host, newHost);
    attempt(() => Deno.renameSync(host, newHost));
  }

  /**
   * Makes a hard link. Both ends must be writable, because the link adds a file of one grant to another. @throws
   * WasiError
   */
  linkAt(
    from: NamedDirectory,
    path: GuestPath,
    follow: boolean,
    to: NamedDirectory,
    newPath: GuestPath,
  ): void {
    path = textOf(path);
    newPath = textOf(newPath);
    if (follow) throw new WasiError("invalid");
    const source = this.#resolveLast(from, path);
    const target = this.#resolveLast(to, newPath, true);
    const host = pathIn(from.mount, source.path);
    const newHost = pathIn(to.mount, target.path);
    const info = lstat(host);
    if (!info) throw new WasiError("no-entry");
    if (source.directory && !info.isDirectory) throw new WasiError("not-directory");
    if (info.isDirectory) throw new WasiError("not-permitted");
    if (lstat(newHost)) throw new WasiError("exist");
    if (target.directory || newPath.endsWith("/")) throw new WasiError("no-entry");
    this.#checkEntry(from.mount, host, info, "content");
    this.#checkChange(to.mount, newHost);
    refuseInPlaceOfFile(to.mount, "hard-link");
    attempt(() => Deno.linkSync(host, newHost));
  }

  /** @throws WasiError */
  symlinkAt(target: GuestPath, to: NamedDirectory, newPath: GuestPath): void {
    target = textOf(target);
    newPath = textOf(newPath);
    if (target === "") throw new WasiError("no-entry");
    if (target.includes("\0")) throw new WasiError("invalid");
    // A link out of the tree would lead the user's other programs to places where the plugin may not go.
    if (target.startsWith("/")) throw new WasiError("not-permitted");
    const { path: names, directory } = this.#resolveLast(to, newPath, true);
    const host = pathIn(to.mount, names);
    if (lstat(host)) throw new WasiError("exist");
    if (directory || newPath.endsWith("/")) throw new WasiError("no-entry");
    this.#checkChange(to.mount, host);
    refuseInPlaceOfFile(to.mount, "symbolic-link");
    attempt(() => makeSymlink(target, host));
  }

  /** @throws WasiError invalid if it is no link */
  readLinkAt(from: NamedDirectory, path: GuestPath): Uint8Array {
    path = textOf(path);
    const { host, info } = this.#existing(from, path, false);
    if (!info.isSymlink) throw new WasiError("invalid");
    return attempt(() => encoder.encode(Deno.readLinkSync(host)));
  }

  #existing(from: NamedDirectory, path: string, follow: boolean): { host: string; info: Deno.FileInfo } {
    const resolved = this.#resolve(from, path, follow);
    const host = pathIn(from.mount, resolved.path);
    const info = lstat(host);
    if (!info) throw new WasiError("no-entry");
    this.#refuseDeniedFile(host, info);
    if (resolved.directory && !info.isDirectory) throw new WasiError("not-directory");
    return { host, info };
  }

  /** Resolves a name to create, move or remove. Does not follow a link at the end, even with slashes after it. */
  #resolveLast(from: NamedDirectory, path: string, makes = false): Resolved {
    const bare = path.replace(/\/+$/, "");
    const resolved = this.#resolve(from, bare === "" ? path : bare, false, makes);
    return { ...resolved, directory: resolved.directory || bare !== path };
  }

  /** `makes`: the file is to be created or replaced. @throws WasiError no-entry, not-permitted for a denied path */
  #resolve(from: NamedDirectory, path: string, follow: boolean, makes = false): Resolved {
    HostNode.check(from);
    const { mount } = from;
    const visible = (names: readonly string[]) => {
      if (Deno.build.os === "windows") names.forEach(checkWindowsName);
      if (mount.only && names.length > 0 && !mount.only.includes(names[0]!)) throw new WasiError("no-entry");
    };
    const tree: Tree = {
      readLink(names) {
        visible(names);
        const host = pathIn(mount, names);
        return lstat(host)?.isSymlink ? attempt(() => linkTarget(host)) : undefined;
      },
      isDirectory(names) {
        const info = lstat(pathIn(mount, names));
        if (!info) throw new WasiError("no-entry");
        return info.isDirectory;
      },
      ...this.#denials(mount),
    };
    const resolved = resolvePath(tree, from.path, path, follow);
    visible(resolved.path);
    // The grant is for a file. A directory in its place is not granted.
    if (
      mount.only && resolved.path.length > 0 && lstat(pathIn(mount, resolved.path.slice(0, 1)))?.isDirectory
    ) {
      throw new WasiError("no-entry");
    }
    const host = pathIn(mount, resolved.path);
    if (resolved.denied && !this.#overlayAt(mount, host, lstat(host), resolved)) {
      throw new WasiError(
        resolved.denied === "above" || !makes ? "no-entry" : mount.write ? "not-permitted" : "read-only",
      );
    }
    return resolved;
  }

  /** The denied paths of a mount. */
  #denials(mount: Mount): Pick<Tree, "denies"> {
    if (!this.#protection.denies) return {};
    const now = this.#protection.now();
    const identity = (names: readonly string[]) => this.#host.find(pathIn(mount, names))?.identity;
    return {
      denies: (names) => {
        if (names.length === 0) return now.deniesIn(this.#host.above(mount.host)) ? "denied" : undefined;
        const file = identity(names);
        if (now.isExempt(file)) return "exempt";
        const host = pathIn(mount, names);
        const isDenied = now.deniesAt(identity(names.slice(0, -1)) ?? "", baseName(host), file) ||
          this.#host.isElsewhere(host) && now.deniesIn(this.#host.above(host));
        return isDenied ? "denied" : undefined;
      },
    };
  }

  /** Refuses a file with a further name below something denied. @throws WasiError no-entry */
  #refuseDeniedFile(host: string, info: Deno.FileInfo | undefined): void {
    if (!this.#protection.denies || !info || info.isDirectory) return;
    if (this.#protection.now().deniesLinkOf(entryOf(info, host))) throw new WasiError("no-entry");
  }

  /** A directory's attributes without its link count, which would reveal how many denied directories it has. */
  #shown(host: string, info: Deno.FileInfo): Stat {
    const stat = statOf(info);
    if (!info.isDirectory || !this.#protection.denies) return stat;
    return this.#protection.now().hidesIn(foundOf(info, host).identity)
      ? { ...stat, links: 1n, size: 0n }
      : stat;
  }

  [Symbol.dispose](): void {}

  /** Checks that the opened file is the one at the path, with no link on the way. @throws WasiError access */
  #verify(mount: Mount, host: string, file: Deno.FsFile): void {
    const opened = attempt(() => file.statSync());
    const meant = attempt(() => Deno.lstatSync(host));
    this.#refuseSpecial(mount, opened);
    const same = opened.dev === meant.dev && opened.ino === meant.ino && !meant.isSymlink;
    if (!same || !this.#isPlain(mount, parentOf(host))) throw new WasiError("access");
  }

  #refuseSpecial({ only }: Mount, info: Deno.FileInfo): void {
    refuseSpecial(typeOf(info), only !== undefined, () => isHarmlessDevice(info));
  }

  /** Whether no link leads to a mount's directory: somebody may have added one since it was resolved. */
  #isPlain(mount: Mount, directory: string): boolean {
    for (let at = directory; isWithin(at, mount.host); at = parentOf(at)) {
      if (this.#host.find(at)?.type !== "directory") return false;
      if (parentOf(at) === at) break;
    }
    return attempt(() => realPath(mount.host)) === mount.host;
  }

  /**
   * Checks a change of a name in a directory.
   *
   * @returns the current protection; undefined if the change can't concern it
   * @throws WasiError read-only, not-permitted, access
   */
  #checkChange(mount: Mount, host: string, made?: "directory"): Protected | undefined {
    if (!mount.write) throw new WasiError("read-only");
    // The plugin can't change the name of a mount's root.
    const parent = host === mount.host ? host : parentOf(host);
    if (!this.#isPlain(mount, parent)) throw new WasiError("access");
    if (!this.#isEntangled(mount)) return undefined;
    const now = this.#protection.now();
    const above = [...this.#host.above(parent)];
    now.refuseIn(above);
    if (host !== mount.host) now.refuseName(above[0] ?? "", baseName(host), made);
    return now;
  }

  /** Checks a change of the file at a path, if there is one. @throws WasiError as {@linkcode #checkChange} */
  #checkEntry(mount: Mount, host: string, info: Deno.FileInfo | undefined, change: Change): void {
    const now = this.#checkChange(mount, host);
    if (!info || !now && (info.isDirectory || (info.nlink ?? 1) < 2)) return;
    (now ?? this.#protection.now()).refuseEntry(entryOf(info, host), change);
    if (this.#host.isElsewhere(host)) now?.refuseIn(this.#host.above(host));
  }

  #isEntangled(mount: Mount): boolean {
    const known = this.#entangled.get(mount.host);
    if (known !== undefined) return known;
    const entangled = this.#protection.now().concerns([...this.#host.above(mount.host)]) ||
      this.#host.hasMountsBelow(mount.host);
    this.#entangled.set(mount.host, entangled);
    return entangled;
  }

  /** The overlay at a path, or for the same file under another name. */
  #overlayAt(
    mount: Mount,
    host: string,
    info?: Deno.FileInfo,
    { denied }: Pick<Resolved, "denied"> = { denied: undefined },
  ): Overlay | undefined {
    if (this.#files.overlays.length === 0 || info?.isDirectory) return undefined;
    // A link shows as a link. But if the overlay's own name is a denied link, nothing reveals that.
    if (info?.isSymlink && !denied) return undefined;
    const now = this.#protection.now();
    const overlay = info && now.overlayOf(foundOf(info, host).identity);
    if (overlay || host === mount.host) return overlay;
    return now.overlayNamed(this.#host.find(parentOf(host))?.identity ?? "", baseName(host));
  }

  #contentOf(overlay: Overlay): MaybePromise<Uint8Array> {
    const known = this.#contents.get(overlay);
    if (known !== undefined) return known;
    const content = overlay.content();
    this.#contents.set(overlay, content);
    return content;
  }
}

const encoder = new TextEncoder();

/** Whether the last name is `.` or `..`, which can't be created, moved or removed. */
function endsInDots(path: string): boolean {
  return /(^|\/)\.\.?\/*$/.test(path);
}

/** Refuses operations on a directory of single granted files. @throws WasiError not-permitted */
function refuseDirectoryOfFiles({ only, host: root }: Mount, host: string): void {
  if (only && host === root) throw new WasiError("not-permitted");
}

function refuse(errno: ErrnoName): never {
  throw new WasiError(errno);
}

/** The text of a plugin's path. @throws WasiError illegal-byte-sequence */
function textOf(path: GuestPath): string {
  if (typeof path === "string") return path;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(path);
  } catch {
    throw new WasiError("illegal-byte-sequence");
  }
}

function pathIn(mount: Mount, names: readonly string[]): string {
  if (names.length === 0) return mount.host;
  const first = mount.names?.get(names[0]!);
  if (first !== undefined) names = [first, ...names.slice(1)];
  return mount.host.endsWith("/") ? mount.host + names.join("/") : `${mount.host}/${names.join("/")}`;
}

function entryOf(info: Deno.FileInfo, host: string): Entry {
  return { ...foundOf(info, host), type: typeOf(info), links: BigInt(info.nlink ?? 1) };
}

/** The attributes of an overlay's file, which need not exist. */
function overlayStat(host: string, info: Deno.FileInfo | undefined): Stat {
  return statOf(info ?? attempt(() => Deno.lstatSync(parentOf(host))), "regular-file");
}

/** Whether a character device is harmless. Systems number devices differently. */
function isHarmlessDevice({ rdev }: Deno.FileInfo): boolean {
  return HARMLESS_DEVICES.some((name) => {
    try {
      const known = Deno.statSync(`/dev/${name}`);
      return known.isCharDevice && known.rdev === rdev;
    } catch {
      return false; // missing or unreadable, so it is not granted either
    }
  });
}

/**
 * Refuses files of processes: their memory, environment and open files belong to the host and to others. The kernel's
 * other files can be read, except its memory and its log, and can't be changed.
 */
function refuseProcess(host: string, changes: boolean): void {
  const refused = changes
    ? /^\/(?:proc|sys)\//
    : /^\/proc\/(?:\d|(?:kcore|kmsg|vmcore)$|kpage)|^\/sys\/(?:kernel\/(?:debug|tracing)|fs\/bpf)\//;
  if (Deno.build.os === "linux" && refused.test(host)) {
    throw new WasiError("access");
  }
}

function linkTarget(host: string): string {
  const target = Deno.readLinkSync(host);
  if (Deno.build.os !== "windows") return target;
  return /^([\\/]|[A-Za-z]:)/.test(target) ? "/" : target.replaceAll("\\", "/");
}

function lstat(host: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(host);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "no-entry" || errno === "not-directory") return undefined;
    throw new WasiError(errno);
  }
}

/** Runs an operation of Deno's and turns the operating system's errors into WasiError. */
function attempt<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw error instanceof WasiError ? error : new WasiError(errnoOf(error));
  }
}

/** Removes an empty directory in the way: POSIX rename replaces it, Windows does not. */
function makeWay(host: string, newHost: string): void {
  const [from, to] = [`${host}/`.toLowerCase(), `${newHost}/`.toLowerCase()];
  if (from === to) return;
  if (to.startsWith(from)) throw new WasiError("invalid");
  attempt(() => {
    for (const _ of Deno.readDirSync(newHost)) throw new WasiError("not-empty");
    Deno.removeSync(newHost);
  });
}

const MILLION = 1_000_000n;

// Deno reads and sets times in milliseconds. The host remembers the exact time that a plugin set, as long as the file
// shows it, so that a program finds the nanoseconds it wrote.
const exactTimes = new Map<string, { accessed?: bigint; modified?: bigint }>();

function exact(info: Deno.FileInfo, which: "accessed" | "modified", time: Date | null): bigint {
  const rounded = BigInt(time?.getTime() ?? 0) * MILLION;
  const set = exactTimes.size === 0 ? undefined : exactTimes.get(`${info.dev}:${info.ino}`)?.[which];
  return set !== undefined && floorMilliseconds(set) * MILLION === rounded ? set : rounded;
}

function floorMilliseconds(nanoseconds: bigint): bigint {
  return nanoseconds >= 0n ? nanoseconds / MILLION : (nanoseconds - MILLION + 1n) / MILLION;
}

/** Sets the times of a link itself. Only Node's function can, so it is loaded on demand. */
function setLinkTimes(host: string, accessed: Date, modified: Date): void {
  const { process } = globalThis as unknown as {
    process: {
      getBuiltinModule(
        name: "node:fs",
      ): { lutimesSync(path: GuestPath, accessed: Date, modified: Date): void };
    };
  };
  process.getBuiltinModule("node:fs").lutimesSync(host, accessed, modified);
}

function setTimes(
  info: Deno.FileInfo,
  accessed: NewTime,
  modified: NewTime,
  apply: (accessed: Date, modified: Date) => void,
): void {
  if (accessed === undefined && modified === undefined) return;
  const now = BigInt(Date.now()) * MILLION;
  const choose = (time: NewTime, old: bigint) => time === "now" ? now : time ?? old;
  const chosen = {
    accessed: choose(accessed, exact(info, "accessed", info.atime)),
    modified: choose(modified, exact(info, "modified", info.mtime)),
  };
  apply(
    new Date(Number(floorMilliseconds(chosen.accessed))),
    new Date(Number(floorMilliseconds(chosen.modified))),
  );
  exactTimes.set(`${info.dev}:${info.ino}`, chosen);
}

function statOf(info: Deno.FileInfo, type = typeOf(info)): Stat {
  return {
    type,
    dev: BigInt(info.dev),
    ino: BigInt(info.ino ?? 0),
    links: BigInt(info.nlink ?? 1),
    size: BigInt(info.size),
    accessed: exact(info, "accessed", info.atime),
    modified: exact(info, "modified", info.mtime),
    changed: BigInt((info.ctime ?? info.mtime)?.getTime() ?? 0) * MILLION,
  };
}

function typeOf(info: Deno.FileInfo): NodeType {
  if (info.isFile) return "regular-file";
  if (info.isDirectory) return "directory";
  if (info.isSymlink) return "symbolic-link";
  if (info.isCharDevice) return "character-device";
  if (info.isBlockDevice) return "block-device";
  if (info.isFifo) return "fifo";
  if (info.isSocket) return "socket";
  return "unknown";
}
