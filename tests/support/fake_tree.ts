/** A file tree that records its calls, for tests of the functions that plugins call. */

import assert from "node:assert/strict";
import { WasiError } from "../../runtime/wasi/errno.ts";
import type {
  AnyFile,
  DirectoryNode,
  Entry,
  FileTree,
  NodeType,
  Stat,
} from "../../runtime/wasi/files/file_tree.ts";
import { HostNode } from "../../runtime/wasi/files/host_node.ts";

/** A file in memory. */
export class FakeFile extends HostNode implements AnyFile {
  readonly kind = "file";
  readonly type: NodeType;
  readonly readable: boolean;
  readonly writable: boolean;
  bytes: Uint8Array;
  /** Calls of anything but reads and writes. */
  readonly calls: unknown[][] = [];
  closed = 0;

  constructor(text = "0123456789", { type = "regular-file", readable = true, writable = true }: {
    type?: NodeType;
    readable?: boolean;
    writable?: boolean;
  } = {}) {
    super();
    this.bytes = new TextEncoder().encode(text);
    [this.type, this.readable, this.writable] = [type, readable, writable];
  }

  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  readAt(into: Uint8Array, offset: bigint): number {
    const part = this.bytes.subarray(Number(offset)).subarray(0, into.length);
    into.set(part);
    return part.length;
  }

  writeAt(bytes: Uint8Array, offset: bigint): number {
    const at = Number(offset);
    const changed = new Uint8Array(Math.max(this.bytes.length, at + bytes.length));
    changed.set(this.bytes);
    changed.set(bytes, at);
    this.bytes = changed;
    return bytes.length;
  }

  append(bytes: Uint8Array): number {
    return this.writeAt(bytes, this.size());
  }

  size(): bigint {
    return BigInt(this.bytes.length);
  }

  stat(): Stat {
    return statOf({ type: this.type, size: this.size() });
  }

  setSize(size: bigint): void {
    this.calls.push(["setSize", size]);
  }

  allocate(offset: bigint, length: bigint): void {
    this.calls.push(["allocate", offset, length]);
  }

  advise(offset: bigint, length: bigint, advice: number): void {
    this.calls.push(["advise", offset, length, advice]);
  }

  sync(dataOnly: boolean): void {
    this.calls.push(["sync", dataOnly]);
  }

  close(): void {
    this.closed++;
  }
}

/** An open directory. */
export class FakeDirectory extends HostNode implements DirectoryNode {
  readonly kind = "directory";
  closed = 0;

  constructor(readonly writable = true) {
    super();
  }

  close(): void {
    this.closed++;
  }
}

/** Attributes with a different value in each field. */
export function statOf(stat: Partial<Stat> = {}): Stat {
  return {
    type: "regular-file",
    ...{ dev: 1n, ino: 2n, links: 3n, size: 4n, accessed: 5_000_000_006n, modified: 7_000_000_008n },
    ...{ changed: 9_000_000_010n, ...stat },
  };
}

/** A tree with a writable and a read-only root. Paths in `calls` are text. Functions without an answer return nothing. */
export function fakeTree(answers: Partial<FileTree> = {}) {
  const [writable, readOnly] = [new FakeDirectory(), new FakeDirectory(false)];
  const calls: unknown[][] = [];
  let listings = 0;
  const fields: Partial<FileTree> = {
    roots: [{ guest: "/writable", node: writable }, { guest: "/read-only", node: readOnly }],
    maxOpen: 16,
    stat: (node) => node.kind === "file" ? node.stat() : statOf({ type: "directory", ino: 77n }),
    ...answers,
  };
  const decoder = new TextDecoder();
  const tree = new Proxy(fields, {
    get(_, name: keyof FileTree) {
      const value = fields[name];
      if (value !== undefined && typeof value !== "function") return value;
      return (...args: unknown[]) => {
        calls.push([name, ...args.map((each) => each instanceof Uint8Array ? decoder.decode(each) : each)]);
        return (value as ((...args: unknown[]) => unknown) | undefined)?.(...args);
      };
    },
  }) as FileTree;
  return {
    tree,
    calls,
    writable,
    readOnly,
    /** A listing of such entries. */
    listing: (entries: readonly Entry[]) => {
      listings++;
      return { at: (index: number) => entries[index], close: () => void listings-- };
    },
    openListings: () => listings,
  };
}

/** An entry of a listing. */
export function entryOf(name: string | Uint8Array, type: NodeType = "regular-file", ino = 9n): Entry {
  return { name: typeof name === "string" ? new TextEncoder().encode(name) : name, type, ino };
}

/** Throws an error of the operating system. */
export function failing(errno: ConstructorParameters<typeof WasiError>[0]): () => never {
  return () => {
    throw new WasiError(errno);
  };
}

/** The only call that was recorded, which is removed. */
export function onlyCall(calls: unknown[][]): unknown[] {
  assert.equal(calls.length, 1);
  return calls.pop()!;
}
