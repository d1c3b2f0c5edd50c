/**
 * `krew_wasm_kubernetes`: the cluster for preview1 modules, which can't import WIT interfaces. Its functions return
 * preview1 descriptors: fd_read, fd_write, poll_oneoff and fd_close work on them, so that a program waits for the
 * network as for its input. wit/krew_wasm_kubernetes.h is the contract. Requests go through the sandbox's cluster, as
 * with every interface.
 */

import { decodeUtf8 } from "../../base/bytes.ts";
import { AppError } from "../../base/errors.ts";
import type { ClusterRequest } from "../../kube/cluster.ts";
import type { Sandbox } from "../../sandbox/types.ts";
import { ERRNO, WasiError } from "../errno.ts";
import { BodySink, BodySource, HIGH_WATER } from "../streams/body.ts";
import type { ByteSink, ByteSource, MaybePromise } from "../streams/streams.ts";
import { NONBLOCK, STREAM_RIGHTS } from "./abi.ts";
import type { Descriptors } from "./descriptors.ts";
import { HeldRequests } from "./held_requests.ts";
import {
  attempt,
  channelSink,
  channelSource,
  Exchange,
  failureOf,
  type Outcome,
} from "./kubernetes_exchange.ts";
import { checkPath, headOf, parseHeaders } from "./kubernetes_text.ts";
import { type Guest, Memory } from "./memory.ts";
import { errnoNumber, returningErrno } from "./p1_context.ts";
import type { ExtraImports } from "./preview1.ts";

/** The module's name. */
const KUBERNETES_IMPORTS = "krew_wasm_kubernetes";

/** How many descriptors a module without files may have. */
const DESCRIPTORS = 1024;
/** Flags of `request`, `upgrade`, `upload` and `channel`. */
const FLAG_NONBLOCK = 1;
const FLAG_BODY = 2;
const FLAG_WRITE = 4;
/** In place of a channel number: the byte stream of the connection. */
const ALL_BYTES = 256;
/** The longest text from a module, in bytes. */
const MAX_TEXT = 1 << 20;

const encoder = new TextEncoder();

/** The functions. */
export function kubernetesImports(sandbox: Sandbox): ExtraImports {
  return {
    module: KUBERNETES_IMPORTS,
    suspending: ["current", "head", "receive", "request", "send", "upgrade"],
    network: true,
    functions: (guest, descriptors) => new KubernetesFunctions(sandbox, guest, descriptors).functions(),
  };
}

class KubernetesFunctions {
  #sandbox: Sandbox;
  #memory: Memory;
  #descriptors: Descriptors;
  #channels = new WeakMap<ByteSource | ByteSink, Exchange>();
  #held = new HeldRequests();
  /** The message of the failure of `current`. */
  #failure = "";

  constructor(sandbox: Sandbox, guest: Guest, descriptors: Descriptors) {
    this.#sandbox = sandbox;
    this.#memory = new Memory(guest);
    this.#descriptors = descriptors;
    descriptors.allow(DESCRIPTORS);
  }

  functions(): Record<string, (...args: number[]) => MaybePromise<number>> {
    const functions: Record<string, (...args: number[]) => MaybePromise<void>> = {
      current: (buffer = 0, size = 0, used = 0) => this.#current(buffer, size, used),
      request: (...args) => this.#request(args),
      upload: (fd = 0, flags = 0, result = 0) => this.#upload(fd, flags, result),
      upgrade: (...args) => this.#upgrade(args),
      head: (fd = 0, buffer = 0, size = 0, used = 0) => this.#head(fd, buffer, size, used),
      failure: (fd = 0, buffer = 0, size = 0, used = 0) => {
        const text = fd === -1 ? this.#failure : this.#failureOf(fd);
        this.#store(encoder.encode(text), buffer, size, used);
      },
      channel: (fd = 0, channel = 0, flags = 0, result = 0) => this.#channel(fd, channel, flags, result),
      receive: (fd = 0, buffer = 0, size = 0, used = 0, text = 0) =>
        this.#receive(fd, buffer, size, used, text),
      send: (fd = 0, text = 0, pointer = 0, length = 0) => this.#send(fd, text, pointer, length),
      close: (fd = 0, code = 0, reason = 0, length = 0) => {
        const valid = code === 1000 || code >= 3000 && code <= 4999;
        if (!valid || length >>> 0 > 123) throw new WasiError("invalid");
        this.#exchange(fd).exchange.connection().close(code, this.#text(reason, length));
      },
    };
    const fail = (error: unknown): number => {
      if (!(error instanceof AppError)) return errnoNumber(error);
      this.#sandbox.trace(error.message);
      return ERRNO.invalid;
    };
    return Object.fromEntries(
      Object.entries(functions).map(([name, run]) => [name, returningErrno(run, fail)]),
    );
  }

  #text(pointer: number, length: number): string {
    if (length >>> 0 > MAX_TEXT) throw new WasiError("message-size");
    const text = decodeUtf8(this.#memory.slice(pointer, length));
    if (text === undefined) throw new WasiError("illegal-byte-sequence");
    return text;
  }

  /** Stores bytes and their count, or only the count if they do not fit. @throws WasiError overflow */
  #store(bytes: Uint8Array, buffer: number, size: number, used: number): void {
    this.#memory.setUint32(used, bytes.length);
    if (bytes.length > size >>> 0) throw new WasiError("overflow");
    this.#memory.slice(buffer, bytes.length).set(bytes);
  }

  /**
   * Call it before opening anything: a stream without a free number is closed, which ends a body, a channel or the
   * whole connection.
   *
   * @throws WasiError fault, too-many-open
   */
  #checkRoom(result: number): void {
    this.#memory.slice(result, 4);
    this.#descriptors.checkRoom();
  }

  #insert(
    node: { kind: "source"; source: ByteSource } | { kind: "sink"; sink: ByteSink },
    flags: number,
  ): number {
    return this.#descriptors.insert({
      node: { ...node, terminal: false },
      base: STREAM_RIGHTS,
      inheriting: 0n,
      flags: (flags & FLAG_NONBLOCK) === 0 ? 0 : NONBLOCK,
      offset: 0n,
    });
  }

  /** @throws WasiError bad-descriptor, not-socket */
  #exchange(fd: number): { exchange: Exchange; nonblocking: boolean } {
    const { node, flags } = this.#descriptors.get(fd);
    if (node.kind !== "source" || !(node.source instanceof Exchange)) throw new WasiError("not-socket");
    return { exchange: node.source, nonblocking: (flags & NONBLOCK) !== 0 };
  }

  /**
   * The failure of an exchange, or of the exchange to which the stream belongs. @throws WasiError bad-descriptor,
   * not-socket
   */
  #failureOf(fd: number): string {
    const { node } = this.#descriptors.get(fd);
    if (node.kind === "socket") return node.failure;
    const stream = node.kind === "source" ? node.source : node.kind === "sink" ? node.sink : undefined;
    const exchange = stream instanceof Exchange ? stream : stream && this.#channels.get(stream);
    if (!exchange) throw new WasiError("not-socket");
    return exchange.failure;
  }

  async #current(buffer: number, size: number, used: number): Promise<void> {
    try {
      const { context, server, namespace } = await this.#sandbox.cluster();
      this.#store(encoder.encode(`${context}\0${server}\0${namespace}\0`), buffer, size, used);
    } catch (error) {
      if (error instanceof WasiError || error instanceof RangeError) throw error;
      const { errno, text } = failureOf(error);
      this.#failure = text;
      throw new WasiError(errno);
    }
  }

  #start(
    flags: number,
    result: number,
    size: number,
    outcome: (abort: AbortController) => Promise<Outcome>,
    upload?: BodySink,
  ): MaybePromise<void> {
    return this.#held.whenItFits(size, () => {
      this.#checkRoom(result);
      if (upload !== undefined) this.#sandbox.stdin.share?.();
      const abort = new AbortController();
      const exchange = new Exchange(abort, this.#held.hold(size, abort.signal, outcome(abort)), upload);
      this.#memory.setUint32(result, this.#insert({ kind: "source", source: exchange }, flags));
    });
  }

  #request(args: readonly number[]): MaybePromise<void> {
    // deno-fmt-ignore -- the parameters, in their order
    const [
      method = 0, methodLength = 0, path = 0, pathLength = 0, headers = 0, headersLength = 0, body = 0, bodyLength = 0,
      flags = 0, result = 0,
    ] = args;
    const url = this.#text(path, pathLength);
    const size = (pathLength >>> 0) + (headersLength >>> 0) + (bodyLength >>> 0) + HIGH_WATER;
    const upload = (flags & FLAG_BODY) === 0 ? undefined : new BodySink();
    const request = {
      method: this.#text(method, methodLength),
      url,
      headers: parseHeaders(this.#text(headers, headersLength)),
      ...(upload
        ? { body: upload.stream }
        : bodyLength === 0
        ? {}
        : { body: this.#memory.slice(body, bodyLength).slice() }),
    };
    return this.#start(flags, result, size, (abort) => this.#answer(request, abort), upload);
  }

  async #answer(request: ClusterRequest, abort: AbortController): Promise<Outcome> {
    checkPath(request.url);
    const cluster = await this.#sandbox.cluster();
    const { status, headers, body } = await cluster.send({ ...request, signal: abort.signal });
    return { kind: "answered", head: headOf(status, headers), body: new BodySource(body) };
  }

  #upload(fd: number, flags: number, result: number): void {
    const { exchange } = this.#exchange(fd);
    const { upload } = exchange;
    if (upload === undefined) throw new WasiError("invalid");
    this.#checkRoom(result);
    const sink = channelSink(exchange, upload, () => upload.finish());
    this.#channels.set(sink, exchange);
    this.#memory.setUint32(result, this.#insert({ kind: "sink", sink }, flags));
  }

  #upgrade(args: readonly number[]): MaybePromise<void> {
    // deno-fmt-ignore -- the parameters, in their order
    const [
      path = 0, pathLength = 0, headers = 0, headersLength = 0, protocols = 0, protocolsLength = 0, flags = 0, result = 0,
    ] = args;
    const url = this.#text(path, pathLength);
    const list = parseHeaders(this.#text(headers, headersLength));
    const names = this.#text(protocols, protocolsLength).split(",").map((name) => name.trim()).filter((
      name,
    ) => name !== "");
    this.#sandbox.stdin.share?.();
    const size = (pathLength >>> 0) + (headersLength >>> 0) + (protocolsLength >>> 0) + HIGH_WATER;
    return this.#start(flags, result, size, async (abort) => {
      checkPath(url);
      const cluster = await this.#sandbox.cluster();
      const answer = await cluster.upgrade({ url, headers: list, protocols: names, signal: abort.signal });
      if ("refused" in answer) {
        const { status, headers, body } = answer.refused;
        return { kind: "answered", head: headOf(status, headers), body: new BodySource(body) };
      }
      return { kind: "upgraded", head: headOf(101, answer.upgraded.headers), connection: answer.upgraded };
    });
  }

  #head(fd: number, buffer: number, size: number, used: number): MaybePromise<void> {
    const { exchange, nonblocking } = this.#exchange(fd);
    if (nonblocking && !exchange.settled) throw new WasiError("would-block");
    const head = exchange.head();
    if (head instanceof Promise) return head.then((bytes) => this.#store(bytes, buffer, size, used));
    this.#store(head, buffer, size, used);
  }

  #channel(fd: number, channel: number, flags: number, result: number): void {
    const { exchange } = this.#exchange(fd);
    const connection = exchange.connection();
    if (channel < 0 || channel > ALL_BYTES) throw new WasiError("invalid");
    this.#checkRoom(result);
    let inserted: number;
    if ((flags & FLAG_WRITE) === 0) {
      const source = channel === ALL_BYTES ? connection.inputBytes() : connection.input(channel);
      const translated = channelSource(exchange, source);
      this.#channels.set(translated, exchange);
      inserted = this.#insert({ kind: "source", source: translated }, flags);
    } else {
      const sink = channel === ALL_BYTES ? connection.outputBytes() : connection.output(channel);
      const translated = channelSink(exchange, sink, () => sink.close());
      this.#channels.set(translated, exchange);
      inserted = this.#insert({ kind: "sink", sink: translated }, flags);
    }
    this.#memory.setUint32(result, inserted);
  }

  #receive(fd: number, buffer: number, size: number, used: number, text: number): MaybePromise<void> {
    const { exchange, nonblocking } = this.#exchange(fd);
    const connection = exchange.connection();
    const message = attempt(exchange, () => connection.peek());
    if (message instanceof Promise) throw new WasiError("io"); // send() never waits
    if (message === undefined) {
      if (nonblocking) throw new WasiError("would-block");
      return connection.wait().then(() => this.#receive(fd, buffer, size, used, text));
    }
    if (message === "ended") throw new WasiError("pipe");
    this.#memory.setUint32(text, message.text ? 1 : 0);
    this.#store(message.bytes, buffer, size, used);
    connection.receive();
  }

  #send(fd: number, text: number, pointer: number, length: number): MaybePromise<void> {
    const { exchange, nonblocking } = this.#exchange(fd);
    const connection = exchange.connection();
    const bytes = this.#memory.slice(pointer, length);
    if (attempt(exchange, () => connection.send({ text: text !== 0, bytes }))) return;
    if (nonblocking) throw new WasiError("would-block");
    return connection.writable.wait().then(() => this.#send(fd, text, pointer, length));
  }
}
