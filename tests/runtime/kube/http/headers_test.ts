import assert from "node:assert/strict";
import { isPacked, isWatch, requestHeaders, responseHeaders } from "../../../../runtime/kube/http/headers.ts";
import { USER_AGENT } from "../../../../runtime/base/version.ts";
import { toBytes, toText } from "../../../../runtime/kube/http/header_text.ts";

Deno.test("isWatch() recognises a watch by its query or its path", () => {
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

/** Headers of Kubernetes clients. */
const CLIENTS: readonly (readonly [string, string])[] = [
  ["Accept", "application/json;as=Table"],
  ["Content-Type", "application/apply-patch+yaml"],
  ["User-Agent", "kubectl/v1.37"],
  ["Kubectl-Command", "kubectl apply"],
  ["Kubectl-Session", "1"],
  ["If-None-Match", '"x"'],
  ["Range", "bytes=0-1"],
  ["X-Stream-Protocol-Version", "v4.channel.k8s.io"],
  ["traceparent", "00-1-2-01"],
];

Deno.test("requestHeaders() passes Kubernetes clients' headers and adds the host's", () => {
  const sent = requestHeaders(
    "PATCH",
    [...CLIENTS, ["accept", "application/json"]],
    { disableCompression: false, impersonate: [["impersonate-user", "jane"]] },
    "Bearer user",
  );
  const expected = CLIENTS.map(([name, value]) =>
    name === "User-Agent" ? ["user-agent", `${USER_AGENT} ${value}`] : [name.toLowerCase(), value]
  );
  expected.push(["accept", "application/json"]);
  expected.push(["accept-encoding", "identity"]); // a range
  expected.push(["authorization", "Bearer user"], ["impersonate-user", "jane"]);
  assert.deepEqual(sent, expected);
});

Deno.test("requestHeaders() drops every other header, in any spelling", () => {
  const foreign = [
    ...[
      "Authorization",
      "authorization_",
      "Cookie",
      "Forwarded",
      "Via",
      "X-Forwarded-For",
      "X_Forwarded_For",
    ],
    ...["X-Remote-User", "x_remote_user", "X-Remote-Group", "X-Remote-Extra-Scopes", "Impersonate-Uid"],
    ...["impersonate_user", "IMPERSONATE-GROUP", "Impersonate-Extra-a", "Proxy-Authorization", "Host"],
    ...[
      "Content-Length",
      "Content_Length",
      "Transfer-Encoding",
      "Content-Encoding",
      "Expect",
      "Upgrade",
      "TE",
    ],
    ...["Accept-Encoding", "Connection", "Keep-Alive", "Trailer", "X-Original-URL", "X-Rewrite-URL"],
    ...[
      "X-HTTP-Method-Override",
      "x_http_method_override",
      "X-Method-Override",
      "X-HTTP-Method",
      "X-Real-IP",
    ],
    ...[
      "X-Amzn-Oidc-Identity",
      "X-Auth-Request-User",
      "X-WEBAUTH-USER",
      "X-Scope-OrgID",
      "Origin",
      "Audit-ID",
    ],
    ...["X-Kubernetes-Peer-Proxied", "Sec-WebSocket-Protocol", "Sec-WebSocket-Key", "accept_", "accept."],
  ];
  const sent = requestHeaders(
    "GET",
    foreign.map((name) => [name, "guest"]),
    { disableCompression: false, impersonate: [] },
    undefined,
  );
  assert.deepEqual(sent.map(([name]) => name), ["user-agent", "accept-encoding"]);
  for (const [, value] of sent) assert.notEqual(value, "guest");
});

Deno.test("requestHeaders() refuses two content-types, on which servers disagree", () => {
  const twice = [["Content-Type", "application/json"], [
    "content-type",
    "application/apply-patch+yaml",
  ]] as const;
  assert.throws(
    () => requestHeaders("PATCH", twice, { disableCompression: false, impersonate: [] }, undefined),
    {
      code: "REQUEST_INVALID",
    },
  );
});

Deno.test("responseHeaders() drops the connection's headers and those about compression", () => {
  const headers = [
    ["connection", "close, X-Hop"],
    ["x-hop", "1"],
    ["keep-alive", "timeout=5"],
    ["transfer-encoding", "chunked"],
    ["content-encoding", "gzip"],
    ["content-length", "20"],
    ["content-type", "application/json"],
  ] as const;
  assert.deepEqual(responseHeaders(headers, true), [["content-type", "application/json"]]);
  assert.deepEqual(responseHeaders(headers, false), [
    ["content-encoding", "gzip"],
    ["content-length", "20"],
    ["content-type", "application/json"],
  ], "a plugin that packs by itself unpacks by itself");
});

Deno.test("isPacked() recognises only gzip, in any case, as net/http does", () => {
  for (const value of ["gzip", "GZIP", "gZip"]) assert.ok(isPacked([["content-encoding", value]]), value);
  for (const value of ["gzip, gzip", "gzip,identity", "x-gzip", "identity", "br", ""]) {
    assert.ok(!isPacked([["content-encoding", value]]), value);
  }
  assert.ok(!isPacked([]));
});

Deno.test("header texts are UTF-8; invalid UTF-8 becomes ISO 8859-1", () => {
  for (const text of ["plain", "größe ✓", "日本語", "\u{1f600}", ""]) {
    assert.equal(toText(toBytes(text)), text);
    assert.match(toBytes(text), /^[\0-\xff]*$/);
  }
  assert.equal(toBytes("größe"), "gr\xc3\xb6\xc3\x9fe");
  assert.equal(toText("gr\xf6\xdfe"), "größe");
});
