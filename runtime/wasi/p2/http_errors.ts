/** wasi:http/types.error-code for failures of the cluster. */

import { AppError, messageOf } from "../../base/errors.ts";

/** An error-code. */
export type ErrorCode = { tag: string; val?: unknown };

/** The error-code of a cluster error. */
export function errorCodeOf(error: unknown): ErrorCode {
  if (isTimeout(error)) return { tag: "connection-timeout" };
  if (!(error instanceof AppError)) return { tag: "internal-error", val: messageOf(error) };
  switch (error.code) {
    case "DESTINATION_REFUSED":
      return { tag: "HTTP-request-denied" };
    case "CLUSTER_TLS":
      return { tag: "TLS-certificate-error" };
    case "CLUSTER_UNREACHABLE":
      return { tag: "connection-refused" };
    default:
      return { tag: "internal-error", val: error.message };
  }
}

/** The error-code of a body stream's error. */
export function bodyErrorCodeOf(error: unknown): ErrorCode {
  if (isTimeout(error)) return { tag: "connection-read-timeout" };
  return error instanceof AppError ? errorCodeOf(error) : { tag: "connection-terminated" };
}

/** Whether a time limit ended it, the plugin's or the user's. */
function isTimeout(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 6; cause = cause.cause, depth++) {
    if (cause instanceof DOMException && cause.name === "TimeoutError") return true;
  }
  return false;
}
