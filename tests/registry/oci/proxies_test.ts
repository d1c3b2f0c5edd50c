import assert from "node:assert/strict";
import { registryProxy } from "../../../registry/oci/proxies.ts";

const proxyOf = (server: string, env: Record<string, string>) =>
  registryProxy(new URL(server), (name) => env[name])?.url.href;

Deno.test("registryProxy() reads the scheme's variable, else ALL_PROXY", () => {
  const all = { HTTPS_PROXY: "http://a:1", HTTP_PROXY: "http://b:2", ALL_PROXY: "socks5://c:3" };
  assert.equal(proxyOf("https://r.example", all), "http://a:1/");
  assert.equal(proxyOf("http://r.example", all), "http://b:2/");
  assert.equal(proxyOf("https://r.example", { all_proxy: "socks5h://c:3" }), "socks5h://c:3");
  assert.equal(proxyOf("https://r.example", { https_proxy: "a:1" }), "http://a:1/");
  assert.equal(proxyOf("https://r.example", { HTTPS_PROXY: " http://u:p@a:1 " }), "http://u:p@a:1/");
  assert.equal(proxyOf("https://r.example", { HTTP_PROXY: "http://b:2" }), undefined);
  assert.equal(proxyOf("http://r.example", { HTTP_PROXY: "http://b:2", REQUEST_METHOD: "GET" }), undefined);
  assert.equal(proxyOf("https://r.example", { HTTPS_PROXY: "" }), undefined);
});

Deno.test("registryProxy() honors NO_PROXY in all its spellings", () => {
  const direct = (noProxy: string, server: string) =>
    proxyOf(server, { HTTPS_PROXY: "http://a:1", NO_PROXY: noProxy }) === undefined;
  for (
    const [noProxy, server] of [
      ["*", "https://r.example"],
      ["*", "https://10.0.0.1"],
      ["r.example", "https://r.example"],
      ["example", "https://r.example"],
      [".example", "https://r.example"],
      ["*.example", "https://r.example"],
      ["R.EXAMPLE", "https://r.example"],
      ["r.example.", "https://r.example"],
      ["r.example", "https://r.example./"],
      [".example.", "https://r.example./"],
      ["r.example:443", "https://r.example"],
      ["r.example.:443", "https://r.example"],
      ["*.example:443", "https://r.example"],
      ["r.example:5000", "https://r.example:5000"],
      ["a.test , r.example", "https://r.example"],
      ["10.0.0.0/8", "https://10.1.2.3:5000"],
      ["[fd00::1]:5000", "https://[fd00::1]:5000"],
      ["fd00::/8", "https://[fd00::1]"],
    ] as const
  ) assert.equal(direct(noProxy, server), true, `${noProxy} ${server}`);
  for (
    const [noProxy, server] of [
      ["", "https://r.example"],
      ["*.example", "https://example"],
      [".example", "https://example"],
      ["r.example:5000", "https://r.example"],
      ["r.example:443", "https://r.example:5000"],
      ["xample", "https://r.example"],
      ["r.example.com", "https://r.example"],
      ["10.0.0.0/8", "https://11.0.0.1"],
    ] as const
  ) assert.equal(direct(noProxy, server), false, `${noProxy} ${server}`);
});

Deno.test("registryProxy() refuses an invalid proxy without showing its password", () => {
  for (
    const text of [
      "http://[bad",
      "ftp://a:1",
      "http://",
      "socks4://a",
      "http://u:s3cret@:x",
      "a b",
      "http:a:1",
      "http:/a:1",
      "http://me%zz:s3cret@a:1",
      '"http://a:1"',
      "'http://a:1'",
      "''",
    ]
  ) {
    assert.throws(
      () => proxyOf("https://r.example", { HTTPS_PROXY: text }),
      ({ code, message, hint }: { code: string; message: string; hint: string }) => {
        assert.equal(code, "REGISTRIES_INVALID", text);
        assert.match(message, /^HTTPS_PROXY names no/);
        assert.match(hint, /NO_PROXY=r\.example/);
        return !message.includes("s3cret");
      },
      text,
    );
  }
});
