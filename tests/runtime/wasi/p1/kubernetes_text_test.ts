/** Requests and answers of krew_wasm_kubernetes as text. */

import assert from "node:assert/strict";
import { checkPath, headOf, parseHeaders } from "../../../../runtime/wasi/p1/kubernetes_text.ts";
import { errnoOf } from "../../../support/file_trees.ts";

Deno.test("parseHeaders() reads lines with names, colons and values", () => {
  assert.deepEqual(parseHeaders("Accept: text/plain \r\nX-A:1\n\nEmpty:\n"), [
    ["Accept", "text/plain"],
    ["X-A", "1"],
    ["Empty", ""],
  ]);
  assert.deepEqual(parseHeaders(""), []);
});

Deno.test("parseHeaders() refuses a line without a name", () => {
  for (const text of ["no colon", ": value", "A: 1\nB"]) {
    assert.equal(errnoOf(() => parseHeaders(text)), "invalid", text);
  }
});

Deno.test("headOf() has the status, then a line for each header", () => {
  const text = new TextDecoder().decode(headOf(200, [["Content-Type", "a/b"], ["X", "1"]]));
  assert.equal(text, "200\nContent-Type: a/b\nX: 1\n");
});

Deno.test("checkPath() refuses a URL, so that no request leaves the cluster", () => {
  checkPath("/api/v1/pods");
  for (const path of ["https://evil.test/", "api/v1", "", " /api"]) {
    assert.throws(() => checkPath(path), { code: "REQUEST_INVALID" }, path);
  }
});
