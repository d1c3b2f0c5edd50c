/**
 * wasi:http 0.2.12 (types, outgoing-handler) over the sandbox's cluster: requests to the API server only.
 * incoming-handler is not supported, because a plugin is a command.
 *
 * It does not use preview2-shim, which calls the global fetch and buffers whole bodies (docs/maintainers/upstream.md,
 * S8).
 */

import { AppError } from "../../base/errors.ts";
import { untilAborted } from "../../kube/http/abort.ts";
import type { Sandbox } from "../../sandbox/types.ts";
import { WasiError } from "../errno.ts";
import { bodyErrorCodeOf, type ErrorCode } from "./http_errors.ts";
import { END, Fields } from "./http_fields.ts";
import { FutureIncomingResponse, FutureTrailers, IncomingBody, IncomingResponse } from "./http_incoming.ts";
import { resetMemory } from "./http_memory.ts";
import {
  OutgoingBody,
  OutgoingRequest,
  OutgoingResponse,
  PARTS,
  RequestOptions,
  SINK,
} from "./http_outgoing.ts";
import { CAUSE, type IoError } from "./io.ts";
import { checkOwn } from "./traps.ts";

// A command never gets one, but imports the resource with the rest of the interface.
class IncomingRequest {}
class ResponseOutparam {
  static set(): never {
    throw new WebAssembly.RuntimeError("it answers a request that it was never given");
  }
}

/** The interfaces by name. The first request calls `sandbox.cluster`. */
export function httpInterfaces(sandbox: Sandbox, refused: (error: AppError) => void) {
  resetMemory();
  const failed = (error: unknown): void => {
    if (error instanceof AppError) refused(error);
  };
  return {
    "wasi:http/types": {
      Fields,
      FutureIncomingResponse,
      FutureTrailers,
      IncomingBody,
      IncomingRequest,
      IncomingResponse,
      OutgoingBody,
      OutgoingRequest,
      OutgoingResponse,
      RequestOptions,
      ResponseOutparam,
      httpErrorCode: ({ [CAUSE]: cause }: IoError): ErrorCode | undefined =>
        cause instanceof WasiError ? undefined : bodyErrorCodeOf(cause),
    },
    "wasi:http/outgoing-handler": {
      handle: (request: OutgoingRequest, options: RequestOptions | undefined) =>
        handle(sandbox, request, options, failed),
    },
  };
}

/** wasi:http/outgoing-handler.handle. `failed` hears of each failure of the request and of its response's body. */
function handle(
  sandbox: Sandbox,
  request: OutgoingRequest,
  options: RequestOptions | undefined,
  failed: (error: unknown) => void,
): FutureIncomingResponse {
  if (options) checkOwn(options, RequestOptions);
  const { body, ...parts } = OutgoingRequest[PARTS](request);
  if (body) sandbox.stdin.share?.();
  const abort = new AbortController();
  // fetch does not report when it has connected, so the connect timeout can't be separate from the answer's.
  const firstByte = options?.firstByteTimeout();
  const limit = firstByte === undefined ? undefined : firstByte + (options!.connectTimeout() ?? 0n);
  const timer = limit === undefined ? undefined : setTimeout(
    () => abort.abort(new DOMException("no answer in time", "TimeoutError")),
    milliseconds(limit),
  );
  const betweenBytes = options?.betweenBytesTimeout();
  const response = sandbox.cluster().then(async (cluster) =>
    new IncomingResponse(
      await cluster.send({
        ...parts,
        ...(body === undefined ? {} : { body: await bodyFor(parts.method, body, abort.signal) }),
        signal: abort.signal,
      }),
      failed,
      betweenBytes === undefined ? undefined : milliseconds(betweenBytes),
    )
  );
  response.catch((error) => {
    body?.[SINK].fail();
    failed(error);
  }).finally(() => {
    clearTimeout(timer);
    request[END]();
  });
  return new FutureIncomingResponse(response, abort);
}

/** Nanoseconds in milliseconds for setTimeout, at most its 24 days. */
function milliseconds(nanoseconds: bigint): number {
  const whole = (nanoseconds + 999_999n) / 1_000_000n;
  return whole > 0x7fffffffn ? 0x7fffffff : Number(whole);
}

/**
 * A body for fetch. A GET's body is read first, because libraries open one and leave it empty. A non-empty one is
 * refused at once, because the plugin's memory limit does not count bytes that are kept here.
 *
 * @throws AppError REQUEST_INVALID; the signal's reason
 */
async function bodyFor(method: string, { [SINK]: sink }: OutgoingBody, signal: AbortSignal) {
  if (!/^(get|head)$/i.test(method)) return sink.stream;
  const end = async () => {
    for await (const chunk of sink.stream) {
      if (chunk.length > 0) {
        throw new AppError("REQUEST_INVALID", `A ${method.toUpperCase()} request has no body`);
      }
    }
  };
  await untilAborted(end(), signal);
  return new Uint8Array();
}
