/** A proxy on the way to the API server, as the cause of a failure. */

import { AppError } from "../../base/errors.ts";

/** What a proxy has done, or what went wrong on the way to it: then the error of that is the cause. */
export class ProxyError extends Error {}

/** The error of something done with a proxy; errors that say enough stay. */
export function proxyErrorOf(error: unknown): Error {
  if (error instanceof AppError || error instanceof ProxyError) return error;
  return new ProxyError("the way to the proxy failed", { cause: error });
}
