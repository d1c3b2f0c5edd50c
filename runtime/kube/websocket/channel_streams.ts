/** The streams of an upgraded connection, as a plugin reads and writes them. */

import {
  type ByteSink,
  type ByteSource,
  type MaybePromise,
  type Readiness,
  StreamClosed,
} from "../../wasi/streams/streams.ts";
import { Backlog } from "./backlog.ts";
import { LARGEST_FRAME, type WebSocketConnection } from "./frames.ts";

/** The connection that fills a queue. */
export interface QueueOwner {
  /** Resolves when `who` is ready. */
  waitFor(who: Readiness): Promise<void>;
  /** Called when the plugin took bytes. */
  consumed(count: number): void;
  /** Reads on while there is space. */
  demand(): void;
}

/** Received bytes that the plugin has not read. */
export class Queue implements ByteSource {
  #owner: QueueOwner;
  #backlog = new Backlog();
  #ended = false;
  #unwanted = false;
  #failure: Error | undefined;

  constructor(owner: QueueOwner) {
    this.#owner = owner;
  }

  /** Returns how many more bytes wait now. */
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

/** The plugin's output to a channel, or to the byte stream. */
export class ChannelSink implements ByteSink {
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
