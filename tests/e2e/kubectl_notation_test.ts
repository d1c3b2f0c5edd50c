/** How kubeconfigs and flags may be written: what kubectl takes and refuses, a plugin takes and refuses. */

import assert from "node:assert/strict";
import { hasIpv6, TestApiServer } from "../support/api_server.ts";
import { Authority } from "../support/certificates.ts";
import { controlPlaneMissing } from "../support/envtest.ts";
import { clangMissing } from "../support/product.ts";
import { TestProxy } from "../support/proxy.ts";
import { type Result, SideBySide, type Situation } from "../support/side_by_side.ts";
import { testBinary } from "../support/test_binary.ts";

const ignore = clangMissing() || controlPlaneMissing();
const EXEC = "client.authentication.k8s.io/v1";

type Case = readonly [
  name: string,
  result: Result,
  situation: Situation,
  differs?: readonly [result: Result, why: string],
];

testBinary("what kubectl reads in a kubeconfig and in flags, in every notation", { ignore }, async (t) => {
  await using api = await TestApiServer.start();
  await using v6 = hasIpv6() ? await TestApiServer.start({ host: "::1" }) : undefined;
  api.hook = () => Response.json({ major: "1" });
  if (v6) {
    v6.hook = (request, { pathname }) => {
      api.seen.push({ method: request.method, path: pathname, headers: new Headers(request.headers) });
      return Response.json({ major: "1" });
    };
  }
  using it = await SideBySide.start(api);
  using http = TestProxy.start("http");
  using socks = TestProxy.start("socks5");
  const other = await Authority.make("other");
  const ca = btoa(api.authority.cert);
  const config = (user: object = { token: "t0ken" }, cluster: object = {}, more: object = {}) => ({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "x",
    clusters: [{ name: "c", cluster: { server: api.server, "certificate-authority-data": ca, ...cluster } }],
    users: [{ name: "u", user }, { name: "v", user: { username: "v", password: "w" } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }, {
      name: "y",
      context: { cluster: "c", user: "v" },
    }],
    ...more,
  });
  const at = (server: string, more: object = {}): Situation => ({
    config: config(undefined, { server, ...more }),
  });
  const six = (name: string, path: string, more: object = {}): Case[] => {
    if (!v6) return [];
    const server = `${v6.server}${path}`;
    const cluster = { "certificate-authority-data": btoa(v6.authority.cert), ...more };
    return [[name, "reached", { ...at(server, cluster), server }]];
  };
  const flags = (...args: string[]): Situation => ({ config: config(), args });
  const data = (text: string): Situation => ({
    config: config(undefined, { "certificate-authority-data": text }),
  });
  const exec = (script: string, fields: object = {}): Situation => ({
    config: config({ exec: { apiVersion: EXEC, command: "./login", interactiveMode: "Never", ...fields } }),
    files: { ".kube/login": `#!/bin/sh\n${script}\n` },
  });
  const prints = (status: object, more: object = {}) =>
    `cat <<'END'\n${JSON.stringify({ apiVersion: EXEC, kind: "ExecCredential", status, ...more })}\nEND`;
  // Of a length that has padding.
  const padded = "\n".repeat((4 - api.authority.cert.length % 3) % 3) + api.authority.cert;
  const unpadded = btoa(padded).replace(/==$/, "");
  const json = JSON.stringify;
  const localhost = api.server.replace("127.0.0.1", "localhost");
  const cases: Case[] = [
    ["a server in capitals", "reached", { ...at(localhost.toUpperCase()), server: localhost }],
    ["a server with slashes at its end", "reached", at(`${api.server}//`)],
    ["a server's path with two slashes", "reached", {
      ...at(`${api.server}/a//b/`),
      server: `${api.server}/a/b`,
    }],
    ["a server's path with an escape", "reached", {
      ...at(`${api.server}/a%20b`),
      server: `${api.server}/a%20b`,
    }],
    [
      "an address in an odd notation",
      "unreachable",
      at(api.server.replace("127.0.0.1", "127.1")),
      ["kubeconfig", "it is told before a name is looked up that nobody has"],
    ],
    ...six("IPv6 with a path", "/k8s"),
    ...six("IPv6 through SOCKS", "", { "proxy-url": socks.url() }),
    ...six("IPv6 through an HTTP proxy", "", { "proxy-url": http.url("a:b") }),
    ["a name through SOCKS", "reached", {
      ...at(localhost, { "proxy-url": socks.url() }),
      server: localhost,
    }],
    [
      "proxy-url in capitals",
      "reached",
      at(api.server, { "proxy-url": http.url().replace("http:", "HTTP:") }),
    ],
    ["proxy-url with a path", "reached", at(api.server, { "proxy-url": `${http.url()}/x?y` })],
    ["an empty proxy-url", "reached", at(api.server, { "proxy-url": "" })],
    ["a password alone, to a path", "reached", {
      config: config({ username: "jane", password: "" }, { server: `${api.server}/p` }),
      server: `${api.server}/p`,
    }],
    ["a token with spaces around it", "reached", { config: config({ token: " t " }) }],
    ["a token in other letters", "reached", { config: config({ token: "tö-ю" }) }],
    ["a tokenFile with DOS line ends", "reached", {
      config: config({ tokenFile: "tok" }),
      files: { ".kube/tok": "abc\r\n" },
    }],
    ["an empty tokenFile with a token", "reached", {
      config: config({ tokenFile: "tok", token: "z" }),
      files: { ".kube/tok": "" },
    }],
    ["base64 in lines", "reached", data(ca.replace(/(.{64})/g, "$1\n"))],
    ["base64 with spaces", "kubeconfig", data(ca.replace(/(.{64})/g, "$1 "))],
    ["base64 without its padding", "kubeconfig", data(unpadded)],
    ["an authority with DOS line ends", "reached", data(btoa(api.authority.cert.replaceAll("\n", "\r\n")))],
    ["an authority with words before it", "reached", data(btoa(`hello\n${api.authority.cert}`))],
    ["an authority beside a key", "reached", data(btoa(other.key + api.authority.cert))],
    ["a key in the place of an authority", "kubeconfig", data(btoa(other.key))],
    ["a kubeconfig with a byte order mark", "reached", { config: `\ufeff${json(config())}` }],
    ["fields that nobody knows", "reached", { config: { ...config(), what: 1 } }],
    ["another kind", "kubeconfig", { config: { ...config(), kind: "Pod" } }],
    ["another apiVersion", "kubeconfig", { config: { ...config(), apiVersion: "v2" } }],
    ["neither kind nor apiVersion", "reached", {
      config: { ...config(), kind: undefined, apiVersion: undefined },
    }],
    ["no current context, but --context", "reached", {
      config: { ...config(), "current-context": "" },
      args: ["--context=y"],
    }],
    ["no current context, but --cluster and --user", "reached", {
      config: { ...config(), "current-context": "" },
      args: ["--cluster=c", "--user=v"],
    }],
    ["impersonating in other letters", "reached", {
      config: config({ token: "a", as: "jörg", "as-groups": ["ю"], "as-user-extra": { "X/é": ["ß"] } }),
    }],
    ["impersonating with a line break", "? header", { config: config({ token: "a", as: "x\r\nFoo: bar" }) }, [
      "kubeconfig",
      "it is the kubeconfig's fault, and told with the field",
    ]],
    ["--as leaves the kubeconfig's groups", "reached", {
      config: config({
        token: "a",
        as: "e",
        "as-groups": ["g"],
        "as-uid": "5",
        "as-user-extra": { k: ["v"] },
      }),
      args: ["--as=other"],
    }],
    ["--as-group takes a comma for itself", "reached", flags("--as=e", "--as-group=a,b")],
    ["--as-user-extra takes a comma for itself", "reached", flags("--as=e", "--as-user-extra=a=b,c")],
    ["--as-uid alone", "kubeconfig", flags("--as-uid=7")],
    ["--as-user-extra alone", "kubeconfig", flags("--as-user-extra=a=b")],
    // Each flag with its value as a word of its own.
    ["--context VALUE", "reached", flags("--context", "y")],
    ["--cluster VALUE", "reached", flags("--cluster", "c")],
    ["--user VALUE", "reached", flags("--user", "v")],
    ["--token VALUE", "reached", flags("--token", "zz")],
    ["--as VALUE", "reached", flags("--as", "eve", "--as-uid=1")],
    ["--as-group VALUE", "reached", flags("--as=eve", "--as-group", "g")],
    ["--as-uid VALUE", "reached", flags("--as=eve", "--as-uid", "1")],
    ["--as-user-extra VALUE", "reached", flags("--as=eve", "--as-user-extra", "k=v")],
    ["--server VALUE", "reached", { ...flags("--server", `${api.server}/q`), server: `${api.server}/q` }],
    ["--request-timeout VALUE", "reached", flags("--request-timeout", "9s")],
    ["--tls-server-name VALUE", "reached", flags("--tls-server-name", "localhost")],
    ["--certificate-authority VALUE", "tls", {
      ...flags("--certificate-authority", "other.crt"),
      files: { "other.crt": other.cert },
    }],
    ["--username VALUE", "reached", { config: config({}), args: ["--username", "a", "--password=b"] }],
    ["--password VALUE", "reached", { config: config({ username: "a" }), args: ["--password", "b"] }],
    ["--kubeconfig VALUE", "reached", {
      ...flags("--kubeconfig", "other"),
      files: { other: json(config({ token: "other" })) },
    }],
    ["-n VALUE", "reached", flags("-n", "shop", "--token=a")],
    ["a switch takes no word for its value", "reached", flags("--insecure-skip-tls-verify", "--token", "q")],
    ["--insecure-skip-tls-verify=1", "reached", flags("--insecure-skip-tls-verify=1")],
    ["--insecure-skip-tls-verify=", "usage", flags("--insecure-skip-tls-verify=")],
    ["--disable-compression=false leaves the kubeconfig's", "reached", {
      config: config(undefined, { "disable-compression": true }),
      args: ["--disable-compression=false"],
    }],
    ["--kubeconfig of a directory", "kubeconfig", flags("--kubeconfig=.kube")],
    ["--kubeconfig is no list", "kubeconfig", {
      ...flags("--kubeconfig=other:gone"),
      files: { other: json(config()) },
    }],
    ...["1m30s", "-1s", "", "9999999"].map((time): Case => [
      `--request-timeout=${time}`,
      "reached",
      flags(`--request-timeout=${time}`),
    ]),
    ...["-1", "1.5", "1e3s", "0x10", "1_0", "1d", "9999999h", " 1s"].map((time): Case => [
      `--request-timeout=${time}`,
      "usage",
      flags(`--request-timeout=${time}`),
    ]),
    ["KUBECONFIG of relative paths, one missing", "reached", {
      files: {
        "a/1": json({ ...config(), users: [] }),
        "b/2": json({ users: [{ name: "u", user: { tokenFile: "../b/tok" } }] }),
        "b/tok": "rel",
      },
      env: { KUBECONFIG: "a/1:gone/x:./b/../b/2" },
    }],
    ["KUBECONFIG whose first file is empty", "reached", {
      files: { "a/1": "", "b/2": json(config()) },
      env: { KUBECONFIG: "a/1:b/2" },
    }],
    ["KUBECONFIG: the first current-context that says something", "reached", {
      files: { "a/1": json({ ...config(), "current-context": "" }), "b/2": json({ "current-context": "y" }) },
      env: { KUBECONFIG: "a/1:b/2" },
    }],
    ["KUBECONFIG: entries of one name are not mixed", "tls", {
      files: {
        "a/1": json(config(undefined, { "certificate-authority-data": undefined })),
        "b/2": json(config()),
      },
      env: { KUBECONFIG: "a/1:b/2" },
    }],
    ["KUBECONFIG of nothing is no ~/.kube/config", "unreachable", {
      config: config(),
      env: { KUBECONFIG: ":" },
    }, [
      "kubeconfig",
      "kubectl tries http://localhost:8080",
    ]],
    [
      "exec in YAML",
      "reached",
      exec(`printf 'apiVersion: ${EXEC}\\nkind: ExecCredential\\nstatus: {token: t}\\n'`),
    ],
    ["exec without kind", "reached", exec(prints({ token: "t" }, { kind: undefined }))],
    ["exec of another kind", "credentials", exec(prints({ token: "t" }, { kind: "execcredential" }))],
    ["exec with more behind it", "credentials", exec(`${prints({ token: "t" })}\necho garbage`)],
    ...["soon", "2101-01-01T00:00:00", "2101-01-01"].map((time): Case => [
      `exec that expires ${time}`,
      "credentials",
      exec(prints({ token: "t", expirationTimestamp: time })),
    ]),
    [
      "exec that has expired",
      "reached",
      exec(
        prints({ token: "t", expirationTimestamp: "2001-01-01T00:00:00.5+02:00" }),
      ),
    ],
    ["exec with a token that is a number", "credentials", exec(prints({ token: 5 }))],
    [
      "exec with a variable twice",
      "reached",
      exec(`echo '{"apiVersion":"${EXEC}","kind":"ExecCredential","status":{"token":"'$A'"}}'`, {
        env: [{ name: "A", value: "1" }, { name: "A", value: "2" }],
      }),
    ],
    ["exec reads no stdin", "reached", exec(`read x && exit 1\n${prints({ token: "t" })}`)],
    ["exec that is not executable", "credentials", {
      ...exec(""),
      files: { ".kube/login": "echo" },
    }],
    ["exec that is killed", "credentials", exec("kill -9 $$")],
    ["exec is not asked beside --token", "reached", { ...exec("exit 1"), args: ["--token=x"] }],
  ];
  for (const [name, result, situation, differs] of cases) {
    await t.step(name, async () => {
      const { kubectl, plugin, said } = await it.compare(situation);
      if (result.startsWith("? ")) assert.ok(kubectl.result.includes(result.slice(2)), said);
      else assert.equal(kubectl.result, result, `kubectl's result is another: ${said}`);
      if (differs) assert.equal(plugin.result, differs[0], said);
      else assert.deepEqual(plugin, kubectl, said);
    });
  }
});
