/**
 * Serves HTTP/1.1 on a plugin's socket in the API server's place. It parses each request, applies the same rules as
 * every other interface, and sends the request with the host's own client and the user's credentials.
 */

import { latin1 } from "../../base/bytes.ts";
import { AppError, messageOf } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import type { HostMemory } from "../../wasi/host_memory.ts";
import type { Cluster, ClusterResponse } from "../cluster.ts";
import { writeAll } from "../http/http_body.ts";
import type { Input } from "../http/http_input.ts";
import { passBothWays } from "../sockets/relay.ts";
import { statusResponse } from "../http/status.ts";
import { headOf, writeAnswer } from "./http_answer.ts";
import type { PipeEnd } from "./pipe.ts";
import { RequestBody } from "./request_body.ts";
import { BadRequest, parseRequestHead, type RequestHead, urlOf } from "./request_head.ts";

/** The maximum size of a request's head, in bytes: the limit of Go's servers. */
const LARGEST_HEAD = 1 << 20;
/** An incomplete head up to this size does not count towards the memory limit. */
const SMALL_HEAD = 65536;

/** The state that the server of a connection needs. */
export interface ServerContext {
  readonly cluster: Cluster;
  /** The server's addresses as the plugin's sockets see them. A client may send one as the host. */
  readonly addresses: readonly string[];
  /** Limits the incomplete heads of all connections together. */
  readonly memory: HostMemory;
  /** Gets the reason why the API server did not answer a request. The plugin gets it, too. */
  failed(error: AppError): void;
}

/** Serves one request after the other, until either side ends it. Never rejects. */
export async function serveHttp(connection: PipeEnd, input: Input, context: ServerContext): Promise<void> {
  const given = new AbortController();
  connection.closedByPeer.then(() => given.abort(new DOMException("given up", "AbortError")));
  const server = new Server(connection, input, context, given.signal);
  try {
    while (await server.serveOne());
    connection.close();
  } catch {
    // The client can't find the end of the answer any more.
    connection.fail(new Deno.errors.ConnectionReset("the answer broke off"));
  } finally {
    given.abort();
  }
}

class Server {
  #connection: PipeEnd;
  #input: Input;
  #context: ServerContext;
  #signal: AbortSignal;

  constructor(connection: PipeEnd, input: Input, context: ServerContext, signal: AbortSignal) {
    this.#connection = connection;
    this.#input = input;
    this.#context = context;
    this.#signal = signal;
  }

  /** Serves the next request; false where none can follow it. @throws where its answer broke off */
  async serveOne(): Promise<boolean> {
    let head: RequestHead;
    let url: string;
    try {
      const text = await readHead(this.#input, this.#context.memory);
      if (text === undefined) return false;
      head = parseRequestHead(text);
      url = urlOf(head, this.#context.cluster.server, this.#context.addresses);
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      await writeAnswer(this.#connection, { method: "GET", minor: 1 }, badRequest(error), false);
      return false;
    }
    return head.upgrade === undefined ? await this.#answer(head, url) : await this.#upgrade(head, url);
  }

  async #answer(head: RequestHead, url: string): Promise<boolean> {
    const proceed = () => writeAll(this.#connection, headOf(100, []));
    const body = new RequestBody(this.#input, head.framing, head.expectsContinue ? proceed : undefined);
    const answer = await this.#ask(head, async () => {
      const { method, headers } = head;
      const content = await body.content();
      const request = { method, url, headers, signal: this.#signal, ...(content ? { body: content } : {}) };
      return await this.#context.cluster.send(request);
    }, body);
    // Nothing of the body is asked for once the answer is on its way.
    await body.stopWaiting();
    const again = await writeAnswer(this.#connection, head, answer, head.keepsAlive && !body.withheld);
    return await body.finish() && again;
  }

  async #upgrade(head: RequestHead, url: string): Promise<boolean> {
    const { method, headers, upgrade: protocol } = head;
    let tunnel: Awaited<ReturnType<Cluster["tunnel"]>> | undefined;
    const refused = await this.#ask(head, async () => {
      tunnel = await this.#context.cluster.tunnel({
        ...{ method, url, headers, protocol: protocol!, signal: this.#signal },
      });
      return "refused" in tunnel ? tunnel.refused : { status: 101, headers: [], body: null };
    });
    if (tunnel === undefined || "refused" in tunnel) {
      // Bytes after it may be for the upgraded connection, so they are not parsed as requests.
      await writeAnswer(this.#connection, head, refused, false);
      return false;
    }
    const { tunnelled } = tunnel;
    try {
      const switched: [string, string][] = [["connection", "Upgrade"], ["upgrade", tunnelled.protocol]];
      await writeAll(this.#connection, headOf(101, [...switched, ...tunnelled.headers]));
      const early = this.#input.take(Infinity);
      if (early.length > 0) await writeAll(tunnelled, early);
      await passBothWays(this.#connection, tunnelled, this.#connection.closedByPeer);
    } finally {
      tunnelled.close();
    }
    return false;
  }

  /** The API server's answer, or the host's own in its place. @throws where the plugin has given it up */
  async #ask(
    head: RequestHead,
    ask: () => Promise<ClusterResponse>,
    body?: RequestBody,
  ): Promise<ClusterResponse> {
    try {
      return await ask();
    } catch (error) {
      if (this.#signal.aborted) throw error;
      if (body?.failed) {
        return badRequest(new BadRequest(400, "The request's body broke off, or its chunks are broken"));
      }
      if (error instanceof AppError) this.#context.failed(error);
      return unanswered(error, head.method === "HEAD");
    }
  }
}

/**
 * Reads a head, without the empty line that ends it; undefined at the end of the connection. An empty line before it is
 * passed over (RFC 9112 2.2).
 *
 * @throws BadRequest
 */
async function readHead(input: Input, memory: HostMemory): Promise<string | undefined> {
  const kept = memory.open();
  let counted = SMALL_HEAD;
  try {
    let start = 0;
    let line = 0;
    for (let at = 0;;) {
      const { bytes } = input;
      const end = bytes.indexOf(10, at);
      if ((end < 0 ? bytes.length : end) > LARGEST_HEAD) {
        throw new BadRequest(431, `The request's head has more than ${LARGEST_HEAD} bytes`);
      }
      if (end >= 0) {
        if (bytes[end - 1] !== 13 || end - 1 < line) {
          throw new BadRequest(400, "The request has a line that does not end in CR LF");
        }
        at = end + 1;
        if (end - 1 > line) line = at;
        else if (line === start && start === 0) start = line = at;
        else {
          const text = latin1(bytes.subarray(start, Math.max(start, line - 2)));
          input.take(at);
          return text;
        }
        continue;
      }
      at = bytes.length;
      if (at > counted) {
        if (!memory.fits(at - counted)) {
          throw new BadRequest(503, "The plugin has too many requests whose heads have not come whole");
        }
        kept.grow(at - counted);
        counted = at;
      }
      if (await input.more()) continue;
      if (at === start) return undefined;
      throw new BadRequest(400, "The request ends in the middle of its head");
    }
  } finally {
    kept.end();
  }
}

const BAD_REASONS = {
  400: "BadRequest",
  405: "MethodNotAllowed",
  413: "RequestEntityTooLarge",
  417: "ExpectationFailed",
  431: "RequestHeaderFieldsTooLarge",
  501: "NotImplemented",
  503: "ServiceUnavailable",
  505: "HTTPVersionNotSupported",
} as const;

function badRequest({ status, message }: BadRequest): ClusterResponse {
  return statusResponse({ code: status, reason: BAD_REASONS[status], message });
}

/** The answer to a request that the API server did not answer. */
function unanswered(error: unknown, head: boolean): ClusterResponse {
  const message = error instanceof AppError
    ? printable(error.hint === undefined ? error.message : `${error.message} (${error.hint})`, 1000)
    : printable(messageOf(error), 200);
  const code = error instanceof AppError ? error.code : "INTERNAL";
  if (code === "DESTINATION_REFUSED") {
    return statusResponse({ code: 403, reason: "Forbidden", message }, head);
  }
  if (code === "REQUEST_INVALID") return statusResponse({ code: 400, reason: "BadRequest", message }, head);
  return statusResponse({ code: 502, reason: "BadGateway", message }, head);
}
