// deno-lint-ignore-file camelcase -- the functions have the names that the specification gives them

/**
 * The direct host of WASI preview1 core modules: the 46 functions of `wasi_snapshot_preview1`, and `wasi_unstable`
 * (snapshot 0) before it, over the nodes of files.ts and the streams of the sandbox. Bytes go straight between the
 * module's memory and the operating system.
 *
 * Follows WebAssembly/WASI, legacy/preview1/docs.md and witx, and wasi-libc where those are silent.
 */

import { AppError } from "../errors.ts";
import type { Sandbox } from "../sandbox.ts";
import { printable } from "../text.ts";
import { CLOCK_RESOLUTION, monotonicNow, sleepUntil, sleepUntilSync, wallClockNow } from "./clocks.ts";
import { ERRNO, type ErrnoName, errnoOf, WasiError } from "./errno.ts";
import { type AnyFile, DirectoryNode, type Entry, FileTree, type NewTime, type Stat } from "./files.ts";
import {
  APPEND,
  DIRECTORY_READ_RIGHTS,
  DIRECTORY_RIGHTS,
  DIRECTORY_WRITE_RIGHTS,
  DSYNC,
  FD_ADVISE,
  FD_ALLOCATE,
  FD_DATASYNC,
  FD_FDSTAT_SET_FLAGS,
  FD_FILESTAT_GET,
  FD_FILESTAT_SET_SIZE,
  FD_FILESTAT_SET_TIMES,
  FD_READ,
  FD_READDIR,
  FD_SEEK,
  FD_SYNC,
  FD_TELL,
  FD_WRITE,
  FILE_READ_RIGHTS,
  FILE_RIGHTS,
  FILE_WRITE_RIGHTS,
  FILETYPE,
  NONBLOCK,
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
  RSYNC,
  STREAM_RIGHTS,
  SYNC,
  type Version,
  VERSIONS,
} from "./preview1_abi.ts";
import { fillRandom } from "./random.ts";
import { ClosedPipe } from "./stdio.ts";
import type { ByteSink, ByteSource, MaybePromise } from "./streams.ts";

/** The module's memory and exports, for functions that are called before or after it is instantiated. */
export interface Guest {
  /** The memory as it is now: growing it makes a new buffer. */
  bytes(): Uint8Array<ArrayBuffer>;
  view(): DataView<ArrayBuffer>;
  readonly exports: WebAssembly.Exports;
}

/** Imports beside WASI's, all of one module name. */
export interface ExtraImports {
  readonly module: string;
  /** Functions; those that return a promise suspend the module, and must be listed. */
  readonly functions: (guest: Guest) => Record<string, (...args: number[]) => MaybePromise<void | number>>;
  readonly suspending: readonly string[];
}

/** What proc_exit throws through the module's frames. */
class Exit {
  constructor(readonly code: number) {}
}

type Errno = number;
type Imports = Record<string, (...args: never[]) => unknown>;

const SUCCESS = 0;

/** The most descriptors a plugin may have open at once. */
const MAX_DESCRIPTORS = 16384;
/** Directories up to this size tell each entry's inode; in larger ones a program asks for what it wants to know. */
const MAX_INODES = 4096;
/** The most a module can pass in one list of buffers or subscriptions (IOV_MAX of Linux; more is not a program). */
const MAX_LIST = 65536;

interface Descriptor {
  readonly node:
    | { readonly kind: "source"; readonly source: ByteSource; readonly terminal: boolean }
    | { readonly kind: "sink"; readonly sink: ByteSink; readonly terminal: boolean }
    | DirectoryNode
    | AnyFile;
  base: bigint;
  inheriting: bigint;
  flags: number;
  /** Of a file: where the next read or write is. */
  offset: bigint;
  /** Of a directory the sandbox gives. */
  readonly preopen?: string;
  /** Of a directory: what fd_readdir walks; made anew at its start. */
  entries?: { name: Uint8Array; type: number; ino: bigint }[];
}

const encoder = new TextEncoder();

/** What of a module decides how it is run. */
interface Plan {
  readonly versions: ReadonlySet<string>;
  readonly suspending: ReadonlySet<string>;
  readonly suspends: boolean;
}

/**
 * Looks at what a module imports and exports.
 *
 * @throws AppError PLUGIN_UNSUPPORTED for an import nobody serves, or a module that is no command
 */
function planOf(module: WebAssembly.Module, sandbox: Sandbox, extra: ExtraImports | undefined): Plan {
  const imports = WebAssembly.Module.imports(module);
  const versions = new Set<string>();
  const names = new Set<string>();
  for (const { module: from, name, kind } of imports) {
    if (from === extra?.module) continue;
    if (!(from in VERSIONS) || kind !== "function") {
      throw new AppError(
        "PLUGIN_UNSUPPORTED",
        `The plugin imports ${kind} "${printable(name, 100)}" of "${
          printable(from, 100)
        }", which krew-wasm does not have`,
        { hint: "a plugin is a WASI preview1 command or a WASI 0.2 component" },
      );
    }
    versions.add(from);
    names.add(name);
  }
  const exported = new Map(WebAssembly.Module.exports(module).map(({ name, kind }) => [name, kind]));
  if (exported.get("_start") !== "function" || exported.get("memory") !== "memory") {
    const what = exported.has("_initialize")
      ? "is a reactor, which has no start"
      : "exports no _start and memory";
    throw new AppError("PLUGIN_UNSUPPORTED", `The plugin ${what}`, {
      hint: "build it as a command (for clang: without -mexec-model=reactor)",
    });
  }
  // With poll a read may find a wait for the same stream under way; the kubeconfig's stand-in takes the host time to
  // make. Everything else answers at once.
  const suspending = new Set<string>();
  if (names.has("poll_oneoff")) { for (const name of ["poll_oneoff", "fd_read"]) suspending.add(name); }
  if (sandbox.files.overlays.length > 0) {
    for (const name of ["path_open", "path_filestat_get"]) suspending.add(name);
  }
  for (const name of suspending) if (!names.has(name)) suspending.delete(name);
  return { versions, suspending, suspends: suspending.size > 0 || (extra?.suspending.length ?? 0) > 0 };
}

/**
 * Runs a preview1 command to its end and returns its exit code, 0 to 255.
 *
 * @throws AppError PLUGIN_UNSUPPORTED; ClosedPipe; whatever the engine throws when the module traps
 */
export async function runPreview1(
  module: WebAssembly.Module,
  sandbox: Sandbox,
  extra?: ExtraImports,
): Promise<number> {
  const plan = planOf(module, sandbox, extra);
  // deno-lint-ignore prefer-const -- the imports, which use it, are made before it
  let instance: WebAssembly.Instance | undefined;
  let view: DataView<ArrayBuffer> | undefined;
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  const buffer = () => (instance!.exports.memory as WebAssembly.Memory).buffer as ArrayBuffer;
  const guest: Guest = {
    // A grown memory leaves its old buffer detached, with length 0.
    bytes: () => bytes !== undefined && bytes.length > 0 ? bytes : (bytes = new Uint8Array(buffer())),
    view: () =>
      view !== undefined && bytes !== undefined && bytes.length > 0 && view.buffer === bytes.buffer
        ? view
        : (view = new DataView((bytes = new Uint8Array(buffer())).buffer)),
    get exports() {
      return instance!.exports;
    },
  };
  const host = new Preview1(sandbox, guest, plan.suspending.has("poll_oneoff"));
  const imports: WebAssembly.Imports = {};
  const suspending =
    (WebAssembly as unknown as { Suspending: new (f: unknown) => WebAssembly.ImportValue }).Suspending;
  for (const name of plan.versions) {
    const functions = host.imports(VERSIONS[name]!) as unknown as Record<string, WebAssembly.ImportValue>;
    for (const each of plan.suspending) functions[each] = new suspending(functions[each]);
    imports[name] = functions;
  }
  if (extra) {
    const functions = extra.functions(guest) as unknown as Record<string, WebAssembly.ImportValue>;
    for (const each of extra.suspending) functions[each] = new suspending(functions[each]);
    imports[extra.module] = functions;
  }
  instance = new WebAssembly.Instance(module, imports);
  const start = instance.exports._start as () => unknown;
  const { promising } = WebAssembly as unknown as { promising: (f: unknown) => () => Promise<unknown> };
  try {
    if (plan.suspends) await promising(start)();
    else start();
  } catch (error) {
    // A module that catches everything may hide what ended it behind an exception of its own.
    if (host.ended !== undefined) return host.end();
    if (error instanceof Exit) return error.code;
    throw error;
  }
  return host.ended === undefined ? 0 : host.end();
}

/** The functions over one sandbox. Public for tests, which call them on a memory of their own. */
export class Preview1 {
  /** How the module ended by itself: the code of proc_exit, or a closed pipe. */
  ended: number | ClosedPipe | undefined;
  #waits: boolean;
  #sandbox: Sandbox;
  #guest: Guest;
  #tree: FileTree;
  #table: (Descriptor | undefined)[] = [];
  #args: Uint8Array[] | undefined;
  #env: Uint8Array[] | undefined;

  /** `waits`: the module can poll, and so may ask for reads that do not wait. */
  constructor(sandbox: Sandbox, guest: Guest, waits = false) {
    this.#waits = waits;
    this.#sandbox = sandbox;
    this.#guest = guest;
    this.#tree = new FileTree(sandbox.files);
    const { stdin, stdout, stderr, terminals } = sandbox;
    const stream = (node: Descriptor["node"]): Descriptor => ({
      node,
      base: STREAM_RIGHTS,
      inheriting: 0n,
      flags: 0,
      offset: 0n,
    });
    this.#table.push(
      stream({ kind: "source", source: stdin, terminal: terminals.stdin }),
      stream({ kind: "sink", sink: stdout, terminal: terminals.stdout }),
      stream({ kind: "sink", sink: stderr, terminal: terminals.stderr }),
    );
    for (const { guest: preopen, node } of this.#tree.roots) {
      this.#table.push({
        node,
        base: node.writable ? DIRECTORY_RIGHTS : DIRECTORY_READ_RIGHTS,
        inheriting: node.writable ? DIRECTORY_RIGHTS | FILE_RIGHTS : DIRECTORY_READ_RIGHTS | FILE_READ_RIGHTS,
        flags: 0,
        offset: 0n,
        preopen,
      });
    }
  }

  /** The exit code of a module that ended by itself. @throws ClosedPipe */
  end(): number {
    if (this.ended instanceof ClosedPipe) throw this.ended;
    return this.ended ?? 0;
  }

  #get(fd: number): Descriptor {
    const descriptor = this.#table[fd];
    if (!descriptor) throw new WasiError("bad-descriptor");
    return descriptor;
  }

  #file(fd: number, right: bigint): Descriptor & { node: AnyFile } {
    const descriptor = this.#get(fd);
    if (descriptor.node.kind === "directory") {
      throw new WasiError((descriptor.base & right) === 0n ? "bad-descriptor" : "is-directory");
    }
    if (descriptor.node.kind !== "file") throw new WasiError("invalid-seek");
    if ((descriptor.base & right) === 0n) throw new WasiError("not-capable");
    return descriptor as Descriptor & { node: AnyFile };
  }

  #directory(fd: number, right: bigint): Descriptor & { node: DirectoryNode } {
    const descriptor = this.#get(fd);
    if (descriptor.node.kind !== "directory") throw new WasiError("not-directory");
    if ((descriptor.base & right) === 0n) {
      throw new WasiError(
        !descriptor.node.writable && (right & DIRECTORY_WRITE_RIGHTS) !== 0n ? "read-only" : "not-capable",
      );
    }
    return descriptor as Descriptor & { node: DirectoryNode };
  }

  #insert(descriptor: Descriptor): number {
    let fd = 0;
    while (this.#table[fd]) fd++;
    if (fd >= MAX_DESCRIPTORS) {
      descriptor.node.kind !== "source" && descriptor.node.kind !== "sink" && descriptor.node.close();
      throw new WasiError("too-many-open");
    }
    this.#table[fd] = descriptor;
    return fd;
  }

  /** Bytes of the guest's. @throws WasiError fault */
  #slice(pointer: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#guest.bytes();
    pointer >>>= 0;
    length >>>= 0;
    if (pointer + length > bytes.length) throw new WasiError("fault");
    return bytes.subarray(pointer, pointer + length);
  }

  /** @throws WasiError illegal-byte-sequence, name-too-long */
  #path(pointer: number, length: number): string {
    if (length >>> 0 > 65536) throw new WasiError("name-too-long");
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.#slice(pointer, length));
    } catch (error) {
      throw error instanceof WasiError ? error : new WasiError("illegal-byte-sequence");
    }
  }

  #argBytes(): Uint8Array[] {
    return this.#args ??= this.#sandbox.args.map((arg) => encoder.encode(`${arg}\0`));
  }

  #envBytes(): Uint8Array[] {
    return this.#env ??= this.#sandbox.env.map(([name, value]) => encoder.encode(`${name}=${value}\0`));
  }

  #sizes(list: readonly Uint8Array[], countPointer: number, sizePointer: number): void {
    const view = this.#guest.view();
    view.setUint32(countPointer, list.length, true);
    view.setUint32(sizePointer, list.reduce((sum, { length }) => sum + length, 0), true);
  }

  #strings(list: readonly Uint8Array[], pointers: number, buffer: number): void {
    const view = this.#guest.view();
    for (const text of list) {
      view.setUint32(pointers, buffer, true);
      this.#slice(buffer, text.length).set(text);
      pointers += 4;
      buffer += text.length;
    }
  }

  #vector(list: number, count: number): { pointer: number; length: number }[] {
    if (count >>> 0 > MAX_LIST) throw new WasiError("invalid");
    const view = this.#guest.view();
    const vector = [];
    for (let i = 0; i < count; i++) {
      vector.push({
        pointer: view.getUint32(list + i * 8, true),
        length: view.getUint32(list + i * 8 + 4, true),
      });
    }
    return vector;
  }

  /** Reads into buffers until one is not filled. `offset` undefined: from where the descriptor is, moving it. */
  #read(fd: number, list: number, count: number, result: number, offset?: bigint): MaybePromise<Errno> {
    const descriptor = this.#get(fd);
    const { node } = descriptor;
    if (node.kind === "source") {
      if (offset !== undefined) throw new WasiError("invalid-seek");
      if ((descriptor.base & FD_READ) === 0n) throw new WasiError("not-capable");
      return this.#readSource(
        node.source,
        list,
        count,
        result,
        this.#waits && (descriptor.flags & NONBLOCK) !== 0,
      );
    }
    if (node.kind === "sink") throw new WasiError("bad-descriptor");
    const file = this.#file(fd, FD_READ);
    let at = offset ?? file.offset;
    let total = 0;
    for (const { pointer, length } of this.#vector(list, count)) {
      if (length === 0) continue;
      const read = file.node.readAt(this.#slice(pointer, length), at);
      at += BigInt(read);
      total += read;
      if (read < length) break;
    }
    if (offset === undefined) file.offset = at;
    this.#guest.view().setUint32(result, total, true);
    return SUCCESS;
  }

  #readSource(
    source: ByteSource,
    list: number,
    count: number,
    result: number,
    nonblocking: boolean,
  ): MaybePromise<Errno> {
    // One read into the first buffer with room, as a pipe answers with what it has.
    const target = this.#vector(list, count).find(({ length }) => length > 0);
    if (!target) {
      this.#guest.view().setUint32(result, 0, true);
      return SUCCESS;
    }
    const done = (read: number): Errno => {
      this.#guest.view().setUint32(result, read, true);
      return SUCCESS;
    };
    const into = this.#slice(target.pointer, target.length);
    if (nonblocking) {
      const available = source.readAvailable(into);
      return available === 0 ? ERRNO["would-block"] : done(Math.max(available, 0));
    }
    const read = source.read(into);
    if (!(read instanceof Promise)) return done(read);
    return read.then(done, (error) => ERRNO[errnoOf(error)]);
  }

  #write(fd: number, list: number, count: number, result: number, offset?: bigint): Errno {
    const descriptor = this.#get(fd);
    const { node } = descriptor;
    if (node.kind === "sink") {
      if (offset !== undefined) throw new WasiError("invalid-seek");
      if ((descriptor.base & FD_WRITE) === 0n) throw new WasiError("not-capable");
      let total = 0;
      for (const { pointer, length } of this.#vector(list, count)) {
        for (let sent = 0; sent < length;) {
          sent += node.sink.write(this.#slice(pointer + sent, length - sent)) as number;
        }
        total += length;
      }
      this.#guest.view().setUint32(result, total, true);
      return SUCCESS;
    }
    if (node.kind === "source") throw new WasiError("bad-descriptor");
    const file = this.#file(fd, FD_WRITE);
    const append = (file.flags & APPEND) !== 0;
    let at = append ? file.node.size() : offset ?? file.offset;
    let total = 0;
    for (const { pointer, length } of this.#vector(list, count)) {
      if (length === 0) continue;
      const written = file.node.writeAt(this.#slice(pointer, length), at);
      at += BigInt(written);
      total += written;
      if (written < length) break;
    }
    if (offset === undefined) file.offset = at;
    if ((file.flags & (SYNC | DSYNC)) !== 0) file.node.sync((file.flags & SYNC) === 0);
    this.#guest.view().setUint32(result, total, true);
    return SUCCESS;
  }

  #storeStat(stat: Stat, pointer: number, short: boolean): void {
    const view = this.#guest.view();
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

  #statOf(descriptor: Descriptor): Stat {
    const { node } = descriptor;
    if (node.kind === "directory" || node.kind === "file") return this.#tree.stat(node);
    const type = node.terminal ? "character-device" : "unknown";
    return { type, dev: 0n, ino: 0n, links: 1n, size: 0n, accessed: 0n, modified: 0n, changed: 0n };
  }

  #fileType(descriptor: Descriptor): number {
    const { node } = descriptor;
    if (node.kind === "directory") return FILETYPE.directory;
    if (node.kind === "file") return FILETYPE[node.stat().type];
    // wasi-libc's isatty: a character device that can neither seek nor tell.
    return node.terminal ? FILETYPE["character-device"] : FILETYPE.unknown;
  }

  #open(
    fd: number,
    lookup: number,
    path: string,
    oflags: number,
    base: bigint,
    inheriting: bigint,
    fdflags: number,
    result: number,
  ): MaybePromise<Errno> {
    const directory = this.#directory(fd, PATH_OPEN);
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
      this.#guest.view().setUint32(
        result,
        this.#insert({
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
    const opened = this.#tree.openAt(directory.node, path, options);
    return opened instanceof Promise ? opened.then(done) : done(opened);
  }

  #readDirectory(fd: number, buffer: number, length: number, cookie: bigint, result: number): Errno {
    const descriptor = this.#directory(fd, FD_READDIR);
    if (cookie === 0n || !descriptor.entries) descriptor.entries = this.#entriesOf(descriptor.node);
    const bytes = this.#slice(buffer, length);
    const view = this.#guest.view();
    let used = 0;
    for (let index = Number(cookie); index < descriptor.entries.length && used < bytes.length; index++) {
      const { name, type, ino } = descriptor.entries[index]!;
      const header = new DataView(new ArrayBuffer(24));
      header.setBigUint64(0, BigInt(index + 1), true);
      header.setBigUint64(8, ino, true);
      header.setUint32(16, name.length, true);
      header.setUint8(20, type);
      // An entry that does not fit is cut: a full buffer tells the program to ask again with a larger one.
      for (const part of [new Uint8Array(header.buffer), name]) {
        const fitting = part.subarray(0, bytes.length - used);
        bytes.set(fitting, used);
        used += fitting.length;
      }
    }
    view.setUint32(result, used, true);
    return SUCCESS;
  }

  #entriesOf(node: DirectoryNode): NonNullable<Descriptor["entries"]> {
    const entries = this.#tree.readDirectory(node);
    const self = this.#tree.stat(node).ino;
    const inodes = entries.length <= MAX_INODES;
    const dots: (Entry & { ino: bigint })[] = [".", ".."].map((name) => ({
      name,
      type: "directory",
      ino: self,
    }));
    return [
      ...dots,
      ...entries.map((entry) => ({ ...entry, ino: inodes ? this.#tree.inodeOf(node, entry.name) : 0n })),
    ]
      .map(({ name, type, ino }) => ({ name: encoder.encode(name), type: FILETYPE[type], ino }));
  }

  #seek(fd: number, delta: bigint, whence: "set" | "current" | "end" | undefined, result: number): Errno {
    const descriptor = this.#get(fd);
    if (descriptor.node.kind === "directory") throw new WasiError("bad-descriptor");
    const file = this.#file(fd, FD_SEEK);
    if (whence === undefined) throw new WasiError("invalid");
    const origin = whence === "set" ? 0n : whence === "current" ? file.offset : file.node.size();
    const target = origin + delta;
    if (target < 0n) throw new WasiError("invalid");
    if (target > 0x7fffffffffffffffn) throw new WasiError("overflow");
    file.offset = target;
    this.#guest.view().setBigUint64(result, target, true);
    return SUCCESS;
  }

  #newTimes(accessed: bigint, modified: bigint, flags: number): [NewTime, NewTime] {
    const choose = (set: number, now: number, time: bigint): NewTime => {
      if ((flags & set) !== 0 && (flags & now) !== 0) throw new WasiError("invalid");
      return (flags & now) !== 0 ? "now" : (flags & set) !== 0 ? BigInt.asUintN(64, time) : undefined;
    };
    return [choose(1, 2, accessed), choose(4, 8, modified)];
  }

  #poll(version: Version, input: number, output: number, count: number, result: number): MaybePromise<Errno> {
    if (count === 0) throw new WasiError("invalid");
    if (count >>> 0 > MAX_LIST) throw new WasiError("invalid");
    const view = this.#guest.view();
    const { size, clock, timeout, flags } = version.subscription;
    const events: { userdata: bigint; type: number; errno: ErrnoName | undefined; bytes: bigint }[] = [];
    const sources: { userdata: bigint; type: number; source: ByteSource }[] = [];
    const timers: { userdata: bigint; deadline: bigint }[] = [];
    for (let i = 0; i < count; i++) {
      const at = input + i * size;
      const userdata = view.getBigUint64(at, true);
      const type = view.getUint8(at + 8);
      if (type === 0) {
        const id = view.getUint32(at + clock, true);
        const time = view.getBigUint64(at + timeout, true);
        const absolute = (view.getUint16(at + flags, true) & 1) !== 0;
        if (id > 1) events.push({ userdata, type, errno: "invalid", bytes: 0n });
        else {
          const now = monotonicNow();
          const offset = absolute ? time - (id === 0 ? wallClockNow() : now) : time;
          timers.push({ userdata, deadline: now + (offset > 0n ? offset : 0n) });
        }
      } else if (type === 1 || type === 2) {
        const descriptor = this.#table[view.getUint32(at + 16, true)];
        const ready = (errno?: ErrnoName, bytes = 0n) => events.push({ userdata, type, errno, bytes });
        if (!descriptor) ready("bad-descriptor");
        else if (descriptor.node.kind === "source" && type === 1) {
          sources.push({ userdata, type, source: descriptor.node.source });
        } else if (descriptor.node.kind === "source" || descriptor.node.kind === "sink" && type === 1) {
          ready("bad-descriptor");
        } else if (descriptor.node.kind === "file" && type === 1) {
          const left = descriptor.node.size() - descriptor.offset;
          ready(undefined, left > 0n ? left : 0n);
        } else ready(undefined, type === 2 ? 65536n : 0n);
      } else throw new WasiError("invalid");
    }
    const finish = (): Errno => {
      for (const { userdata, type, source } of sources) {
        if (source.ready()) events.push({ userdata, type, errno: undefined, bytes: 1n });
      }
      const now = monotonicNow();
      for (const { userdata, deadline } of timers) {
        if (deadline <= now) events.push({ userdata, type: 0, errno: undefined, bytes: 0n });
      }
      const view = this.#guest.view();
      events.forEach(({ userdata, type, errno, bytes }, index) => {
        const at = output + index * 32;
        view.setBigUint64(at, userdata, true);
        view.setBigUint64(at + 8, 0n, true);
        view.setUint16(at + 8, errno ? ERRNO[errno] : SUCCESS, true);
        view.setUint8(at + 10, type);
        view.setBigUint64(at + 16, bytes, true);
        view.setBigUint64(at + 24, 0n, true);
      });
      view.setUint32(result, events.length, true);
      return SUCCESS;
    };
    if (events.length > 0 || sources.some(({ source }) => source.ready())) {
      // Whoever is ready is told now; what else waits is asked again by the next poll.
      return finish();
    }
    const first = timers.reduce<bigint | undefined>(
      (least, { deadline }) => least === undefined || deadline < least ? deadline : least,
      undefined,
    );
    if (sources.length === 0) {
      sleepUntilSync(first!);
      return finish();
    }
    const timer = new AbortController();
    const waits: Promise<void>[] = sources.map(({ source }) => source.wait());
    if (first !== undefined) waits.push(sleepUntil(first, timer.signal));
    return Promise.race(waits).then(() => {
      timer.abort();
      return finish();
    });
  }

  /** The functions of one version. Each answers with an errno. */
  imports(version: Version): Imports {
    const guest = this.#guest;
    const fail = (error: unknown): Errno => {
      if (error instanceof ClosedPipe) {
        this.ended = error;
        throw error;
      }
      if (error instanceof RangeError && !(error.message.includes("stack"))) return ERRNO.fault; // past the memory's end
      if (error instanceof AppError) {
        this.#sandbox.trace(error.message);
        return ERRNO.io;
      }
      return ERRNO[errnoOf(error)];
    };
    const guarded =
      // deno-lint-ignore no-explicit-any -- each function has its own parameters, all numbers and bigints
      <A extends any[]>(operation: (...args: A) => MaybePromise<Errno | void>) =>
      (...args: A): MaybePromise<Errno> => {
        try {
          const result = operation(...args);
          if (result instanceof Promise) return result.then((errno) => errno ?? SUCCESS, fail);
          return result ?? SUCCESS;
        } catch (error) {
          return fail(error);
        }
      };
    const { whence, shortFilestat } = version;
    const flagsOf = (flags: number) => {
      if ((flags & ~(APPEND | DSYNC | NONBLOCK | RSYNC | SYNC)) !== 0) throw new WasiError("invalid");
      return flags;
    };
    const notSocket = guarded((fd: number) => {
      this.#get(fd);
      throw new WasiError("not-socket");
    });
    const functions = {
      args_get: guarded((pointers: number, buffer: number) =>
        this.#strings(this.#argBytes(), pointers, buffer)
      ),
      args_sizes_get: guarded((count: number, size: number) => this.#sizes(this.#argBytes(), count, size)),
      environ_get: guarded((pointers: number, buffer: number) =>
        this.#strings(this.#envBytes(), pointers, buffer)
      ),
      environ_sizes_get: guarded((count: number, size: number) => this.#sizes(this.#envBytes(), count, size)),
      clock_res_get: guarded((id: number, result: number) => {
        if (id < 0 || id > 3) throw new WasiError("invalid");
        guest.view().setBigUint64(result, CLOCK_RESOLUTION, true);
      }),
      clock_time_get: guarded((id: number, _precision: bigint, result: number) => {
        if (id < 0 || id > 3) throw new WasiError("invalid");
        // The process has one thread: its time is the process's.
        guest.view().setBigUint64(result, id === 0 ? wallClockNow() : monotonicNow(), true);
      }),
      fd_advise: guarded((fd: number, offset: bigint, length: bigint, advice: number) => {
        this.#file(fd, FD_ADVISE);
        if (advice < 0 || advice > 5 || offset < 0n || length < 0n) throw new WasiError("invalid");
      }),
      fd_allocate: guarded((fd: number, offset: bigint, length: bigint) => {
        const { node } = this.#file(fd, FD_ALLOCATE);
        if (offset < 0n || length <= 0n) throw new WasiError("invalid");
        // No file system call of Deno's allocates; the file is as long as asked for, as POSIX wants.
        if (offset + length > node.size()) node.setSize(offset + length);
      }),
      fd_close: guarded((fd: number) => {
        const { node } = this.#get(fd);
        this.#table[fd] = undefined;
        node.kind === "source"
          ? node.source.close()
          : node.kind === "sink"
          ? node.sink.close()
          : node.close();
      }),
      fd_datasync: guarded((fd: number) => this.#sync(fd, FD_DATASYNC)),
      fd_sync: guarded((fd: number) => this.#sync(fd, FD_SYNC)),
      fd_fdstat_get: guarded((fd: number, result: number) => {
        const descriptor = this.#get(fd);
        const type = this.#fileType(descriptor);
        const view = guest.view();
        view.setBigUint64(result, 0n, true);
        view.setUint8(result, type);
        view.setUint16(result + 2, descriptor.flags, true);
        view.setBigUint64(result + 8, descriptor.base, true);
        view.setBigUint64(result + 16, descriptor.inheriting, true);
      }),
      fd_fdstat_set_flags: guarded((fd: number, flags: number) => {
        const descriptor = this.#get(fd);
        if ((descriptor.base & FD_FDSTAT_SET_FLAGS) === 0n) throw new WasiError("not-capable");
        if ((flagsOf(flags) & (DSYNC | RSYNC | SYNC)) !== (descriptor.flags & (DSYNC | RSYNC | SYNC))) {
          throw new WasiError("unsupported");
        }
        descriptor.flags = flags;
      }),
      fd_fdstat_set_rights: guarded((fd: number, base: bigint, inheriting: bigint) => {
        const descriptor = this.#get(fd);
        base = BigInt.asUintN(64, base);
        inheriting = BigInt.asUintN(64, inheriting);
        if ((base & ~descriptor.base) !== 0n || (inheriting & ~descriptor.inheriting) !== 0n) {
          throw new WasiError("not-capable");
        }
        descriptor.base = base;
        descriptor.inheriting = inheriting;
      }),
      fd_filestat_get: guarded((fd: number, result: number) => {
        const descriptor = this.#get(fd);
        if ((descriptor.base & FD_FILESTAT_GET) === 0n) throw new WasiError("not-capable");
        this.#storeStat(this.#statOf(descriptor), result, shortFilestat);
      }),
      fd_filestat_set_size: guarded((fd: number, size: bigint) => {
        if (size < 0n) throw new WasiError("invalid");
        this.#file(fd, FD_FILESTAT_SET_SIZE).node.setSize(size);
      }),
      fd_filestat_set_times: guarded((fd: number, accessed: bigint, modified: bigint, flags: number) => {
        const { node, base } = this.#get(fd);
        if (node.kind !== "file" && node.kind !== "directory") throw new WasiError("bad-descriptor");
        if ((base & FD_FILESTAT_SET_TIMES) === 0n) throw new WasiError("not-capable");
        this.#tree.setTimes(node, ...this.#newTimes(accessed, modified, flags));
      }),
      fd_pread: guarded((fd: number, list: number, count: number, offset: bigint, result: number) => {
        if (offset < 0n) throw new WasiError("invalid");
        return this.#read(fd, list, count, result, offset);
      }),
      fd_pwrite: guarded((fd: number, list: number, count: number, offset: bigint, result: number) => {
        if (offset < 0n) throw new WasiError("invalid");
        return this.#write(fd, list, count, result, offset);
      }),
      fd_read: guarded((fd: number, list: number, count: number, result: number) =>
        this.#read(fd, list, count, result)
      ),
      fd_write: guarded((fd: number, list: number, count: number, result: number) =>
        this.#write(fd, list, count, result)
      ),
      fd_prestat_get: guarded((fd: number, result: number) => {
        const { preopen } = this.#get(fd);
        if (preopen === undefined) throw new WasiError("bad-descriptor");
        const view = guest.view();
        view.setUint32(result, 0, true);
        view.setUint32(result + 4, encoder.encode(preopen).length, true);
      }),
      fd_prestat_dir_name: guarded((fd: number, pointer: number, length: number) => {
        const { preopen } = this.#get(fd);
        if (preopen === undefined) throw new WasiError("bad-descriptor");
        const name = encoder.encode(preopen);
        if (length >>> 0 < name.length) throw new WasiError("name-too-long");
        this.#slice(pointer, name.length).set(name);
      }),
      fd_readdir: guarded((fd: number, buffer: number, length: number, cookie: bigint, result: number) =>
        this.#readDirectory(fd, buffer, length, BigInt.asUintN(64, cookie), result)
      ),
      fd_renumber: guarded((from: number, to: number) => {
        const descriptor = this.#get(from);
        const target = this.#get(to);
        if (from === to) return;
        const { node } = target;
        node.kind === "source"
          ? node.source.close()
          : node.kind === "sink"
          ? node.sink.close()
          : node.close();
        this.#table[to] = descriptor;
        this.#table[from] = undefined;
      }),
      fd_seek: guarded((fd: number, delta: bigint, from: number, result: number) =>
        this.#seek(fd, delta, whence[from], result)
      ),
      fd_tell: guarded((fd: number, result: number) => {
        const file = this.#file(fd, FD_TELL);
        guest.view().setBigUint64(result, file.offset, true);
      }),
      path_create_directory: guarded((fd: number, pointer: number, length: number) =>
        this.#tree.createDirectoryAt(
          this.#directory(fd, PATH_CREATE_DIRECTORY).node,
          this.#path(pointer, length),
        )
      ),
      path_filestat_get: guarded(
        (fd: number, lookup: number, pointer: number, length: number, result: number) => {
          const { node } = this.#directory(fd, PATH_FILESTAT_GET);
          const stat = this.#tree.statAt(node, this.#path(pointer, length), (lookup & 1) !== 0);
          if (stat instanceof Promise) {
            return stat.then((stat) => this.#storeStat(stat, result, shortFilestat));
          }
          this.#storeStat(stat, result, shortFilestat);
        },
      ),
      path_filestat_set_times: guarded((
        fd: number,
        lookup: number,
        pointer: number,
        length: number,
        accessed: bigint,
        modified: bigint,
        flags: number,
      ) => {
        const { node } = this.#directory(fd, PATH_FILESTAT_SET_TIMES);
        const path = this.#path(pointer, length);
        this.#tree.setTimesAt(node, path, (lookup & 1) !== 0, ...this.#newTimes(accessed, modified, flags));
      }),
      path_link: guarded((
        fd: number,
        lookup: number,
        pointer: number,
        length: number,
        newFd: number,
        newPointer: number,
        newLength: number,
      ) => {
        const from = this.#directory(fd, PATH_LINK_SOURCE).node;
        const to = this.#directory(newFd, PATH_LINK_TARGET).node;
        this.#tree.linkAt(
          from,
          this.#path(pointer, length),
          (lookup & 1) !== 0,
          to,
          this.#path(newPointer, newLength),
        );
      }),
      path_open: guarded((
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
        this.#open(
          fd,
          lookup,
          this.#path(pointer, length),
          oflags,
          BigInt.asUintN(64, base),
          BigInt.asUintN(64, inheriting),
          flagsOf(fdflags),
          result,
        )
      ),
      path_readlink: guarded((
        fd: number,
        pointer: number,
        length: number,
        buffer: number,
        bufferLength: number,
        result: number,
      ) => {
        const { node } = this.#directory(fd, PATH_READLINK);
        const target = encoder.encode(this.#tree.readLinkAt(node, this.#path(pointer, length)));
        const fitting = target.subarray(0, bufferLength >>> 0);
        this.#slice(buffer, fitting.length).set(fitting);
        guest.view().setUint32(result, fitting.length, true);
      }),
      path_remove_directory: guarded((fd: number, pointer: number, length: number) =>
        this.#tree.removeDirectoryAt(
          this.#directory(fd, PATH_REMOVE_DIRECTORY).node,
          this.#path(pointer, length),
        )
      ),
      path_rename: guarded((
        fd: number,
        pointer: number,
        length: number,
        newFd: number,
        newPointer: number,
        newLength: number,
      ) => {
        const from = this.#directory(fd, PATH_RENAME_SOURCE).node;
        const to = this.#directory(newFd, PATH_RENAME_TARGET).node;
        this.#tree.renameAt(from, this.#path(pointer, length), to, this.#path(newPointer, newLength));
      }),
      path_symlink: guarded((
        pointer: number,
        length: number,
        fd: number,
        newPointer: number,
        newLength: number,
      ) =>
        this.#tree.symlinkAt(
          this.#path(pointer, length),
          this.#directory(fd, PATH_SYMLINK).node,
          this.#path(newPointer, newLength),
        )
      ),
      path_unlink_file: guarded((fd: number, pointer: number, length: number) =>
        this.#tree.unlinkFileAt(this.#directory(fd, PATH_UNLINK_FILE).node, this.#path(pointer, length))
      ),
      poll_oneoff: guarded((input: number, output: number, count: number, result: number) =>
        this.#poll(version, input, output, count, result)
      ),
      proc_exit: (code: number) => {
        this.ended = code & 0xff;
        throw new Exit(this.ended);
      },
      proc_raise: guarded(() => {
        throw new WasiError("unsupported");
      }),
      random_get: guarded((pointer: number, length: number) => fillRandom(this.#slice(pointer, length))),
      sched_yield: () => SUCCESS,
      sock_accept: notSocket,
      sock_recv: notSocket,
      sock_send: notSocket,
      sock_shutdown: notSocket,
    };
    return functions as unknown as Imports;
  }

  #sync(fd: number, right: bigint): void {
    const { node, base } = this.#get(fd);
    if (node.kind === "source" || node.kind === "sink") throw new WasiError("invalid");
    if (node.kind === "directory") return;
    if ((base & right) === 0n) throw new WasiError("not-capable");
    node.sync(right === FD_DATASYNC);
  }
}
