/**
 * A connection that the API server upgraded to a WebSocket, as a plugin uses it, in one of three ways: channels of a
 * `channel.k8s.io` protocol, each a stream of bytes (exec, attach, port-forward of kubelets before 1.30); one stream of
 * bytes (`SPDY/3.1+portforward.k8s.io`, VNC); or messages (what a Service behind the API server's proxy speaks).
 *
 * At most {@linkcode READ_AHEAD} bytes wait for the plugin; then nothing is read, and the server has to wait.
 */

import { AppError } from "../../base/errors.ts";
import {
  type ByteSink,
  type ByteSource,
  type MaybePromise,
  type Readiness,
  StreamClosed,
} from "../../wasi/streams/streams.ts";
import { type Close, LARGEST_FRAME, type Piece, type WebSocketConnection, WebSocketError } from "./frames.ts";

/** How much may wait for the plugin, in bytes, over all channels. */
export const READ_AHEAD = 262_144;
/** The largest message that is put together for a plugin, in bytes. */
const LARGEST_MESSAGE = 16 << 20;
/** How often the server is pinged, in milliseconds: load balancers close what is silent for a minute. */
const PING_INTERVAL = 20_000;
/** The channel on which v5.channel.k8s.io closes another. */
const CLOSE_CHANNEL = 255;
/** Among the queues of channels, what is no channel: all bytes. */
const ALL_BYTES = 256;

/** A message. */
export interface Message {
  readonly text: boolean;
  readonly bytes: Uint8Array;
}

type Mode = "channels" | "bytes" | "messages";

/** Bytes in the order they came in, kept in blocks: a server may send them one by one. */
class Backlog {
  static readonly #BLOCK = 4096;
  #blocks: Uint8Array[] = [];
  /** What was taken of the first block. */
  #start = 0;
  /** What is filled of the last one. */
  #end = 0;
  size = 0;

  push(bytes: Uint8Array): void {
    this.size += bytes.length;
    while (bytes.length > 0) {
      let block = this.#blocks.at(-1);
      if (block === undefined || this.#end === block.length) {
        this.#blocks.push(block = new Uint8Array(Math.max(Backlog.#BLOCK, bytes.length)));
        this.#end = 0;
      }
      const part = bytes.subarray(0, block.length - this.#end);
      block.set(part, this.#end);
      this.#end += part.length;
      bytes = bytes.subarray(part.length);
    }
  }

  /** Fills the front of `into`; returns how many bytes. */
  take(into: Uint8Array): number {
    let taken = 0;
    while (taken < into.length && this.size > 0) {
      const block = this.#blocks[0]!;
      const end = this.#blocks.length === 1 ? this.#end : block.length;
      const part = block.subarray(this.#start, Math.min(end, this.#start + into.length - taken));
      into.set(part, taken);
      taken += part.length;
      this.#start += part.length;
      this.size -= part.length;
      if (this.#start < end) continue;
      this.#blocks.shift();
      this.#start = 0;
    }
    return taken;
  }

  /** All of them, which are gone then. */
  takeAll(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.size);
    this.take(all);
    return all;
  }
}

/** What has come and was not read. */
class Queue implements ByteSource {
  #owner: UpgradedConnection;
  #backlog = new Backlog();
  #ended = false;
  #unwanted = false;
  #failure: Error | undefined;

  constructor(owner: UpgradedConnection) {
    this.#owner = owner;
  }

  /** Returns how many bytes wait more. */
  push(bytes: Uint8Array): number {
    if (this.#unwanted || this.#ended || bytes.length === 0) return 0;
    this.#backlog.push(bytes);
    return bytes.length;
  }

  end(failure?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
  }

  ready(): boolean {
    return this.#backlog.size > 0 || this.#ended || this.#unwanted;
  }

  wait(): Promise<void> {
    return this.#owner.waitFor(this);
  }

  readAvailable(into: Uint8Array): number {
    if (this.#backlog.size === 0) {
      if (this.#unwanted) return -1;
      if (this.#failure) throw this.#failure;
      if (this.#ended) return -1;
      this.#owner.demand();
      return 0;
    }
    const count = this.#backlog.take(into);
    this.#owner.consumed(count);
    return count;
  }

  read(into: Uint8Array): MaybePromise<number> {
    if (into.length === 0) return 0;
    if (this.ready()) return Math.max(this.readAvailable(into), 0);
    return this.wait().then(() => this.read(into));
  }

  close(): void {
    if (this.#unwanted) return;
    this.#unwanted = true;
    const { size } = this.#backlog;
    this.#backlog = new Backlog();
    this.#owner.consumed(size);
  }
}

/** Where a plugin writes to a channel, or to all there is. */
class ChannelSink implements ByteSink {
  #socket: WebSocketConnection;
  #channel: number | undefined;
  #ending: () => void;
  #closed = false;

  constructor(socket: WebSocketConnection, channel: number | undefined, ending: () => void) {
    this.#socket = socket;
    this.#channel = channel;
    this.#ending = ending;
  }

  ready = () => this.#closed || this.#socket.sink.ready();
  wait = () => this.#closed ? Promise.resolve() : this.#socket.sink.wait();

  capacity(): number {
    if (this.#closed) throw new StreamClosed("the channel is closed");
    return Math.min(this.#socket.sink.capacity(), LARGEST_FRAME);
  }

  write(bytes: Uint8Array): MaybePromise<number> {
    if (this.capacity() === 0) return this.wait().then(() => this.write(bytes));
    return this.#socket.sendSome(bytes, this.#channel);
  }

  flush = () => this.#socket.sink.flush();

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ending();
  }
}

/** The connection. */
export class UpgradedConnection implements Readiness {
  #socket: WebSocketConnection;
  #mode: Mode | undefined;
  #queues = new Map<number, Queue>();
  #messages: Message[] = [];
  /** Of a message whose end has not come. */
  #parts = new Backlog();
  /** What came before it was known how the connection is used. */
  #held: Piece | undefined;
  #channel: number | undefined;
  #closing: number | undefined;
  /** Channels that the server was told are closed. */
  #closedChannels = new Set<number>();
  #waiting = 0;
  #pumping = false;
  #arrival: PromiseWithResolvers<void> | undefined;
  #close: Close | undefined;
  #failure: Error | undefined;
  #pings: ReturnType<typeof setInterval>;
  #closed: (end: Close, connection: UpgradedConnection) => void;
  #dropped = false;

  /**
   * @param protocol the subprotocol that the server chose; empty where it chose none
   * @param closed called once, with how it ended
   */
  constructor(
    socket: WebSocketConnection,
    readonly protocol: string,
    readonly headers: readonly (readonly [name: string, value: string])[],
    closed: (end: Close, connection: UpgradedConnection) => void,
  ) {
    this.#socket = socket;
    this.#closed = closed;
    this.#pings = setInterval(() => this.#socket.ping(), PING_INTERVAL);
    // A number of Deno 2.6, an object of later ones.
    const timer: unknown = this.#pings;
    if (typeof timer === "number") Deno.unrefTimer(timer);
    else (timer as { unref(): void }).unref();
  }

  /** Bytes of payload so far. */
  get traffic(): { received: number; sent: number } {
    return { received: this.#socket.received, sent: this.#socket.sent };
  }

  /** How it ended, if it has. */
  get closed(): Close | undefined {
    return this.#close;
  }

  #use(mode: Mode): void {
    if (this.#mode !== undefined && this.#mode !== mode) {
      throw new AppError(
        "REQUEST_INVALID",
        `The connection is used as ${this.#mode} already, not as ${mode}`,
      );
    }
    if (mode === "channels" && !/^(v\d+\.)?channel\.k8s\.io$/.test(this.protocol)) {
      throw new AppError("REQUEST_INVALID", `The protocol "${this.protocol}" has no channels`);
    }
    this.#mode = mode;
    this.demand();
  }

  get #closesChannels(): boolean {
    return /^v([5-9]|\d\d+)\./.test(this.protocol);
  }

  /** What comes on a channel. @throws AppError REQUEST_INVALID where it is used otherwise */
  input(channel: number): ByteSource {
    this.#use("channels");
    return this.#queue(channel);
  }

  #queue(channel: number): Queue {
    let queue = this.#queues.get(channel);
    if (!queue) {
      queue = new Queue(this);
      if (this.#close) queue.end(this.#failure);
      this.#queues.set(channel, queue);
    }
    return queue;
  }

  /**
   * Where to write to a channel. Closing it closes the channel, which the protocol knows from v5 on.
   *
   * @throws AppError REQUEST_INVALID where it is used otherwise
   */
  output(channel: number): ByteSink {
    this.#use("channels");
    return new ChannelSink(this.#socket, channel, () => {
      if (!this.#closesChannels || this.#close !== undefined || this.#closedChannels.has(channel)) return;
      this.#closedChannels.add(channel);
      // Behind what was written, however much of that still waits: a program that reads its input waits for the end of it.
      this.#socket.sendNow(new Uint8Array([channel]), CLOSE_CHANNEL);
    });
  }

  /** All that comes, whatever its messages. @throws AppError REQUEST_INVALID where it is used otherwise */
  inputBytes(): ByteSource {
    this.#use("bytes");
    return this.#queue(ALL_BYTES);
  }

  /** Closing it closes the connection. @throws AppError REQUEST_INVALID where it is used otherwise */
  outputBytes(): ByteSink {
    this.#use("bytes");
    return new ChannelSink(this.#socket, undefined, () => this.#socket.close(1000, ""));
  }

  /** The next message, which stays; undefined for none yet, "ended" after the last. @throws as receive */
  peek(): Message | undefined | "ended" {
    this.#use("messages");
    const [message] = this.#messages;
    if (message) return message;
    if (this.#failure) throw this.#failure;
    if (this.#close) return "ended";
    this.demand();
    return undefined;
  }

  /** The next message; undefined for none yet, "ended" after the last. @throws AppError REQUEST_INVALID; what broke it */
  receive(): Message | undefined | "ended" {
    const message = this.peek();
    if (message === undefined || message === "ended") return message;
    this.#messages.shift();
    this.consumed(message.bytes.length);
    return message;
  }

  /** Sends a message; false where there is no room now. @throws AppError REQUEST_INVALID; what ended it */
  send(message: Message): boolean {
    this.#use("messages");
    if (message.bytes.length > LARGEST_MESSAGE) {
      throw new AppError(
        "REQUEST_INVALID",
        `A message of ${message.bytes.length} bytes is more than a plugin may send`,
      );
    }
    if (this.#socket.sink.capacity() === 0) return false;
    this.#socket.sendWhole(message.text, message.bytes);
    return true;
  }

  /** Room to send. */
  get writable(): Readiness {
    return this.#socket.sink;
  }

  /** A message, or the end; something that came, where nobody has said yet how the connection is used. */
  ready(): boolean {
    return this.#messages.length > 0 || this.#close !== undefined || this.#held !== undefined;
  }

  wait(): Promise<void> {
    return this.waitFor(this);
  }

  /** Tells the server that it is over; what it still sends can be read. */
  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  /** Nobody uses it any more. */
  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.#end({ code: 1000, reason: "" });
  }

  /** Resolves once `who` is ready. */
  async waitFor(who: Readiness): Promise<void> {
    while (!who.ready()) {
      this.#read();
      await (this.#arrival ??= Promise.withResolvers<void>()).promise;
    }
  }

  /** The plugin took bytes: there is room for more. */
  consumed(count: number): void {
    this.#waiting -= count;
    this.demand();
  }

  /** Reads on while there is room, once it is known what for. */
  demand(): void {
    if (this.#mode !== undefined) this.#read();
  }

  #read(): void {
    if (this.#pumping || !this.#hasRoom()) return;
    this.#pumping = true;
    this.#pump();
  }

  #hasRoom(): boolean {
    if (this.#close !== undefined) return false;
    return this.#mode === undefined ? this.#held === undefined : this.#waiting < READ_AHEAD;
  }

  async #pump(): Promise<void> {
    try {
      while (this.#hasRoom()) {
        const next: Piece | Close = this.#held ?? await this.#socket.next();
        if (this.#close) break;
        this.#held = undefined;
        if ("code" in next) this.#end(next);
        else if (this.#mode === undefined) this.#held = next;
        else this.#deliver(next);
        this.#arrived();
      }
    } catch (error) {
      const code = error instanceof WebSocketError ? error.code : 1006;
      if (this.#close === undefined) this.#failure = error as Error;
      this.#end({ code, reason: "" });
    }
    this.#pumping = false;
  }

  #arrived(): void {
    this.#arrival?.resolve();
    this.#arrival = undefined;
  }

  #deliver({ text, first, last, bytes }: Piece): void {
    if (this.#mode === "bytes") {
      this.#waiting += this.#queue(ALL_BYTES).push(bytes);
    } else if (this.#mode === "channels") {
      this.#toChannel(first, bytes);
    } else {
      if (this.#parts.size + bytes.length > LARGEST_MESSAGE) {
        const error = new WebSocketError(
          1009,
          `the server sent a message of more than ${LARGEST_MESSAGE} bytes`,
        );
        this.#socket.close(error.code, "");
        throw error;
      }
      this.#parts.push(bytes);
      if (!last) return;
      const whole = this.#parts.takeAll();
      this.#messages.push({ text, bytes: whole });
      // An empty message waits as well.
      this.#waiting += whole.length;
      if (this.#messages.length > 4096) {
        const error = new WebSocketError(1008, "the server sent more messages than were read");
        this.#socket.close(error.code, "");
        throw error;
      }
    }
  }

  /** The first byte of a message names the channel. */
  #toChannel(first: boolean, bytes: Uint8Array): void {
    if (first) {
      this.#channel = undefined;
      this.#closing = undefined;
    }
    if (this.#channel === undefined && bytes.length > 0) {
      this.#channel = bytes[0];
      bytes = bytes.subarray(1);
    }
    if (this.#channel === undefined) return; // an empty message
    if (this.#channel === CLOSE_CHANNEL && this.#closesChannels) {
      if (this.#closing === undefined && bytes.length > 0) this.#queue(this.#closing = bytes[0]!).end();
      return;
    }
    this.#waiting += this.#queue(this.#channel).push(bytes);
  }

  #end(close: Close): void {
    if (this.#close) return;
    this.#close = close;
    clearInterval(this.#pings);
    if (close.code !== 1000 && close.code !== 1005) {
      this.#failure ??= new WebSocketError(
        close.code,
        `the server closed the connection with code ${close.code}${close.reason ? `: ${close.reason}` : ""}`,
      );
    }
    for (const queue of this.#queues.values()) queue.end(this.#failure);
    this.#arrived();
    this.#closed(close, this);
    this.#socket.destroy().catch(() => {});
  }
}
