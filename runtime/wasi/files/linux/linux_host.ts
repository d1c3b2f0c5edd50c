/**
 * Answers protection.ts's questions on Linux: which file is at a path, which directories are above an open one, and whether
 * a file has a name below a directory.
 */

import { parentOf } from "../../../base/host_path.ts";
import type { Found } from "../../../base/path_walk.ts";
import { bytesOf } from "./byte_paths.ts";
import { type ErrnoName, isAbsence, WasiError } from "../../errno.ts";
import type { Entry, GuestPath } from "../file_tree.ts";
import { toText } from "../guest_paths.ts";
import type { Glance } from "./attribute_calls.ts";
import { AT_FDCWD, O_PATH, O_RDONLY } from "./call_numbers.ts";
import type { Kernel } from "./file_calls.ts";
import { DirectoryListing } from "./directory_listing.ts";
import { identityOf } from "./linux_nodes.ts";
import { type Mountpoint, otherPlaces, parseMounts } from "../mountinfo.ts";
import type { ProtectionHost } from "../protection.ts";

/** Linux allows no path with more names. */
const MAX_DEPTH = 2048;
/** How many bytes of the mount list to read. A machine has a few hundred bytes for each mount. */
const MAX_MOUNTS = 4 << 20;

/** How many files of a directory to look at ahead. */
const MAX_AHEAD = 20_000;

/** How many levels of directories to search. Each level takes a descriptor, and some systems allow only 256. */
const MAX_LEVELS = 64;

/** Looks at host paths with system calls, without Deno's permissions. */
export class LinuxHost implements ProtectionHost {
  #kernel: Kernel;
  readonly tick = 50;
  /** /proc/self/mountinfo, not parsed: few plugins change files near protected ones. */
  #mountinfo: readonly Uint8Array[] | undefined;
  #mounts: readonly Mountpoint[] | undefined;
  /** Paths of the mounts' roots through other mounts, by mount ID. */
  #sources = new Map<bigint, string | undefined>();
  /** For directories that can't be listed any more: their files with further names; undefined if there are too many. */
  #linked = new Map<string, ReadonlySet<string> | undefined>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  find(path: string): Found | undefined {
    const glance = this.#glance(path);
    if (!glance) return undefined;
    const { type } = glance;
    return {
      identity: identityOf(glance),
      type: type === "symbolic-link" ? "link" : type === "directory" ? type : "other",
      changed: this.#kernel.changed(),
    };
  }

  #glance(path: string): Glance | undefined {
    try {
      return this.#kernel.glanceHost(path, false);
    } catch (error) {
      if (isErrno(error, "name-too-long", "invalid")) return undefined; // no valid path
      throw error;
    }
  }

  readLink(path: string): string | undefined {
    let target: Uint8Array;
    try {
      target = this.#kernel.readLink(AT_FDCWD, path);
    } catch (error) {
      if (isAbsence(error) || isErrno(error, "invalid")) return undefined; // the link has gone
      throw error;
    }
    // If the target is unknown, nothing can tell which files are protected.
    return toText(target);
  }

  holds(directory: string, identity: string, exempt: ReadonlySet<string>): boolean {
    let fd: number | undefined;
    try {
      fd = this.#openListed(AT_FDCWD, directory, 0);
    } catch (error) {
      if (!isErrno(error, "access")) throw error;
      // The kernel refuses to list it by now. Files of other devices were not looked at, and can't have further
      // names.
      return this.#linked.has(directory) && this.#linked.get(directory)?.has(identity) !== false;
    }
    return fd !== undefined && this.#holds(fd, identity, exempt);
  }

  lookAhead(directory: string, exempt: ReadonlySet<string>): void {
    try {
      const fd = this.#openListed(AT_FDCWD, directory, 0);
      if (fd === undefined) return;
      this.#linked.set(directory, this.#collect(fd, exempt));
    } catch (error) {
      if (!isErrno(error, "access")) throw error;
      this.#linked.set(directory, undefined); // unknown: it may contain any file
    }
  }

  /**
   * Opens a directory to list it; undefined if nothing is there, or nothing that this user can reach.
   * @throws WasiError access if its names can be used but not listed
   */
  #openListed(from: number, path: GuestPath, flags: number): number | undefined {
    const kernel = this.#kernel;
    try {
      return kernel.open(from, path, O_RDONLY | kernel.O_DIRECTORY | flags, from !== AT_FDCWD);
    } catch (error) {
      if (!isAbsence(error)) throw error;
      const inside = Uint8Array.of(...bytesOf(path), ...bytesOf("/."));
      if (kernel.typeAt(from, inside, false) === undefined) return undefined;
      throw error;
    }
  }

  /** Collects the files below an open directory that have further names, and closes it. undefined if there are too many. */
  #collect(fd: number, exempt: ReadonlySet<string>): Set<string> | undefined {
    const linked = new Set<string>();
    let left = MAX_AHEAD;
    const isTooMuch = this.#visit(fd, exempt, (at, entry) => {
      if (left-- === 0) return true;
      if (entry.type === "directory") return false;
      const stat = this.#kernel.statAt(at, entry.name);
      if (stat.links > 1n) linked.add(identityOf(stat));
      return false;
    });
    return isTooMuch ? undefined : linked;
  }

  /** Whether a file is, or may be, somewhere below an open directory. Closes the directory. */
  #holds(fd: number, identity: string, exempt: ReadonlySet<string>): boolean {
    const ino = BigInt(identity.slice(identity.indexOf(":") + 1));
    return this.#visit(
      fd,
      exempt,
      (at, entry) =>
        entry.type !== "directory" && entry.ino === ino &&
        identityOf(this.#kernel.statAt(at, entry.name)) === identity,
    );
  }

  /**
   * Visits the entries below an open directory and closes it, until a visit returns true. Also true if the tree is too
   * deep, because then anything may be further down: a plugin can nest directories without limit, and each level takes a
   * descriptor.
   */
  #visit(
    fd: number,
    exempt: ReadonlySet<string>,
    visit: (directory: number, entry: Entry) => boolean,
  ): boolean {
    const kernel = this.#kernel;
    const levels = [{ fd, listing: new DirectoryListing(kernel, fd), index: 0 }];
    try {
      for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
        const entry = level.listing.at(level.index++);
        if (!entry) {
          levels.pop();
          level.listing.close();
          continue;
        }
        if (visit(level.fd, entry)) return true;
        if (entry.type !== "directory") continue;
        const below = this.#openListed(level.fd, entry.name, kernel.O_NOFOLLOW);
        if (below === undefined) continue;
        levels.push({ fd: below, listing: new DirectoryListing(kernel, below), index: 0 });
        if (exempt.has(identityOf(kernel.glance(below)))) levels.pop()!.listing.close();
        else if (levels.length > MAX_LEVELS) return true;
      }
      return false;
    } finally {
      for (const { listing } of levels) listing.close();
    }
  }

  /**
   * Identities of an open directory and all directories above it, up to the root. For a directory that is mounted a
   * second time (mount --bind), the directories above its first place, too.
   */
  *above(directory: number): Generator<string> {
    const kernel = this.#kernel;
    let fd = kernel.open(directory, ".", O_PATH | kernel.O_DIRECTORY, false);
    try {
      let last = "";
      for (let depth = 0; depth < MAX_DEPTH; depth++) {
        const { isMountRoot, ...glance } = kernel.glanceDirectory(fd);
        const identity = identityOf(glance);
        if (identity === last) return;
        yield last = identity;
        if (isMountRoot) {
          const source = this.#sourceOf(fd, identity);
          if (source !== undefined) yield* this.#aboveAt(source);
        }
        const up = kernel.open(fd, "..", O_PATH | kernel.O_DIRECTORY, false);
        kernel.close(fd);
        fd = up;
      }
    } finally {
      kernel.close(fd);
    }
    throw new WasiError("not-permitted");
  }

  /** Like above(), but for a mount point in a directory. It may be a file. Yields nothing for any other name. */
  *aboveMounted(directory: number, name: GuestPath): Generator<string> {
    const kernel = this.#kernel;
    if (!kernel.isMountRootAt(directory, name)) return;
    const fd = kernel.openPlain(directory, name, O_PATH);
    try {
      const glance = kernel.glance(fd);
      if (glance.type === "directory") return yield* this.above(fd);
      const identity = identityOf(glance);
      yield identity;
      const source = this.#sourceOf(fd, identity);
      if (source !== undefined) yield* this.#aboveAt(parentOf(source));
    } finally {
      kernel.close(fd);
    }
  }

  *#aboveAt(path: string): Generator<string> {
    let fd: number;
    try {
      fd = this.#kernel.open(AT_FDCWD, path, O_PATH | this.#kernel.O_DIRECTORY, false);
    } catch (error) {
      if (isAbsence(error)) return;
      throw error;
    }
    try {
      yield* this.above(fd);
    } finally {
      this.#kernel.close(fd);
    }
  }

  /** The path of a mount's root through another mount of the same file system; undefined if no other mount shows it. */
  #sourceOf(fd: number, identity: string): string | undefined {
    const id = this.#kernel.mountId(fd);
    if (!this.#sources.has(id)) this.#sources.set(id, this.#findSource(id, identity));
    return this.#sources.get(id);
  }

  #findSource(id: bigint, identity: string): string | undefined {
    const mount = this.mounts.find((each) => each.id === id);
    return mount && otherPlaces(mount, this.mounts).find((path) => this.find(path)?.identity === identity);
  }

  /** All mounts that this process saw; none if the system does not tell. */
  get mounts(): readonly Mountpoint[] {
    this.lookAtMounts();
    const decoder = new TextDecoder();
    return this.#mounts ??= parseMounts(
      this.#mountinfo!.map((part) => decoder.decode(part, { stream: true })).join(""),
    );
  }

  /** Reads the mounts before the process loses the right to (runtime/sandbox/kernel/restrict.ts). */
  lookAtMounts(): void {
    this.#mountinfo ??= this.#readMounts();
  }

  #readMounts(): Uint8Array[] {
    const kernel = this.#kernel;
    const parts: Uint8Array[] = [];
    try {
      const fd = kernel.open(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY, false);
      try {
        for (let size = 0; size < MAX_MOUNTS;) {
          const part = new Uint8Array(16384);
          const count = kernel.read(fd, part, undefined);
          if (count === 0) break;
          parts.push(part.subarray(0, count));
          size += count;
        }
      } finally {
        kernel.close(fd);
      }
    } catch (error) {
      if (!isAbsence(error)) throw error; // otherwise /proc is missing, or the kernel refuses it by now
    }
    return parts;
  }
}

function isErrno(error: unknown, ...names: readonly ErrnoName[]): boolean {
  return error instanceof WasiError && names.includes(error.errno);
}
