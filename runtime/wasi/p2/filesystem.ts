/**
 * wasi:filesystem 0.2.12 (types, preopens) over ../files. It does not use preview2-shim, whose open-at can't wait
 * until the host has generated a file (docs/maintainers/upstream.md, S9).
 */

import { WasiError } from "../errno.ts";
import type { AnyFile, DirectoryNode, FileTree } from "../files/file_tree.ts";
import { toText } from "../files/guest_paths.ts";
import { HostNode } from "../files/host_node.ts";
import { DirectoryEntryStream, fileSink, fileSource } from "./file_streams.ts";
import {
  attempt,
  codeOf,
  type DescriptorFlags,
  hashOf,
  newTime,
  type OpenFlags,
  type PathFlags,
  statRecord,
  type Timestamp,
} from "./filesystem_values.ts";
import { CAUSE, InputStream, type IoError, OutputStream } from "./io.ts";

// In the order of preview1's numbers.
const ADVICE = ["normal", "sequential", "random", "will-need", "dont-need", "no-reuse"];

/** The interfaces by name. */
export function filesystemInterfaces(tree: FileTree) {
  let open = 0;
  let streams = 0;

  class Descriptor {
    #node: DirectoryNode | AnyFile;
    #closed = false;
    /** The flags with which the guest opened the file. */
    #flags: DescriptorFlags;

    constructor(node: DirectoryNode | AnyFile, flags: DescriptorFlags = {}) {
      HostNode.check(node);
      if (open >= tree.maxOpen) {
        node.close();
        throw new WasiError("too-many-open");
      }
      open++;
      this.#node = node;
      this.#flags = flags;
    }

    /** Called after each write: syncs if the flags require it. */
    #written = (): void => {
      const { fileIntegritySync, dataIntegritySync } = this.#flags;
      if (fileIntegritySync || dataIntegritySync) this.#file.sync(!fileIntegritySync);
    };

    get #file(): AnyFile {
      if (this.#node.kind === "directory") throw new WasiError("is-directory");
      return this.#node;
    }

    get #directory(): DirectoryNode {
      if (this.#node.kind !== "directory") throw new WasiError("not-directory");
      return this.#node;
    }

    readViaStream(offset: bigint) {
      return attempt(() => {
        if (!this.#file.readable) throw new WasiError("bad-descriptor");
        return new InputStream(fileSource(this.#file, offset));
      });
    }

    writeViaStream(offset: bigint) {
      return attempt(() => {
        if (!this.#file.writable) throw new WasiError("bad-descriptor");
        return new OutputStream(fileSink(this.#file, offset, this.#written));
      });
    }

    appendViaStream() {
      return attempt(() => {
        if (!this.#file.writable) throw new WasiError("bad-descriptor");
        return new OutputStream(fileSink(this.#file, undefined, this.#written));
      });
    }

    advise(offset: bigint, length: bigint, advice: string): void {
      attempt(() => this.#file.advise(offset, length, ADVICE.indexOf(advice)));
    }

    syncData(): void {
      attempt(() => this.#node.kind === "file" ? this.#node.sync(true) : undefined);
    }

    sync(): void {
      attempt(() => this.#node.kind === "file" ? this.#node.sync(false) : undefined);
    }

    getFlags(): DescriptorFlags {
      if (this.#node.kind === "directory") {
        return { read: true, ...(this.#node.writable ? { mutateDirectory: true } : {}) };
      }
      const { fileIntegritySync = false, dataIntegritySync = false, requestedWriteSync = false } =
        this.#flags;
      return {
        read: this.#node.readable,
        write: this.#node.writable,
        fileIntegritySync,
        dataIntegritySync,
        requestedWriteSync,
      };
    }

    getType() {
      return attempt(() => this.#node.kind === "directory" ? "directory" : this.#node.type);
    }

    setSize(size: bigint) {
      return attempt(() => this.#file.setSize(size));
    }

    setTimes(accessed: Timestamp, modified: Timestamp) {
      return attempt(() => tree.setTimes(this.#node, newTime(accessed), newTime(modified)));
    }

    read(length: bigint, offset: bigint) {
      return attempt((): [Uint8Array, boolean] => {
        const buffer = new Uint8Array(length > 1n << 20n ? 1 << 20 : Number(length));
        const count = this.#file.readAt(buffer, offset);
        // A read of zero bytes returns the end, too, as in wasmtime: the adapter in components takes any other result
        // for an interruption, and programs retry forever.
        return [buffer.subarray(0, count), count === 0];
      });
    }

    write(bytes: Uint8Array, offset: bigint) {
      return attempt(() => {
        const count = this.#file.writeAt(bytes, offset);
        this.#written();
        return BigInt(count);
      });
    }

    readDirectory() {
      return attempt(() => {
        if (streams >= tree.maxOpen) throw new WasiError("too-many-open");
        const listing = tree.readDirectory(this.#directory);
        streams++;
        return new DirectoryEntryStream(listing, () => streams--);
      });
    }

    createDirectoryAt(path: string) {
      return attempt(() => tree.createDirectoryAt(this.#directory, path));
    }

    stat() {
      return attempt(() => statRecord(tree.stat(this.#node)));
    }

    statAt(flags: PathFlags, path: string) {
      return attempt(() => {
        const stat = tree.statAt(this.#directory, path, flags.symlinkFollow ?? false);
        return stat instanceof Promise ? stat.then(statRecord) : statRecord(stat);
      });
    }

    setTimesAt(flags: PathFlags, path: string, accessed: Timestamp, modified: Timestamp) {
      return attempt(() =>
        tree.setTimesAt(
          this.#directory,
          path,
          flags.symlinkFollow ?? false,
          newTime(accessed),
          newTime(modified),
        )
      );
    }

    linkAt(flags: PathFlags, path: string, to: Descriptor, newPath: string) {
      return attempt(() =>
        tree.linkAt(this.#directory, path, flags.symlinkFollow ?? false, to.#directory, newPath)
      );
    }

    openAt(pathFlags: PathFlags, path: string, openFlags: OpenFlags, flags: DescriptorFlags) {
      return attempt(() => {
        const node = tree.openAt(this.#directory, path, {
          follow: pathFlags.symlinkFollow ?? false,
          create: openFlags.create ?? false,
          exclusive: openFlags.exclusive ?? false,
          truncate: openFlags.truncate ?? false,
          directory: openFlags.directory ?? false,
          read: flags.read ?? false,
          write: flags.write ?? false,
        });
        return node instanceof Promise
          ? node.then((node) => new Descriptor(node, flags))
          : new Descriptor(node, flags);
      });
    }

    readlinkAt(path: string) {
      return attempt(() => toText(tree.readLinkAt(this.#directory, path)));
    }

    removeDirectoryAt(path: string) {
      return attempt(() => tree.removeDirectoryAt(this.#directory, path));
    }

    renameAt(path: string, to: Descriptor, newPath: string) {
      return attempt(() => tree.renameAt(this.#directory, path, to.#directory, newPath));
    }

    symlinkAt(target: string, path: string) {
      return attempt(() => tree.symlinkAt(target, this.#directory, path));
    }

    unlinkFileAt(path: string) {
      return attempt(() => tree.unlinkFileAt(this.#directory, path));
    }

    isSameObject(other: Descriptor) {
      return attempt(() => {
        const [a, b] = [tree.stat(this.#node), tree.stat(other.#node)];
        return a.dev === b.dev && a.ino === b.ino;
      });
    }

    metadataHash() {
      return attempt(() => hashOf(tree.stat(this.#node)));
    }

    metadataHashAt(flags: PathFlags, path: string) {
      return attempt(() => {
        const stat = tree.statAt(this.#directory, path, flags.symlinkFollow ?? false);
        return stat instanceof Promise ? stat.then(hashOf) : hashOf(stat);
      });
    }

    [Symbol.dispose](): void {
      if (this.#closed) return;
      this.#closed = true;
      open--;
      try {
        this.#node.close();
      } catch (error) {
        // Dropping a resource cannot fail. The host reports a refused kubeconfig at exit.
        if (!(error instanceof WasiError)) throw error;
      }
    }
  }

  return {
    "wasi:filesystem/preopens": {
      getDirectories: () =>
        tree.roots.map(({ guest, node }): [Descriptor, string] => [new Descriptor(node), guest]),
    },
    "wasi:filesystem/types": {
      Descriptor,
      DirectoryEntryStream,
      filesystemErrorCode: ({ [CAUSE]: cause }: IoError): string | undefined => {
        try {
          return codeOf(cause);
        } catch {
          return undefined; // the error does not come from the operating system
        }
      },
    },
  };
}
