/** wasi:http's error-codes for failures of the cluster. */

import assert from "node:assert/strict";
import { AppError } from "../../../../runtime/base/errors.ts";
import { bodyErrorCodeOf, errorCodeOf } from "../../../../runtime/wasi/p2/http_errors.ts";

const timeout = new Error("outer", { cause: new DOMException("no answer in time", "TimeoutError") });

Deno.test("a failure of the cluster has wasi:http's code for it", () => {
  for (
    const [code, tag] of [
      ["DESTINATION_REFUSED", "HTTP-request-denied"],
      ["CLUSTER_TLS", "TLS-certificate-error"],
      ["CLUSTER_UNREACHABLE", "connection-refused"],
    ] as const
  ) {
    assert.deepEqual(errorCodeOf(new AppError(code, "why")), { tag });
    assert.deepEqual(bodyErrorCodeOf(new AppError(code, "why")), { tag });
  }
});

Deno.test("any other failure tells its message", () => {
  const other = new AppError("CREDENTIALS_FAILED", "no token");
  assert.deepEqual(errorCodeOf(other), { tag: "internal-error", val: "no token" });
  assert.deepEqual(errorCodeOf(new Error("odd")), { tag: "internal-error", val: "odd" });
});

Deno.test("a time limit is found below other errors, of an answer and of a body", () => {
  assert.deepEqual(errorCodeOf(timeout), { tag: "connection-timeout" });
  assert.deepEqual(bodyErrorCodeOf(timeout), { tag: "connection-read-timeout" });
});

Deno.test("a body that breaks off is a terminated connection", () => {
  assert.deepEqual(bodyErrorCodeOf(new Error("reset")), { tag: "connection-terminated" });
});
