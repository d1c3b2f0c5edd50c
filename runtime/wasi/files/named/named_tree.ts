/**
 * The files of a plugin on systems where files can't be opened relative to an open directory: macOS, Windows, and
 * Linux inside a sandbox that refuses openat2. Deno has no `openat`, so this tree resolves paths link by link
 * (../resolve_by_name.ts) and then checks that it opened the intended file. It notices a link that somebody swaps in
 * between, and refuses. Times have milliseconds, as in Deno, and names that are not Unicode can't be reached.
 */

import type { Files, Mount } from "../../../sandbox/types.ts";
import { walkPath } from "../../../base/path_walk.ts";
import { WasiError } from "../../errno.ts";
import { HostMemory } from "../../host_memory.ts";
import type { MaybePromise } from "../../streams/streams.ts";
import { FileDecisions, type Grant } from "../file_decisions.ts";
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
import { OverlayContents } from "../overlay.ts";
import { probeTarget, realPathOf } from "./deno_calls.ts";
import { typeOf } from "./file_info.ts";
import { setTimes, setTimesAt, statAt, statOf } from "./named_attributes.ts";
import {
  createDirectoryAt,
  linkAt,
  readLinkAt,
  removeDirectoryAt,
  renameAt,
  symlinkAt,
  unlinkFileAt,
} from "./named_changes.ts";
import { NamedHost } from "./named_host.ts";
import { readDirectory } from "./named_listing.ts";
import { NamedDirectory } from "./named_nodes.ts";
import { openAt } from "./named_open.ts";
import type { NamedState } from "./named_state.ts";

/** The tree of all mounts. */
export class NamedTree implements FileTree {
  readonly maxOpen = MAX_OPEN;
  readonly needs = ["read", "write"] as const;
  readonly descriptors = undefined;
  readonly roots: readonly { readonly guest: string; readonly node: NamedDirectory }[];
  #state: NamedState;

  constructor(files: Files) {
    const host = new NamedHost();
    const decisions = new FileDecisions(files, host);
    this.#state = { files, host, decisions, contents: new OverlayContents(), listings: new HostMemory() };
    // Look now: later the process may be unable to see above the mounts.
    decisions.now();
    this.roots = files.mounts.map((mount) => ({ guest: mount.guest, node: this.mount(mount) }));
  }

  lookAhead(): void {
    const { files: { mounts, unprotectedPaths }, host, decisions } = this.#state;
    const now = decisions.now();
    const granted = mounts.filter(({ host, only }) => !only && !unprotectedPaths.includes(host));
    now.lookAhead(granted.flatMap((mount) => host.find(mount.host)?.identity ?? []), true);
  }

  mount(mount: Mount): NamedDirectory {
    const { host } = this.#state;
    try {
      if (walkPath(mount.host, host).links.length > 0) throw new WasiError("loop");
      // Use the system's spelling: on Windows and macOS a path can be written in several ways.
      const real = realPathOf(mount.host);
      for (const _ of host.above(real)) { /* it is remembered */ }
      const root: Grant = {
        mount: { ...mount, host: real },
        above: () => host.above(real),
        hasMounts: () => host.hasMountsBelow(real),
      };
      return new NamedDirectory(root, []);
    } catch (error) {
      throw notMounted(mount, error);
    }
  }

  probe(host: string): Probed | undefined {
    const found = probeTarget(host);
    return found && { type: typeOf(found.info), real: found.real };
  }

  openAt(from: NamedDirectory, path: GuestPath, options: OpenOptions): MaybePromise<DirectoryNode | AnyFile> {
    return openAt(this.#state, from, path, options);
  }

  stat(node: NamedDirectory | AnyFile): Stat {
    return statOf(this.#state, node);
  }

  statAt(from: NamedDirectory, path: GuestPath, follow: boolean): MaybePromise<Stat> {
    return statAt(this.#state, from, path, follow);
  }

  setTimes(node: NamedDirectory | AnyFile, accessed: NewTime, modified: NewTime): void {
    setTimes(this.#state, node, accessed, modified);
  }

  setTimesAt(
    from: NamedDirectory,
    path: GuestPath,
    follow: boolean,
    accessed: NewTime,
    modified: NewTime,
  ): void {
    setTimesAt(this.#state, from, path, follow, accessed, modified);
  }

  createDirectoryAt(from: NamedDirectory, path: GuestPath): void {
    createDirectoryAt(this.#state, from, path);
  }

  readDirectory(node: NamedDirectory): Listing {
    return readDirectory(this.#state, node);
  }

  removeDirectoryAt(from: NamedDirectory, path: GuestPath): void {
    removeDirectoryAt(this.#state, from, path);
  }

  unlinkFileAt(from: NamedDirectory, path: GuestPath): void {
    unlinkFileAt(this.#state, from, path);
  }

  renameAt(from: NamedDirectory, path: GuestPath, to: NamedDirectory, newPath: GuestPath): void {
    renameAt(this.#state, from, path, to, newPath);
  }

  linkAt(
    from: NamedDirectory,
    path: GuestPath,
    follow: boolean,
    to: NamedDirectory,
    newPath: GuestPath,
  ): void {
    linkAt(this.#state, from, path, follow, to, newPath);
  }

  symlinkAt(target: GuestPath, to: NamedDirectory, newPath: GuestPath): void {
    symlinkAt(this.#state, target, to, newPath);
  }

  readLinkAt(from: NamedDirectory, path: GuestPath): Uint8Array {
    return readLinkAt(this.#state, from, path);
  }

  [Symbol.dispose](): void {}
}
