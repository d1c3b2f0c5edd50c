/**
 * The files of a plugin on Linux. Every mount is an open directory, and every operation is relative to one. The
 * kernel resolves paths (openat2) and never leaves the starting directory, even if something is renamed or linked
 * meanwhile. Names are bytes, times are nanoseconds. ../file_decisions.ts decides what the kernel can't know: which
 * files can't be changed (the store), and which are denied. linux_overlays.ts recognises files that show as something
 * else.
 *
 * Files are recognised by device and inode after opening, so another name (a link, a hard link, a mount) does not
 * help. A second process with the same grant can't move them either: every process refuses to move, replace or link
 * them or a directory above them.
 */

import { isBelow } from "../../../base/host_path.ts";
import type { Files, Mount } from "../../../sandbox/types.ts";
import { isAbsence } from "../../errno.ts";
import { HostMemory } from "../../host_memory.ts";
import type { MaybePromise } from "../../streams/streams.ts";
import { OutsideTree } from "../broker_tree.ts";
import { FileDecisions } from "../file_decisions.ts";
import {
  type AnyFile,
  type DirectoryNode,
  type FileTree,
  type GuestPath,
  type Listing,
  MAX_OPEN,
  type NewTime,
  notMounted,
  type OpenOptions,
  type Probed,
  type Stat,
} from "../file_tree.ts";
import { textOf } from "../guest_paths.ts";
import { OverlayContents } from "../overlay.ts";
import { AT_FDCWD, O_PATH } from "./call_numbers.ts";
import { Kernel } from "./file_calls.ts";
import { setTimes, setTimesAt, statAt, statOf } from "./linux_attributes.ts";
import {
  createDirectoryAt,
  linkAt,
  readLinkAt,
  removeDirectoryAt,
  renameAt,
  symlinkAt,
  unlinkFileAt,
} from "./linux_changes.ts";
import { LinuxHost } from "./linux_host.ts";
import { readDirectory } from "./linux_listing.ts";
import { identityOf, OpenDirectory, type Root } from "./linux_nodes.ts";
import { openAt } from "./linux_open.ts";
import { closeOnError, linkToOpen, type LinuxState } from "./linux_state.ts";

/** Descriptors for the host itself: connections, files and libraries. */
const RESERVED = 128;

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
  #state: LinuxState;
  #mounted: number[] = [];

  constructor(kernel: Kernel, files: Files) {
    const host = new LinuxHost(kernel);
    this.#state = {
      kernel,
      files,
      host,
      decisions: new FileDecisions(files, host),
      contents: new OverlayContents(),
      listings: new HostMemory(),
      devices: new Map(),
      plainDevice: undefined,
      seen: [],
    };
    // A listing takes two descriptors.
    const limit = kernel.raiseFileLimit(2 * MAX_OPEN + RESERVED);
    this.maxOpen = Math.min(MAX_OPEN, Math.max(16, Math.floor((limit - RESERVED) / 2)));
    const nodes = files.mounts.map((mount) => this.mount(mount));
    this.roots = nodes.map((node, index) => ({ guest: files.mounts[index]!.guest, node }));
    this.descriptors = nodes.map(({ fd }) => fd);
  }

  lookAhead(): void {
    const { files: { mounts, unprotectedPaths }, host, decisions } = this.#state;
    const granted = this.roots.filter((_, index) => {
      const { host, only } = mounts[index]!;
      return !only && !unprotectedPaths.includes(host);
    });
    if (granted.length === 0) return;
    host.lookAtMounts();
    if (!granted.some(({ node }) => node.writable)) return;
    // The process may still list denied directories (runtime/sandbox/kernel/kept_access.ts).
    decisions.now().lookAhead(granted.map(({ node }) => node.root.identity), false);
  }

  mount(mount: Mount): OpenDirectory {
    const { kernel } = this.#state;
    try {
      const fd = kernel.openPlain(AT_FDCWD, mount.host, O_PATH | kernel.O_DIRECTORY);
      return closeOnError(kernel, fd, () => {
        const root = rootOf(this.#state, mount, fd);
        this.#mounted.push(fd);
        return new OpenDirectory(root, fd);
      });
    } catch (error) {
      throw notMounted(mount, error);
    }
  }

  probe(host: string): Probed | undefined {
    const { kernel } = this.#state;
    let fd: number;
    try {
      fd = kernel.open(AT_FDCWD, host, O_PATH, false);
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
    try {
      const real = textOf(kernel.readLink(AT_FDCWD, linkToOpen(fd)));
      // Only names that are text can be granted. A pipe or socket has no path.
      return real?.startsWith("/") ? { type: kernel.stat(fd).type, real } : undefined;
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    } finally {
      kernel.close(fd);
    }
  }

  openAt(from: OpenDirectory, path: GuestPath, options: OpenOptions): MaybePromise<DirectoryNode | AnyFile> {
    return openAt(this.#state, from, path, options);
  }

  stat(node: OpenDirectory | AnyFile): Stat {
    return statOf(this.#state, node);
  }

  statAt(from: OpenDirectory, path: GuestPath, follow: boolean): MaybePromise<Stat> {
    return statAt(this.#state, from, path, follow);
  }

  setTimes(node: OpenDirectory | AnyFile, accessed: NewTime, modified: NewTime): void {
    setTimes(this.#state, node, accessed, modified);
  }

  setTimesAt(
    from: OpenDirectory,
    path: GuestPath,
    follow: boolean,
    accessed: NewTime,
    modified: NewTime,
  ): void {
    setTimesAt(this.#state, from, path, follow, accessed, modified);
  }

  createDirectoryAt(from: OpenDirectory, path: GuestPath): void {
    createDirectoryAt(this.#state, from, path);
  }

  readDirectory(node: OpenDirectory): Listing {
    return readDirectory(this.#state, node);
  }

  removeDirectoryAt(from: OpenDirectory, path: GuestPath): void {
    removeDirectoryAt(this.#state, from, path);
  }

  unlinkFileAt(from: OpenDirectory, path: GuestPath): void {
    unlinkFileAt(this.#state, from, path);
  }

  renameAt(from: OpenDirectory, path: GuestPath, to: OpenDirectory, newPath: GuestPath): void {
    renameAt(this.#state, from, path, to, newPath);
  }

  linkAt(from: OpenDirectory, path: GuestPath, follow: boolean, to: OpenDirectory, newPath: GuestPath): void {
    linkAt(this.#state, from, path, follow, to, newPath);
  }

  symlinkAt(target: GuestPath, to: OpenDirectory, newPath: GuestPath): void {
    symlinkAt(this.#state, target, to, newPath);
  }

  readLinkAt(from: OpenDirectory, path: GuestPath): Uint8Array {
    return readLinkAt(this.#state, from, path);
  }

  [Symbol.dispose](): void {
    for (const fd of this.#mounted) this.#state.kernel.close(fd);
  }
}

function rootOf({ kernel, host }: LinuxState, mount: Mount, fd: number): Root {
  let hasMounts: boolean | undefined;
  return {
    mount,
    fd,
    identity: identityOf(kernel.stat(fd)),
    above: () => host.above(fd),
    hasMounts: () => hasMounts ??= host.mounts.some(({ point }) => isBelow(point, mount.host)),
  };
}
