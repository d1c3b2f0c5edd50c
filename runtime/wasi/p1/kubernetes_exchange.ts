/** Requests of a preview1 module and their answers, as streams that descriptors can read. */

import { AppError, type ErrorCode, messageOf } from "../../base/errors.ts";
import type { UpgradedConnection } from "../../kube/websocket/channels.ts";
import { type ErrnoName, WasiError } from "../errno.ts";
import type { BodySink, BodySource } from "../streams/body.ts";
import {
  type ByteSink,
  type ByteSource,
  type MaybePromise,
  type Readiness,
  StreamClosed,
} from "../streams/streams.ts";

const ERRNOS: Partial<Record<ErrorCode, ErrnoName>> = {
  DESTINATION_REFUSED: "access",
  REQUEST_INVALID: "invalid",
  CREDENTIALS_FAILED: "not-permitted",
  CLUSTER_UNREACHABLE: "io",
  CLUSTER_TLS: "io",
};

/** The errno of a failure, and its message for a module that asks. */
export function failureOf(error: unknown): { errno: ErrnoName; text: string } {
  if (error instanceof AppError) {
    const text = error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
    return { errno: ERRNOS[error.code] ?? "no-device", text };
  }
  return { errno: "io", text: messageOf(error) };
}

/** The outcome of a request or an upgrade. */
export type Outcome =
  | { readonly kind: "answered"; readonly head: Uint8Array; readonly body: BodySource }
  | { readonly kind: "upgraded"; readonly head: Uint8Array; readonly connection: UpgradedConnection }
  | { readonly kind: "failed"; readonly errno: ErrnoName };

/** A request and its response as a source: the head first, then the body. */
export class Exchange implements ByteSource {
  #abort: AbortController;
  #outcome: Outcome | undefined;
  #settled: Promise<void>;
  #headSeen = false;
  #closed = false;
  /** The failure's message, for people. */
  failure = "";
  /** Receives the request's body. */
  readonly upload: BodySink | undefined;

  constructor(abort: AbortController, outcome: Promise<Outcome>, upload?: BodySink) {
    this.#abort = abort;
    this.upload = upload;
    this.#settled = outcome.then((outcome) => {
      this.#outcome = outcome;
      if (this.#closed) this.#drop();
    }, (error) => {
      const { errno, text } = failureOf(error);
      this.failure = text;
      this.#outcome = { kind: "failed", errno };
      this.upload?.fail();
    });
  }

  /** The head. Waits for it. @throws WasiError */
  head(): MaybePromise<Uint8Array> {
    const outcome = this.#outcome;
    if (outcome === undefined) return this.#settled.then(() => this.head());
    if (outcome.kind === "failed") throw new WasiError(outcome.errno);
    this.#headSeen = true;
    return outcome.head;
  }

  get settled(): boolean {
    return this.#outcome !== undefined;
  }

  /** @throws WasiError not-socket */
  connection(): UpgradedConnection {
    if (this.#outcome?.kind !== "upgraded") throw new WasiError("not-socket");
    return this.#outcome.connection;
  }

  #source(): Readiness | undefined {
    if (this.#outcome?.kind === "answered") return this.#outcome.body;
    return this.#outcome?.kind === "upgraded" ? this.#outcome.connection : undefined;
  }

  ready(): boolean {
    if (this.#closed) return true;
    if (this.#outcome === undefined) return false;
    return !this.#headSeen || (this.#source()?.ready() ?? true);
  }

  async wait(): Promise<void> {
    if (this.ready()) return;
    await this.#settled;
    if (!this.ready()) await this.#source()!.wait();
  }

  /** Undefined for an upgraded connection, which can be read only through its channels. */
  #body(): BodySource | undefined {
    if (this.#outcome === undefined) return undefined;
    if (this.#outcome.kind === "answered") return this.#outcome.body;
    throw new WasiError(this.#outcome.kind === "failed" ? this.#outcome.errno : "invalid");
  }

  readAvailable(into: Uint8Array): number {
    const body = this.#body();
    return body === undefined ? 0 : this.#keepingFailure(() => body.readAvailable(into)) as number;
  }

  read(into: Uint8Array): MaybePromise<number> {
    const body = this.#body();
    if (body === undefined) return this.#settled.then(() => this.read(into));
    return this.#keepingFailure(() => body.read(into));
  }

  #keepingFailure(read: () => MaybePromise<number>): MaybePromise<number> {
    const fail = (error: unknown): never => {
      this.failure = failureOf(error).text;
      throw new WasiError("io");
    };
    try {
      const count = read();
      return count instanceof Promise ? count.catch(fail) : count;
    } catch (error) {
      return fail(error);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#outcome === undefined) this.#abort.abort(new DOMException("given up", "AbortError"));
    else this.#drop();
  }

  #drop(): void {
    if (this.#outcome?.kind === "answered") this.#outcome.body.close();
    if (this.#outcome?.kind === "upgraded") this.#outcome.connection.drop();
  }
}

/** Turns a stream's failure into an errno, and keeps the message in its exchange. */
function translated(exchange: Exchange, error: unknown): never {
  if (error instanceof StreamClosed) throw new WasiError("pipe");
  exchange.failure = failureOf(error).text;
  throw new WasiError("io");
}

/** Runs an operation of a stream; a failure becomes an errno. */
export function attempt<T>(exchange: Exchange, operation: () => MaybePromise<T>): MaybePromise<T> {
  try {
    const value = operation();
    return value instanceof Promise ? value.catch((error) => translated(exchange, error)) : value;
  } catch (error) {
    return translated(exchange, error);
  }
}

/** A channel as a source whose failures become errnos. */
export function channelSource(exchange: Exchange, source: ByteSource): ByteSource {
  return {
    ready: () => source.ready(),
    wait: () => source.wait(),
    read: (into) => attempt(exchange, () => source.read(into)),
    readAvailable: (into) => attempt(exchange, () => source.readAvailable(into)) as number,
    close: () => source.close(),
  };
}

/** A channel as a sink whose failures become errnos. */
export function channelSink(exchange: Exchange, sink: ByteSink, close: () => void): ByteSink {
  return {
    ready: () => sink.ready(),
    wait: () => sink.wait(),
    write: (bytes) => attempt(exchange, () => sink.write(bytes)),
    capacity: () => attempt(exchange, () => sink.capacity()) as number,
    flush: () => attempt(exchange, () => sink.flush()),
    close,
  };
}
