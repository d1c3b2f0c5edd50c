/** preview1 functions on an open descriptor: attributes, rights, flags and position. */

import { WasiError } from "../errno.ts";
import type { AnyFile, Entry, NewTime, Stat } from "../files/file_tree.ts";
import {
  APPEND,
  DSYNC,
  FD_ADVISE,
  FD_ALLOCATE,
  FD_DATASYNC,
  FD_FDSTAT_SET_FLAGS,
  FD_FILESTAT_GET,
  FD_FILESTAT_SET_SIZE,
  FD_FILESTAT_SET_TIMES,
  FD_READDIR,
  FD_SEEK,
  FD_SYNC,
  FD_TELL,
  FILETYPE,
  NONBLOCK,
  RSYNC,
  SYNC,
  type Version,
} from "./abi.ts";
import { type Context, type Errno, type Functions, SUCCESS, treeOf } from "./p1_context.ts";
import type { Descriptor } from "./descriptors.ts";
import type { Memory } from "./memory.ts";

const encoder = new TextEncoder();

/** The functions over one module's descriptors. */
export function fileFunctions(context: Context, { whence, shortFilestat }: Version): Functions {
  const { memory, descriptors } = context;
  return {
    fd_advise: (fd: number, offset: bigint, length: bigint, advice: number) => {
      const { node } = descriptors.file(fd, FD_ADVISE);
      if (advice < 0 || advice > 5 || offset < 0n || length < 0n) throw new WasiError("invalid");
      node.advise(offset, length, advice);
    },
    fd_allocate: (fd: number, offset: bigint, length: bigint) => {
      const { node } = descriptors.file(fd, FD_ALLOCATE);
      if (offset < 0n || length <= 0n) throw new WasiError("invalid");
      node.allocate(offset, length);
    },
    fd_datasync: (fd: number) => sync(context, fd, FD_DATASYNC),
    fd_sync: (fd: number) => sync(context, fd, FD_SYNC),
    fd_fdstat_get: (fd: number, result: number) => {
      const descriptor = descriptors.get(fd);
      const type = fileType(descriptor);
      const view = memory.view();
      result >>>= 0;
      view.setBigUint64(result, 0n, true);
      view.setUint8(result, type);
      view.setUint16(result + 2, descriptor.flags, true);
      view.setBigUint64(result + 8, descriptor.base, true);
      view.setBigUint64(result + 16, descriptor.inheriting, true);
    },
    fd_fdstat_set_flags: (fd: number, flags: number) => {
      const descriptor = descriptors.get(fd);
      if ((descriptor.base & FD_FDSTAT_SET_FLAGS) === 0n) throw new WasiError("not-capable");
      if ((flagsOf(flags) & (DSYNC | RSYNC | SYNC)) !== (descriptor.flags & (DSYNC | RSYNC | SYNC))) {
        throw new WasiError("unsupported");
      }
      descriptor.flags = flags;
    },
    fd_fdstat_set_rights: (fd: number, base: bigint, inheriting: bigint) => {
      const descriptor = descriptors.get(fd);
      base = BigInt.asUintN(64, base);
      inheriting = BigInt.asUintN(64, inheriting);
      if ((base & ~descriptor.base) !== 0n || (inheriting & ~descriptor.inheriting) !== 0n) {
        throw new WasiError("not-capable");
      }
      descriptor.base = base;
      descriptor.inheriting = inheriting;
    },
    fd_filestat_get: (fd: number, result: number) => {
      const descriptor = descriptors.get(fd);
      if ((descriptor.base & FD_FILESTAT_GET) === 0n) throw new WasiError("not-capable");
      storeStat(memory, statOf(context, descriptor), result, shortFilestat);
    },
    fd_filestat_set_size: (fd: number, size: bigint) => {
      if (size < 0n) throw new WasiError("invalid");
      descriptors.file(fd, FD_FILESTAT_SET_SIZE).node.setSize(size);
    },
    fd_filestat_set_times: (fd: number, accessed: bigint, modified: bigint, flags: number) => {
      const { node, base } = descriptors.get(fd);
      if (node.kind !== "file" && node.kind !== "directory") throw new WasiError("bad-descriptor");
      if ((base & FD_FILESTAT_SET_TIMES) === 0n) throw new WasiError("not-capable");
      treeOf(context).setTimes(node, ...newTimes(accessed, modified, flags));
    },
    fd_prestat_get: (fd: number, result: number) => {
      const { preopen } = descriptors.get(fd);
      if (preopen === undefined) throw new WasiError("bad-descriptor");
      const view = memory.view();
      result >>>= 0;
      view.setUint32(result, 0, true);
      view.setUint32(result + 4, encoder.encode(preopen).length, true);
    },
    fd_prestat_dir_name: (fd: number, pointer: number, length: number) => {
      const { preopen } = descriptors.get(fd);
      if (preopen === undefined) throw new WasiError("bad-descriptor");
      const name = encoder.encode(preopen);
      if (length >>> 0 < name.length) throw new WasiError("name-too-long");
      memory.slice(pointer, name.length).set(name);
    },
    fd_readdir: (fd: number, buffer: number, length: number, cookie: bigint, result: number) =>
      readDirectory(context, fd, buffer, length, BigInt.asUintN(64, cookie), result),
    fd_seek: (fd: number, delta: bigint, from: number, result: number) =>
      seek(context, fd, delta, whence[from], result),
    fd_tell: (fd: number, result: number) => {
      const file = descriptors.file(fd, FD_TELL);
      checkPlaces(file.node);
      memory.setUint64(result, file.offset);
    },
    fd_close: (fd: number) => descriptors.close(fd),
    fd_renumber: (from: number, to: number) => descriptors.renumber(from, to),
  };
}

/** Validated flags of a descriptor. @throws WasiError invalid */
export function flagsOf(flags: number): number {
  if ((flags & ~(APPEND | DSYNC | NONBLOCK | RSYNC | SYNC)) !== 0) throw new WasiError("invalid");
  return flags;
}

/** Stores a filestat; `short`: in snapshot 0's layout. */
export function storeStat(memory: Memory, stat: Stat, pointer: number, short: boolean): void {
  const view = memory.view();
  pointer >>>= 0;
  view.setBigUint64(pointer, stat.dev, true);
  view.setBigUint64(pointer + 8, stat.ino, true);
  view.setBigUint64(pointer + 16, 0n, true);
  view.setUint8(pointer + 16, FILETYPE[stat.type]);
  if (short) view.setUint32(pointer + 20, Number(stat.links), true);
  else view.setBigUint64(pointer + 24, stat.links, true);
  const rest = short ? pointer + 24 : pointer + 32;
  view.setBigUint64(rest, stat.size, true);
  view.setBigUint64(rest + 8, stat.accessed, true);
  view.setBigUint64(rest + 16, stat.modified, true);
  view.setBigUint64(rest + 24, stat.changed, true);
}

function statOf(context: Context, descriptor: Descriptor): Stat {
  const { node } = descriptor;
  if (node.kind === "directory" || node.kind === "file") return treeOf(context).stat(node);
  const type = node.kind === "socket" ? "socket" : node.terminal ? "character-device" : "unknown";
  return { type, dev: 0n, ino: 0n, links: 1n, size: 0n, accessed: 0n, modified: 0n, changed: 0n };
}

function fileType(descriptor: Descriptor): number {
  const { node } = descriptor;
  if (node.kind === "directory") return FILETYPE.directory;
  if (node.kind === "file") return FILETYPE[node.type];
  if (node.kind === "socket") return FILETYPE.socket;
  // For wasi-libc's isatty: a character device without seek and tell.
  return node.terminal ? FILETYPE["character-device"] : FILETYPE.unknown;
}

/** The size of a `dirent` before its name. */
const HEADER = 24;

/**
 * Entries after a cookie, the number of the previous entry. `.` and `..` come first, both with the directory's own
 * inode, because the plugin must not know what is above a granted directory.
 */
function readDirectory(
  context: Context,
  fd: number,
  buffer: number,
  length: number,
  cookie: bigint,
  result: number,
): Errno {
  const { memory, descriptors } = context;
  const descriptor = descriptors.directory(fd, FD_READDIR);
  const tree = treeOf(context);
  if (cookie === 0n || !descriptor.listing) {
    descriptor.listing?.close();
    descriptor.listing = undefined;
    descriptor.listing = tree.readDirectory(descriptor.node);
  }
  const { listing } = descriptor;
  const entryAt = (index: number): Entry | undefined =>
    index < 2
      ? {
        name: encoder.encode("..".slice(index === 0 ? 1 : 0)),
        type: "directory",
        ino: tree.stat(descriptor.node).ino,
      }
      : listing.at(index - 2);
  const bytes = memory.slice(buffer, length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let used = 0;
  for (let index = Number(cookie); used < bytes.length; index++) {
    const entry = entryAt(index);
    if (!entry) break;
    const { name, type, ino } = entry;
    if (used + HEADER + name.length <= bytes.length) {
      storeEntry(view, used, index, entry);
      bytes.set(name, used + HEADER);
      used += HEADER + name.length;
      continue;
    }
    // The last entry is truncated: a full buffer tells the program to retry with a larger one.
    const whole = new Uint8Array(HEADER + name.length);
    storeEntry(new DataView(whole.buffer), 0, index, { name, type, ino });
    whole.set(name, HEADER);
    bytes.set(whole.subarray(0, bytes.length - used), used);
    used = bytes.length;
  }
  memory.setUint32(result, used);
  return SUCCESS;
}

function storeEntry(view: DataView, at: number, index: number, { name, type, ino }: Entry): void {
  view.setBigUint64(at, BigInt(index + 1), true);
  view.setBigUint64(at + 8, ino, true);
  view.setUint32(at + 16, name.length, true);
  view.setUint32(at + 20, FILETYPE[type], true);
}

function seek(
  { memory, descriptors }: Context,
  fd: number,
  delta: bigint,
  whence: "set" | "current" | "end" | undefined,
  result: number,
): Errno {
  const descriptor = descriptors.get(fd);
  if (descriptor.node.kind === "directory") throw new WasiError("bad-descriptor");
  const file = descriptors.file(fd, FD_SEEK);
  checkPlaces(file.node);
  if (whence === undefined) throw new WasiError("invalid");
  const origin = whence === "set" ? 0n : whence === "current" ? file.offset : file.node.size();
  const target = origin + delta;
  if (target < 0n) throw new WasiError("invalid");
  if (target > 0x7fffffffffffffffn) throw new WasiError("overflow");
  file.offset = target;
  memory.setUint64(result, target);
  return SUCCESS;
}

/** Refuses a file without positions. @throws WasiError invalid-seek */
export function checkPlaces({ type }: AnyFile): void {
  if (type === "fifo" || type === "socket") throw new WasiError("invalid-seek");
}

/** The times that fstflags set. @throws WasiError invalid */
export function newTimes(accessed: bigint, modified: bigint, flags: number): [NewTime, NewTime] {
  const choose = (set: number, now: number, time: bigint): NewTime => {
    if ((flags & set) !== 0 && (flags & now) !== 0) throw new WasiError("invalid");
    return (flags & now) !== 0 ? "now" : (flags & set) !== 0 ? BigInt.asUintN(64, time) : undefined;
  };
  return [choose(1, 2, accessed), choose(4, 8, modified)];
}

function sync({ descriptors }: Context, fd: number, right: bigint): void {
  const { node, base } = descriptors.get(fd);
  if (node.kind === "source" || node.kind === "sink" || node.kind === "socket") {
    throw new WasiError("invalid");
  }
  if (node.kind === "directory") return;
  if ((base & right) === 0n) throw new WasiError("not-capable");
  node.sync(right === FD_DATASYNC);
}
