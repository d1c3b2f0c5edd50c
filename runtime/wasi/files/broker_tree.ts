/**
 * The files of a plugin in a process that the kernel restricts to its initial grants (runtime/sandbox/kernel/). The
 * broker outside of the restriction opens files that were granted later, and creates files in directories that are not
 * granted. It makes the same checks (runtime/sandbox/broker/file_service.ts). Everything else runs in this process.
 */

import type { Json } from "../../sandbox/broker/channel.ts";
import {
  entryOfText,
  pathOfText,
  pathToText,
  statOfFields,
  timeToJson,
} from "../../sandbox/broker/file_messages.ts";
import { isMadeOutside } from "../../sandbox/kernel/kept_access.ts";
import type { FileCalls, Files, Mount, Overlay } from "../../sandbox/types.ts";
import { WasiError } from "../errno.ts";
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
import { HostMemory } from "../host_memory.ts";
import { RemoteDirectory, RemoteFile } from "./broker_nodes.ts";
import type { Kernel } from "./linux/file_calls.ts";
import { keptListing, sizeOfEntry } from "./listing.ts";
import { OverlayContents } from "./overlay.ts";
import { isTimeZoneMount } from "./time_zone.ts";
import type { MaybePromise } from "../streams/streams.ts";
import { WrappedTree } from "./wrapped_tree.ts";

/** Wraps this process's tree. */
export class OutsideTree extends WrappedTree implements FileTree {
  #kernel: Kernel;
  #files: Files;
  #contents = new OverlayContents();
  #listings = new HostMemory();
  /** Directories of single files that may be created, with their numbers in the broker. */
  #single = new Map<DirectoryNode, RemoteDirectory>();

  constructor(tree: FileTree, kernel: Kernel, files: Files) {
    super(tree);
    this.#kernel = kernel;
    this.#files = files;
    files.mounts.forEach((mount, index) => {
      if (!isMadeOutside(mount)) return;
      this.#single.set(tree.roots[index]!.node, new RemoteDirectory(index, true, () => {}));
    });
  }

  override mount(mount: Mount): DirectoryNode {
    const calls = this.#files.outside?.calls;
    // This process may open time zones itself (kernel/kept_access.ts).
    if (!calls || isTimeZoneMount(mount)) return this.tree.mount(mount);
    return this.#directory(calls, calls.mount(mount), mount.write);
  }

  openAt(from: DirectoryNode, path: GuestPath, options: OpenOptions): MaybePromise<DirectoryNode | AnyFile> {
    return this.#at(from, () => this.tree.openAt(from, path, options), (calls, node) => {
      const { fields, files } = calls.call("openAt", {
        node,
        path: pathToText(path),
        options: { ...options },
      });
      const overlaid = fields.textOrNone("overlaid");
      if (overlaid !== undefined) {
        const stat = statOfFields(fields.fields("stat"));
        return this.#contents.open(this.#overlay(overlaid), stat);
      }
      const [fd] = files;
      if (fd === undefined) {
        return this.#directory(calls, fields.number("directory"), fields.flag("writable"));
      }
      const number = fields.number("file");
      const type = fields.text("type") as AnyFile["type"];
      const how = { type, readable: fields.flag("readable"), writable: fields.flag("writable") };
      return new RemoteFile(this.#kernel, number, fd, how, () => calls.call("close", { node: number }));
    });
  }

  override stat(node: DirectoryNode | AnyFile): Stat {
    if (!(node instanceof RemoteDirectory)) return this.tree.stat(node);
    return statOfFields(this.#calls().call("stat", { node: node.number }).fields.fields("stat"));
  }

  statAt(from: DirectoryNode, path: GuestPath, follow: boolean): MaybePromise<Stat> {
    return this.#at(from, () => this.tree.statAt(from, path, follow), (calls, node) => {
      const { fields } = calls.call("statAt", { node, path: pathToText(path), follow });
      const stat = statOfFields(fields.fields("stat"));
      const overlaid = fields.textOrNone("overlaid");
      return overlaid === undefined ? stat : this.#contents.statOf(this.#overlay(overlaid), stat);
    });
  }

  override setTimes(node: DirectoryNode | AnyFile, accessed: NewTime, modified: NewTime): void {
    if (!(node instanceof RemoteDirectory || node instanceof RemoteFile)) {
      return this.tree.setTimes(node, accessed, modified);
    }
    this.#calls().call("setTimes", { node: node.number, ...times(accessed, modified) });
  }

  setTimesAt(
    from: DirectoryNode,
    path: GuestPath,
    follow: boolean,
    accessed: NewTime,
    modified: NewTime,
  ): void {
    this.#at(
      from,
      () => this.tree.setTimesAt(from, path, follow, accessed, modified),
      (calls, node) =>
        void calls.call("setTimesAt", {
          node,
          path: pathToText(path),
          follow,
          ...times(accessed, modified),
        }),
    );
  }

  createDirectoryAt(from: DirectoryNode, path: GuestPath): void {
    this.#change("createDirectoryAt", from, path, () => this.tree.createDirectoryAt(from, path));
  }

  override readDirectory(node: DirectoryNode): Listing {
    if (!(node instanceof RemoteDirectory)) return this.tree.readDirectory(node);
    const { fields } = this.#calls().call("readDirectory", { node: node.number });
    const entries = fields.texts("entries").map(entryOfText);
    const bytes = entries.reduce((sum, { name }) => sum + sizeOfEntry(name.length), 0);
    return keptListing((index) => entries[index], bytes, this.#listings);
  }

  removeDirectoryAt(from: DirectoryNode, path: GuestPath): void {
    this.#change("removeDirectoryAt", from, path, () => this.tree.removeDirectoryAt(from, path));
  }

  unlinkFileAt(from: DirectoryNode, path: GuestPath): void {
    this.#change("unlinkFileAt", from, path, () => this.tree.unlinkFileAt(from, path));
  }

  renameAt(from: DirectoryNode, path: GuestPath, to: DirectoryNode, newPath: GuestPath): void {
    this.#between("renameAt", from, path, to, newPath, {}, () => {
      this.tree.renameAt(from, path, to, newPath);
    });
  }

  linkAt(from: DirectoryNode, path: GuestPath, follow: boolean, to: DirectoryNode, newPath: GuestPath): void {
    this.#between("linkAt", from, path, to, newPath, { follow }, () => {
      this.tree.linkAt(from, path, follow, to, newPath);
    });
  }

  symlinkAt(target: GuestPath, to: DirectoryNode, newPath: GuestPath): void {
    this.#at(to, () => this.tree.symlinkAt(target, to, newPath), (calls, node) => {
      calls.call("symlinkAt", { node, path: pathToText(newPath), target: pathToText(target) });
    });
  }

  readLinkAt(from: DirectoryNode, path: GuestPath): Uint8Array {
    return this.#at(
      from,
      () => this.tree.readLinkAt(from, path),
      (calls, node) =>
        pathOfText(calls.call("readLinkAt", { node, path: pathToText(path) }).fields.text("target")),
    );
  }

  /**
   * Runs an operation in the process that has the directory open. For a single file's directory, the broker runs what
   * the kernel refuses here.
   */
  #at<T>(from: DirectoryNode, here: () => T, elsewhere: (calls: FileCalls, node: number) => T): T {
    if (from instanceof RemoteDirectory) return elsewhere(this.#calls(), from.number);
    const single = this.#files.outside?.calls ? this.#single.get(from) : undefined;
    if (!single) return here();
    try {
      return here();
    } catch (error) {
      if (!isRefusedByKernel(error)) throw error;
      return elsewhere(this.#calls(), single.number);
    }
  }

  #change(name: string, from: DirectoryNode, path: GuestPath, here: () => void): void {
    this.#at(from, here, (calls, node) => void calls.call(name, { node, path: pathToText(path) }));
  }

  /** Runs an operation on two directories. If they are open in different processes, it fails as for two devices. */
  #between(
    name: string,
    from: DirectoryNode,
    path: GuestPath,
    to: DirectoryNode,
    newPath: GuestPath,
    more: Readonly<Record<string, Json>>,
    here: () => void,
  ): void {
    const [source, target] = [from, to].map((node) =>
      node instanceof RemoteDirectory ? node : this.#single.get(node)
    );
    const isRemote = from instanceof RemoteDirectory || to instanceof RemoteDirectory;
    if (isRemote && !(source && target)) throw new WasiError("cross-device");
    this.#at(isRemote ? source! : from, here, (calls, node) => {
      const names = { path: pathToText(path), newPath: pathToText(newPath) };
      if (!target) throw new WasiError("cross-device");
      calls.call(name, { node, to: target.number, ...names, ...more });
    });
  }

  #calls(): FileCalls {
    const calls = this.#files.outside?.calls;
    if (!calls) throw new WasiError("io");
    return calls;
  }

  #directory(calls: FileCalls, number: number, writable: boolean): RemoteDirectory {
    return new RemoteDirectory(number, writable, () => void calls.call("close", { node: number }));
  }

  /** The overlay for a file of the host. */
  #overlay(host: string): Overlay {
    const overlay = this.#files.overlays.find((overlay) => overlay.host === host);
    if (!overlay) throw new WasiError("io");
    return overlay;
  }
}

/** Landlock returns EACCES, and EXDEV for a move out of a directory. */
function isRefusedByKernel(error: unknown): boolean {
  return error instanceof WasiError && (error.errno === "access" || error.errno === "cross-device");
}

function times(accessed: NewTime, modified: NewTime): Record<string, Json> {
  return { accessed: timeToJson(accessed), modified: timeToJson(modified) };
}
