/** Functions of preview1 that take a path below a directory. */

import { WasiError } from "../errno.ts";
import type { AnyFile, DirectoryNode } from "../files.ts";
import type { MaybePromise } from "../streams.ts";
import {
  DIRECTORY_RIGHTS,
  FD_DATASYNC,
  FD_FILESTAT_SET_TIMES,
  FD_READ,
  FD_READDIR,
  FD_SYNC,
  FD_WRITE,
  FILE_READ_RIGHTS,
  FILE_WRITE_RIGHTS,
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
import { type Context, type Errno, type Functions, SUCCESS } from "./context.ts";
import { flagsOf, newTimes, storeStat } from "./files.ts";
import type { Memory } from "./memory.ts";

const encoder = new TextEncoder();

/** The functions over one module's directories. */
export function pathFunctions(context: Context, { shortFilestat }: Version): Functions {
  const { memory, descriptors, tree } = context;
  return {
    path_create_directory: (fd: number, pointer: number, length: number) =>
      tree.createDirectoryAt(
        descriptors.directory(fd, PATH_CREATE_DIRECTORY).node,
        pathAt(memory, pointer, length),
      ),
    path_filestat_get: (fd: number, lookup: number, pointer: number, length: number, result: number) => {
      const { node } = descriptors.directory(fd, PATH_FILESTAT_GET);
      const stat = tree.statAt(node, pathAt(memory, pointer, length), (lookup & 1) !== 0);
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
      tree.setTimesAt(node, path, (lookup & 1) !== 0, ...newTimes(accessed, modified, flags));
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
      tree.linkAt(
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
      inheriting: bigint,
      fdflags: number,
      result: number,
    ) =>
      open(
        context,
        fd,
        lookup,
        pathAt(memory, pointer, length),
        oflags,
        BigInt.asUintN(64, base),
        BigInt.asUintN(64, inheriting),
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
      const target = encoder.encode(tree.readLinkAt(node, pathAt(memory, pointer, length)));
      const fitting = target.subarray(0, bufferLength >>> 0);
      memory.slice(buffer, fitting.length).set(fitting);
      memory.view().setUint32(result, fitting.length, true);
    },
    path_remove_directory: (fd: number, pointer: number, length: number) =>
      tree.removeDirectoryAt(
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
      tree.renameAt(from, pathAt(memory, pointer, length), to, pathAt(memory, newPointer, newLength));
    },
    path_symlink: (
      pointer: number,
      length: number,
      fd: number,
      newPointer: number,
      newLength: number,
    ) =>
      tree.symlinkAt(
        pathAt(memory, pointer, length),
        descriptors.directory(fd, PATH_SYMLINK).node,
        pathAt(memory, newPointer, newLength),
      ),
    path_unlink_file: (fd: number, pointer: number, length: number) =>
      tree.unlinkFileAt(descriptors.directory(fd, PATH_UNLINK_FILE).node, pathAt(memory, pointer, length)),
  };
}

/** A path of the guest's. @throws WasiError illegal-byte-sequence, name-too-long, fault */
function pathAt(memory: Memory, pointer: number, length: number): string {
  if (length >>> 0 > 65536) throw new WasiError("name-too-long");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(memory.slice(pointer, length));
  } catch (error) {
    throw error instanceof WasiError ? error : new WasiError("illegal-byte-sequence");
  }
}

function open(
  { memory, descriptors, tree }: Context,
  fd: number,
  lookup: number,
  path: string,
  oflags: number,
  base: bigint,
  inheriting: bigint,
  fdflags: number,
  result: number,
): MaybePromise<Errno> {
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
    // Go asks for the right to set sizes of files it only reads.
    write: (base & FD_WRITE) !== 0n,
    append: false,
  };
  const done = (node: DirectoryNode | AnyFile): Errno => {
    let allowed: bigint;
    if (node.kind === "directory") allowed = DIRECTORY_RIGHTS;
    else {allowed = (node.readable ? FILE_READ_RIGHTS : FILE_READ_RIGHTS & ~FD_READ) |
        (node.writable ? FILE_WRITE_RIGHTS : FD_SYNC | FD_DATASYNC | FD_FILESTAT_SET_TIMES);}
    memory.view().setUint32(
      result,
      descriptors.insert({
        node,
        base: base & directory.inheriting & allowed,
        inheriting: inheriting & directory.inheriting,
        flags: fdflags,
        offset: 0n,
      }),
      true,
    );
    return SUCCESS;
  };
  const opened = tree.openAt(directory.node, path, options);
  return opened instanceof Promise ? opened.then(done) : done(opened);
}
