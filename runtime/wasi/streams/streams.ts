/**
 * Byte streams that can be read, written and waited for, independent of the WASI version. preview1 and WASI 0.2 both
 * use them.
 *
 * A call that may wait returns a value if there is one, otherwise a promise. A caller with JSPI awaits it. A caller
 * without JSPI uses only sources that answer at once.
 */

/** A value, or the promise of one. */
export type MaybePromise<T> = T | Promise<T>;

/** An operation on a closed stream, or on one whose other side has closed. */
export class StreamClosed extends Error {
  override readonly name = "StreamClosed";
}

/** Something to wait for. Level-triggered: `ready()` stays true until its cause is consumed. */
export interface Readiness {
  /** Whether the next operation would return without waiting (data, the end, or an error). */
  ready(): boolean;
  /** Resolves when `ready()` is true; never rejects. Uses no CPU. */
  wait(): Promise<void>;
}

/** A source of bytes: stdin, a pipe, an HTTP body, a socket. */
export interface ByteSource extends Readiness {
  /**
   * Waits for at least one byte and fills the front of `into`.
   * Returns how many bytes; 0 is the end (for a non-empty `into`).
   */
  read(into: Uint8Array): MaybePromise<number>;
  /** Never waits. Returns how many bytes were available, 0 if none yet, -1 at the end. */
  readAvailable(into: Uint8Array): number;
  /** Stops reading and closes the source (a connection is closed). Idempotent. */
  close(): void;
}

/** A destination of bytes: stdout, a file, a request body, a socket. */
export interface ByteSink extends Readiness {
  /**
   * Writes the front of `bytes`, at least one byte, and waits if necessary; returns how many. It takes up to
   * {@linkcode capacity} bytes without waiting. `bytes` is the plugin's memory, which changes after the call: copy
   * what is kept.
   */
  write(bytes: Uint8Array): MaybePromise<number>;
  /** How many bytes a write would take now without waiting; 0 if it would wait. */
  capacity(): number;
  /** Resolves when all written bytes have left the host. */
  flush(): MaybePromise<void>;
  /** Ends the stream. Idempotent. */
  close(): void;
}
