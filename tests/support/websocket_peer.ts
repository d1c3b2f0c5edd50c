/** The other side of a WebSocket's connection. A test decides what it sends and accepts. */

import type { Duplex } from "../../runtime/wasi/streams/connection_streams.ts";

/** A server's frame, without a mask. */
export function serverFrame(opcode: number, payload: Uint8Array | string, final = true): Uint8Array {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  const head = bytes.length < 126
    ? [bytes.length]
    : bytes.length < 65536
    ? [126, bytes.length >> 8, bytes.length & 255]
    : [127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => bytes.length >>> shift & 255)];
  const whole = new Uint8Array(1 + head.length + bytes.length);
  whole.set([(final ? 0x80 : 0) | opcode, ...head]);
  whole.set(bytes, 1 + head.length);
  return whole;
}

/** The connection of a WebSocket. */
export class FakePeer implements Duplex {
  #coming: Uint8Array[] = [];
  #came = Promise.withResolvers<void>();
  #hungUp = false;
  #sent: Uint8Array[] = [];
  #takes = true;
  #room = Promise.withResolvers<void>();
  #broken: Error | undefined;
  closed = false;

  /** Sends bytes. */
  send(bytes: Uint8Array): void {
    this.#coming.push(bytes);
    this.#came.resolve();
  }

  /** Ends the stream. */
  hangUp(): void {
    this.#hungUp = true;
    this.#came.resolve();
  }

  /** Resolves when everything sent has been read and processed, as far as there is room. */
  async read(): Promise<void>;
  async read(into: Uint8Array): Promise<number | null>;
  async read(into?: Uint8Array): Promise<number | null | void> {
    if (into === undefined) {
      for (let turns = 0; this.#coming.length > 0; turns++) {
        if (turns === 10_000) throw new Error("nobody reads what was sent");
        await turn();
      }
      return await turn();
    }
    while (this.#coming.length === 0) {
      if (this.#hungUp || this.closed) return null;
      this.#came = Promise.withResolvers();
      await this.#came.promise;
    }
    const [first] = this.#coming;
    const count = Math.min(into.length, first!.length);
    into.set(first!.subarray(0, count));
    if (count === first!.length) this.#coming.shift();
    else this.#coming[0] = first!.subarray(count);
    return count;
  }

  /** Whether written bytes leave. */
  set takes(takes: boolean) {
    if (takes) this.#room.resolve();
    else if (this.#takes) this.#room = Promise.withResolvers();
    this.#takes = takes;
  }

  /** Makes all further writes fail. */
  breakWrites(error: Error): void {
    this.#broken = error;
    this.#room.resolve();
  }

  async write(bytes: Uint8Array): Promise<number> {
    while (!this.#takes && this.#broken === undefined) await this.#room.promise;
    if (this.#broken !== undefined) throw this.#broken;
    this.#sent.push(bytes.slice());
    await Promise.resolve();
    return bytes.length;
  }

  /** Resolves when no more is written. */
  async taken(): Promise<void> {
    for (let before = -1; before !== this.#sent.length;) {
      before = this.#sent.length;
      await turn();
    }
  }

  /** The messages that arrived here, unmasked. */
  messages(): { readonly opcode: number; readonly payload: Uint8Array }[] {
    const bytes = new Uint8Array(this.#sent.reduce((sum, { length }) => sum + length, 0));
    let end = 0;
    for (const part of this.#sent) {
      bytes.set(part, end);
      end += part.length;
    }
    const view = new DataView(bytes.buffer);
    const messages = [];
    for (let at = 0; at < bytes.length;) {
      const opcode = bytes[at]! & 15;
      let length = bytes[at + 1]! & 127;
      at += 2;
      if (length === 126) length = view.getUint16(at), at += 2;
      else if (length === 127) length = Number(view.getBigUint64(at)), at += 8;
      const mask = bytes.subarray(at, at + 4);
      const payload = bytes.slice(at + 4, at + 4 + length).map((byte, index) => byte ^ mask[index & 3]!);
      messages.push({ opcode, payload });
      at += 4 + length;
    }
    return messages;
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.closed = true;
    this.#came.resolve();
  }
}

/** Lets pending work run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
