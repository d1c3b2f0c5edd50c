/**
 * The process's standard streams. Reads and writes are synchronous, directly between the streams and the plugin's
 * memory, as long as nothing else needs the event loop. There is no signal listener, so Ctrl-C ends a plugin at once.
 */

import { concatBytes } from "../../base/bytes.ts";
import { AppError } from "../../base/errors.ts";
import type { ByteSink, ByteSource, MaybePromise } from "./streams.ts";

const READ_AHEAD = 65536;

/** The plugin wrote to a closed pipe: it ends as a program ends by SIGPIPE. */
export class ClosedPipe extends Error {
  override readonly name = "ClosedPipe";
}

/** A stream with synchronous and asynchronous reads, such as `Deno.stdin`. */
export interface Readable {
  readSync(into: Uint8Array): number | null;
  read(into: Uint8Array): Promise<number | null>;
}

/** Edits typed lines (line_editor.ts). */
export interface Editor {
  push(bytes: Uint8Array): void;
  /** The next line; empty for the end of input; undefined if no line is complete. */
  next(): Uint8Array | undefined;
  rest(): Uint8Array;
}

/**
 * stdin. Deno can't tell whether a read would wait, so a wait reads ahead one buffer at most. A read without a wait
 * before it is not buffered.
 */
export class StdinSource implements ByteSource {
  #stdin: Readable;
  #ahead: Uint8Array = new Uint8Array();
  #ended = false;
  #error: unknown;
  #pending: Promise<void> | undefined;
  #editor: Editor | undefined;
  #shared = false;

  constructor(stdin: Readable) {
    this.#stdin = stdin;
  }

  /** Whether {@linkcode share} was called. */
  get shared(): boolean {
    return this.#shared;
  }

  /** Makes later reads asynchronous, so that the thread can serve an upload or a WebSocket meanwhile. */
  share(): void {
    this.#shared = true;
  }

  /** Sets or removes the line editor. Typed bytes that were not read stay. */
  edit(editor: Editor | undefined): void {
    const rest = this.#editor?.rest();
    if (rest && rest.length > 0) this.#ahead = joined(this.#ahead, rest);
    this.#editor = editor;
  }

  ready(): boolean {
    if (this.#editor) this.#takeLine();
    return this.#ahead.length > 0 || this.#ended || this.#error !== undefined;
  }

  wait(): Promise<void> {
    if (this.ready()) return Promise.resolve();
    return this.#pending ??= this.#readAhead();
  }

  async #readAhead(): Promise<void> {
    const buffer = new Uint8Array(READ_AHEAD);
    try {
      do {
        const count = await this.#stdin.read(buffer);
        if (count === null || count === 0) this.#ended = true;
        else if (this.#editor) this.#editor.push(buffer.subarray(0, count));
        // After bytes that an editor returned meanwhile.
        else this.#ahead = joined(this.#ahead, buffer.subarray(0, count));
        this.#takeLine();
      } while (!this.ready());
    } catch (error) {
      this.#error = error;
    }
    this.#pending = undefined;
  }

  read(into: Uint8Array): MaybePromise<number> {
    if (into.length === 0) return 0;
    if (this.ready()) return Math.max(this.#take(into), 0);
    if (this.#pending || this.#shared) return this.wait().then(() => this.read(into));
    if (this.#editor) return this.#readLine(into, this.#editor);
    return this.#stdin.readSync(into) ?? 0;
  }

  #readLine(into: Uint8Array, editor: Editor): number {
    const keys = new Uint8Array(1024);
    for (this.#takeLine(); !this.ready(); this.#takeLine()) {
      const count = this.#stdin.readSync(keys) ?? 0;
      if (count === 0) return 0;
      editor.push(keys.subarray(0, count));
    }
    return Math.max(this.#take(into), 0);
  }

  /** Makes a complete line readable. */
  #takeLine(): void {
    if (this.#ahead.length > 0) return;
    const line = this.#editor?.next();
    if (!line) return;
    if (line.length === 0) this.#ended = true;
    else this.#ahead = line;
  }

  readAvailable(into: Uint8Array): number {
    if (this.ready()) return this.#take(into);
    this.wait();
    return 0;
  }

  /** Takes bytes that were read ahead; -1 for the end, after which a terminal may have more. */
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

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.length === 0 ? b : concatBytes([a, b]);
}

/** stdout or stderr. A write waits for the reader, so nothing accumulates here. */
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
        // Another process that shares the pipe has made it non-blocking.
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
export function stdinSource(): StdinSource {
  return new StdinSource(Deno.stdin);
}

/** Runs a write to the terminal at a moment when no other process uses it. */
export type Quietly = <T>(write: () => T) => T;

/** The process's stdout. `quietly`: set if it is a terminal at which another process may be asking a question. */
export function stdoutSink(quietly?: Quietly): ByteSink {
  return new StdoutSink(withManners(Deno.stdout, quietly));
}

/** The process's stderr. */
export function stderrSink(quietly?: Quietly): ByteSink {
  return new StdoutSink(withManners(Deno.stderr, quietly));
}

function withManners(
  stream: { writeSync(bytes: Uint8Array): number; isTerminal(): boolean },
  quietly: Quietly | undefined,
): { writeSync(bytes: Uint8Array): number } {
  if (!quietly || !stream.isTerminal()) return stream;
  return { writeSync: (bytes) => quietly(() => stream.writeSync(bytes)) };
}

let sleeper: Int32Array | undefined;

/** Blocks the thread without using CPU. Signals still end the process. */
export function sleepSync(milliseconds: number): void {
  sleeper ??= new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(sleeper, 0, 0, milliseconds);
}

/** Throws if a source that must answer at once returned a promise: a defect of krew-wasm. */
export function expectSync<T>(value: MaybePromise<T>): T {
  if (value instanceof Promise) throw new AppError("INTERNAL", "A read had to wait where nothing can wait");
  return value;
}
