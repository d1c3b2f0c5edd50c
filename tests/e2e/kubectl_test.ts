/**
 * A plugin reaches the servers that kubectl reaches, as the same user. If kubectl fails, the plugin fails for the
 * same reason.
 */

import assert from "node:assert/strict";
import { hasIpv6, status, TestApiServer } from "../../scripts/servers/api_server.ts";
import { Authority, type Pair, sec1Of } from "../../scripts/servers/certificates.ts";
import { ControlPlane, controlPlaneMissing } from "../support/envtest.ts";
import { clangMissing } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";
import { TestProxy } from "../support/proxy.ts";
import { type Result, SideBySide, type Situation } from "../support/side_by_side.ts";

const ignore = clangMissing() || controlPlaneMissing();

interface Case extends Situation {
  readonly name: string;
  /** The result of both. */
  readonly result: Result;
  /** The plugin's different result, and why it is right. */
  readonly differs?: readonly [result: Result, why: string];
}

const b64 = (text: string) => btoa(text);
const EXEC = "client.authentication.k8s.io/v1";

interface Stage {
  readonly api: TestApiServer;
  readonly it: SideBySide;
  /** A kubeconfig with one cluster and user; the given fields replace or extend the usual ones. */
  readonly config: (user?: object, cluster?: object, context?: object) => Record<string, unknown>;
}

async function stage(options: Parameters<typeof TestApiServer.start>[0] = {}) {
  const api = await TestApiServer.start(options);
  // The server accepts everybody; the test compares the users that requests name.
  api.hook = () => Response.json({ major: "1" });
  const it = await SideBySide.start(api);
  const ca = { "certificate-authority-data": b64(api.authority.cert) };
  const config = (user: object = { token: "t0ken" }, cluster: object = {}, context: object = {}) => ({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "x",
    clusters: [{
      name: "c",
      cluster: {
        server: api.server,
        ...("certificate-authority" in cluster || "insecure-skip-tls-verify" in cluster ? {} : ca),
        ...cluster,
      },
    }],
    users: [{ name: "u", user }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u", ...context } }],
  });
  return {
    api,
    it,
    config,
    async [Symbol.asyncDispose]() {
      it[Symbol.dispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

async function check({ it }: Stage, cases: readonly Case[], t: Deno.TestContext): Promise<void> {
  for (const { name, result, differs, ...situation } of cases) {
    await t.step(name, async () => {
      const { kubectl, plugin, said } = await it.compare(situation);
      assert.equal(kubectl.result, result, `kubectl's result is another: ${said}`);
      if (differs) {
        assert.equal(plugin.result, differs[0], said);
        return;
      }
      assert.deepEqual(plugin, kubectl, said);
    });
  }
}

testBinary("users: every credential that a kubeconfig can hold", { ignore }, async (t) => {
  await using it = await stage();
  const { config } = it;
  const exec = (fields: object, script?: string): Pick<Case, "config" | "files"> => ({
    config: config({ exec: { apiVersion: EXEC, command: "./login", interactiveMode: "Never", ...fields } }),
    ...(script === undefined ? {} : { files: { ".kube/login": `#!/bin/sh\n${script}\n` } }),
  });
  const prints = (status: object, apiVersion = EXEC) =>
    `echo '${JSON.stringify({ apiVersion, kind: "ExecCredential", status })}'`;
  await check(it, [
    { name: "token", config: config(), result: "reached" },
    {
      name: "tokenFile beside the kubeconfig",
      config: config({ tokenFile: "tok" }),
      files: { ".kube/tok": "fr0m-file\n" },
      result: "reached",
    },
    {
      name: "tokenFile goes before token",
      config: config({ token: "a", tokenFile: "tok" }),
      files: { ".kube/tok": "b" },
      result: "reached",
    },
    {
      name: "tokenFile that is gone, with a token",
      config: config({ token: "a", tokenFile: "gone" }),
      result: "reached",
    },
    {
      name: "tokenFile that is gone",
      config: config({ tokenFile: "gone" }),
      result: "kubeconfig",
      differs: ["credentials", "it may come while a plugin runs"],
    },
    {
      name: "username and password",
      config: config({ username: "jane", password: "pä:ss" }),
      result: "reached",
    },
    {
      name: "token and username",
      config: config({ token: "a", username: "jane", password: "b" }),
      result: "kubeconfig",
    },
    {
      name: "tokenFile and username",
      config: config({ tokenFile: "tok", username: "jane" }),
      files: { ".kube/tok": "b" },
      result: "kubeconfig",
    },
    {
      name: "user and password in the server's URL",
      config: config({ "client-key-data": "" }, { server: it.api.server.replace("//", "//jane:pw@") }),
      args: ["--user=u", "--token=x"],
      result: "reached",
    },
    {
      name: "impersonation, of every kind",
      config: config({
        token: "a",
        as: "eve",
        "as-uid": "7",
        "as-groups": ["g1", "g2"],
        "as-user-extra": { "x.io/y z": ["1", "2"], plain: ["3"] },
      }),
      result: "reached",
    },
    {
      name: "impersonating a group without a user",
      config: config({ token: "a", "as-groups": ["g"] }),
      result: "kubeconfig",
    },
    {
      name: "client key without certificate",
      config: config({ token: "a", "client-key-data": b64("x") }),
      result: "reached",
    },
    {
      name: "client certificate without key",
      config: config({ "client-certificate-data": b64("-----BEGIN CERTIFICATE-----") }),
      result: "kubeconfig",
    },
    {
      name: "client certificate file that is gone",
      config: config({ "client-certificate": "gone", "client-key": "gone" }),
      result: "kubeconfig",
    },
    {
      name: "client certificate as data and as file",
      config: config({ "client-certificate": "c", "client-certificate-data": b64("x"), "client-key": "c" }),
      files: { ".kube/c": "x" },
      result: "kubeconfig",
    },
    {
      name: "client certificate that is none",
      config: config({ "client-certificate-data": b64("x"), "client-key-data": b64("y") }),
      result: "kubeconfig",
    },
    { name: "auth-provider gcp", config: config({ "auth-provider": { name: "gcp" } }), result: "kubeconfig" },
    {
      name: "auth-provider azure",
      config: config({ "auth-provider": { name: "azure" } }),
      result: "kubeconfig",
    },
    { name: "exec v1", ...exec({}, prints({ token: "fr0m-exec" })), result: "reached" },
    {
      name: "exec v1beta1 without interactiveMode",
      ...exec(
        { apiVersion: `${EXEC}beta1`, interactiveMode: undefined },
        prints({ token: "t" }, `${EXEC}beta1`),
      ),
      result: "reached",
    },
    {
      name: "exec gets args, env and the environment",
      ...exec(
        { args: ["a b"], env: [{ name: "B", value: "c" }] },
        `token="$1-$B-$HOST_VAR"\n${prints({ token: "TOKEN" })} | sed "s/TOKEN/$(echo "$token" | tr ' ' _)/"`,
      ),
      env: { HOST_VAR: "h" },
      result: "reached",
    },
    { name: "exec that fails", ...exec({}, "exit 1"), result: "credentials" },
    { name: "exec that prints garbage", ...exec({}, "echo token"), result: "credentials" },
    { name: "exec that prints nothing", ...exec({}, "true"), result: "credentials" },
    {
      name: "exec that answers in another version",
      ...exec({}, prints({ token: "t" }, `${EXEC}beta1`)),
      result: "credentials",
    },
    {
      name: "exec without status",
      ...exec({}, `echo '{"apiVersion":"${EXEC}","kind":"ExecCredential"}'`),
      result: "credentials",
    },
    { name: "exec with an empty status", ...exec({}, prints({})), result: "credentials" },
    {
      name: "exec with half a certificate",
      ...exec({}, prints({ clientCertificateData: "x" })),
      result: "credentials",
    },
    { name: "exec that is not there", ...exec({ installHint: "get it" }), result: "credentials" },
    {
      name: "exec that needs a terminal",
      ...exec({ interactiveMode: "Always" }, prints({ token: "t" })),
      result: "credentials",
    },
    { name: "exec without command", ...exec({ command: undefined }), result: "kubeconfig" },
    { name: "exec without apiVersion", ...exec({ apiVersion: undefined }), result: "kubeconfig" },
    {
      name: "exec v1 without interactiveMode",
      ...exec({ interactiveMode: undefined }),
      result: "kubeconfig",
    },
    {
      name: "exec with an unknown interactiveMode",
      ...exec({ interactiveMode: "Maybe" }),
      result: "kubeconfig",
    },
    { name: "exec of an unknown version", ...exec({ apiVersion: `${EXEC}alpha1` }), result: "kubeconfig" },
    {
      name: "exec is not asked where there is a token",
      config: config({ token: "t", exec: { apiVersion: EXEC, command: "false", interactiveMode: "Never" } }),
      result: "reached",
    },
    {
      name: "another user's exec may be broken",
      config: {
        ...config(),
        users: [{ name: "u", user: { token: "t" } }, { name: "v", user: { exec: {} } }],
      },
      result: "reached",
    },
  ], t);
});

testBinary("clusters: server, roots, TLS and proxies", { ignore }, async (t) => {
  await using it = await stage();
  const { api, config } = it;
  const other = await Authority.make("other-ca");
  await using ipv6 = hasIpv6() ? await TestApiServer.start({ host: "::1" }) : undefined;
  await using plain = await TestApiServer.start({ plain: true });
  await using named = await TestApiServer.start({ hosts: ["kubernetes.example"] });
  await using expired = await TestApiServer.start({ days: [-10, -1] });
  for (const each of [plain, named, expired, ...ipv6 ? [ipv6] : []]) {
    each.hook = (request) => {
      api.seen.push({
        method: request.method,
        path: new URL(request.url).pathname,
        headers: request.headers,
      });
      return Response.json({ major: "1" });
    };
  }
  const of = ({ server, authority }: TestApiServer, more: object = {}) =>
    config(undefined, { server, "certificate-authority-data": b64(authority.cert), ...more });
  const insecure = { "insecure-skip-tls-verify": true };
  using http = TestProxy.start("http");
  using socks = TestProxy.start("socks5");
  using https = TestProxy.startTls(
    await api.authority.issue({ commonName: "proxy", hosts: ["127.0.0.1", "localhost"] }),
  );
  const proxied = (proxy: string, more: object = {}) => config(undefined, { "proxy-url": proxy, ...more });
  await check(it, [
    {
      name: "certificate-authority beside the kubeconfig",
      config: config(undefined, { "certificate-authority": "ca.crt" }),
      files: { ".kube/ca.crt": `# a comment\n${other.cert}${api.authority.cert}` },
      result: "reached",
    },
    {
      name: "certificate-authority that is gone",
      config: config(undefined, { "certificate-authority": "gone" }),
      result: "kubeconfig",
    },
    {
      name: "certificate-authority as data and as file",
      config: config(undefined, {
        "certificate-authority": "ca.crt",
        "certificate-authority-data": b64(api.authority.cert),
      }),
      files: { ".kube/ca.crt": api.authority.cert },
      result: "kubeconfig",
    },
    {
      name: "certificate-authority that is none",
      config: config(undefined, { "certificate-authority-data": b64("x") }),
      result: "kubeconfig",
    },
    {
      name: "another authority",
      config: config(undefined, { "certificate-authority-data": b64(other.cert) }),
      result: "tls",
    },
    {
      name: "no authority: the system's",
      config: config(undefined, { "certificate-authority-data": undefined }),
      result: "tls",
    },
    {
      name: "certificate-authority replaces the system's roots",
      config: config(undefined, { "certificate-authority-data": b64(other.cert) }),
      files: { "system.pem": api.authority.cert },
      env: { SSL_CERT_FILE: "~/system.pem" },
      result: "tls",
    },
    {
      name: "the system's roots, of SSL_CERT_FILE",
      config: config(undefined, { "certificate-authority-data": undefined }),
      files: { "system.pem": api.authority.cert },
      env: { SSL_CERT_FILE: "~/system.pem" },
      result: "reached",
    },
    { name: "a certificate for another name", config: of(named), server: named.server, result: "tls" },
    {
      name: "tls-server-name",
      config: of(named, { "tls-server-name": "kubernetes.example" }),
      server: named.server,
      result: "reached",
    },
    {
      name: "tls-server-name that it has not",
      config: of(api, { "tls-server-name": "other.example" }),
      result: "tls",
    },
    { name: "an expired certificate", config: of(expired), server: expired.server, result: "tls" },
    { name: "insecure-skip-tls-verify", config: config(undefined, insecure), result: "reached" },
    {
      name: "insecure-skip-tls-verify of an expired certificate for another name",
      config: config(undefined, { ...insecure, server: named.server }),
      server: named.server,
      result: "reached",
    },
    {
      name: "insecure-skip-tls-verify with an authority",
      config: config(undefined, { ...insecure, "certificate-authority-data": b64(api.authority.cert) }),
      result: "kubeconfig",
    },
    ...ipv6 ? [{ name: "IPv6", config: of(ipv6), server: ipv6.server, result: "reached" as const }] : [],
    {
      name: "a server without TLS gets no credentials",
      config: of(plain),
      server: plain.server,
      result: "reached",
    },
    {
      name: "a server without TLS gets no Basic ones either",
      config: config({ username: "a", password: "b", as: "eve" }, { server: plain.server }),
      server: plain.server,
      result: "reached",
    },
    {
      name: "a server without a scheme is one without TLS",
      config: config(undefined, { server: `127.0.0.1:${plain.port}` }),
      server: plain.server,
      result: "reached",
    },
    {
      name: "a server with a path",
      config: config(undefined, { server: `${api.server}/k8s/clusters/c-1/` }),
      server: `${api.server}/k8s/clusters/c-1`,
      result: "reached",
    },
    {
      name: "a server with query and fragment",
      config: config(undefined, { server: `${api.server}/k8s?x=1#y` }),
      server: `${api.server}/k8s`,
      result: "reached",
    },
    { name: "a server that is no URL", config: config(undefined, { server: "a/b" }), result: "kubeconfig" },
    {
      name: "a cluster without a server",
      config: config(undefined, { server: "" }),
      result: "unreachable",
      differs: ["kubeconfig", "kubectl tries http://localhost:8080, where no cluster has been for years"],
    },
    {
      name: "a closed port",
      config: config(undefined, { server: "https://127.0.0.1:9" }),
      server: "https://127.0.0.1:9",
      result: "unreachable",
    },
    {
      name: "a name that does not resolve",
      config: config(undefined, { server: "https://no-such-host.invalid" }),
      server: "https://no-such-host.invalid",
      result: "unreachable",
    },
    {
      name: "TLS where there is none",
      config: config(undefined, { server: `https://127.0.0.1:${plain.port}` }),
      server: `https://127.0.0.1:${plain.port}`,
      result: "tls",
    },
    {
      name: "disable-compression",
      config: config(undefined, { "disable-compression": true }),
      result: "reached",
    },
    { name: "proxy-url of http", config: proxied(http.url()), result: "reached" },
    {
      name: "proxy-url of https, with a password",
      config: proxied(https.url("us%40er:p%3Ass")),
      result: "reached",
    },
    { name: "proxy-url of socks5", config: proxied(socks.url()), result: "reached" },
    { name: "proxy-url of socks5, with a password", config: proxied(socks.url("u:p")), result: "reached" },
    {
      name: "proxy-url is for this machine, too, whatever NO_PROXY says",
      config: proxied(http.url()),
      env: { NO_PROXY: "*", HTTPS_PROXY: "http://127.0.0.1:9" },
      result: "reached",
    },
    { name: "proxy-url that is closed", config: proxied("http://127.0.0.1:9"), result: "unreachable" },
    { name: "proxy-url of an unknown kind", config: proxied("ftp://127.0.0.1"), result: "kubeconfig" },
    {
      name: "proxy-url to a server without TLS",
      config: config(undefined, { server: plain.server, "proxy-url": http.url("a:b") }),
      server: plain.server,
      result: "reached",
    },
    {
      name: "proxy-url of https to a server without TLS",
      config: config(undefined, { server: plain.server, "proxy-url": https.url("a:b") }),
      server: plain.server,
      result: "tls",
      differs: ["reached", "kubectl has no roots there"],
    },
    {
      name: "proxy-url and insecure-skip-tls-verify",
      config: proxied(http.url(), insecure),
      result: "reached",
    },
    {
      name: "proxy-url and tls-server-name",
      config: proxied(http.url("a:b"), { "tls-server-name": "localhost" }),
      result: "reached",
    },
    {
      name: "proxy-url of https and insecure-skip-tls-verify",
      config: proxied(https.url("a:b"), insecure),
      result: "reached",
    },
    {
      name: "proxy-url of https and tls-server-name",
      config: of(named, {
        "proxy-url": https.url("a:b").replace("127.0.0.1", "localhost"),
        "tls-server-name": "kubernetes.example",
        "certificate-authority-data": b64(`${named.authority.cert}${api.authority.cert}`),
      }),
      server: named.server,
      result: "tls",
      differs: ["reached", "kubectl takes the name for the proxy's, too"],
    },
    {
      name: "proxy-url of socks5 and insecure-skip-tls-verify",
      config: proxied(socks.url("a:b"), insecure),
      result: "reached",
    },
    {
      name: "HTTPS_PROXY is not for this machine",
      config: config(),
      env: { HTTPS_PROXY: "http://127.0.0.1:9", ALL_PROXY: "http://127.0.0.1:9" },
      result: "reached",
    },
  ], t);
  // Both sent the same to each proxy, so every line is there an even number of times.
  for (const { seen } of [http, socks]) {
    const counts = new Map<string, number>();
    for (const { target, credentials } of seen) {
      const key = `${target} ${credentials}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    assert.ok(counts.size > 1);
    for (const [key, count] of counts) assert.equal(count % 2, 0, key);
  }
});

testBinary("proxies of the environment, by Go's rules", { ignore }, async (t) => {
  await using it = await stage({ hosts: ["kubernetes.example", "192.0.2.1"] });
  const { api, config } = it;
  // Only the proxies reach the server: its names resolve nowhere.
  using proxy = TestProxy.start("http", api.port);
  using socks = TestProxy.start("socks5", api.port);
  const server = "https://kubernetes.example:6443";
  const address = "https://192.0.2.1:6443";
  const led = (name: string, env: Record<string, string>, at = server): Case => ({
    name,
    config: config(undefined, { server: at }),
    server: at,
    env,
    result: "reached",
  });
  const left = (name: string, NO_PROXY: string, at = server): Case => ({
    ...led(`NO_PROXY=${NO_PROXY}: ${name}`, { HTTPS_PROXY: proxy.url(), NO_PROXY }, at),
    // An unused address makes a client wait; an unknown name does not.
    args: ["--request-timeout=2s"],
    result: "unreachable",
  });
  const kept = (name: string, NO_PROXY: string, at = server): Case =>
    led(`NO_PROXY=${NO_PROXY}: ${name}`, { HTTPS_PROXY: proxy.url(), NO_PROXY }, at);
  await check(it, [
    led("HTTPS_PROXY", { HTTPS_PROXY: proxy.url() }),
    led("https_proxy", { https_proxy: proxy.url() }),
    led("HTTPS_PROXY goes before https_proxy", {
      HTTPS_PROXY: proxy.url(),
      https_proxy: "http://127.0.0.1:9",
    }),
    led("HTTPS_PROXY without a scheme", { HTTPS_PROXY: proxy.url().replace("http://", "") }),
    led("HTTPS_PROXY with a password", { HTTPS_PROXY: proxy.url("a:b%20c") }),
    led("HTTPS_PROXY of socks5", { HTTPS_PROXY: socks.url() }),
    led("HTTPS_PROXY of socks5h", { HTTPS_PROXY: socks.url().replace("socks5", "socks5h") }),
    led("HTTPS_PROXY to an address", { HTTPS_PROXY: proxy.url() }, address),
    { ...led("HTTP_PROXY is for servers without TLS", { HTTP_PROXY: proxy.url() }), result: "unreachable" },
    { ...led("ALL_PROXY is none of Go's", { ALL_PROXY: proxy.url() }), result: "unreachable" },
    { ...led("HTTPS_PROXY that is closed", { HTTPS_PROXY: "127.0.0.1:9" }), result: "unreachable" },
    {
      ...led("HTTPS_PROXY of an unknown kind", { HTTPS_PROXY: "ftp://127.0.0.1:9" }),
      result: "unreachable",
      differs: ["kubeconfig", "it is told before anything is sent"],
    },
    left("the name", "kubernetes.example"),
    left("its domain", "example"),
    left("its domain with a dot", ".example"),
    left("its domain with a star", "*.example"),
    left("one of several, in another case", "a.b, KUBERNETES.example ,c"),
    left("the name and the port", "kubernetes.example:6443"),
    left("all", "*"),
    left("the address", "192.0.2.1", address),
    left("a range", "192.0.2.0/24", address),
    kept("another name", "ubernetes.example"),
    kept("the name with a dot, for what is below", ".kubernetes.example"),
    kept("another port", "kubernetes.example:443"),
    kept("another range", "192.0.3.0/24", address),
    kept("a domain is none of an address", ".1", address),
  ], t);
});

testBinary("client certificates, at a real API server", { ignore }, async (t) => {
  await using it = await stage();
  await using plane = await ControlPlane.start();
  const { server } = plane;
  const [admin, jane, stranger] = await Promise.all([
    plane.authority.issue({ commonName: "root", organizations: ["system:masters"] }),
    plane.authority.issue({ commonName: "jane" }),
    it.api.authority.issue({ commonName: "root", organizations: ["system:masters"] }),
  ]);
  const config = (user: object) =>
    it.config(user, { server, "certificate-authority-data": b64(plane.authority.cert) });
  const data = ({ cert, key }: Pair) => ({
    "client-certificate-data": b64(cert),
    "client-key-data": b64(key),
  });
  const printed = ({ cert, key }: Pair) => {
    const status = { clientCertificateData: cert, clientKeyData: key };
    const text = JSON.stringify({ apiVersion: EXEC, kind: "ExecCredential", status });
    return { ".kube/login": `#!/bin/sh\ncat <<'END'\n${text}\nEND\n` };
  };
  const login = { exec: { apiVersion: EXEC, command: "./login", interactiveMode: "Never" } };
  const files = {
    ".kube/c.crt": admin.cert,
    ".kube/c.key": admin.key,
    "flag.crt": jane.cert,
    "flag.key": jane.key,
  };
  const sec1 = await sec1Of(admin.key);
  const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  const asked = { server, path: "/api/v1/nodes" };
  const cases: Omit<Case, "server">[] = [
    { name: "as data", config: config(data(admin)), result: "reached" },
    {
      name: "as files",
      config: config({ "client-certificate": "c.crt", "client-key": "c.key" }),
      files,
      result: "reached",
    },
    { name: "with a key in SEC1", config: config(data({ cert: admin.cert, key: sec1 })), result: "reached" },
    {
      name: "with a key behind its parameters, as openssl writes it",
      config: config(data({ cert: admin.cert, key: `${parameters}${sec1}` })),
      result: "reached",
    },
    {
      name: "with the chain behind it",
      config: config(data({ cert: `${admin.cert}${plane.authority.cert}`, key: admin.key })),
      result: "reached",
    },
    { name: "of somebody who may not", config: config(data(jane)), result: "http 403" },
    { name: "of another authority", config: config(data(stranger)), result: "http 401" },
    {
      name: "with a token of another",
      config: config({ ...data(jane), token: "reader-token" }),
      result: "http 403",
    },
    {
      name: "impersonating one who may not",
      config: config({ ...data(admin), as: "jane" }),
      result: "http 403",
    },
    {
      name: "by flags",
      config: config(data(admin)),
      files,
      args: ["--client-certificate=flag.crt", "--client-key=flag.key"],
      result: "http 403",
    },
    { name: "of a credential plugin", config: config(login), files: printed(admin), result: "reached" },
    {
      name: "of a credential plugin, of one who may not",
      config: config(login),
      files: printed(jane),
      result: "http 403",
    },
    {
      name: "that does not match its key",
      config: config(data({ cert: admin.cert, key: jane.key })),
      result: "kubeconfig",
    },
    {
      name: "of a credential plugin, that does not match its key",
      config: config(login),
      files: printed({ cert: admin.cert, key: jane.key }),
      result: "credentials",
    },
    {
      name: "with a key that is none",
      config: config(
        data({ cert: admin.cert, key: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" }),
      ),
      result: "kubeconfig",
    },
    {
      name: "with insecure-skip-tls-verify",
      config: config(data(admin)),
      args: ["--insecure-skip-tls-verify"],
      result: "reached",
    },
    {
      name: "with tls-server-name",
      config: config(data(admin)),
      args: ["--tls-server-name=localhost"],
      result: "reached",
    },
  ];
  await check(it, cases.map((each) => ({ ...each, ...asked })), t);
});

testBinary("a credential plugin gets the same cluster data as from kubectl", { ignore }, async () => {
  await using it = await stage();
  const exec = {
    apiVersion: EXEC,
    command: "./login",
    interactiveMode: "IfAvailable",
    provideClusterInfo: true,
  };
  const answer = `{"apiVersion":"${EXEC}","kind":"ExecCredential","status":{"token":"t"}}`;
  const { kubectl, plugin } = await it.it.compare({
    config: it.config({ exec }, {
      "disable-compression": true,
      "tls-server-name": "localhost",
      extensions: [{ name: "client.authentication.k8s.io/exec", extension: { audience: "x" } }],
    }),
    files: {
      ".kube/login": `#!/bin/sh\nprintf '%s\\n' "$KUBERNETES_EXEC_INFO" >> ~/told\necho '${answer}'\n`,
    },
  });
  assert.deepEqual([kubectl.result, plugin.result], ["reached", "reached"]);
  const [first, second] = Deno.readTextFileSync(`${it.it.product.home}/told`).split("\n").filter((line) =>
    line !== ""
  );
  assert.deepEqual(JSON.parse(second!), JSON.parse(first!));
});

testBinary(
  "a plugin sees the server's statuses, errors and redirects as kubectl does",
  { ignore },
  async (t) => {
    await using it = await stage();
    const { api, config } = it;
    const cases: [number, Result][] = [[401, "http 401"], [403, "http 403"]];
    for (const [code, result] of cases) {
      api.hook = () => status(code, code === 401 ? "Unauthorized" : "Forbidden", "no");
      await check(it, [{ name: `${code}`, config: config(), result }], t);
    }
  },
);

testBinary("files: lists, paths, YAML, contexts", { ignore }, async (t) => {
  await using it = await stage();
  const { api, config } = it;
  const ca = b64(api.authority.cert);
  const yaml = `
apiVersion: v1
kind: Config
current-context: x
x-anchors: &shared
  server: ${api.server}
  certificate-authority-data: ${ca}
clusters:
- name: c
  cluster:
    <<: *shared
    insecure-skip-tls-verify: no
users:
- name: u
  user: {token: "y"}
contexts:
- {name: x, context: {cluster: c, user: u}}
`;
  const file = (name: string, token: string, more: object = {}) => ({
    ...config(),
    users: [{ name, user: { token } }],
    contexts: [{ name: "x", context: { cluster: "c", user: name } }],
    ...more,
  });
  const json = JSON.stringify;
  await check(it, [
    { name: "YAML with anchors and words of YAML 1.1", config: yaml, result: "reached" },
    { name: "of several documents the first", config: `${yaml}---\ncurrent-context: z\n`, result: "reached" },
    {
      name: "a key that is there twice",
      config: yaml.replace('{token: "y"}', '\n    token: "x"\n    token: "z"'),
      result: "reached",
    },
    {
      name: "a name that is there twice",
      config: { ...config(), users: [{ name: "u", user: {} }, { name: "u", user: {} }] },
      result: "kubeconfig",
    },
    {
      name: "KUBECONFIG: the first wins for each name",
      files: { "a/1": json(file("u", "one")), "b/2": json(file("u", "two", { "current-context": "y" })) },
      env: { KUBECONFIG: "~/a/1:~/none::~/b/2" },
      result: "reached",
    },
    {
      name: "KUBECONFIG: clusters, users and contexts of several files",
      files: {
        "a/1": json({ "current-context": "x", contexts: file("v", "").contexts }),
        "b/2": json({ ...file("v", "two", { contexts: [] }) }),
      },
      env: { KUBECONFIG: "~/a/1:~/b/2" },
      result: "reached",
    },
    {
      name: "KUBECONFIG: paths are each file's own",
      files: {
        "a/1": json({ ...file("u", ""), users: [] }),
        "b/2": json({ users: [{ name: "u", user: { tokenFile: "tok" } }] }),
        "b/tok": "of-b",
      },
      env: { KUBECONFIG: "~/a/1:~/b/2" },
      result: "reached",
    },
    {
      name: "KUBECONFIG goes before ~/.kube/config",
      config: file("u", "home"),
      files: { "a/1": json(file("u", "one")) },
      env: { KUBECONFIG: "~/a/1" },
      result: "reached",
    },
    {
      name: "KUBECONFIG: one broken file spoils all",
      files: { "a/1": json(file("u", "one")), "b/2": "a: [" },
      env: { KUBECONFIG: "~/a/1:~/b/2" },
      result: "kubeconfig",
    },
    {
      name: "--kubeconfig goes before KUBECONFIG",
      files: { "a/1": json(file("u", "one")), "b/2": json(file("u", "two")) },
      args: ["--kubeconfig=b/2"],
      env: { KUBECONFIG: "~/a/1" },
      result: "reached",
    },
    {
      name: "--kubeconfig that is gone",
      config: config(),
      args: ["--kubeconfig=gone"],
      result: "kubeconfig",
    },
    {
      name: "a current-context that is gone",
      config: { ...config(), "current-context": "gone" },
      result: "kubeconfig",
    },
    { name: "not YAML", config: "a: [", result: "kubeconfig" },
    { name: "a list", config: "[1]", result: "kubeconfig" },
    { name: "a number where a list is due", config: { ...config(), clusters: 5 }, result: "kubeconfig" },
    {
      name: "a context without a user, with a token flag",
      config: config(undefined, {}, { user: "" }),
      args: ["--token=x"],
      result: "reached",
    },
    { name: "nothing at all, but --server", args: [`--server=${it.api.server}`, "--token=x"], result: "tls" },
  ], t);
});

testBinary("flags: kubectl's, in the plugin's own command line", { ignore }, async (t) => {
  await using it = await stage();
  const { api, config } = it;
  await using named = await TestApiServer.start({ hosts: ["kubernetes.example"] });
  named.hook = (request) => {
    api.seen.push({
      method: request.method,
      path: new URL(request.url).pathname,
      headers: new Headers(request.headers),
    });
    return Response.json({});
  };
  const two = {
    ...config(),
    clusters: [
      ...config().clusters as object[],
      {
        name: "d",
        cluster: {
          server: named.server,
          "certificate-authority-data": b64(named.authority.cert),
          "tls-server-name": "kubernetes.example",
        },
      },
      { name: "i", cluster: { server: named.server, "insecure-skip-tls-verify": true } },
    ],
    users: [{ name: "u", user: { token: "t0ken" } }, { name: "v", user: { username: "v", password: "w" } }],
    contexts: [...config().contexts as object[], { name: "y", context: { cluster: "d", user: "v" } }],
  };
  const { server } = named;
  const files = { "ca.crt": api.authority.cert, "named.crt": named.authority.cert };
  await check(it, [
    { name: "--context", config: two, args: ["--context=y"], server, result: "reached" },
    { name: "--context that is gone", config: two, args: ["--context=z"], result: "kubeconfig" },
    { name: "--cluster", config: two, args: ["--cluster=d"], server, result: "reached" },
    { name: "--cluster that is gone", config: two, args: ["--cluster=z"], result: "kubeconfig" },
    { name: "--user", config: two, args: ["--user=v"], result: "reached" },
    { name: "--user that is gone", config: two, args: ["--user=z"], result: "kubeconfig" },
    { name: "--namespace", config: two, args: ["--namespace=shop"], result: "reached" },
    {
      name: "--as, --as-group, --as-uid, --as-user-extra",
      config: two,
      args: [
        "--as=eve",
        "--as-group=g1",
        "--as-group=g2",
        "--as-uid=7",
        "--as-user-extra=a=b=c",
        "--as-user-extra=a=d",
        "--as-user-extra=none",
      ],
      result: "reached",
    },
    { name: "--as-group without --as", config: two, args: ["--as-group=g"], result: "kubeconfig" },
    { name: "--token", config: two, args: ["--token=fl4g"], result: "reached" },
    {
      name: "--token for a user with a password",
      config: two,
      args: ["--user=v", "--token=fl4g"],
      result: "kubeconfig",
    },
    {
      name: "--token for a user with a tokenFile",
      config: config({ tokenFile: "tok" }),
      files: { ".kube/tok": "fr0m-file" },
      args: ["--token=fl4g"],
      result: "reached",
      differs: ["reached", "client-go prefers the file to the flag"],
    },
    {
      name: "--username, --password",
      config: config({}),
      args: ["--username=a", "--password=b"],
      result: "reached",
    },
    {
      name: "--username for a user with a token",
      config: config(),
      args: ["--username=a"],
      result: "kubeconfig",
    },
    {
      name: "--server",
      config: two,
      args: [`--server=${api.server}/prefix`],
      server: `${api.server}/prefix`,
      result: "reached",
    },
    {
      name: "--server leaves the cluster's tls-server-name behind",
      config: two,
      args: ["--context=y", "--user=u", `--server=${server}`],
      server,
      result: "tls",
    },
    {
      name: "--server and --tls-server-name",
      config: two,
      args: ["--context=y", "--user=u", `--server=${server}`, "--tls-server-name=kubernetes.example"],
      server,
      result: "reached",
    },
    {
      name: "--certificate-authority",
      config: two,
      files,
      args: [
        "--certificate-authority=named.crt",
        `--server=${server}`,
        "--tls-server-name=kubernetes.example",
      ],
      server,
      result: "reached",
    },
    {
      name: "--certificate-authority of another",
      config: two,
      files,
      args: ["--certificate-authority=named.crt"],
      result: "tls",
    },
    {
      name: "--certificate-authority undoes the cluster's insecure-skip-tls-verify",
      config: two,
      files,
      args: ["--cluster=i", "--certificate-authority=ca.crt"],
      server,
      result: "tls",
    },
    {
      name: "--certificate-authority that is gone",
      config: two,
      args: ["--certificate-authority=gone"],
      result: "kubeconfig",
    },
    {
      name: "--insecure-skip-tls-verify",
      config: two,
      args: ["--insecure-skip-tls-verify", `--server=${server}`],
      server,
      result: "reached",
    },
    {
      name: "--insecure-skip-tls-verify=true with --certificate-authority",
      config: two,
      files,
      args: ["--insecure-skip-tls-verify=true", "--certificate-authority=ca.crt"],
      result: "kubeconfig",
    },
    {
      name: "--insecure-skip-tls-verify=maybe",
      config: two,
      args: ["--insecure-skip-tls-verify=maybe"],
      result: "usage",
    },
    {
      name: "--client-certificate that is gone",
      config: two,
      args: ["--client-certificate=gone", "--client-key=gone"],
      result: "kubeconfig",
    },
    {
      name: "--client-certificate without --client-key",
      config: two,
      files,
      args: ["--client-certificate=ca.crt"],
      result: "kubeconfig",
    },
    { name: "--request-timeout", config: two, args: ["--request-timeout=10s"], result: "reached" },
    { name: "--request-timeout=0", config: two, args: ["--request-timeout=0"], result: "reached" },
    { name: "--request-timeout=soon", config: two, args: ["--request-timeout=soon"], result: "usage" },
    {
      name: "flags that say nothing",
      config: two,
      args: ["--context=", "--token=", "--server=", "--as="],
      result: "reached",
    },
    { name: "the last of a flag wins", config: two, args: ["--token=a", "--token=b"], result: "reached" },
  ], t);
  // Both give up on a server that does not answer.
  const never = Promise.withResolvers<Response>();
  api.hook = () => never.promise;
  await check(it, [{
    name: "--request-timeout of a server that never answers",
    config: two,
    args: ["--request-timeout=4s"],
    result: "unreachable",
  }], t);
  never.resolve(new Response());
});
