import assert from "node:assert/strict";
import {
  isProxyUrl,
  proxyFor,
  userinfoOfProxy,
  usesProxy,
} from "../../../../runtime/kube/http/cluster_proxy.ts";

const HTTPS = new URL("https://api.example.com:6443");
const HTTP = new URL("http://api.example.com");

function proxyIn(env: Record<string, string>, server = HTTPS, own?: string): string | undefined {
  return proxyFor(server, own, env)?.href;
}

Deno.test("the cluster's own proxy-url comes before the environment", () => {
  const env = { HTTPS_PROXY: "http://env:3128", NO_PROXY: "*" };
  assert.equal(proxyIn(env, HTTPS, "socks5://own:1080"), "socks5://own:1080");
});

Deno.test("reads the variable of the server's scheme, upper case first", () => {
  assert.equal(proxyIn({ HTTPS_PROXY: "http://a:1", https_proxy: "http://b:1" }), "http://a:1/");
  assert.equal(proxyIn({ HTTPS_PROXY: "", https_proxy: "http://b:1" }), "http://b:1/");
  assert.equal(proxyIn({ HTTP_PROXY: "http://a:1", ALL_PROXY: "http://b:1" }), undefined);
  assert.equal(proxyIn({ HTTP_PROXY: "http://a:1" }, HTTP), "http://a:1/");
});

Deno.test("ignores HTTP_PROXY in a CGI program, where a request could set it", () => {
  assert.equal(proxyIn({ HTTP_PROXY: "http://a:1", REQUEST_METHOD: "GET" }, HTTP), undefined);
});

Deno.test("a variable without a scheme names an HTTP proxy", () => {
  assert.equal(proxyIn({ HTTPS_PROXY: "proxy:3128" }), "http://proxy:3128/");
  assert.equal(proxyIn({ HTTPS_PROXY: "socks5h://proxy" }), "socks5h://proxy");
});

Deno.test("refuses a variable that is no proxy, without its password", () => {
  for (const value of ["ftp://proxy", "http://jane:s3cr3t%zz@proxy"]) {
    assert.throws(() => proxyIn({ HTTPS_PROXY: value }), (error: Error & { code?: string }) => {
      assert.equal(error.code, "CLUSTER_UNSUPPORTED");
      assert.doesNotMatch(error.message, /s3cr3t/);
      return true;
    }, value);
  }
});

Deno.test("this machine is reached without a proxy", () => {
  for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"]) {
    assert.equal(usesProxy(new URL(`https://${host}:6443`), ""), false, host);
  }
  assert.equal(usesProxy(new URL("https://localhost.example.com"), ""), true);
});

Deno.test("NO_PROXY names hosts with their subdomains, and ports", () => {
  const cases: [noProxy: string, uses: boolean][] = [
    ["*", false],
    ["example.com", false],
    ["API.Example.COM", false],
    [".example.com", false],
    ["*.example.com", false],
    [" other.com , example.com ", false],
    ["example.com:6443", false],
    ["example.com:443", true],
    ["ample.com", true],
    ["x.api.example.com", true],
    [".api.example.com", true],
    ["", true],
    [",", true],
  ];
  for (const [noProxy, uses] of cases) assert.equal(usesProxy(HTTPS, noProxy), uses, noProxy);
  assert.equal(usesProxy(new URL("https://example.com"), "example.com:443"), false, "the default port");
});

Deno.test("NO_PROXY names addresses and ranges of them", () => {
  const cases: [host: string, noProxy: string, uses: boolean][] = [
    ["10.1.2.3", "10.1.2.3", false],
    ["10.1.2.3", "10.1.2.3:6443", false],
    ["10.1.2.3", "10.1.2.4", true],
    ["10.1.2.3", "10.1.0.0/16", false],
    ["10.2.2.3", "10.1.0.0/16", true],
    ["10.1.2.3", "10.1.2.0/30", false],
    ["10.1.2.4", "10.1.2.0/30", true],
    ["10.1.2.3", "10.1.2.0/33", true],
    ["10.1.2.3", "0.0.0.0/0", false],
    ["[fd00::1]", "fd00::/8", false],
    ["[fd00::1]", "fd00:0:0::1", false],
    ["[fd00::1]", "[fd00::1]:6443", false],
    ["[fd00::1]", "[fd00::1]:443", true],
    ["[fd00::1]", "10.0.0.0/8", true],
    ["10.1.2.3", "2.3", true],
    ["api.example.com", "10.0.0.0/8", true],
  ];
  for (const [host, noProxy, uses] of cases) {
    assert.equal(usesProxy(new URL(`https://${host}:6443`), noProxy), uses, `${host} ${noProxy}`);
  }
});

Deno.test("isProxyUrl() accepts the schemes of a kubeconfig only", () => {
  for (const text of ["http://proxy", "https://a:b@proxy:1", "socks5://[::1]:1080"]) {
    assert.ok(isProxyUrl(text), text);
  }
  for (const text of ["socks5h://proxy", "ftp://proxy", "proxy:3128", "http://", "", "http://a:%zz@proxy"]) {
    assert.ok(!isProxyUrl(text), text);
  }
});

Deno.test("userinfoOfProxy() decodes the name and the password", () => {
  assert.deepEqual(userinfoOfProxy(new URL("http://a%40b:c%3Ad@proxy")), {
    username: "a@b",
    password: "c:d",
  });
  assert.deepEqual(userinfoOfProxy(new URL("http://proxy")), { username: "", password: "" });
});
