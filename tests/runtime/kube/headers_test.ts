import assert from "node:assert/strict";
import { isWatch } from "../../../runtime/kube/headers.ts";

Deno.test("isWatch() knows a watch by its query, as Go reads booleans, and by its path", () => {
  const of = (path: string) => isWatch(new URL(`https://api.test${path}`));
  for (
    const path of [
      "/api/v1/pods?watch=true",
      "/api/v1/pods?limit=1&watch=1",
      "/api/v1/pods?watch",
      "/api/v1/watch/pods",
    ]
  ) {
    assert.ok(of(path), path);
  }
  for (
    const path of ["/api/v1/pods", "/api/v1/pods?watch=false", "/api/v1/pods?watch=0", "/api/v1/watchers"]
  ) {
    assert.ok(!of(path), path);
  }
});
