/**
 * wasi:io 0.2.12 (error, streams): resources over ../streams. pollables.ts has wasi:io/poll. It does not use preview2-shim,
 * for the reasons in docs/maintainers/upstream.md (S1 to S3).
 */

import { AppError, messageOf } from "../../base/errors.ts";
import { ClosedPipe, expectSync } from "../streams/stdio.ts";
import {
  type ByteSink,
  type ByteSource,
  type MaybePromise,
  type Readiness,
  StreamClosed,
} from "../streams/streams.ts";
import { type Pollable, pollableOf, READY } from "./pollables.ts";
import { checkOwn, trap } from "./traps.ts";

/** The maximum of one read, in bytes: a guest may ask for 2^64 - 1. */
const MAX_READ = 1 << 20;
/** The maximum of `blocking-write-and-flush` (wasi:io/streams). */
const MAX_BLOCKING_WRITE = 4096;

// The host's own methods of a resource have symbols as names, because a component could call any string name.
/** The cause of an IoError. */
export const CAUSE = Symbol("cause");
const ATTEMPT = Symbol("attempt");
const BROKEN = Symbol("broken");
const CLOSE = Symbol("close");

/** wasi:io/error.error: the failure of an operation, about which other interfaces can say more. */
export class IoError {
  readonly [CAUSE]: unknown;

  constructor(cause: unknown) {
    this[CAUSE] = cause;
  }

  toDebugString(): string {
    return messageOf(this[CAUSE]);
  }
}

const CLOSED = { tag: "closed" } as const;

/** The stream-error of an operation's error. Throws an error that ends the plugin again. */
function streamError(error: unknown): never {
  if (error instanceof ClosedPipe || error === CLOSED) throw error;
  if (error instanceof StreamClosed) throw CLOSED;
  if (error instanceof WebAssembly.RuntimeError || !(error instanceof Error)) throw error;
  if (error instanceof AppError && error.code === "INTERNAL") throw error;
  throw { tag: "last-operation-failed", val: new IoError(error) };
}

// One buffer serves all reads: the bytes are copied into the guest's memory before the guest continues.
let scratch = new Uint8Array(65536);

/** A buffer for a read of `length` bytes, valid until the next one. */
function roomFor(length: bigint): Uint8Array {
  const size = length > BigInt(MAX_READ) ? MAX_READ : Number(length);
  if (size > scratch.length) scratch = new Uint8Array(size);
  return scratch.subarray(0, size);
}

/**
 * Common to both kinds of streams: an operation's failure is reported once, as a stream-error. Every later operation
 * finds the stream closed (wasi:io/streams.stream-error).
 */
abstract class Stream {
  #broken = false;
  #dropped = false;

  /** Runs an operation that may wait. */
  [ATTEMPT]<T>(operation: () => MaybePromise<T>): MaybePromise<T> {
    if (this.#broken) throw CLOSED;
    try {
      const value = operation();
      return value instanceof Promise ? value.catch((error) => this.#fail(error)) : value;
    } catch (error) {
      return this.#fail(error);
    }
  }

  #fail(error: unknown): never {
    if (error !== CLOSED && !(error instanceof StreamClosed)) this.#broken = true;
    return streamError(error);
  }

  get [BROKEN](): boolean {
    return this.#broken;
  }

  protected abstract [CLOSE](): void;

  [Symbol.dispose](): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this[CLOSE]();
  }
}

/** wasi:io/streams.input-stream. The result of a read is valid until the next read of any stream. */
export class InputStream extends Stream {
  #source: ByteSource;

  constructor(source: ByteSource) {
    super();
    this.#source = source;
  }

  read(length: bigint): Uint8Array {
    if (length === 0n) return new Uint8Array();
    const buffer = roomFor(length);
    const count = this[ATTEMPT](() => this.#source.readAvailable(buffer)) as number;
    if (count < 0) throw CLOSED;
    return buffer.subarray(0, count);
  }

  blockingRead(length: bigint): MaybePromise<Uint8Array> {
    if (length === 0n) return new Uint8Array();
    const buffer = roomFor(length);
    const done = (count: number): Uint8Array => {
      if (count === 0) throw CLOSED;
      return buffer.subarray(0, count);
    };
    const count = this[ATTEMPT](() => this.#source.read(buffer));
    return count instanceof Promise ? count.then(done) : done(count);
  }

  skip(length: bigint): bigint {
    return BigInt(this.read(length).length);
  }

  blockingSkip(length: bigint): MaybePromise<bigint> {
    const read = this.blockingRead(length);
    return read instanceof Promise ? read.then(({ length }) => BigInt(length)) : BigInt(read.length);
  }

  subscribe(): Pollable {
    return pollableOf(this[BROKEN] ? READY : this.#source);
  }

  protected override [CLOSE](): void {
    this.#source.close();
  }
}

/** wasi:io/streams.output-stream */
export class OutputStream extends Stream {
  #sink: ByteSink;
  #permit = 0n;
  /** A pending flush, during which nothing may be written. */
  #flushing: Promise<void> | undefined;
  #flushFailure: { error: unknown } | undefined;
  /** Shared by all pollables, so that one wait serves them. */
  #readiness: Readiness = {
    ready: () => this[BROKEN] || !this.#flushing && (this.#flushFailure !== undefined || this.#sink.ready()),
    wait: async () => {
      await this.#flushing;
      if (!this.#flushFailure) await this.#sink.wait();
    },
  };

  constructor(sink: ByteSink) {
    super();
    this.#sink = sink;
  }

  checkWrite(): bigint {
    this.#permit = BigInt(
      this[ATTEMPT](() => {
        const failure = this.#flushFailure;
        this.#flushFailure = undefined;
        if (failure) throw failure.error;
        return this.#flushing ? 0 : this.#sink.capacity();
      }) as number,
    );
    return this.#permit;
  }

  /** Never waits: it takes at most as many bytes as check-write allowed. */
  write(bytes: Uint8Array): void {
    if (BigInt(bytes.length) > this.#permit) throw trap("a write of more than check-write allowed");
    this.#permit -= BigInt(bytes.length);
    this[ATTEMPT](() => expectSync(this.#writeAll(bytes)));
  }

  blockingWriteAndFlush(bytes: Uint8Array): MaybePromise<void> {
    if (bytes.length > MAX_BLOCKING_WRITE) throw trap("a blocking write of more than 4096 bytes");
    return this[ATTEMPT](() => {
      const written = this.#settled(() => this.#writeAll(bytes));
      return written instanceof Promise ? written.then(() => this.#sink.flush()) : this.#sink.flush();
    });
  }

  flush(): void {
    this[ATTEMPT](() => {
      if (this.#flushing) return;
      const flushed = this.#sink.flush();
      if (!(flushed instanceof Promise)) return;
      this.#flushing = flushed.catch((error) => {
        this.#flushFailure = { error };
      }).finally(() => {
        this.#flushing = undefined;
      });
    });
  }

  blockingFlush(): MaybePromise<void> {
    return this[ATTEMPT](() => this.#settled(() => this.#sink.flush()));
  }

  writeZeroes(length: bigint): void {
    if (length > this.#permit) throw trap("a write of more than check-write allowed");
    this.write(new Uint8Array(Number(length)));
  }

  blockingWriteZeroesAndFlush(length: bigint): MaybePromise<void> {
    if (length > BigInt(MAX_BLOCKING_WRITE)) {
      throw trap("a blocking write of more than 4096 bytes");
    }
    return this.blockingWriteAndFlush(new Uint8Array(Number(length)));
  }

  splice(source: InputStream, length: bigint): bigint {
    checkOwn(source, InputStream);
    const permit = this.checkWrite();
    const bytes = source.read(length < permit ? length : permit);
    this.write(bytes);
    return BigInt(bytes.length);
  }

  blockingSplice(source: InputStream, length: bigint): MaybePromise<bigint> {
    checkOwn(source, InputStream);
    const done = (bytes: Uint8Array): MaybePromise<bigint> => {
      const count = BigInt(bytes.length);
      const written = this[ATTEMPT](() => this.#settled(() => this.#writeAll(bytes)));
      return written instanceof Promise ? written.then(() => count) : count;
    };
    const bytes = source.blockingRead(length);
    return bytes instanceof Promise ? bytes.then(done) : done(bytes);
  }

  subscribe(): Pollable {
    return pollableOf(this.#readiness);
  }

  protected override [CLOSE](): void {
    this.#sink.close();
  }

  /** Runs an operation after a pending flush. If the flush fails, the operation fails. */
  #settled<T>(operation: () => MaybePromise<T>): MaybePromise<T> {
    if (!this.#flushing && !this.#flushFailure) return operation();
    return (async () => {
      await this.#flushing;
      const failure = this.#flushFailure;
      this.#flushFailure = undefined;
      if (failure) throw failure.error;
      return await operation();
    })();
  }

  #writeAll(bytes: Uint8Array): MaybePromise<void> {
    for (let sent = 0; sent < bytes.length;) {
      const written = this.#sink.write(sent === 0 ? bytes : bytes.subarray(sent));
      if (written instanceof Promise) {
        const rest = sent;
        return written.then((count) => this.#writeAll(bytes.subarray(rest + count)));
      }
      sent += written;
    }
  }
}
