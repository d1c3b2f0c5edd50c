/** preview1 functions on a path below a directory. */

import { WasiError } from "../errno.ts";
import type { AnyFile, DirectoryNode } from "../files/file_tree.ts";
import type { MaybePromise } from "../streams/streams.ts";
import {
  FD_READ,
  FD_READDIR,
  FD_WRITE,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_TRUNC,
  PATH_CREATE_DIRECTORY,
  PATH_CREATE_FILE,
  PATH_FILESTAT_GET,
  PATH_FILESTAT_SET_SIZE,
  PATH_FILESTAT_SET_TIMES,
  PATH_LINK_SOURCE,
  PATH_LINK_TARGET,
  PATH_OPEN,
  PATH_READLINK,
  PATH_REMOVE_DIRECTORY,
  PATH_RENAME_SOURCE,
  PATH_RENAME_TARGET,
  PATH_SYMLINK,
  PATH_UNLINK_FILE,
  type Version,
} from "./abi.ts";
import { type Context, type Errno, type Functions, SUCCESS, treeOf } from "./p1_context.ts";
import { rightsOf } from "./descriptors.ts";
import { flagsOf, newTimes, storeStat } from "./files.ts";
import type { Memory } from "./memory.ts";

/** Linux's limit for paths. */
const MAX_PATH = 4096;

/** The functions over one module's directories. */
export function pathFunctions(context: Context, { shortFilestat }: Version): Functions {
  const { memory, descriptors } = context;
  return {
    path_create_directory: (fd: number, pointer: number, length: number) =>
      treeOf(context).createDirectoryAt(
        descriptors.directory(fd, PATH_CREATE_DIRECTORY).node,
        pathAt(memory, pointer, length),
      ),
    path_filestat_get: (fd: number, lookup: number, pointer: number, length: number, result: number) => {
      const { node } = descriptors.directory(fd, PATH_FILESTAT_GET);
      const stat = treeOf(context).statAt(node, pathAt(memory, pointer, length), (lookup & 1) !== 0);
      if (stat instanceof Promise) {
        return stat.then((stat) => storeStat(memory, stat, result, shortFilestat));
      }
      storeStat(memory, stat, result, shortFilestat);
    },
    path_filestat_set_times: (
      fd: number,
      lookup: number,
      pointer: number,
      length: number,
      accessed: bigint,
      modified: bigint,
      flags: number,
    ) => {
      const { node } = descriptors.directory(fd, PATH_FILESTAT_SET_TIMES);
      const path = pathAt(memory, pointer, length);
      treeOf(context).setTimesAt(node, path, (lookup & 1) !== 0, ...newTimes(accessed, modified, flags));
    },
    path_link: (
      fd: number,
      lookup: number,
      pointer: number,
      length: number,
      newFd: number,
      newPointer: number,
      newLength: number,
    ) => {
      const from = descriptors.directory(fd, PATH_LINK_SOURCE).node;
      const to = descriptors.directory(newFd, PATH_LINK_TARGET).node;
      treeOf(context).linkAt(
        from,
        pathAt(memory, pointer, length),
        (lookup & 1) !== 0,
        to,
        pathAt(memory, newPointer, newLength),
      );
    },
    path_open: (
      fd: number,
      lookup: number,
      pointer: number,
      length: number,
      oflags: number,
      base: bigint,
      _inheriting: bigint,
      fdflags: number,
      result: number,
    ) =>
      open(
        context,
        fd,
        lookup,
        pathAt(memory, pointer, length),
        oflags,
        base,
        flagsOf(fdflags),
        result,
      ),
    path_readlink: (
      fd: number,
      pointer: number,
      length: number,
      buffer: number,
      bufferLength: number,
      result: number,
    ) => {
      const { node } = descriptors.directory(fd, PATH_READLINK);
      const target = treeOf(context).readLinkAt(node, pathAt(memory, pointer, length));
      const fitting = target.subarray(0, bufferLength >>> 0);
      memory.slice(buffer, fitting.length).set(fitting);
      memory.setUint32(result, fitting.length);
    },
    path_remove_directory: (fd: number, pointer: number, length: number) =>
      treeOf(context).removeDirectoryAt(
        descriptors.directory(fd, PATH_REMOVE_DIRECTORY).node,
        pathAt(memory, pointer, length),
      ),
    path_rename: (
      fd: number,
      pointer: number,
      length: number,
      newFd: number,
      newPointer: number,
      newLength: number,
    ) => {
      const from = descriptors.directory(fd, PATH_RENAME_SOURCE).node;
      const to = descriptors.directory(newFd, PATH_RENAME_TARGET).node;
      treeOf(context).renameAt(
        from,
        pathAt(memory, pointer, length),
        to,
        pathAt(memory, newPointer, newLength),
      );
    },
    path_symlink: (
      pointer: number,
      length: number,
      fd: number,
      newPointer: number,
      newLength: number,
    ) =>
      treeOf(context).symlinkAt(
        pathAt(memory, pointer, length),
        descriptors.directory(fd, PATH_SYMLINK).node,
        pathAt(memory, newPointer, newLength),
      ),
    path_unlink_file: (fd: number, pointer: number, length: number) =>
      treeOf(context).unlinkFileAt(
        descriptors.directory(fd, PATH_UNLINK_FILE).node,
        pathAt(memory, pointer, length),
      ),
  };
}

/** A path of the guest, which need not be UTF-8. @throws WasiError name-too-long, fault */
function pathAt(memory: Memory, pointer: number, length: number): Uint8Array {
  if (length >>> 0 > MAX_PATH) throw new WasiError("name-too-long");
  return memory.slice(pointer, length);
}

/**
 * `base` decides only whether to open for reading, writing or both. The other requested rights mean nothing:
 * wasi-libc, Go and Zig each request different ones, and then use rights that they did not request. The new
 * descriptor has the rights that its directory passes on; only fd_fdstat_set_rights reduces them.
 */
function open(
  context: Context,
  fd: number,
  lookup: number,
  path: Uint8Array,
  oflags: number,
  base: bigint,
  fdflags: number,
  result: number,
): MaybePromise<Errno> {
  const { memory, descriptors } = context;
  const directory = descriptors.directory(fd, PATH_OPEN);
  const create = (oflags & O_CREAT) !== 0;
  const truncate = (oflags & O_TRUNC) !== 0;
  if (directory.node.writable) {
    if (create && (directory.base & PATH_CREATE_FILE) === 0n) throw new WasiError("not-capable");
    if (truncate && (directory.base & PATH_FILESTAT_SET_SIZE) === 0n) throw new WasiError("not-capable");
  }
  const options = {
    follow: (lookup & 1) !== 0,
    create,
    exclusive: (oflags & O_EXCL) !== 0,
    truncate,
    directory: (oflags & O_DIRECTORY) !== 0,
    read: (base & (FD_READ | FD_READDIR)) !== 0n,
    write: (base & FD_WRITE) !== 0n,
  };
  const done = (node: DirectoryNode | AnyFile): Errno => {
    memory.setUint32(
      result,
      descriptors.insert({
        node,
        base: directory.inheriting & rightsOf(node),
        inheriting: node.kind === "directory" ? directory.inheriting : 0n,
        flags: fdflags,
        offset: 0n,
      }),
    );
    return SUCCESS;
  };
  const opened = treeOf(context).openAt(directory.node, path, options);
  return opened instanceof Promise ? opened.then(done) : done(opened);
}
