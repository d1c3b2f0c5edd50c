/**
 * Messages with open files between two processes, over a socket that keeps messages apart (unix(7), SOCK_SEQPACKET and
 * SCM_RIGHTS). Load its memory and functions before the process gives up permissions.
 */

import type { Syscalls } from "../kernel/kernel_calls.ts";

/** The content of a message. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** A message, and the descriptors that came with it. The receiver must close them. */
export interface Packet {
  readonly message: Json;
  readonly files: readonly number[];
}

/** The same system call on another thread, without blocking this one. */
export type LaterCall = (number: bigint, fd: bigint, message: bigint, flags: bigint) => Promise<bigint>;

// Offsets in a channel's memory of struct msghdr, struct iovec and struct cmsghdr (64-bit).
const HEADER_AT = 0;
const VECTOR_AT = 64;
const CONTROL_AT = 128;
const DATA_AT = 512;
/** The largest packet. A larger message goes as a file. Bytes. */
const MAX_PACKET = 32 << 10;
const MAX_FILES = 4;
/** The largest message: the kubeconfig's texts, or the names in a directory. Bytes. */
export const MAX_MESSAGE = 256 << 20;

// <sys/socket.h>
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
/** Retries after an interrupt by a signal's handler. */
const TRIES = 100;

/** Marks a message that is too large for a packet and comes as a file. */
const IN_FILE = "\0";
/** Not a message: wakes the shell that waits to become the broker (spawn_broker.ts). */
export const WAKE = "\n";

/** One end of a channel. One call at a time, except that one may send while another waits to receive. */
export class Channel {
  #system: Syscalls;
  #fd: number;
  #later: LaterCall | undefined;
  #sent: Uint8Array<ArrayBuffer> = new Uint8Array(DATA_AT + MAX_PACKET);
  #received: Uint8Array<ArrayBuffer> = new Uint8Array(DATA_AT + MAX_PACKET);
  #sentAt: bigint;
  #receivedAt: bigint;

  constructor(system: Syscalls, fd: number, later?: LaterCall) {
    this.#system = system;
    this.#fd = fd;
    this.#later = later;
    this.#sentAt = addressOf(this.#sent);
    this.#receivedAt = addressOf(this.#received);
  }

  /** Sends a message. False if nobody receives. */
  send(message: Json, files: readonly number[] = []): boolean {
    const bytes = new TextEncoder().encode(JSON.stringify(message));
    if (bytes.length <= MAX_PACKET) return this.#sendBytes(bytes, files);
    const file = this.#system.temporaryFile(bytes);
    if (file === undefined) return false;
    try {
      return this.#sendBytes(new TextEncoder().encode(IN_FILE), [file, ...files]);
    } finally {
      this.#system.close(file);
    }
  }

  #sendBytes(bytes: Uint8Array, files: readonly number[]): boolean {
    if (files.length > MAX_FILES) throw new Error("too many files for a message");
    this.#sent.set(bytes, DATA_AT);
    const control = files.length === 0 ? 0 : 16 + 4 * files.length;
    const view = describe(this.#sent, this.#sentAt, bytes.length, control);
    view.setBigUint64(CONTROL_AT, BigInt(control), true);
    view.setInt32(CONTROL_AT + 8, SOL_SOCKET, true);
    view.setInt32(CONTROL_AT + 12, SCM_RIGHTS, true);
    files.forEach((file, index) => view.setInt32(CONTROL_AT + 16 + index * 4, file, true));
    for (let tried = 0; tried < TRIES; tried++) {
      if (this.#system.call(this.#system.numbers.sendmsg, this.#fd, this.#sentAt, MSG_NOSIGNAL) >= 0n) {
        return true;
      }
    }
    return false;
  }

  /** Waits for a message; undefined if the other end is closed. @throws SyntaxError, RangeError for an invalid message */
  receive(): Packet | undefined {
    this.#await();
    for (let tried = 0; tried < TRIES; tried++) {
      const { numbers } = this.#system;
      const length = this.#system.call(numbers.recvmsg, this.#fd, this.#receivedAt, MSG_CMSG_CLOEXEC);
      if (length >= 0n) return this.#packet(Number(length));
    }
    return undefined;
  }

  /** Like {@linkcode receive}, without blocking the thread. */
  async receiveLater(): Promise<Packet | undefined> {
    const call = BigInt(this.#system.numbers.recvmsg);
    for (let tried = 0; tried < TRIES; tried++) {
      this.#await();
      const length = await this.#later!(call, BigInt(this.#fd), this.#receivedAt, BigInt(MSG_CMSG_CLOEXEC));
      if (length >= 0n && !this.#isWake(Number(length))) return this.#packet(Number(length));
    }
    return undefined;
  }

  #await(): void {
    describe(this.#received, this.#receivedAt, MAX_PACKET, 16 + 4 * MAX_FILES);
  }

  #isWake(length: number): boolean {
    return length === WAKE.length && this.#received[DATA_AT] === WAKE.charCodeAt(0);
  }

  #packet(length: number): Packet | undefined {
    if (length === 0) return undefined;
    const files = filesIn(this.#received);
    const text = new TextDecoder().decode(this.#received.subarray(DATA_AT, DATA_AT + length));
    if (text !== IN_FILE) return { message: JSON.parse(text), files };
    const [file, ...more] = files;
    if (file === undefined) throw new SyntaxError("a message whose file is missing");
    try {
      const whole = this.#system.readAll(file, MAX_MESSAGE);
      return { message: JSON.parse(new TextDecoder().decode(whole)), files: more };
    } finally {
      this.#system.close(file);
    }
  }

  close(): void {
    if (this.#fd >= 0) this.#system.close(this.#fd);
    this.#fd = -1;
  }
}

/** Writes a message's header, for `length` bytes of content and `control` bytes of descriptors. */
function describe(
  memory: Uint8Array<ArrayBuffer>,
  address: bigint,
  length: number,
  control: number,
): DataView {
  const view = new DataView(memory.buffer);
  memory.fill(0, 0, DATA_AT);
  view.setBigUint64(VECTOR_AT, address + BigInt(DATA_AT), true);
  view.setBigUint64(VECTOR_AT + 8, BigInt(length), true);
  view.setBigUint64(HEADER_AT + 16, address + BigInt(VECTOR_AT), true);
  view.setBigUint64(HEADER_AT + 24, 1n, true);
  view.setBigUint64(HEADER_AT + 32, control === 0 ? 0n : address + BigInt(CONTROL_AT), true);
  view.setBigUint64(HEADER_AT + 40, BigInt(control), true);
  return view;
}

/** The descriptors that came with a message. */
function filesIn(memory: Uint8Array<ArrayBuffer>): number[] {
  const view = new DataView(memory.buffer);
  const length = Number(view.getBigUint64(HEADER_AT + 40, true));
  const isRights = length > 16 && view.getInt32(CONTROL_AT + 8, true) === SOL_SOCKET &&
    view.getInt32(CONTROL_AT + 12, true) === SCM_RIGHTS;
  if (!isRights) return [];
  const count = (Number(view.getBigUint64(CONTROL_AT, true)) - 16) / 4;
  return Array.from({ length: count }, (_, index) => view.getInt32(CONTROL_AT + 16 + index * 4, true));
}

function addressOf(memory: Uint8Array<ArrayBuffer>): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory)));
}
