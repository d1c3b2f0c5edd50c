// deno-lint-ignore-file camelcase -- the functions have the names that WasmEdge gave them

/**
 * Sockets for preview1 modules: the functions that WasmEdge added to `wasi_snapshot_preview1`, which wasi-go, dispatchrun/net
 * and wasmedge_wasi_socket share. A plugin can connect to the cluster's API server only (kube/socket_server/socket.ts). With a
 * grant it can accept connections from this machine. A socket is an ordinary descriptor: fd_read, fd_write, poll_oneoff,
 * fd_close and fd_fdstat_set_flags work on it.
 *
 * There are two versions with the same names. The number of arguments tells which one a module uses. In the first, an address
 * has 4 or 16 bytes; in the second it has up to 128, which begin with its family.
 * https://github.com/WasmEdge/WasmEdge lib/host/wasi/wasifunc.cpp
 */

import { AppError } from "../../base/errors.ts";
import type { Failures } from "../../run/request_failures.ts";
import type { Sandbox } from "../../sandbox/types.ts";
import { ERRNO, WasiError } from "../errno.ts";
import { HostMemory } from "../host_memory.ts";
import type { ExtraImports } from "./preview1.ts";
import type { MaybePromise } from "../streams/streams.ts";
import { NONBLOCK, STREAM_RIGHTS } from "./abi.ts";
import type { Descriptors } from "./descriptors.ts";
import { type Guest, Memory } from "./memory.ts";
import { errnoNumber, returningErrno } from "./p1_context.ts";
import { AddressBuffer, storeAddressInfo } from "./socket_addresses.ts";
import { Socket } from "./socket.ts";
import { afterTurn } from "./socket_turn.ts";

/** The module's name. */
const MODULE = "wasi_snapshot_preview1";

/** The most sockets a plugin may have at once; an operating system commonly gives a process 1024 descriptors. */
const MAX_SOCKETS = 256;
/** How many descriptors a module that uses no files may have. */
const DESCRIPTORS = 1024;
/** The longest name or service to look up, in bytes. */
const LONGEST_NAME = 1024;

const FAMILIES = ["unspecified", "ipv4", "ipv6"] as const;
const STREAM = 2;
const RECV_PEEK = 1;
const RECV_WAITALL = 2;
const SHUT_RD = 1;
const SHUT_WR = 2;

/** Options of SOL_SOCKET (level 0) with values of the socket's own. */
const SO_TYPE = 1;
const SO_ERROR = 2;
const SO_ACCEPTCONN = 13;
/** Options that a plugin may set without effect, with the value that it reads. */
const HINTS: ReadonlyMap<number, number> = new Map(
  [[0, 0], [3, 0], [4, 0], [5, 65536], [6, 65536], [7, 0], [8, 0]],
);
const SOL_SOCKET = 0;
const IPPROTO_TCP = 6;

/** Functions that may suspend the module because they transfer bytes. */
const WAITS = /^sock_(?:accept|recv|send)(?:_v2)?$/;

/** The functions. */
export function socketImports(sandbox: Sandbox, failures: Failures): ExtraImports {
  return {
    module: MODULE,
    beside: true,
    suspending: [
      "sock_getaddrinfo",
      ...["sock_accept", "sock_connect", "sock_recv", "sock_send"].flatMap((name) => [name, `${name}_v2`]),
    ],
    network: true,
    functions: (guest, descriptors) => new SocketFunctions(sandbox, failures, guest, descriptors).all(),
  };
}

class SocketFunctions {
  #sandbox: Sandbox;
  #failures: Failures;
  #memory: Memory;
  #descriptors: Descriptors;
  #kept = new HostMemory();
  #open = 0;

  constructor(sandbox: Sandbox, failures: Failures, guest: Guest, descriptors: Descriptors) {
    this.#sandbox = sandbox;
    this.#failures = failures;
    this.#memory = new Memory(guest);
    this.#descriptors = descriptors;
    descriptors.allow(DESCRIPTORS);
  }

  all(): Record<string, (...args: number[]) => MaybePromise<number>> {
    const functions: Record<string, (...args: number[]) => MaybePromise<void>> = {
      sock_open: (family = 0, type = 0, result = 0) => this.#openSocket(family, type, result),
      sock_bind: (fd = 0, address = 0, port = 0) => {
        const { socket } = this.#socket(fd);
        const wanted = AddressBuffer.at(this.#memory, address).read();
        if (port >>> 0 > 65535) throw new WasiError("invalid");
        socket.bind(wanted, port, this.#sandbox);
      },
      sock_listen: (fd = 0) => {
        this.#sandbox.stdin.share?.();
        this.#socket(fd).socket.listen(this.#sandbox);
      },
      // The first version has no flags.
      sock_accept: (...args) => this.#accept(args[0] ?? 0, args.length > 2 ? args[1]! : 0, args.at(-1)!),
      sock_connect: (fd = 0, address = 0, port = 0) => this.#connect(fd, address, port),
      sock_recv: (fd = 0, list = 0, count = 0, flags = 0, result = 0, outFlags = 0) =>
        this.#receive(fd, list, count, flags, result, outFlags),
      sock_send: (fd = 0, list = 0, count = 0, flags = 0, result = 0) => {
        if (flags !== 0) throw new WasiError("unsupported");
        return this.#send(fd, list, count, result);
      },
      sock_recv_from: () => {
        throw new WasiError("unsupported");
      },
      sock_send_to: () => {
        throw new WasiError("unsupported");
      },
      sock_shutdown: (fd = 0, how = 0) => {
        if (how < SHUT_RD || how > (SHUT_RD | SHUT_WR)) throw new WasiError("invalid");
        this.#socket(fd).socket.shutdown((how & SHUT_RD) !== 0, (how & SHUT_WR) !== 0);
      },
      sock_setsockopt: (fd = 0, level = 0, name = 0, value = 0, size = 0) => {
        this.#socket(fd);
        this.#memory.slice(value, size);
        this.#checkOption(level, name, size);
      },
      sock_getsockopt: (...args) => this.#option(args),
      sock_getlocaladdr: (...args) => this.#address(args, (socket) => socket.local()),
      sock_getpeeraddr: (...args) => this.#address(args, (socket) => socket.remote()),
      sock_getaddrinfo: (...args) => this.#lookUp(args),
    };
    for (const name of Object.keys(functions)) {
      if (/sockopt|addrinfo|shutdown/.test(name)) continue;
      functions[`${name}_v2`] = functions[name]!;
    }
    return Object.fromEntries(
      Object.entries(functions).map(([name, run]) => {
        const returning = returningErrno(run, errnoNumber);
        return [name, WAITS.test(name) ? (...args: number[]) => afterTurn(returning(...args)) : returning];
      }),
    );
  }

  /** @throws WasiError bad-descriptor, not-socket */
  #socket(fd: number): { socket: Socket; nonblocking: boolean } {
    const { node, flags } = this.#descriptors.get(fd);
    if (!(node instanceof Socket)) throw new WasiError("not-socket");
    return { socket: node, nonblocking: (flags & NONBLOCK) !== 0 };
  }

  #openSocket(family: number, type: number, result: number): void {
    const name = FAMILIES[family];
    if (name === undefined) throw new WasiError("address-family-not-supported");
    if (type !== STREAM && type !== 0) throw new WasiError("protocol-not-supported"); // UDP
    this.#checkRoom(result);
    this.#insert(new Socket(name === "ipv6" ? "ipv6" : "ipv4", this.#counting()), 0, result);
  }

  #checkRoom(result: number): void {
    this.#memory.slice(result, 4);
    this.#descriptors.checkRoom();
    if (this.#open >= Math.min(MAX_SOCKETS, this.#sandbox.limits.descriptors)) {
      throw new WasiError("too-many-open");
    }
  }

  /** Counts a socket until the returned function is called. */
  #counting(): () => void {
    this.#open++;
    return () => void this.#open--;
  }

  #insert(node: Socket, flags: number, result: number): void {
    const fd = this.#descriptors.insert({ node, base: STREAM_RIGHTS, inheriting: 0n, flags, offset: 0n });
    this.#memory.setUint32(result, fd);
  }

  #accept(fd: number, flags: number, result: number): MaybePromise<void> {
    const { socket, nonblocking } = this.#socket(fd);
    const { listener } = socket;
    this.#checkRoom(result);
    const connection = listener.take();
    if (connection) {
      return this.#insert(Socket.accepted(connection, this.#counting()), flags & NONBLOCK, result);
    }
    if (nonblocking) throw new WasiError("would-block");
    return listener.wait().then(() => this.#accept(fd, flags, result));
  }

  #connect(fd: number, pointer: number, port: number): MaybePromise<void> {
    const { socket, nonblocking } = this.#socket(fd);
    const address = AddressBuffer.at(this.#memory, pointer).read();
    const failed = (error: AppError) => this.#failures.add(error);
    this.#sandbox.stdin.share?.();
    const connecting = socket.connect(address, port, {
      cluster: () => this.#sandbox.cluster(),
      memory: this.#kept,
      refused: failed,
      explained: (error) => this.#failures.trace(error),
      trace: (line) => this.#sandbox.trace(line),
    });
    if (nonblocking) throw new WasiError("in-progress");
    return connecting.then(() => {
      const error = socket.takeError();
      if (error !== undefined) throw new WasiError(error);
    });
  }

  #receive(
    fd: number,
    list: number,
    count: number,
    flags: number,
    result: number,
    outFlags: number,
  ): MaybePromise<void> {
    const { socket, nonblocking } = this.#socket(fd);
    if ((flags & ~(RECV_PEEK | RECV_WAITALL)) !== 0) throw new WasiError("unsupported");
    const buffers = this.#memory.vector(list, count).filter(({ length }) => length > 0);
    this.#memory.view().setUint16(outFlags >>> 0, 0, true);
    this.#memory.setUint32(result, 0);
    const [first] = buffers;
    if (!first) return;
    const into = () => this.#memory.slice(first.pointer, first.length);
    if ((flags & RECV_PEEK) !== 0) {
      const peeked = nonblocking ? socket.source.peekAvailable(into()) : socket.source.peek(into());
      return this.#counted(peeked, result, nonblocking);
    }
    if (nonblocking) return this.#counted(socket.source.readAvailable(into()), result, true);
    if ((flags & RECV_WAITALL) !== 0) return this.#receiveAll(socket, buffers, result);
    return this.#counted(socket.source.read(into()), result, false);
  }

  #counted(count: MaybePromise<number>, result: number, nonblocking: boolean): MaybePromise<void> {
    if (count instanceof Promise) return count.then((count) => this.#counted(count, result, nonblocking));
    if (nonblocking && count === 0) throw new WasiError("would-block");
    this.#memory.setUint32(result, Math.max(count, 0));
  }

  async #receiveAll(
    { source }: Socket,
    buffers: readonly { pointer: number; length: number }[],
    result: number,
  ): Promise<void> {
    let total = 0;
    for (const { pointer, length } of buffers) {
      for (let filled = 0; filled < length;) {
        const count = await source.read(this.#memory.slice(pointer + filled, length - filled));
        if (count === 0) return this.#memory.setUint32(result, total);
        filled += count;
        total += count;
      }
    }
    this.#memory.setUint32(result, total);
  }

  #send(fd: number, list: number, count: number, result: number): MaybePromise<void> {
    const { socket, nonblocking } = this.#socket(fd);
    const buffers = this.#memory.vector(list, count).filter(({ length }) => length > 0);
    const first = buffers[0];
    if (!first) return this.#memory.setUint32(result, 0);
    const bytes = this.#memory.slice(first.pointer, first.length);
    if (nonblocking && socket.sink.capacity() === 0) throw new WasiError("would-block");
    const written = socket.sink.write(bytes);
    if (!(written instanceof Promise)) return this.#memory.setUint32(result, written);
    return written.then((written) => this.#memory.setUint32(result, written));
  }

  /** @throws WasiError no-protocol-option, unsupported, invalid */
  #checkOption(level: number, name: number, size: number): void {
    if (level === IPPROTO_TCP) return; // TCP_NODELAY and the like
    if (level !== SOL_SOCKET) throw new WasiError("no-protocol-option");
    if (!HINTS.has(name)) throw new WasiError(name <= 14 ? "unsupported" : "no-protocol-option");
    if (size !== 4) throw new WasiError("invalid");
  }

  #option([fd = 0, level = 0, name = 0, value = 0, size = 0]: number[]): void {
    const { socket } = this.#socket(fd);
    // WasmEdge passes a pointer to the size here, wasi-go the size itself.
    const room = size === 4 ? 4 : this.#memory.view().getUint32(size >>> 0, true);
    if (room < 4) throw new WasiError("invalid");
    const store = (number: number) => {
      this.#memory.setUint32(value, number);
      if (size !== 4) this.#memory.setUint32(size, 4);
    };
    if (level === SOL_SOCKET && name === SO_TYPE) return store(STREAM);
    if (level === SOL_SOCKET && name === SO_ACCEPTCONN) return store(socket.state === "listening" ? 1 : 0);
    if (level === SOL_SOCKET && name === SO_ERROR) {
      this.#memory.slice(value, 4);
      const error = socket.takeError();
      return store(error === undefined ? 0 : ERRNO[error]);
    }
    this.#checkOption(level, name, 4);
    store(level === IPPROTO_TCP ? 1 : HINTS.get(name)!);
  }

  #address(args: readonly number[], of: (socket: Socket) => { address: string; port: number }): void {
    const [fd = 0, pointer = 0] = args;
    const { address, port } = of(this.#socket(fd).socket);
    const buffer = AddressBuffer.at(this.#memory, pointer);
    const family = address.includes(":") ? 6 : 4;
    if (args.length > 3) this.#memory.setUint32(args[2]!, family); // the first version
    this.#memory.setUint32(args.length > 3 ? args[3]! : args[2] ?? 0, port);
    buffer.write(address);
  }

  async #lookUp(args: readonly number[]): Promise<void> {
    const [
      node = 0,
      nodeLength = 0,
      service = 0,
      serviceLength = 0,
      hints = 0,
      list = 0,
      most = 0,
      found = 0,
    ] = args;
    const name = this.#text(node, nodeLength);
    const port = portOf(this.#text(service, serviceLength));
    const family = this.#memory.slice(hints, 28)[2]!;
    const first = this.#memory.view().getUint32(list >>> 0, true);
    this.#memory.setUint32(found, 0);
    let addresses: readonly string[];
    try {
      addresses = (await (await this.#sandbox.cluster()).sockets()).resolve(name);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.#failures.add(error);
      throw new WasiError(error.code === "DESTINATION_REFUSED" ? "access" : "no-entry");
    }
    const wanted = addresses.filter((address) => family === 0 || (address.includes(":") ? 2 : 1) === family);
    this.#memory.setUint32(found, storeAddressInfo(this.#memory, first, wanted.slice(0, most >>> 0), port));
  }

  #text(pointer: number, length: number): string {
    if (length >>> 0 > LONGEST_NAME) throw new WasiError("name-too-long");
    return new TextDecoder().decode(this.#memory.slice(pointer, length)).replace(/\0$/, "");
  }
}

/** @throws WasiError invalid */
function portOf(service: string): number {
  if (service === "" || service === "http") return service === "" ? 0 : 80;
  if (service === "https") return 443;
  if (!/^\d{1,5}$/.test(service) || Number(service) > 65535) throw new WasiError("invalid");
  return Number(service);
}
