/**
 * wasi:sockets 0.2.12 (all interfaces): TCP to the cluster's API server only, and listeners on loopback where a grant
 * covers the port. The host resolves the server's name, once; other names and UDP are denied. The first byte decides what a
 * connection is (kube/socket_server/socket.ts). It is HTTP/1.1 that the host serves, with its TLS and the user's
 * credentials, or the plugin's own TLS, which needs the grant `full`.
 *
 * Follows the TcpSocketOperationalSemantics of WebAssembly/wasi-sockets 0.2. It does not use preview2-shim, whose browser
 * build has in-memory sockets only.
 */

// deno-lint-ignore-file no-throw-literal -- jco passes a thrown value that is no Error to the guest as the error
// value

import { AppError } from "../../base/errors.ts";
import type { Cluster } from "../../kube/cluster.ts";
import { canonicalAddress } from "../../kube/allow/destination.ts";
import { openSocket } from "../../kube/socket_server/socket.ts";
import type { Sandbox } from "../../sandbox/types.ts";
import {
  closeWhenSent,
  ConnectionSink,
  ConnectionSource,
  type Duplex,
} from "../streams/connection_streams.ts";
import type { LoopbackListener } from "../loopback_listener.ts";
import { HostMemory } from "../host_memory.ts";
import { CAUSE, InputStream, type IoError, OutputStream, type Pollable, pollableOf, READY } from "./io.ts";
import type * as Wit from "../../../wit/generated/interfaces/wasi-sockets-network.d.ts";

type Family = Wit.IpAddressFamily;
type Code = Wit.ErrorCode;
type SocketAddress = Wit.IpSocketAddress;

/** How many connections a plugin may have at once. Operating systems commonly allow a process 1024 descriptors. */
const MAX_SOCKETS = 256;

class Network {}

/** An address as text. */
export function formatAddress({ tag, val }: Wit.IpAddress): string {
  return tag === "ipv4" ? val.join(".") : val.map((part) => part.toString(16)).join(":");
}

/** Parses an address in the form that operating systems and URLs give it; undefined for other text. */
export function parseAddress(text: string): Wit.IpAddress | undefined {
  if (!text.includes(":")) {
    const parts = text.split(".").map(Number);
    const valid = parts.length === 4 && parts.every((part) => part >= 0 && part <= 255);
    return valid ? { tag: "ipv4", val: parts as Wit.Ipv4Address } : undefined;
  }
  const bare = text.replace(/%.*$/, "").replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a, b, c, d) =>
      `${(Number(a) * 256 + Number(b)).toString(16)}:${(Number(c) * 256 + Number(d)).toString(16)}`,
  );
  const [head = "", tail] = bare.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  const [front, back] = [groups(head), groups(tail ?? "")];
  const gap = tail === undefined ? 0 : 8 - front.length - back.length;
  const all = gap < 0 ? [] : [...front, ...new Array<number>(gap).fill(0), ...back];
  const valid = all.length === 8 && all.every((group) => group >= 0 && group <= 0xffff);
  return valid ? { tag: "ipv6", val: all as Wit.Ipv6Address } : undefined;
}

function isWildcard({ val: { address } }: SocketAddress): boolean {
  return address.every((part) => part === 0);
}

function isUnicast({ tag, val: { address } }: SocketAddress): boolean {
  const [first = 0] = address;
  return tag === "ipv4" ? first < 224 : first < 0xff00;
}

function isMapped({ tag, val: { address } }: SocketAddress): boolean {
  return tag === "ipv6" && address.slice(0, 5).every((part) => part === 0) && address[5] === 0xffff;
}

function socketAddress({ hostname, port }: { hostname: string; port: number }): SocketAddress {
  const address = parseAddress(hostname);
  if (address === undefined) throw "unknown";
  return address.tag === "ipv4"
    ? { tag: "ipv4", val: { port, address: address.val } }
    : { tag: "ipv6", val: { port, flowInfo: 0, address: address.val, scopeId: 0 } };
}

/** By the names of Deno's error classes, because 2.6 lacks some of the classes. */
const CODES: Readonly<Record<string, Code>> = {
  AddrInUse: "address-in-use",
  AddrNotAvailable: "address-not-bindable",
  BrokenPipe: "connection-reset",
  ConnectionAborted: "connection-aborted",
  ConnectionRefused: "connection-refused",
  ConnectionReset: "connection-reset",
  HostUnreachable: "remote-unreachable",
  NetworkUnreachable: "remote-unreachable",
  PermissionDenied: "access-denied",
  TimedOut: "timeout",
};

function codeOf(error: unknown): Code {
  if (error instanceof AppError) return "access-denied";
  if (!(error instanceof Error)) return "unknown";
  if (/unreachable|os error (101|113)\b/i.test(error.message)) return "remote-unreachable";
  return CODES[error.name] ?? "unknown";
}

/** State that the resources of one run share. */
interface Host {
  /** @throws AppError the reason why the plugin has no cluster */
  cluster(): Promise<Cluster>;
  /** Counts the request heads that are incomplete. */
  readonly memory: HostMemory;
  explained(error: AppError): void;
  refused(error: AppError): void;
  trace(line: string): void;
  /** @throws AppError LISTEN_REFUSED; the error of the operating system */
  listen(address: string, port: number): LoopbackListener;
  /** From now on reads of stdin leave the thread to what goes on beside them. */
  share(): void;
  /** Whether the plugin has as many connections as it may. */
  isFull(): boolean;
  open: number;
}

/** wasi:sockets/ip-name-lookup.resolve-address-stream */
class ResolveAddressStream {
  #addresses: Wit.IpAddress[] | undefined;
  #failure: Code | undefined;
  #resolved: Promise<void>;
  #readiness = {
    ready: () => this.#addresses !== undefined || this.#failure !== undefined,
    wait: () => this.#resolved,
  };

  constructor(host: Host, name: string) {
    this.#resolved = host.cluster().then((cluster) => cluster.sockets()).then((sockets) => {
      this.#addresses = sockets.resolve(name).map(parseAddress).filter((address) => address !== undefined);
      if (this.#addresses.length === 0) this.#failure = "name-unresolvable";
    }).catch((error) => {
      if (error instanceof AppError) host.refused(error);
      this.#failure = error instanceof AppError && error.code === "CLUSTER_UNREACHABLE"
        ? "name-unresolvable"
        : codeOf(error);
    });
  }

  resolveNextAddress(): Wit.IpAddress | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#addresses === undefined) throw "would-block";
    return this.#addresses.shift();
  }

  subscribe(): Pollable {
    return pollableOf(this.#readiness);
  }
}

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

/** Throws unless a number is greater than 0. */
function positive<T extends number | bigint>(value: T): T {
  if (BigInt(value) <= 0n) throw "invalid-argument";
  return value;
}

const HOPS = Symbol("hops");

/** Options of both kinds of sockets. Deno can't set them; the specification allows to keep hints only. */
class SocketHints {
  readonly #family: Family;
  #hopLimit = 64;
  #receiveBuffer = 65536n;
  #sendBuffer = 65536n;

  constructor(family: Family) {
    this.#family = family;
  }

  addressFamily(): Family {
    return this.#family;
  }

  get [HOPS](): number {
    return this.#hopLimit;
  }
  set [HOPS](value: number) {
    this.#hopLimit = positive(value);
  }
  receiveBufferSize(): bigint {
    return this.#receiveBuffer;
  }
  setReceiveBufferSize(value: bigint): void {
    this.#receiveBuffer = positive(value);
  }
  sendBufferSize(): bigint {
    return this.#sendBuffer;
  }
  setSendBufferSize(value: bigint): void {
    this.#sendBuffer = positive(value);
  }
}

/** wasi:sockets/tcp.tcp-socket */
class TcpSocket extends SocketHints {
  #host: Host;
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
  /** Of an accepted connection. */
  #local: { hostname: string; port: number } | undefined;
  #connection: Duplex | undefined;
  #remote: { hostname: string; port: number } | undefined;
  #failure: Code | undefined;
  #source: ConnectionSource | undefined;
  #sink: ConnectionSink | undefined;
  #dropped = false;
  #keepAlive = { on: false, idle: KEEP_ALIVE_IDLE, interval: KEEP_ALIVE_INTERVAL, count: 9 };

  constructor(host: Host, family: Family) {
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
   * Any address but the unspecified one, without a port, is a listener's, which opens at once: its port is taken from now
   * on.
   */
  startBind(_network: Network, address: SocketAddress): void {
    if (this.#state === "bind-started" || this.#state === "connecting") throw "concurrency-conflict";
    if (this.#state !== "unbound") throw "invalid-state";
    this.#checkAddress(address);
    if (!isWildcard(address) || address.val.port !== 0) {
      const text = formatAddress({ tag: address.tag, val: address.val.address } as Wit.IpAddress);
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

  startConnect(_network: Network, address: SocketAddress): void {
    if (this.#state === "bind-started" || this.#state === "connecting") throw "concurrency-conflict";
    if (this.#state !== "unbound" && this.#state !== "bound" || this.#listener) throw "invalid-state";
    this.#checkAddress(address);
    if (isWildcard(address) || address.val.port === 0) throw "invalid-argument";
    this.#state = "connecting";
    const text = formatAddress({ tag: address.tag, val: address.val.address } as Wit.IpAddress);
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
    // The host's own end, which is none of the plugin's business.
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

  // Hints, all of them.
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

class IncomingDatagramStream {}
class OutgoingDatagramStream {}

/** wasi:sockets/udp.udp-socket: can be made, because runtimes probe for it, but not bound. */
class UdpSocket extends SocketHints {
  startBind(_network: Network, address: SocketAddress): void {
    if (address.tag !== this.addressFamily()) throw "invalid-argument";
    throw "access-denied";
  }

  finishBind(): never {
    throw "not-in-progress";
  }

  stream(): never {
    throw "invalid-state"; // the socket is not bound
  }

  localAddress(): never {
    throw "invalid-state";
  }

  remoteAddress(): never {
    throw "invalid-state";
  }

  unicastHopLimit(): number {
    return this[HOPS];
  }
  setUnicastHopLimit(value: number): void {
    this[HOPS] = value;
  }
  subscribe(): Pollable {
    return pollableOf(READY);
  }
}

/** A name to resolve: letters, digits, hyphens, dots, and an IPv6 address' colons. */
const NAME = /^(?=.{1,253}$)[a-z0-9:]([a-z0-9_.:-]*[a-z0-9:])?\.?$/i;

/** The interfaces by name. `refused` gets each refusal for the user, `explained` each error that a response explains. */
export function socketInterfaces(
  sandbox: Sandbox,
  refused: (error: AppError) => void,
  explained: (error: AppError) => void = () => {},
) {
  const network = new Network();
  const host: Host = {
    cluster: () => sandbox.cluster(),
    memory: new HostMemory(),
    explained,
    refused,
    trace: (line) => sandbox.trace(line),
    listen: (address, port) => sandbox.listen(address, port),
    share: () => sandbox.stdin.share?.(),
    isFull: () => host.open >= Math.min(MAX_SOCKETS, sandbox.limits.descriptors),
    open: 0,
  };
  return {
    "wasi:sockets/instance-network": { instanceNetwork: () => network },
    "wasi:sockets/ip-name-lookup": {
      ResolveAddressStream,
      resolveAddresses(_network: Network, name: string): ResolveAddressStream {
        if (!NAME.test(name)) throw "invalid-argument";
        return new ResolveAddressStream(host, name);
      },
    },
    "wasi:sockets/network": {
      Network,
      networkErrorCode: ({ [CAUSE]: cause }: IoError): Code | undefined => {
        const code = codeOf(cause);
        return code === "unknown" ? undefined : code;
      },
    },
    "wasi:sockets/tcp": { TcpSocket },
    "wasi:sockets/tcp-create-socket": {
      createTcpSocket(family: Family): TcpSocket {
        if (host.isFull()) throw "new-socket-limit";
        return new TcpSocket(host, family);
      },
    },
    "wasi:sockets/udp": { IncomingDatagramStream, OutgoingDatagramStream, UdpSocket },
    "wasi:sockets/udp-create-socket": { createUdpSocket: (family: Family) => new UdpSocket(family) },
  };
}
