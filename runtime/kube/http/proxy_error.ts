/** A proxy on the way to the API server, as the cause of a failure. */

import { AppError } from "../../base/errors.ts";

/** A failure of a proxy or on the way to it. Its cause is the original error, if there is one. */
export class ProxyError extends Error {}

/** Wraps the error of a proxy operation. Errors that already say enough stay. */
export function proxyErrorOf(error: unknown): Error {
  if (error instanceof AppError || error instanceof ProxyError) return error;
  return new ProxyError("the way to the proxy failed", { cause: error });
}
