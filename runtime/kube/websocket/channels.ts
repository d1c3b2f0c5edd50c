/**
 * An upgraded connection as a plugin uses it, in one of three ways:
 * - channels of a `channel.k8s.io` protocol, each a byte stream (exec, attach, port-forward of kubelets before 1.30);
 * - one byte stream (`SPDY/3.1+portforward.k8s.io`, VNC);
 * - messages (the protocol of a Service behind the API server's proxy).
 *
 * At most {@linkcode READ_AHEAD} bytes wait for the plugin. Then the host stops reading, and the server has to wait.
 */

import { AppError } from "../../base/errors.ts";
import type { ByteSink, ByteSource, Readiness } from "../../wasi/streams/streams.ts";
import { Backlog } from "./backlog.ts";
import { ChannelSink, Queue, type QueueOwner } from "./channel_streams.ts";
import { type Close, type Piece, type WebSocketConnection, WebSocketError } from "./frames.ts";

/** How many bytes may wait for the plugin, over all channels. */
export const READ_AHEAD = 262_144;
/** The largest message that is assembled for a plugin, in bytes. */
const LARGEST_MESSAGE = 16 << 20;
/** How often to ping the server, in milliseconds: load balancers close a connection after a silent minute. */
const PING_INTERVAL = 20_000;
/** The channel with which v5.channel.k8s.io closes another. */
const CLOSE_CHANNEL = 255;
/** The queue of the single byte stream, beside those of channels. */
const ALL_BYTES = 256;

/** A message. */
export interface Message {
  readonly text: boolean;
  readonly bytes: Uint8Array;
}

type Mode = "channels" | "bytes" | "messages";

/** The connection. */
export class UpgradedConnection implements Readiness, QueueOwner {
  #socket: WebSocketConnection;
  #mode: Mode | undefined;
  #queues = new Map<number, Queue>();
  #messages: Message[] = [];
  /** Parts of an incomplete message. */
  #parts = new Backlog();
  /** A piece that arrived before the plugin chose how to use the connection. */
  #held: Piece | undefined;
  #channel: number | undefined;
  #closing: number | undefined;
  /** Channels whose end was sent to the server. */
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
   * @param protocol the subprotocol that the server chose; empty for none
   * @param closed called once, with how the connection ended
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
    // A number on Deno 2.6, an object on later versions.
    const timer: unknown = this.#pings;
    if (typeof timer === "number") Deno.unrefTimer(timer);
    else (timer as { unref(): void }).unref();
  }

  /** Payload bytes so far. */
  get traffic(): { received: number; sent: number } {
    return { received: this.#socket.received, sent: this.#socket.sent };
  }

  /** How the connection ended; undefined while it is open. */
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

  /** A channel's input. @throws AppError REQUEST_INVALID if the connection is used in another way */
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
   * A channel's output. Closing it closes the channel, which only v5 and later can tell the server.
   *
   * @throws AppError REQUEST_INVALID if the connection is used in another way
   */
  output(channel: number): ByteSink {
    this.#use("channels");
    return new ChannelSink(this.#socket, channel, () => {
      if (!this.#closesChannels || this.#close !== undefined || this.#closedChannels.has(channel)) return;
      this.#closedChannels.add(channel);
      // Sent after all earlier bytes, even if the buffer is full: the program waits for the end of its input.
      this.#socket.sendNow(new Uint8Array([channel]), CLOSE_CHANNEL);
    });
  }

  /** All received bytes, across messages. @throws AppError REQUEST_INVALID if the connection is used in another way */
  inputBytes(): ByteSource {
    this.#use("bytes");
    return this.#queue(ALL_BYTES);
  }

  /** Closing it closes the connection. @throws AppError REQUEST_INVALID if the connection is used in another way */
  outputBytes(): ByteSink {
    this.#use("bytes");
    return new ChannelSink(this.#socket, undefined, () => this.#socket.close(1000, ""));
  }

  /** The next message, without taking it; undefined if none has arrived, "ended" after the last. @throws as receive */
  peek(): Message | undefined | "ended" {
    this.#use("messages");
    const [message] = this.#messages;
    if (message) return message;
    if (this.#failure) throw this.#failure;
    if (this.#close) return "ended";
    this.demand();
    return undefined;
  }

  /**
   * Takes the next message; undefined if none has arrived, "ended" after the last. @throws AppError REQUEST_INVALID;
   * the error that broke the connection
   */
  receive(): Message | undefined | "ended" {
    const message = this.peek();
    if (message === undefined || message === "ended") return message;
    this.#messages.shift();
    this.consumed(message.bytes.length);
    return message;
  }

  /**
   * Sends a message; false if the buffer is full. @throws AppError REQUEST_INVALID; the error that ended the
   * connection
   */
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

  /** Ready when a message can be sent. */
  get writable(): Readiness {
    return this.#socket.sink;
  }

  /** Whether a message or the end has arrived; any piece, if the plugin has not chosen how to use the connection. */
  ready(): boolean {
    return this.#messages.length > 0 || this.#close !== undefined || this.#held !== undefined;
  }

  wait(): Promise<void> {
    return this.waitFor(this);
  }

  /** Sends a close frame. The server's remaining data can still be read. */
  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  /** Closes the connection without waiting. */
  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.#end({ code: 1000, reason: "" });
  }

  /** Resolves when `who` is ready. */
  async waitFor(who: Readiness): Promise<void> {
    while (!who.ready()) {
      this.#read();
      await (this.#arrival ??= Promise.withResolvers<void>()).promise;
    }
  }

  /** Called when the plugin took bytes, so more can be read. */
  consumed(count: number): void {
    this.#waiting -= count;
    this.demand();
  }

  /** Reads on while the buffer has space and the plugin has chosen how to use the connection. */
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

  /** Delivers bytes to a channel. The first byte of a message names the channel. */
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
