/**
 * wasi:io 0.2 (error, poll, streams): resources over the streams of ../streams.ts.
 *
 * preview2-shim 0.26's own are not used: its output streams do not await an asynchronous flush
 * (`blockingFlush` and `blockingSplice` drop the promise), and its `poll` waits a timer's millisecond even
 * for what is ready.
 */

import { AppError, messageOf } from "../../errors.ts";
import { ClosedPipe } from "../stdio.ts";
import type { ByteSink, ByteSource, MaybePromise, Readiness } from "../streams.ts";

/** The most that one read hands over, in bytes: a guest may ask for 2^64 - 1. */
const MAX_READ = 1 << 20;
/** The most that `blocking-write-and-flush` takes (wasi:io/streams). */
const MAX_BLOCKING_WRITE = 4096n;

/** wasi:io/error.error: what an operation failed with, for other interfaces to tell more of. */
export class IoError {
  constructor(readonly cause: unknown) {}

  toDebugString(): string {
    return messageOf(this.cause);
  }
}

/** The stream-error for what an operation threw; what ends the plugin is thrown on. */
function streamError(error: unknown): never {
  if (error instanceof ClosedPipe || (error as { tag?: unknown })?.tag === "closed") throw error;
  if (error instanceof WebAssembly.RuntimeError || !(error instanceof Error)) throw error;
  if (error instanceof AppError && error.code === "INTERNAL") throw error;
  throw { tag: "last-operation-failed", val: new IoError(error) };
}

/** What ends a guest that does what the specification has no answer to. */
function trap(what: string): WebAssembly.RuntimeError {
  return new WebAssembly.RuntimeError(what);
}

/** Runs what may wait; its failure becomes a stream-error. */
function attempt<T>(operation: () => MaybePromise<T>): MaybePromise<T> {
  try {
    const value = operation();
    return value instanceof Promise ? value.catch(streamError) : value;
  } catch (error) {
    return streamError(error);
  }
}

/** wasi:io/poll.pollable */
export class Pollable {
  #readiness: Readiness;
  #dropped: (() => void) | undefined;
  #watchers = new Set<() => void>();
  #waiting = false;

  /** @param dropped called when the guest drops it: a timer need not run on */
  constructor(readiness: Readiness, dropped?: () => void) {
    this.#readiness = readiness;
    this.#dropped = dropped;
  }

  ready(): boolean {
    return this.#readiness.ready();
  }

  block(): MaybePromise<void> {
    const ready = poll([this]);
    return ready instanceof Promise ? ready.then(() => {}) : undefined;
  }

  /**
   * Resolves when one of the list may be ready. One wait of a source serves all polls of it: a watch that
   * polls with a timer for days leaves nothing behind at the stream that stays silent.
   */
  static any(list: readonly Pollable[]): Promise<void> {
    return new Promise((resolve) => {
      const watcher = () => {
        for (const pollable of list) pollable.#watchers.delete(watcher);
        resolve();
      };
      for (const pollable of list) pollable.#watch(watcher);
    });
  }

  #watch(watcher: () => void): void {
    this.#watchers.add(watcher);
    if (this.#waiting) return;
    this.#waiting = true;
    this.#readiness.wait().then(() => {
      this.#waiting = false;
      for (const wake of [...this.#watchers]) wake();
    });
  }

  [Symbol.dispose](): void {
    this.#dropped?.();
  }
}

/** What is always ready. */
export const READY: Readiness = { ready: () => true, wait: () => Promise.resolve() };

/** How long a guest may poll what is ready before timers and sockets get a turn, in milliseconds. */
const TURN = 5;
let lastTurn = 0;

/** wasi:io/poll.poll: the indexes of what is ready, at least one. */
export function poll(list: Pollable[]): MaybePromise<Uint32Array> {
  if (list.length === 0) throw trap("a poll of nothing");
  const readyNow = () => Uint32Array.from(list.flatMap((pollable, index) => pollable.ready() ? [index] : []));
  const ready = readyNow();
  const now = performance.now();
  if (ready.length > 0) {
    if (now - lastTurn < TURN) return ready;
    // A guest that finds something ready at every poll would never let the host's events in.
    return new Promise((resolve) =>
      setTimeout(() => {
        lastTurn = performance.now();
        resolve(readyNow());
      }, 0)
    );
  }
  lastTurn = now;
  return wait();

  async function wait(): Promise<Uint32Array> {
    for (;;) {
      await Pollable.any(list);
      const ready = readyNow();
      if (ready.length > 0) return ready;
    }
  }
}

function clamp(length: bigint): number {
  return length > BigInt(MAX_READ) ? MAX_READ : Number(length);
}

/** wasi:io/streams.input-stream */
export class InputStream {
  #source: ByteSource;
  #closed = false;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  read(length: bigint): Uint8Array {
    if (length === 0n) return new Uint8Array();
    const buffer = new Uint8Array(clamp(length));
    const count = attempt(() => this.#source.readAvailable(buffer)) as number;
    if (count < 0) throw { tag: "closed" };
    return buffer.subarray(0, count);
  }

  blockingRead(length: bigint): MaybePromise<Uint8Array> {
    if (length === 0n) return new Uint8Array();
    const buffer = new Uint8Array(clamp(length));
    const done = (count: number): Uint8Array => {
      if (count === 0) throw { tag: "closed" };
      return buffer.subarray(0, count);
    };
    return attempt(() => {
      const count = this.#source.read(buffer);
      return count instanceof Promise ? count.then(done) : done(count);
    });
  }

  skip(length: bigint): bigint {
    return BigInt(this.read(length).length);
  }

  blockingSkip(length: bigint): MaybePromise<bigint> {
    const read = this.blockingRead(length);
    return read instanceof Promise ? read.then(({ length }) => BigInt(length)) : BigInt(read.length);
  }

  subscribe(): Pollable {
    return new Pollable(this.#source);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#source.close();
  }
}

/** wasi:io/streams.output-stream */
export class OutputStream {
  #sink: ByteSink;
  #permit = 0n;
  #closed = false;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  checkWrite(): bigint {
    this.#permit = BigInt(attempt(() => this.#sink.capacity()) as number);
    return this.#permit;
  }

  /** Takes no more than check-write allowed, and so does not wait. */
  write(bytes: Uint8Array): void {
    if (BigInt(bytes.length) > this.#permit) throw trap("a write of more than check-write allowed");
    this.#permit -= BigInt(bytes.length);
    attempt(() => this.#writeAll(bytes));
  }

  blockingWriteAndFlush(bytes: Uint8Array): MaybePromise<void> {
    if (BigInt(bytes.length) > MAX_BLOCKING_WRITE) {
      throw trap("a blocking write of more than 4096 bytes");
    }
    return attempt(() => {
      const written = this.#writeAll(bytes);
      return written instanceof Promise ? written.then(() => this.#sink.flush()) : this.#sink.flush();
    });
  }

  flush(): void {
    attempt(() => this.#sink.flush());
  }

  blockingFlush(): MaybePromise<void> {
    return attempt(() => this.#sink.flush());
  }

  writeZeroes(length: bigint): void {
    if (length > this.#permit) throw trap("a write of more than check-write allowed");
    this.write(new Uint8Array(Number(length)));
  }

  blockingWriteZeroesAndFlush(length: bigint): MaybePromise<void> {
    if (length > MAX_BLOCKING_WRITE) {
      throw trap("a blocking write of more than 4096 bytes");
    }
    return this.blockingWriteAndFlush(new Uint8Array(Number(length)));
  }

  splice(source: InputStream, length: bigint): bigint {
    const permit = this.checkWrite();
    const bytes = source.read(length < permit ? length : permit);
    this.write(bytes);
    return BigInt(bytes.length);
  }

  blockingSplice(source: InputStream, length: bigint): MaybePromise<bigint> {
    const done = (bytes: Uint8Array): MaybePromise<bigint> =>
      attempt(() => {
        const written = this.#writeAll(bytes);
        return written instanceof Promise ? written.then(() => BigInt(bytes.length)) : BigInt(bytes.length);
      });
    const bytes = source.blockingRead(length);
    return bytes instanceof Promise ? bytes.then(done) : done(bytes);
  }

  subscribe(): Pollable {
    return new Pollable(this.#sink);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sink.close();
  }

  #writeAll(bytes: Uint8Array): MaybePromise<void> {
    for (let sent = 0; sent < bytes.length;) {
      const written = this.#sink.write(bytes.subarray(sent));
      if (written instanceof Promise) {
        const rest = sent;
        return written.then((count) => this.#writeAll(bytes.subarray(rest + count)));
      }
      sent += written;
    }
  }
}
