/**
 * The process's standard streams. They are read and written synchronously, straight from and into the plugin's
 * memory, for as long as nothing has to be waited for beside them; no signal is listened to, so that Ctrl-C ends
 * a plugin at once in whatever it does.
 */

import { AppError } from "../errors.ts";
import type { ByteSink, ByteSource, MaybePromise } from "./streams.ts";

const READ_AHEAD = 65536;

/** A plugin wrote where nobody reads any more: it ends as a program that SIGPIPE ends. */
export class ClosedPipe extends Error {
  override readonly name = "ClosedPipe";
}

/** A stream that can be read in both ways, as `Deno.stdin` can. */
export interface Readable {
  readSync(into: Uint8Array): number | null;
  read(into: Uint8Array): Promise<number | null>;
}

/**
 * stdin. What is waited for is read ahead, one buffer at most, as Deno has no way to ask whether a read would
 * wait; what a plugin reads without waiting first is not buffered at all.
 */
export class StdinSource implements ByteSource {
  #stdin: Readable;
  #ahead: Uint8Array = new Uint8Array();
  #ended = false;
  #error: unknown;
  #pending: Promise<void> | undefined;

  constructor(stdin: Readable) {
    this.#stdin = stdin;
  }

  ready(): boolean {
    return this.#ahead.length > 0 || this.#ended || this.#error !== undefined;
  }

  wait(): Promise<void> {
    if (this.ready()) return Promise.resolve();
    return this.#pending ??= this.#readAhead();
  }

  async #readAhead(): Promise<void> {
    const buffer = new Uint8Array(READ_AHEAD);
    try {
      const count = await this.#stdin.read(buffer);
      if (count === null || count === 0) this.#ended = true;
      else this.#ahead = buffer.subarray(0, count);
    } catch (error) {
      this.#error = error;
    }
    this.#pending = undefined;
  }

  read(into: Uint8Array): MaybePromise<number> {
    if (into.length === 0) return 0;
    if (this.ready()) return Math.max(this.#take(into), 0);
    if (this.#pending) return this.#pending.then(() => this.read(into));
    return this.#stdin.readSync(into) ?? 0;
  }

  readAvailable(into: Uint8Array): number {
    if (this.ready()) return this.#take(into);
    this.wait();
    return 0;
  }

  /** Takes what was read ahead; -1 for the end, which a terminal may follow with more. */
  #take(into: Uint8Array): number {
    if (this.#error !== undefined) {
      const error = this.#error;
      this.#error = undefined;
      throw error;
    }
    if (this.#ahead.length === 0) {
      this.#ended = false;
      return -1;
    }
    const count = Math.min(into.length, this.#ahead.length);
    into.set(this.#ahead.subarray(0, count));
    this.#ahead = this.#ahead.subarray(count);
    return count;
  }

  close(): void {}
}

/** stdout or stderr: writes wait for the reader, so that nothing piles up here. */
export class StdoutSink implements ByteSink {
  #stream: { writeSync(bytes: Uint8Array): number };

  constructor(stream: { writeSync(bytes: Uint8Array): number }) {
    this.#stream = stream;
  }

  ready(): boolean {
    return true;
  }

  wait(): Promise<void> {
    return Promise.resolve();
  }

  /** @throws ClosedPipe */
  write(bytes: Uint8Array): number {
    for (;;) {
      try {
        return this.#stream.writeSync(bytes);
      } catch (error) {
        if (error instanceof Deno.errors.BrokenPipe) throw new ClosedPipe();
        // Whoever shares the pipe has made it non-blocking.
        if (!(error instanceof Deno.errors.WouldBlock)) throw error;
        sleepSync(1);
      }
    }
  }

  capacity(): number {
    return READ_AHEAD;
  }

  flush(): void {}

  close(): void {}
}

/** The process's stdin. */
export function stdinSource(): ByteSource {
  return new StdinSource(Deno.stdin);
}

/** The process's stdout. */
export function stdoutSink(): ByteSink {
  return new StdoutSink(Deno.stdout);
}

/** The process's stderr. */
export function stderrSink(): ByteSink {
  return new StdoutSink(Deno.stderr);
}

let sleeper: Int32Array | undefined;

/** Blocks the thread, at no cost of CPU. Signals end the process as ever. */
export function sleepSync(milliseconds: number): void {
  sleeper ??= new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(sleeper, 0, 0, milliseconds);
}

/** Throws what a face says when a source that must answer at once does not: a defect of krew-wasm. */
export function expectSync<T>(value: MaybePromise<T>): T {
  if (value instanceof Promise) throw new AppError("INTERNAL", "A read had to wait where nothing can wait");
  return value;
}
