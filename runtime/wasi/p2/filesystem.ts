/**
 * wasi:filesystem 0.2.12 (types, preopens) over ../files. It does not use preview2-shim, whose open-at can't wait
 * until the host has generated a file (docs/maintainers/upstream.md, S9).
 */

import { type ErrnoName, errnoOf, WasiError } from "../errno.ts";
import type {
  AnyFile,
  DirectoryNode,
  FileTree,
  Listing,
  NewTime,
  NodeType,
  Stat,
} from "../files/file_tree.ts";
import { HostNode } from "../files/host_node.ts";
import type { ByteSink, ByteSource, MaybePromise } from "../streams/streams.ts";
import { datetimeOf } from "./clocks.ts";
import { CAUSE, InputStream, type IoError, OutputStream } from "./io.ts";

type Timestamp =
  | { tag: "no-change" }
  | { tag: "now" }
  | { tag: "timestamp"; val: { seconds: bigint; nanoseconds: number } };
interface DescriptorFlags {
  read?: boolean;
  write?: boolean;
  fileIntegritySync?: boolean;
  dataIntegritySync?: boolean;
  requestedWriteSync?: boolean;
  mutateDirectory?: boolean;
}
interface PathFlags {
  symlinkFollow?: boolean;
}
interface OpenFlags {
  create?: boolean;
  directory?: boolean;
  exclusive?: boolean;
  truncate?: boolean;
}

/** The error-code of an operation's error. Throws an error that does not come from the operating system again. */
function codeOf(error: unknown): string {
  const errno = errnoOf(error);
  return UNNAMED[errno] ?? errno;
}

// Errors that preview1 names and this version does not.
const UNNAMED: Partial<Record<ErrnoName, string>> = {
  "fault": "invalid",
  "no-system-call": "unsupported",
  "not-capable": "not-permitted",
  "not-socket": "invalid",
  "too-many-open": "insufficient-memory",
};

function errorCode(error: unknown): never {
  throw codeOf(error);
}

function attempt<T>(operation: () => MaybePromise<T>): MaybePromise<T> {
  try {
    const value = operation();
    return value instanceof Promise ? value.catch(errorCode) : value;
  } catch (error) {
    return errorCode(error);
  }
}

function newTime(time: Timestamp): NewTime {
  if (time.tag === "no-change") return undefined;
  if (time.tag === "now") return "now";
  return time.val.seconds * 1_000_000_000n + BigInt(time.val.nanoseconds);
}

function statRecord(stat: Stat) {
  return {
    type: stat.type,
    linkCount: stat.links,
    size: stat.size,
    dataAccessTimestamp: datetimeOf(stat.accessed),
    dataModificationTimestamp: datetimeOf(stat.modified),
    statusChangeTimestamp: datetimeOf(stat.changed),
  };
}

/** A file from a position on. */
function fileSource(file: AnyFile, offset: bigint): ByteSource {
  let at = offset;
  const read = (into: Uint8Array): number => {
    const count = file.readAt(into, at);
    at += BigInt(count);
    return count;
  };
  return {
    ready: () => true,
    wait: () => Promise.resolve(),
    read,
    readAvailable: (into) => read(into) || -1,
    close: () => {},
  };
}

function fileSink(file: AnyFile, offset: bigint | undefined, written: () => void): ByteSink {
  let at = offset;
  return {
    ready: () => true,
    wait: () => Promise.resolve(),
    capacity: () => 1 << 20,
    write: (bytes) => {
      const count = at === undefined ? file.append(bytes) : file.writeAt(bytes, at);
      if (at !== undefined) at += BigInt(count);
      written();
      return count;
    },
    flush: () => {},
    close: () => {},
  };
}

class DirectoryEntryStream {
  #listing: Listing;
  #ended: () => void;
  #next = 0;

  constructor(listing: Listing, ended: () => void) {
    this.#listing = listing;
    this.#ended = ended;
  }

  /** The next entry. If its name is not text, `illegal-byte-sequence`; later calls return the following entries. */
  readDirectoryEntry(): { type: NodeType; name: string } | undefined {
    return attempt(() => {
      const entry = this.#listing.at(this.#next);
      if (!entry) return undefined;
      this.#next++;
      return { type: entry.type, name: textOf(entry.name) };
    }) as { type: NodeType; name: string } | undefined;
  }

  [Symbol.dispose](): void {
    this.#listing.close();
    this.#ended();
    this.#ended = () => {};
  }
}

/** A name as a string. @throws WasiError illegal-byte-sequence */
function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new WasiError("illegal-byte-sequence");
  }
}

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
      return attempt(() => textOf(tree.readLinkAt(this.#directory, path)));
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

/** Identifies the file and its content. */
function hashOf(stat: Stat): { lower: bigint; upper: bigint } {
  const mask = (1n << 64n) - 1n;
  const mix = (a: bigint, b: bigint) => ((a ^ b) * 0x9e3779b97f4a7c15n ^ (b << 17n)) & mask;
  return { lower: mix(stat.ino, stat.modified), upper: mix(stat.dev, stat.size) };
}
