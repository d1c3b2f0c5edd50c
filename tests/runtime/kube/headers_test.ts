import assert from "node:assert/strict";
import { isWatch, requestHeaders, responseHeaders } from "../../../runtime/kube/headers.ts";

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

Deno.test("requestHeaders() leaves out what proxies and the API server take for the host's word", () => {
  const foreign = [
    ...[
      "Authorization",
      "Cookie",
      "Forwarded",
      "Via",
      "X-Forwarded-For",
      "X-Remote-Group",
      "Impersonate-Uid",
    ],
    ...["Proxy-Authorization", "Host", "Content-Length", "Expect", "Accept-Encoding", "Upgrade", "TE"],
  ];
  const sent = requestHeaders(
    "GET",
    [...foreign.map((name) => [name, "guest"] as const), ["X-Mine", "a"], ["x-mine", "b"]],
    { disableCompression: false, impersonate: [["impersonate-user", "jane"]] },
    "Bearer user",
  );
  assert.deepEqual([...sent].filter(([name]) => name !== "user-agent"), [
    ["accept-encoding", "gzip"],
    ["authorization", "Bearer user"],
    ["impersonate-user", "jane"],
    ["x-mine", "a, b"],
  ]);
});

Deno.test("responseHeaders() leaves out what belongs to the connection, and what was true of a packed body", () => {
  const headers = [
    ["Connection", "close, X-Hop"],
    ["X-Hop", "1"],
    ["Keep-Alive", "timeout=5"],
    ["Transfer-Encoding", "chunked"],
    ["Content-Encoding", "gzip"],
    ["Content-Length", "20"],
    ["Content-Type", "application/json"],
  ] as const;
  assert.deepEqual(responseHeaders(headers, true), [["content-type", "application/json"]]);
  assert.deepEqual(responseHeaders(headers, false), [
    ["content-encoding", "gzip"],
    ["content-length", "20"],
    ["content-type", "application/json"],
  ], "a plugin that packs by itself unpacks by itself");
});
