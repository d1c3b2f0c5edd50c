/**
 * The client's side of RFC 6455 on an upgraded connection, without extensions.
 *
 * Deno's WebSocket reads messages without back-pressure, so a plugin that reads slowly would fill the host's memory.
 * It also hides a server's refusal. This one reads only on request and delivers frames of any size in pieces.
 */

import { printable } from "../../base/text.ts";
import { closeWhenSent, ConnectionSink, type Duplex } from "../../wasi/streams/connection_streams.ts";

/** How a connection ended: a code of RFC 6455 7.4, and the server's reason. 1006: without a close frame. */
export interface Close {
  readonly code: number;
  readonly reason: string;
}

/** A part of a message, or the whole of a small one. */
export interface Piece {
  readonly text: boolean;
  /** The message begins with it. */
  readonly first: boolean;
  /** The message ends with it. */
  readonly last: boolean;
  /** Valid only until the next call of `next()`. */
  readonly bytes: Uint8Array;
}

/** A violation of the protocol by the server, or a broken connection. */
export class WebSocketError extends Error {
  constructor(readonly code: number, message: string) {
    super(message);
  }
}

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** The largest piece, in bytes. */
const PIECE = 65536;
/** The largest frame to send, in bytes: kubectl's own. */
export const LARGEST_FRAME = 32768;

/** A client's frame, masked (RFC 6455 5.3). `prefix` is sent before the payload. */
export function frame(
  opcode: number,
  payload: Uint8Array,
  prefix?: number,
  mask = crypto.getRandomValues(new Uint8Array(4)),
): Uint8Array<ArrayBuffer> {
  const shift = prefix === undefined ? 0 : 1;
  const length = payload.length + shift;
  const extended = length < 126 ? 0 : length < 65536 ? 2 : 8;
  const head = 2 + extended + 4;
  const bytes = new Uint8Array(head + length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x80 | opcode;
  bytes[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) view.setUint16(2, length);
  if (extended === 8) view.setBigUint64(2, BigInt(length));
  bytes.set(mask, head - 4);
  if (prefix !== undefined) bytes[head] = prefix;
  bytes.set(payload, head + shift);
  for (let i = 0; i < length; i++) bytes[head + i]! ^= mask[i & 3]!;
  return bytes;
}

/** One connection. */
export class WebSocketConnection {
  /** Bytes to send, with back-pressure. */
  readonly sink: ConnectionSink;
  /** Payload bytes so far, in each direction. */
  received = 0;
  sent = 0;
  #connection: Duplex;
  #buffer = new Uint8Array(PIECE);
  #start = 0;
  #end = 0;
  /** Bytes left of the current frame's payload. */
  #left = 0;
  #frameEnds = true;
  #messageKind: number | undefined;
  #first = false;
  #closing = false;
  #closed = false;

  /** @param rest bytes that were read after the response's head */
  constructor(connection: Duplex, rest: Uint8Array) {
    this.#connection = connection;
    this.sink = new ConnectionSink(connection);
    if (rest.length > this.#buffer.length) this.#buffer = new Uint8Array(rest.length);
    this.#buffer.set(rest);
    this.#end = rest.length;
  }

  /**
   * The next piece of a message, or how the connection ended. Wait for one call before the next.
   *
   * @throws WebSocketError; the operating system's error
   */
  async next(): Promise<Piece | Close> {
    try {
      for (;;) {
        if (this.#left > 0) return await this.#payload();
        const done = await this.#frameHead();
        if (done) return done;
      }
    } catch (error) {
      if (error instanceof WebSocketError && error.code !== 1006) this.close(error.code, error.message);
      throw error;
    }
  }

  async #payload(): Promise<Piece> {
    if (this.#start === this.#end) await this.#fill(1);
    const count = Math.min(this.#left, this.#end - this.#start);
    const bytes = this.#buffer.subarray(this.#start, this.#start + count);
    this.#start += count;
    this.#left -= count;
    return this.#piece(bytes, this.#frameEnds && this.#left === 0);
  }

  #piece(bytes: Uint8Array, last: boolean): Piece {
    const piece = { text: this.#messageKind === TEXT, first: this.#first, last, bytes };
    this.#first = false;
    if (last) this.#messageKind = undefined;
    this.received += bytes.length;
    return piece;
  }

  /** Reads the head of a frame, or a whole control frame. */
  async #frameHead(): Promise<Piece | Close | undefined> {
    await this.#fill(2);
    const [one = 0, two = 0] = this.#take(2);
    const opcode = one & 15;
    const final = (one & 0x80) !== 0;
    if ((one & 0x70) !== 0) {
      throw new WebSocketError(1002, "the server used an extension that was not agreed on");
    }
    if ((two & 0x80) !== 0) throw new WebSocketError(1002, "the server sent a masked frame");
    let length = two & 127;
    if (opcode >= 8) {
      if (!final || length > 125) {
        throw new WebSocketError(1002, "the server sent a control frame that is none");
      }
      await this.#fill(length);
      return this.#control(opcode, this.#take(length));
    }
    if (length === 126) {
      await this.#fill(2);
      const [high = 0, low = 0] = this.#take(2);
      length = high * 256 + low;
    } else if (length === 127) {
      await this.#fill(8);
      const bytes = this.#take(8);
      const long = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
      if (long > BigInt(Number.MAX_SAFE_INTEGER)) {
        throw new WebSocketError(1009, "the server sent a frame without end");
      }
      length = Number(long);
    }
    if (opcode === CONTINUATION ? this.#messageKind === undefined : this.#messageKind !== undefined) {
      throw new WebSocketError(1002, "the server mixed the frames of two messages");
    }
    if (opcode !== CONTINUATION) {
      if (opcode !== TEXT && opcode !== BINARY) {
        throw new WebSocketError(1002, `the server sent a frame of the unknown kind ${opcode}`);
      }
      this.#messageKind = opcode;
      this.#first = true;
    }
    this.#left = length;
    this.#frameEnds = final;
    // An empty frame matters only if it ends a message.
    return length === 0 && final ? this.#piece(new Uint8Array(), true) : undefined;
  }

  #control(opcode: number, payload: Uint8Array): Close | undefined {
    if (opcode === PONG) return undefined;
    if (opcode === PING) {
      // Do not answer a server that pings faster than it reads.
      if (!this.#closing && this.sink.ready()) this.sink.enqueue(frame(PONG, payload));
      return undefined;
    }
    if (opcode !== CLOSE) {
      throw new WebSocketError(1002, `the server sent a frame of the unknown kind ${opcode}`);
    }
    if (payload.length === 1) throw new WebSocketError(1002, "the server closed with half a code");
    const code = payload.length === 0 ? 1005 : payload[0]! * 256 + payload[1]!;
    const known = code >= 3000 && code <= 4999 ||
      code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code);
    if (code !== 1005 && !known) {
      throw new WebSocketError(1002, `the server closed with the unknown code ${code}`);
    }
    const reason = printable(new TextDecoder().decode(payload.subarray(2)));
    this.close(code === 1005 ? 1000 : code, "");
    return { code, reason };
  }

  /** Reads until the buffer has that many bytes. @throws WebSocketError 1006 at the end */
  async #fill(wanted: number): Promise<void> {
    if (this.#end - this.#start >= wanted) return;
    if (this.#start > 0) {
      // Move the bytes to the front, so that a piece can be as large as the data that arrived.
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    while (this.#end < wanted) {
      const count = await this.#connection.read(this.#buffer.subarray(this.#end));
      if (count === null) throw new WebSocketError(1006, "the connection ended without a word");
      this.#end += count;
    }
  }

  #take(count: number): Uint8Array {
    const bytes = this.#buffer.slice(this.#start, this.#start + count);
    this.#start += count;
    return bytes;
  }

  /** Sends part of a byte stream as one message, up to the free buffer space; returns how many bytes were taken. */
  sendSome(bytes: Uint8Array, prefix?: number): number {
    const room = Math.min(this.sink.capacity(), LARGEST_FRAME, bytes.length);
    if (room > 0) this.#send(BINARY, bytes.subarray(0, room), prefix);
    return room;
  }

  /** Sends a whole message, even if the buffer is full. @throws the error that ended the connection */
  sendWhole(text: boolean, bytes: Uint8Array): void {
    this.sink.capacity();
    this.#send(text ? TEXT : BINARY, bytes);
  }

  /** Sends a few bytes as one message, even if the buffer is full. Does nothing on a closed connection. */
  sendNow(bytes: Uint8Array, prefix: number): void {
    this.#send(BINARY, bytes, prefix);
  }

  #send(opcode: number, bytes: Uint8Array, prefix?: number): void {
    this.sent += bytes.length;
    this.sink.enqueue(frame(opcode, bytes, prefix));
  }

  /** Keeps load balancers and proxies from closing a silent connection. */
  ping(): void {
    if (!this.#closing && this.sink.ready()) this.sink.enqueue(frame(PING, new Uint8Array()));
  }

  /** Sends a close frame; nothing is sent after it. Idempotent. */
  close(code: number, reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    const words = new TextEncoder().encode(reason).subarray(0, 123);
    const payload = new Uint8Array(2 + words.length);
    new DataView(payload.buffer).setUint16(0, code);
    payload.set(words, 2);
    try {
      this.sink.capacity();
      this.sink.enqueue(frame(CLOSE, payload));
    } catch { /* it is closed already */ }
  }

  /** Closes the connection after sending the buffered bytes. */
  async destroy(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.close(1000, "");
    await closeWhenSent(this.#connection, this.sink);
  }
}

/** The server's answer to a key (RFC 6455 4.2.2). */
export async function acceptOf(key: string): Promise<string> {
  const bytes = new TextEncoder().encode(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", bytes));
  return digest.toBase64();
}
