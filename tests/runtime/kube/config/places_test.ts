/** Lists where a run may connect to, without parsing the kubeconfig. */

import assert from "node:assert/strict";
import { mayUseProxy, placeOfText, placesNamed } from "../../../../runtime/kube/config/places.ts";

const named = async (text: string, env: Record<string, string> = {}, server?: string) =>
  (await placesNamed(new Map([["/k/config", text]]), server === undefined ? {} : { server }, env))
    .map(({ hostname, port }) => `${hostname} ${port}`);

const plain = (...urls: string[]) =>
  `clusters:\n${urls.map((url) => `- cluster:\n    server: ${url}\n  name: x\n`).join("")}`;

Deno.test("placeOfText() returns host and port as kubectl parses them", () => {
  const place = (text: string) => {
    const found = placeOfText(text);
    return found && `${found.hostname} ${found.port}`;
  };
  assert.equal(place("https://a.example"), "a.example 443");
  assert.equal(place("http://10.0.0.1/k8s/x"), "10.0.0.1 80");
  assert.equal(place("https://[fd00::1]:6443"), "fd00::1 6443");
  assert.equal(place("localhost:8080"), "localhost 8080");
  assert.equal(place("socks5://proxy"), "proxy 1080");
  assert.equal(place("https://user:word@proxy:3128"), "proxy 3128");
  assert.equal(place("gopher://x"), undefined);
  assert.equal(place("://"), undefined);
});

Deno.test("placesNamed() finds servers and proxies in usual notations", async () => {
  assert.deepEqual(await named(""), []);
  assert.deepEqual(
    await named(plain("https://a:6443", `"https://b"`, `'https://c:1' # mine`, "https://a:6443")),
    [
      "a 6443",
      "b 443",
      "c 1",
    ],
  );
  assert.deepEqual(
    await named(
      "clusters:\n- cluster:\n    proxy-url: socks5://p:1080\n    server: https://x\n    tls-server-name: y\n  name: z\n",
    ),
    ["p 1080", "x 443"],
  );
});

Deno.test("placesNamed() parses unusual notations", async () => {
  const cluster = { server: "https://x:1", "proxy-url": "http://p:2" };
  const expected = ["x 1", "p 2"];
  assert.deepEqual(await named(JSON.stringify({ clusters: [{ name: "c", cluster }] })), expected);
  assert.deepEqual(
    await named(`clusters: [{name: c, cluster: {server: 'https://x:1', proxy-url: 'http://p:2'}}]`),
    expected,
  );
  assert.deepEqual(
    await named(
      `clusters:\n- name: c\n  cluster:\n    server: >-\n      https://x:1\n    proxy-url: "http\\x3a//p:2"\n`,
    ),
    expected,
  );
  assert.deepEqual(await named("server: [broken"), []);
});

Deno.test("placesNamed() includes flags, environment proxies and the Pod's cluster", async () => {
  assert.deepEqual(await named(plain("https://a"), {}, "https://b:8443"), ["a 443", "b 8443"]);
  assert.deepEqual(
    await named("", { HTTPS_PROXY: "proxy:3128", http_proxy: "http://other", HTTP_PROXY: "" }),
    [
      "proxy 3128",
      "other 80",
    ],
  );
  const flags = { proxyUrl: "socks5://p" };
  assert.deepEqual(await placesNamed(new Map(), flags, {}), [{ hostname: "p", port: 1080 }]);
  const pod = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
  assert.deepEqual(await named("", pod), ["fd00::1 443"]);
});

Deno.test("mayUseProxy() is true if anything names a proxy", () => {
  const texts = (text: string) => new Map([["/k", text]]);
  assert.equal(mayUseProxy(texts(plain("https://a")), {}, {}), false);
  assert.equal(mayUseProxy(texts("    proxy-url: http://p"), {}, {}), true);
  assert.equal(mayUseProxy(texts(String.raw`"proxy\x2durl": http://p`), {}, {}), true);
  assert.equal(mayUseProxy(new Map(), { proxyUrl: "http://p" }, {}), true);
  assert.equal(mayUseProxy(new Map(), {}, { https_proxy: "x" }), true);
});
