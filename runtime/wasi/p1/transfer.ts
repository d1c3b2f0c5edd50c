/** fd_read, fd_write, fd_pread, fd_pwrite: copies bytes directly between the module's memory and streams or files. */

import { ERRNO, errnoOf, WasiError } from "../errno.ts";
import type { ByteSink, ByteSource, MaybePromise } from "../streams/streams.ts";
import { APPEND, DSYNC, FD_READ, FD_WRITE, NONBLOCK, SYNC } from "./abi.ts";
import { type Context, type Errno, type Functions, SUCCESS } from "./p1_context.ts";
import type { Descriptor } from "./descriptors.ts";
import { checkPlaces } from "./files.ts";
import type { Span } from "./memory.ts";
import { afterTurn } from "./socket_turn.ts";

/** The functions over one module's descriptors. */
export function transferFunctions(context: Context): Functions {
  return {
    fd_pread(fd: number, list: number, count: number, offset: bigint, result: number) {
      if (offset < 0n) throw new WasiError("invalid");
      return read(context, fd, list, count, result, offset);
    },
    fd_pwrite(fd: number, list: number, count: number, offset: bigint, result: number) {
      if (offset < 0n) throw new WasiError("invalid");
      return write(context, fd, list, count, result, offset);
    },
    fd_read: (fd: number, list: number, count: number, result: number) =>
      read(context, fd, list, count, result),
    fd_write: (fd: number, list: number, count: number, result: number) =>
      write(context, fd, list, count, result),
  };
}

/**
 * Reads into buffers until one is not filled. With `offset` undefined it reads at the descriptor's position and moves
 * it.
 */
function read(
  context: Context,
  fd: number,
  list: number,
  count: number,
  result: number,
  offset?: bigint,
): MaybePromise<Errno> {
  const { memory, descriptors } = context;
  const descriptor = descriptors.get(fd);
  const { node } = descriptor;
  if (node.kind === "source" || node.kind === "socket") {
    const nonblocking = isNonblocking(context, descriptor, FD_READ, offset);
    const errno = readSource(context, node.source, list, count, result, nonblocking);
    return node.kind === "socket" ? afterTurn(errno) : errno;
  }
  if (node.kind === "sink") throw new WasiError("bad-descriptor");
  const file = descriptors.file(fd, FD_READ);
  if (offset !== undefined) checkPlaces(file.node);
  let at = offset ?? file.offset;
  let total = 0;
  for (const { pointer, length } of memory.vector(list, count)) {
    if (length === 0) continue;
    const read = file.node.readAt(memory.slice(pointer, length), at);
    at += BigInt(read);
    total += read;
    if (read < length) break;
  }
  if (offset === undefined) file.offset = at;
  memory.setUint32(result, total);
  return SUCCESS;
}

/** Whether an operation on a stream must not wait. @throws WasiError for an offset, and without the right */
function isNonblocking(
  { waits }: Context,
  { base, flags }: Descriptor,
  right: bigint,
  offset: bigint | undefined,
): boolean {
  if (offset !== undefined) throw new WasiError("invalid-seek");
  if ((base & right) === 0n) throw new WasiError("not-capable");
  return waits && (flags & NONBLOCK) !== 0;
}

function readSource(
  { memory }: Context,
  source: ByteSource,
  list: number,
  count: number,
  result: number,
  nonblocking: boolean,
): MaybePromise<Errno> {
  // One read into the first non-empty buffer: a pipe returns the bytes that it has.
  const target = memory.vector(list, count).find(({ length }) => length > 0);
  if (!target) {
    memory.setUint32(result, 0);
    return SUCCESS;
  }
  const done = (read: number): Errno => {
    memory.setUint32(result, read);
    return SUCCESS;
  };
  const into = memory.slice(target.pointer, target.length);
  if (nonblocking) {
    const available = source.readAvailable(into);
    return available === 0 ? ERRNO["would-block"] : done(Math.max(available, 0));
  }
  const read = source.read(into);
  if (!(read instanceof Promise)) return done(read);
  return read.then(done, (error) => ERRNO[errnoOf(error)]);
}

function write(
  context: Context,
  fd: number,
  list: number,
  count: number,
  result: number,
  offset?: bigint,
): MaybePromise<Errno> {
  const { memory, descriptors } = context;
  const descriptor = descriptors.get(fd);
  const { node } = descriptor;
  if (node.kind === "sink" || node.kind === "socket") {
    const nonblocking = isNonblocking(context, descriptor, FD_WRITE, offset);
    const errno = writeSink(context, node.sink, memory.vector(list, count), result, nonblocking);
    return node.kind === "socket" ? afterTurn(errno) : errno;
  }
  if (node.kind === "source") throw new WasiError("bad-descriptor");
  const file = descriptors.file(fd, FD_WRITE);
  if (offset !== undefined) checkPlaces(file.node);
  // POSIX's pwrite() uses the offset even on a file that appends; Linux's appends.
  const append = offset === undefined && (file.flags & APPEND) !== 0;
  let at = offset ?? file.offset;
  let total = 0;
  for (const { pointer, length } of memory.vector(list, count)) {
    if (length === 0) continue;
    const bytes = memory.slice(pointer, length);
    const written = append ? file.node.append(bytes) : file.node.writeAt(bytes, at);
    at += BigInt(written);
    total += written;
    if (written < length) break;
  }
  if (offset === undefined) file.offset = append ? file.node.size() : at;
  if ((file.flags & (SYNC | DSYNC)) !== 0) file.node.sync((file.flags & SYNC) === 0);
  memory.setUint32(result, total);
  return SUCCESS;
}

/** Writes all buffers; without waiting, only as much as fits. */
function writeSink(
  { memory }: Context,
  sink: ByteSink,
  buffers: readonly Span[],
  result: number,
  nonblocking: boolean,
): MaybePromise<Errno> {
  let total = 0;
  let [index, sent] = [0, 0];
  const next = (): MaybePromise<Errno> => {
    for (; index < buffers.length; index++, sent = 0) {
      const { pointer, length } = buffers[index]!;
      while (sent < length) {
        if (nonblocking && sink.capacity() === 0) return total === 0 ? ERRNO["would-block"] : finish();
        const written = sink.write(memory.slice(pointer + sent, length - sent));
        if (written instanceof Promise) {
          return written.then((count) => {
            sent += count;
            total += count;
            return next();
          });
        }
        sent += written;
        total += written;
      }
    }
    return finish();
  };
  const finish = (): Errno => {
    memory.setUint32(result, total);
    return SUCCESS;
  };
  return next();
}
