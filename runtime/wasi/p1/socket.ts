/** A socket of a preview1 module: its state, its input and its output. */

import { AppError } from "../../base/errors.ts";
import type { Cluster } from "../../kube/cluster.ts";
import { openSocket, type SocketContext } from "../../kube/socket_server/socket.ts";
import {
  closeWhenSent,
  ConnectionSink,
  ConnectionSource,
  type Duplex,
} from "../streams/connection_streams.ts";
import { type ErrnoName, errnoOf, WasiError } from "../errno.ts";
import { type ByteSink, type ByteSource, type MaybePromise, StreamClosed } from "../streams/streams.ts";
import type { Sandbox } from "../../sandbox/types.ts";
import type { LoopbackListener } from "../loopback_listener.ts";
import type { SocketNode } from "./descriptors.ts";

/** What all connections of a run share. */
export interface SocketHost extends Pick<SocketContext, "memory" | "refused" | "explained" | "trace"> {
  /** @throws AppError why the plugin can't reach the cluster */
  cluster(): Promise<Cluster>;
}

/** Opens listeners. */
type ListenHost = Pick<Sandbox, "listen">;

const UNSPECIFIED: readonly string[] = ["0.0.0.0", "::"];

/** By the names of Deno's error classes, because 2.6 lacks some of the classes. */
const ERRNOS: Readonly<Record<string, ErrnoName>> = {
  AddrInUse: "address-in-use",
  AddrNotAvailable: "address-not-available",
  ConnectionAborted: "connection-aborted",
  ConnectionRefused: "connection-refused",
  ConnectionReset: "connection-reset",
  HostUnreachable: "host-unreachable",
  NetworkUnreachable: "network-unreachable",
  NotCapable: "access",
  PermissionDenied: "access",
  TimedOut: "timed-out",
};

function errnoOfSocket(error: unknown): ErrnoName {
  if (error instanceof AppError) {
    if (error.code === "DESTINATION_REFUSED" || error.code === "LISTEN_REFUSED") return "access";
    return error.code === "CLUSTER_UNREACHABLE" ? "host-unreachable" : "network-unreachable";
  }
  if (error instanceof StreamClosed) return "pipe";
  return ERRNOS[(error as Error | undefined)?.name ?? ""] ?? errnoOf(error);
}

/** Runs an operation on a stream and turns its error into a WasiError. */
function translated<T>(operation: () => MaybePromise<T>): MaybePromise<T> {
  const fail = (error: unknown): never => {
    throw new WasiError(errnoOfSocket(error));
  };
  try {
    const value = operation();
    return value instanceof Promise ? value.catch(fail) : value;
  } catch (error) {
    return fail(error);
  }
}

/** A socket's descriptor. */
export class Socket implements SocketNode {
  readonly kind = "socket";
  readonly terminal = false;
  readonly source = new SocketSource(this);
  readonly sink: ByteSink;
  state: "new" | "bound" | "listening" | "connecting" | "connected" | "failed" | "closed" = "new";
  /** For people: why it failed, or why the API server did not answer a request. */
  failure = "";
  #family: "ipv4" | "ipv6";
  #closed: () => void;
  #remote = { address: "", port: 0 };
  /** The local address of a bound or accepted socket. */
  #local: { address: string; port: number } | undefined;
  #listener: LoopbackListener | undefined;
  #error: ErrnoName | undefined;
  #settled: Promise<void> = Promise.resolve();
  #connection: Duplex | undefined;
  #incoming: ConnectionSource | undefined;
  #outgoing: ConnectionSink | undefined;

  /** @param closed called when the socket is closed and its buffered bytes are sent */
  constructor(family: "ipv4" | "ipv6", closed: () => void) {
    this.#family = family;
    this.#closed = closed;
    this.sink = new SocketSink(this);
  }

  /** A connection that a listener accepted. `closed`: as for the constructor. */
  static accepted(connection: Deno.TcpConn, closed: () => void): Socket {
    const { localAddr, remoteAddr } = connection;
    const socket = new Socket(localAddr.hostname.includes(":") ? "ipv6" : "ipv4", closed);
    socket.#local = { address: localAddr.hostname, port: localAddr.port };
    socket.#remote = { address: remoteAddr.hostname, port: remoteAddr.port };
    socket.#use(connection);
    return socket;
  }

  /**
   * Binds the socket. Unless address and port are both unspecified, a listener opens at once and takes the port.
   *
   * @throws WasiError
   */
  bind(address: string, port: number, host: ListenHost): void {
    if (this.state !== "new") throw new WasiError("invalid");
    this.#checkFamily(address);
    const unspecified = UNSPECIFIED.includes(address);
    if (!unspecified || port !== 0) this.#openListener(address, port, host);
    this.#local = this.#listener ?? { address, port };
    this.state = "bound";
  }

  /** @throws WasiError */
  listen(host: ListenHost): void {
    if (this.state === "listening") return;
    if (this.state !== "bound") throw new WasiError("invalid");
    if (!this.#listener) this.#openListener(this.#local!.address, this.#local!.port, host);
    this.state = "listening";
  }

  #openListener(address: string, port: number, host: ListenHost): void {
    try {
      this.#listener = host.listen(address, port);
    } catch (error) {
      if (error instanceof AppError) {
        if (error.code !== "LISTEN_REFUSED") throw error; // interrupted at the question
        this.#explain(error);
      }
      throw new WasiError(errnoOfSocket(error));
    }
  }

  /** The listener, with the waiting connections. @throws WasiError invalid if the socket does not listen */
  get listener(): LoopbackListener {
    if (this.state !== "listening") throw new WasiError("invalid");
    return this.#listener!;
  }

  /** Resolves when the socket is connected, and when connecting has failed. @throws WasiError */
  connect(address: string, port: number, host: SocketHost): Promise<void> {
    if (this.state === "connecting") throw new WasiError("already");
    if (this.#listener) throw new WasiError("invalid");
    if (this.state !== "new" && this.state !== "bound") throw new WasiError("is-connected");
    this.#checkFamily(address);
    this.state = "connecting";
    this.#local = undefined;
    this.#remote = { address, port };
    return this.#settled = this.#open(host).catch((error) => {
      if (error instanceof AppError) {
        this.#explain(error);
        host.refused(error);
      }
      this.#error = errnoOfSocket(error);
      if (this.state === "connecting") this.state = "failed";
    });
  }

  #checkFamily(address: string): void {
    if (address.includes(":") !== (this.#family === "ipv6")) {
      throw new WasiError("address-family-not-supported");
    }
  }

  async #open(host: SocketHost): Promise<void> {
    const { address, port } = this.#remote;
    const { memory, refused, explained, trace } = host;
    const cluster = await host.cluster();
    const { check, addresses } = await cluster.sockets();
    check(address, port);
    if (this.state !== "connecting") return;
    const tell = (told: (error: AppError) => void) => (error: AppError) => {
      this.#explain(error);
      told(error);
    };
    this.#use(openSocket({
      ...{ cluster, address, port, addresses, memory, trace },
      refused: tell(refused),
      explained: tell(explained),
    }));
  }

  #use(connection: Duplex): void {
    this.#connection = connection;
    this.#incoming = new ConnectionSource(connection);
    this.#outgoing = new ConnectionSink(connection);
    this.state = "connected";
  }

  #explain({ message, hint }: AppError): void {
    this.failure = hint === undefined ? message : `${message} (${hint})`;
  }

  /** Why connecting failed. Later calls return undefined. */
  takeError(): ErrnoName | undefined {
    const error = this.#error;
    this.#error = undefined;
    return error;
  }

  /** The local address. For a connection to the API server it is invented: the plugin need not know the host's. */
  local(): { address: string; port: number } {
    if (this.#listener) return this.#listener;
    if (this.#local && this.state === "connected") return this.#local;
    const connected = this.state === "connected";
    const address = this.#family === "ipv4"
      ? (connected ? "127.0.0.1" : "0.0.0.0")
      : (connected ? "::1" : "::");
    return { address, port: connected ? 49152 : 0 };
  }

  /** @throws WasiError not-connected */
  remote(): { address: string; port: number } {
    if (this.state !== "connected") throw new WasiError("not-connected");
    return this.#remote;
  }

  /** @throws WasiError not-connected */
  shutdown(reading: boolean, writing: boolean): void {
    if (this.state !== "connected") throw new WasiError("not-connected");
    if (reading) this.#incoming!.end();
    if (writing) this.#outgoing!.end();
  }

  /** Closes the connection after sending the buffered bytes, as POSIX's close does. */
  close(): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.#listener?.close();
    this.#incoming?.end();
    if (this.#connection) closeWhenSent(this.#connection, this.#outgoing!).finally(this.#closed);
    else this.#settled.finally(this.#closed);
  }

  /** Resolves when the socket no longer connects. */
  get settled(): Promise<void> {
    return this.#settled;
  }

  /** @throws WasiError not-connected */
  get incoming(): ConnectionSource {
    if (!this.#incoming) throw new WasiError("not-connected");
    return this.#incoming;
  }

  /** @throws WasiError not-connected */
  get outgoing(): ConnectionSink {
    if (!this.#outgoing) throw new WasiError("not-connected");
    return this.#outgoing;
  }
}

/** The input. */
class SocketSource implements ByteSource {
  #socket: Socket;
  #ahead: Uint8Array = new Uint8Array();

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  ready(): boolean {
    const { state } = this.#socket;
    if (state === "listening") return this.#socket.listener.ready();
    if (state === "connecting") return false;
    return this.#ahead.length > 0 || state !== "connected" || this.#socket.incoming.ready();
  }

  wait(): Promise<void> {
    if (this.ready()) return Promise.resolve();
    if (this.#socket.state === "connecting") return this.#socket.settled.then(() => this.wait());
    if (this.#socket.state === "listening") return this.#socket.listener.wait();
    return this.#socket.incoming.wait();
  }

  read(into: Uint8Array): MaybePromise<number> {
    if (this.#ahead.length > 0) return this.#take(into);
    return translated(() => this.#socket.incoming.read(into));
  }

  readAvailable(into: Uint8Array): number {
    if (this.#ahead.length > 0) return this.#take(into);
    return translated(() => this.#socket.incoming.readAvailable(into)) as number;
  }

  #take(into: Uint8Array): number {
    const count = Math.min(into.length, this.#ahead.length);
    into.set(this.#ahead.subarray(0, count));
    this.#ahead = this.#ahead.subarray(count);
    return count;
  }

  /** Like {@linkcode read}, but the next read returns the same bytes again. */
  async peek(into: Uint8Array): Promise<number> {
    const count = await this.read(into);
    return this.#putBack(into, count);
  }

  /** Like {@linkcode readAvailable}, but the next read returns the same bytes again. */
  peekAvailable(into: Uint8Array): number {
    return this.#putBack(into, this.readAvailable(into));
  }

  #putBack(into: Uint8Array, count: number): number {
    if (count <= 0) return count;
    const ahead = new Uint8Array(count + this.#ahead.length);
    ahead.set(into.subarray(0, count));
    ahead.set(this.#ahead, count);
    this.#ahead = ahead;
    return count;
  }

  close(): void {
    this.#socket.close();
  }
}

/** The output. */
class SocketSink implements ByteSink {
  #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  ready(): boolean {
    if (this.#socket.state === "connecting") return false;
    return this.#socket.state !== "connected" || this.#socket.outgoing.ready();
  }

  wait(): Promise<void> {
    if (this.ready()) return Promise.resolve();
    if (this.#socket.state === "connecting") return this.#socket.settled.then(() => this.wait());
    return this.#socket.outgoing.wait();
  }

  write(bytes: Uint8Array): MaybePromise<number> {
    return translated(() => this.#socket.outgoing.write(bytes));
  }

  capacity(): number {
    return translated(() => this.#socket.outgoing.capacity()) as number;
  }

  flush(): MaybePromise<void> {
    return translated(() => this.#socket.outgoing.flush());
  }

  close(): void {
    this.#socket.close();
  }
}
