/** Answers for the API server: the `Status` that the server itself sends, so that client libraries show it well. */

import type { ClusterResponse } from "../cluster.ts";

/** A failure in the terms of apimachinery's metav1.Status. */
export interface Failure {
  readonly code: number;
  /** `Forbidden`, `UnsupportedMediaType`, … */
  readonly reason: string;
  readonly message: string;
  readonly details?: Readonly<Record<string, string>>;
}

/** @param head whether the method is HEAD, whose response has no body */
export function statusResponse(
  { code, reason, message, details = {} }: Failure,
  head = false,
): ClusterResponse {
  const status = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    details,
    code,
  };
  const bytes = new TextEncoder().encode(`${JSON.stringify(status)}\n`);
  return {
    status: code,
    headers: [
      ["cache-control", "no-cache, private"],
      ["content-length", String(bytes.length)],
      ["content-type", "application/json"],
      ["x-content-type-options", "nosniff"],
    ],
    body: head ? null : new Blob([bytes]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>,
  };
}
