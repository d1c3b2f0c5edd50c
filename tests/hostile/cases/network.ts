import assert from "node:assert/strict";
import type { Case, Group } from "../case.ts";

const ok = '200 {"major":"1","minor":"37","gitVersion":"v1.37.0-demo"}';

/** Requests that no server may receive. */
function nowhere(tries: string, urls: readonly string[], more: Partial<Case> = {}): Case {
  return {
    tries,
    network: true,
    attack: urls.flatMap((url) => ["request", "get", url, "", ","]),
    sees: urls.map(() => "destination-not-allowed").join("; "),
    shown: "destination not allowed; nothing is sent",
    ...more,
  };
}

/** A request whose received headers are checked. */
function header(
  tries: string,
  headers: readonly string[],
  check: (headers: Headers, token: string) => void,
): Case {
  return {
    tries,
    network: true,
    attack: ["request", "get", "$SERVER/version", "", ...headers],
    requests: ["GET /version"],
    sees: ok,
    shown: "an answer to a request without this header",
    check: ({ api }) => check(api.seen.at(-1)!.headers, api.token),
  };
}

/** Reaching other hosts, and impersonating other users of the cluster. */
export const NETWORK: Group = {
  title: "the network",
  cases: [
    nowhere("reach the metadata address of a cloud", [
      ...[
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "http://[fd00:ec2::254]/",
        "http://[::ffff:169.254.169.254]/",
      ],
      ...["http://metadata.google.internal/", "http://2852039166/", "http://0xa9.0xfe.0xa9.0xfe/"],
    ]),
    nowhere("reach another service of this machine", [
      "http://$DECOY/",
      "https://$DECOY/",
      "http://localhost:$DECOYPORT/",
      "http://0:$DECOYPORT/",
    ]),
    nowhere("reach the API server's other ports, or without TLS", [
      "https://127.0.0.1/version",
      "http://127.0.0.1:$PORT/version",
      "https://127.0.0.1:1$PORT/version",
    ]),
    nowhere("reach the API server under other names", [
      "https://localhost:$PORT/version",
      "https://127.1.0.0:$PORT/version",
      "https://[::1]:$PORT/version",
    ]),
    nowhere("pass another host off as the API server", [
      ...[
        "https://127.0.0.1:$PORT@$DECOY/version",
        "https://$DECOY/#@127.0.0.1:$PORT/",
        "https://127.0.0.1:$PORT.evil.test/version",
      ],
      ...["https://$DECOY\\@127.0.0.1:$PORT/version", "//$DECOY/version"],
    ], {
      sees:
        "destination-not-allowed; destination-not-allowed; destination-not-allowed; destination-not-allowed; invalid-url",
    }),
    nowhere("use another scheme", [
      "file:///etc/passwd",
      "ftp://127.0.0.1:$PORT/",
      "data:text/plain,x",
      "ws://127.0.0.1:$PORT/",
      "blob:x",
    ], { sees: "invalid-url; invalid-url; invalid-url; invalid-url; invalid-url" }),
    {
      tries: "follow the API server's redirect elsewhere",
      network: true,
      attack: ["request", "get", "$SERVER/redirect", ""],
      prepare: (stage) => {
        stage.api.hook = (_, url) =>
          url.pathname === "/redirect"
            ? new Response(null, {
              status: 302,
              headers: { location: stage.expand("http://$DECOY/latest/meta-data/") },
            })
            : undefined;
      },
      check: ({ api }) => {
        api.hook = undefined;
      },
      requests: ["GET /redirect"],
      sees: "302",
      shown: "the redirect; it is not followed",
    },
    header(
      "be somebody else: Impersonate-User, -Group, -Uid, -Extra",
      [
        ...[
          "Impersonate-User",
          "admin",
          "impersonate-group",
          "system:masters",
          "Impersonate-Uid",
          "0",
          "IMPERSONATE-EXTRA-scopes",
          "x",
        ],
      ],
      (headers) => assert.deepEqual([...headers.keys()].filter((name) => name.startsWith("impersonate")), []),
    ),
    header("be somebody else: Authorization", [
      "Authorization",
      "Bearer guest",
      "authorization",
      "Basic Z3Vlc3Q=",
    ], (headers, token) => assert.equal(headers.get("authorization"), `Bearer ${token}`)),
    header("be somebody else: a front proxy's headers", [
      ...[
        "X-Remote-User",
        "admin",
        "X-Remote-Group",
        "system:masters",
        "X-Forwarded-For",
        "10.0.0.1",
        "Forwarded",
        "for=10.0.0.1",
        "Cookie",
        "a=b",
      ],
    ], (headers) => {
      for (const name of headers.keys()) {
        assert.doesNotMatch(name, /^(x-remote|x-forwarded|forwarded|cookie)/);
      }
    }),
    header("be somebody else, in other spellings", [
      ...["impersonate_user", "admin", "IMPERSONATE_GROUP", "system:masters", "x_remote_user", "admin"],
      ...["X_Remote_Group", "system:masters", "x_forwarded_for", "10.0.0.1", "X-Real-IP", "10.0.0.1"],
      ...["X-WEBAUTH-USER", "admin", "X-Auth-Request-User", "admin", "X-Amzn-Oidc-Identity", "admin"],
    ], (headers) => {
      for (const [name, value] of headers) assert.doesNotMatch(value, /admin|masters|10\.0\.0\.1/, name);
    }),
    header("send a path that a proxy reads differently", [
      ...[
        "X-Original-URL",
        "/api/v1/secrets",
        "X-Rewrite-URL",
        "/api/v1/secrets",
        "X_Original_URL",
        "/admin",
      ],
      ...["X-Forwarded-Prefix", "/admin", "X-Forwarded-Host", "evil.test", "Audit-ID", "/admin"],
    ], (headers) => {
      for (const [name, value] of headers) assert.doesNotMatch(value, /secrets|admin|evil/, name);
    }),
    nowhere("be somebody else by the query", [
      "$SERVER/version?access_token=guest",
      "$SERVER/version?a=b&Access%5fToken=guest",
      "$SERVER/version?a;access_token=guest",
    ]),
    header("change how the request is framed", [
      ...[
        "Transfer-Encoding",
        "chunked",
        "Content-Length",
        "5",
        "Connection",
        "x-hidden",
        "Host",
        "evil.test",
        "Expect",
        "100-continue",
        "Upgrade",
        "h2c",
      ],
    ], (headers) => {
      assert.equal(headers.get("transfer-encoding"), null);
      assert.match(headers.get("host")!, /^127\.0\.0\.1:/);
      assert.equal(headers.get("upgrade"), null);
    }),
    {
      tries: "smuggle a header in another's value",
      network: true,
      attack: [
        ...["request", "get", "$SERVER/version", "", "X-A", "a\r\nImpersonate-User: admin", ","],
        ...["request", "get", "$SERVER/version", "", "X-A: b\r\nImpersonate-User", "admin", ","],
        ...["request", "get", "$SERVER/version", "", "X-A", "a\nImpersonate-User: admin"],
      ],
      sees: "request-error; request-error; request-error",
      shown: "an error; nothing is sent",
    },
    {
      tries: "smuggle a request in the URL",
      network: true,
      attack: ["request", "get", "$SERVER/version HTTP/1.1\r\nImpersonate-User: admin\r\n\r\nGET /", ""],
      putRight: ["GET /version%20HTTP/1.1Impersonate-User:%20adminGET%20/"],
      check: ({ api }) => assert.equal(api.seen.at(-1)?.headers.get("impersonate-user") ?? null, null),
      sees: "destination-not-allowed",
      shown: "an error; nothing is sent",
    },
    {
      tries: "use a method that proxies understand",
      network: true,
      attack: ["request", "connect", "$SERVER/version", ""],
      sees: "request-error",
      shown: "an error; nothing is sent",
    },
  ],
};
