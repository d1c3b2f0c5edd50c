import assert from "node:assert/strict";
import { fc } from "../../../support/fuzz.ts";
import { destinationOf } from "../../../../runtime/kube/allow/destination.ts";

const SERVER = "https://api.example:6443";
const PREFIXED = "https://rancher.example/k8s/clusters/c-1";

Deno.test("destinationOf() resolves paths below the server's own", () => {
  assert.equal(
    destinationOf(SERVER, "/api/v1/pods?watch=1").href,
    "https://api.example:6443/api/v1/pods?watch=1",
  );
  assert.equal(destinationOf(PREFIXED, "/api").href, "https://rancher.example/k8s/clusters/c-1/api");
  assert.equal(destinationOf(SERVER, "/").href, "https://api.example:6443/");
  assert.equal(
    destinationOf(SERVER, "/api/v1/namespaces/a/configmaps/x%20y").pathname,
    "/api/v1/namespaces/a/configmaps/x%20y",
  );
  assert.equal(destinationOf(SERVER, "/a?q=%2F..%2F&r=//x").search, "?q=%2F..%2F&r=//x");
  assert.equal(destinationOf(SERVER, "/version#fragment").href, "https://api.example:6443/version");
});

Deno.test("destinationOf() accepts absolute URLs of exactly the server", () => {
  for (const url of [`${SERVER}/api`, "https://API.example:6443/api", "HTTPS://api.example:6443/api"]) {
    assert.equal(destinationOf(SERVER, url).href, `${SERVER}/api`);
  }
  assert.equal(
    destinationOf("https://api.example", "https://api.example:443/api").href,
    "https://api.example/api",
  );
  assert.equal(destinationOf("https://[::1]:6443", "https://[::1]:6443/api").href, "https://[::1]:6443/api");
  assert.equal(destinationOf(PREFIXED, `${PREFIXED}/api`).href, `${PREFIXED}/api`);
  assert.equal(destinationOf(SERVER, SERVER).href, `${SERVER}/`);
});

Deno.test("destinationOf() refuses every other place and names it", () => {
  const refused: [server: string, asked: string][] = [
    ...[
      "https://evil.example/api",
      "http://api.example:6443/api",
      "https://api.example/api",
      "https://api.example:6444/api",
      "https://api.example:6443@evil.example/",
      "https://user:pw@api.example:6443/",
      "https://api@evil",
      "https://api.example.evil:6443/",
      "https://api.example.:6443/api",
      "https:/api.example:6443/api",
      "https:\\\\api.example:6443\\api",
      "https://api.example:6443\\@evil/",
      "//evil.example/api",
      "/\\evil.example",
      "https://evil.example\t/",
      "https://api.example:6443/a\nb",
      "ftp://api.example:6443/",
      "file:///etc/passwd",
      "data:text/plain,x",
      "",
      "api/v1",
      "?x",
      "https://169.254.169.254/latest/meta-data/",
      "https://",
      "javascript:1",
      "https://api.example:6443:80/",
      "https://ａpi.example:6443/",
      "https://api.example:6443/api/../version",
      "https://api.example:6443/api/%2e%2e/version",
    ].map((asked): [string, string] => [SERVER, asked]),
    ...[
      "/..",
      "/../x",
      "/api/../../x",
      "/api/%2e%2e/x",
      "/api/..%2fx",
      "/api/%2E./x",
      "/a%2f..%2fb",
      "/a%5c..%5cb",
      "/a%00b",
      "//x",
      "/a//b",
      "/./a",
    ]
      .map((asked): [string, string] => [PREFIXED, asked]),
    ...[
      "https://rancher.example/",
      "https://rancher.example/k8s",
      "https://rancher.example/k8s/clusters/c-10/api",
      "https://rancher.example/k8s/clusters/c-1/../c-2/api",
      "https://rancher.example/k8s/clusters/c-1/%2e%2e/c-2",
    ]
      .map((asked): [string, string] => [PREFIXED, asked]),
    ["https://127.0.0.1:6443", "https://2130706433:6443/"],
    ["https://127.0.0.1:6443", "https://0x7f.1:6443/"],
    ["https://127.0.0.1:6443", "https://127.1:6443/"],
    ["https://127.0.0.1:6443", "https://[::ffff:127.0.0.1]:6443/"],
    ["https://127.0.0.1:6443", "https://localhost:6443/"],
  ];
  for (const [server, asked] of refused) {
    assert.throws(
      () => destinationOf(server, asked),
      { code: "DESTINATION_REFUSED" },
      `${server} <- ${JSON.stringify(asked)}`,
    );
  }
});

Deno.test("destinationOf() keeps the kubeconfig's path and checks the rest", () => {
  assert.equal(destinationOf("https://h/a%5Cb", "/x").pathname, "/a%5Cb/x");
  assert.equal(destinationOf("https://h/a%5Cb", "https://h/a%5Cb/x").pathname, "/a%5Cb/x");
  for (const asked of ["/x%5Cy", "https://h/a%5Cb/x%2Fy", "https://h/a%5C", "https://h/a/b/x"]) {
    assert.throws(() => destinationOf("https://h/a%5Cb", asked), { code: "DESTINATION_REFUSED" }, asked);
  }
});

Deno.test("destinationOf() never leaves the server's origin and prefix", () => {
  const piece = fc.constantFrom(
    ..."/ // .. . %2e %2E%2e %2f %5c \\ @ : ? # https:// http:// api.example:6443 evil.example rancher.example k8s clusters c-1 \t \n \0 a"
      .split(" "),
  );
  const check = (server: string) =>
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
        let url: URL;
        try {
          url = destinationOf(server, pieces.join(""));
        } catch (error) {
          assert.equal((error as { code?: string }).code, "DESTINATION_REFUSED");
          return;
        }
        const base = new URL(server);
        assert.equal(url.origin, base.origin);
        assert.equal(url.username + url.password, "");
        assert.ok(
          decodeURIComponent(url.pathname).split(/[\\/]/).every((name) => name !== ".." && name !== "."),
        );
        assert.ok(base.pathname === "/" || `${url.pathname}/`.startsWith(`${base.pathname}/`), url.href);
      }),
      { numRuns: 3000 },
    );
  check(SERVER);
  check(PREFIXED);
});
