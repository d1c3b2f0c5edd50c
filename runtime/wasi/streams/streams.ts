/**
 * What can be read, written and waited for, without the name of any WASI version in it. preview1 and WASI 0.2
 * are two faces of these interfaces.
 *
 * Calls that may have to wait return a value when there is one and a promise when there is none yet: a face
 * that runs on JSPI awaits it, a face that runs without only ever uses sources that answer at once.
 */

/** A value, or the promise of one. */
export type MaybePromise<T> = T | Promise<T>;

/** An operation on a stream whose other side is gone, or that is closed itself: there is no more to it than that. */
export class StreamClosed extends Error {
  override readonly name = "StreamClosed";
}

/** Something to wait for. Level-triggered: `ready()` stays true until what made it so is consumed. */
export interface Readiness {
  /** Whether the next operation would return without waiting (data, the end, or an error). */
  ready(): boolean;
  /** Resolves once `ready()`; never rejects. Costs no CPU. */
  wait(): Promise<void>;
}

/** Where bytes come from: stdin, a pipe, an HTTP body, a socket. */
export interface ByteSource extends Readiness {
  /**
   * Waits for at least one byte and fills the front of `into`.
   * Returns how many bytes; 0 is the end (for a non-empty `into`).
   */
  read(into: Uint8Array): MaybePromise<number>;
  /** Never waits. Returns how many bytes were there, 0 for none yet, -1 for the end. */
  readAvailable(into: Uint8Array): number;
  /** Nobody reads any more: what feeds it is told (a connection is closed). Idempotent. */
  close(): void;
}

/** Where bytes go: stdout, a file, a request body, a socket. */
export interface ByteSink extends Readiness {
  /**
   * Writes the front of `bytes`, at least one byte, waiting where it must; returns how many. What {@linkcode capacity}
   * told is taken without waiting. `bytes` is the plugin's memory, which changes once this has answered: what is kept
   * longer is copied.
   */
  write(bytes: Uint8Array): MaybePromise<number>;
  /** How many bytes a write would take now without waiting; 0 when it would wait. */
  capacity(): number;
  /** Resolves when all that was written has left the host. */
  flush(): MaybePromise<void>;
  /** No more bytes follow. Idempotent. */
  close(): void;
}
