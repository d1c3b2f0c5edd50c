/** wasi:sockets/tcp: a connection to the API server, or a listener on loopback. */

// deno-lint-ignore-file no-throw-literal -- jco passes a thrown value other than an Error to the guest as the error
// value

import { AppError } from "../../base/errors.ts";
import { canonicalAddress } from "../../kube/allow/destination.ts";
import { openSocket } from "../../kube/socket_server/socket.ts";
import {
  closeWhenSent,
  ConnectionSink,
  ConnectionSource,
  type Duplex,
} from "../streams/connection_streams.ts";
import type { LoopbackListener } from "../loopback_listener.ts";
import { InputStream, OutputStream } from "./io.ts";
import { addressText, isMapped, isUnicast, isWildcard, socketAddress } from "./ip_addresses.ts";
import { type Pollable, pollableOf } from "./pollables.ts";
import { type Family, HOPS, positive, SocketHints } from "./socket_hints.ts";
import { type Code, codeOf, type SocketHost } from "./socket_host.ts";
import type * as Wit from "../../../wit/generated/interfaces/wasi-sockets-network.d.ts";

type SocketAddress = Wit.IpSocketAddress;

type State =
  | "unbound"
  | "bind-started"
  | "bound"
  | "listen-started"
  | "listening"
  | "connecting"
  | "connected"
  | "closed";

const KEEP_ALIVE_IDLE = 7_200_000_000_000n;
const KEEP_ALIVE_INTERVAL = 75_000_000_000n;

/** wasi:sockets/tcp.tcp-socket */
export class TcpSocket extends SocketHints {
  #host: SocketHost;
  #state: State = "unbound";
  #connecting: Promise<void> | undefined;
  #readiness = {
    ready: () =>
      this.#state === "listening"
        ? this.#listener!.ready()
        : this.#state !== "connecting" || this.#connection !== undefined || this.#failure !== undefined,
    wait: () => this.#state === "listening" ? this.#listener!.wait() : this.#connecting ?? Promise.resolve(),
  };
  #listener: LoopbackListener | undefined;
  /** The local address of an accepted connection. */
  #local: { hostname: string; port: number } | undefined;
  #connection: Duplex | undefined;
  #remote: { hostname: string; port: number } | undefined;
  #failure: Code | undefined;
  #source: ConnectionSource | undefined;
  #sink: ConnectionSink | undefined;
  #dropped = false;
  #keepAlive = { on: false, idle: KEEP_ALIVE_IDLE, interval: KEEP_ALIVE_INTERVAL, count: 9 };

  constructor(host: SocketHost, family: Family) {
    super(family);
    this.#host = host;
    host.open++;
  }

  #checkAddress(address: SocketAddress): void {
    if (address.tag !== this.addressFamily() || !isUnicast(address) || isMapped(address)) {
      throw "invalid-argument";
    }
  }

  /**
   * Unless address and port are both unspecified, a listener opens at once and takes the port.
   */
  startBind(_network: object, address: SocketAddress): void {
    if (this.#state === "bind-started" || this.#state === "connecting") throw "concurrency-conflict";
    if (this.#state !== "unbound") throw "invalid-state";
    this.#checkAddress(address);
    if (!isWildcard(address) || address.val.port !== 0) {
      const text = addressText(address);
      this.#openListener(canonicalAddress(text) ?? text, address.val.port);
    }
    this.#state = "bind-started";
  }

  finishBind(): void {
    if (this.#state !== "bind-started") throw "not-in-progress";
    this.#state = "bound";
  }

  #openListener(address: string, port: number): void {
    try {
      this.#listener = this.#host.listen(address, port);
    } catch (error) {
      if (error instanceof AppError && error.code !== "LISTEN_REFUSED") throw error; // interrupted at the question
      if (error instanceof AppError) this.#host.refused(error);
      throw codeOf(error);
    }
  }

  startConnect(_network: object, address: SocketAddress): void {
    if (this.#state === "bind-started" || this.#state === "connecting") throw "concurrency-conflict";
    if (this.#state !== "unbound" && this.#state !== "bound" || this.#listener) throw "invalid-state";
    this.#checkAddress(address);
    if (isWildcard(address) || address.val.port === 0) throw "invalid-argument";
    this.#state = "connecting";
    const text = addressText(address);
    this.#connecting = this.#connect(text, address.val.port).catch((error) => {
      if (error instanceof AppError) this.#host.refused(error);
      this.#failure = codeOf(error);
    });
  }

  async #connect(hostname: string, port: number): Promise<void> {
    const { memory, explained, refused, trace, share } = this.#host;
    const cluster = await this.#host.cluster();
    const { check, addresses } = await cluster.sockets();
    check(hostname, port);
    if (this.#dropped) return;
    share();
    this.#remote = { hostname, port };
    this.#connection = openSocket({
      ...{ cluster, address: hostname, port, addresses, memory, explained, refused, trace },
    });
  }

  finishConnect(): [InputStream, OutputStream] {
    if (this.#state !== "connecting") throw "not-in-progress";
    if (this.#failure !== undefined) {
      this.#state = "closed";
      throw this.#failure;
    }
    if (this.#connection === undefined) throw "would-block";
    this.#state = "connected";
    return this.#streams(this.#connection);
  }

  startListen(): void {
    if (["bind-started", "listen-started", "connecting"].includes(this.#state)) throw "concurrency-conflict";
    if (this.#state !== "bound") throw "invalid-state";
    if (!this.#listener) this.#openListener(this.addressFamily() === "ipv4" ? "0.0.0.0" : "::", 0);
    this.#host.share();
    this.#state = "listen-started";
  }

  finishListen(): void {
    if (this.#state !== "listen-started") throw "not-in-progress";
    this.#state = "listening";
  }

  accept(): [TcpSocket, InputStream, OutputStream] {
    if (this.#state !== "listening") throw "invalid-state";
    if (this.#host.isFull()) throw "new-socket-limit";
    const connection = this.#listener!.take();
    if (!connection) throw "would-block";
    const socket = new TcpSocket(this.#host, this.addressFamily());
    socket.#local = connection.localAddr;
    socket.#remote = connection.remoteAddr;
    socket.#connection = connection;
    socket.#state = "connected";
    return [socket, ...socket.#streams(connection)];
  }

  #streams(connection: Duplex): [InputStream, OutputStream] {
    this.#source = new ConnectionSource(connection);
    this.#sink = new ConnectionSink(connection);
    return [new InputStream(this.#source), new OutputStream(this.#sink)];
  }

  localAddress(): SocketAddress {
    const ipv4 = this.addressFamily() === "ipv4";
    if (this.#local) return socketAddress(this.#local);
    if (this.#listener && this.#state !== "closed" && this.#state !== "bind-started") {
      return socketAddress({ hostname: this.#listener.address, port: this.#listener.port });
    }
    // Invented: the plugin need not know the host's address.
    if (this.#state === "connected") {
      return socketAddress({ hostname: ipv4 ? "127.0.0.1" : "::1", port: 49152 });
    }
    if (this.#state !== "bound") throw "invalid-state";
    return socketAddress({ hostname: ipv4 ? "0.0.0.0" : "::", port: 0 });
  }

  remoteAddress(): SocketAddress {
    if (this.#state !== "connected") throw "invalid-state";
    return socketAddress(this.#remote!);
  }

  isListening(): boolean {
    return this.#state === "listening";
  }

  setListenBacklogSize(size: bigint): void {
    positive(size);
    if (this.#state === "connecting" || this.#state === "connected") throw "invalid-state";
  }

  keepAliveEnabled(): boolean {
    return this.#keepAlive.on;
  }
  setKeepAliveEnabled(value: boolean): void {
    this.#keepAlive.on = value;
  }

  // Hints without effect.
  keepAliveIdleTime(): bigint {
    return this.#keepAlive.idle;
  }
  setKeepAliveIdleTime(value: bigint): void {
    this.#keepAlive.idle = positive(value);
  }
  keepAliveInterval(): bigint {
    return this.#keepAlive.interval;
  }
  setKeepAliveInterval(value: bigint): void {
    this.#keepAlive.interval = positive(value);
  }
  keepAliveCount(): number {
    return this.#keepAlive.count;
  }
  setKeepAliveCount(value: number): void {
    this.#keepAlive.count = positive(value);
  }
  hopLimit(): number {
    return this[HOPS];
  }
  setHopLimit(value: number): void {
    this[HOPS] = value;
  }

  subscribe(): Pollable {
    return pollableOf(this.#readiness);
  }

  shutdown(type: "receive" | "send" | "both"): void {
    if (this.#state !== "connected") throw "invalid-state";
    if (type !== "send") this.#source!.end();
    if (type !== "receive") this.#sink!.end();
  }

  /** Closes the connection after sending the buffered bytes, as POSIX's close does. */
  [Symbol.dispose](): void {
    if (this.#dropped) return;
    this.#dropped = true;
    const connection = this.#connection;
    this.#state = "closed";
    this.#listener?.close();
    this.#source?.end();
    const left = connection === undefined
      ? this.#connecting
      : closeWhenSent(connection, this.#sink ?? new ConnectionSink(connection));
    // A connection with unsent bytes still counts.
    const closed = () => void this.#host.open--;
    if (left === undefined) closed();
    else left.then(closed, closed);
  }
}
