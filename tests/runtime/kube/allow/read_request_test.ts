import assert from "node:assert/strict";
import { requestReader } from "../../../../runtime/kube/allow/read_request.ts";

const read = requestReader("https://api.test/prefix/");

Deno.test("a request is read below the server's own path", () => {
  const { method, path, info, query } = read({
    method: "patch",
    url: "/api/v1/namespaces/a/pods/b?force=true",
  });
  assert.deepEqual([method, path], ["PATCH", "/api/v1/namespaces/a/pods/b"]);
  assert.deepEqual([info.verb, info.resource, info.name], ["patch", "pods", "b"]);
  assert.deepEqual([...query], [["force", ["true"]]]);
});

Deno.test("another destination, and what the server would not understand, are errors", () => {
  assert.throws(() => read({ method: "GET", url: "https://other.test/api/v1/pods" }), {
    code: "DESTINATION_REFUSED",
  });
  for (const method of ["DELETE", "POST"]) {
    for (const url of ["/api/v1/watch/pods", "/api/v1/proxy/nodes/n"]) {
      assert.throws(() => read({ method, url }), { code: "REQUEST_INVALID" }, `${method} ${url}`);
    }
  }
});
