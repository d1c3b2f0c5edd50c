/** Notations of kubeconfigs and flags: a plugin accepts and refuses what kubectl accepts and refuses. */

import assert from "node:assert/strict";
import { hasIpv6, TestApiServer } from "../../scripts/servers/api_server.ts";
import { Authority } from "../../scripts/servers/certificates.ts";
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

testBinary(
  "plugins accept every notation of kubeconfigs and flags that kubectl accepts",
  { ignore },
  async (t) => {
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
      clusters: [{
        name: "c",
        cluster: { server: api.server, "certificate-authority-data": ca, ...cluster },
      }],
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
    const kuberc = (
      policy: string,
      { list, at = ".kube/kuberc", text = (kuberc) => kuberc }: {
        list?: readonly string[];
        at?: string;
        text?: (kuberc: string) => string | Uint8Array;
      } = {},
    ): Situation => {
      const situation = exec(prints({ token: "t" }));
      const kuberc = json({
        apiVersion: "kubectl.config.k8s.io/v1beta1",
        kind: "Preference",
        credentialPluginPolicy: policy,
        credentialPluginAllowlist: list?.map((command) => ({
          command: command.replace("~", it.product.home),
        })),
      });
      return { ...situation, files: { ...situation.files, [at]: text(kuberc) } };
    };
    /** With a credential plugin on PATH. */
    const named = (situation: Situation): Situation => ({
      ...situation,
      config: config({ exec: { apiVersion: EXEC, command: "login", interactiveMode: "Never" } }),
      env: { PATH: "~/.kube:/usr/bin:/bin" },
    });
    // Of a length that needs base64 padding.
    const padded = "\n".repeat((4 - api.authority.cert.length % 3) % 3) + api.authority.cert;
    const unpadded = btoa(padded).replace(/==$/, "");
    const json = JSON.stringify;
    const yaml = (before = "") =>
      before + Object.entries(config()).map(([name, value]) => `${name}: ${json(value)}\n`).join("");
    const deny =
      "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\ncredentialPluginPolicy: DenyAll\n";
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
      ["--proxy-url VALUE", "reached", flags("--proxy-url", http.url("jane:pw"))],
      ["--proxy-url before proxy-url", "reached", {
        ...at(api.server, { "proxy-url": "http://127.0.0.1:1" }),
        args: [`--proxy-url=${socks.url()}`],
      }],
      ["--proxy-url= leaves the kubeconfig's", "reached", {
        ...at(api.server, { "proxy-url": http.url() }),
        args: ["--proxy-url="],
      }],
      ["--proxy-url of another kind", "kubeconfig", flags("--proxy-url=ftp://127.0.0.1:1")],
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
      [
        "impersonating with a line break",
        "? header",
        { config: config({ token: "a", as: "x\r\nFoo: bar" }) },
        [
          "kubeconfig",
          "it is the kubeconfig's fault, and told with the field",
        ],
      ],
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
      // Each flag with its value as a separate word.
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
      [
        "a switch takes no word for its value",
        "reached",
        flags("--insecure-skip-tls-verify", "--token", "q"),
      ],
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
        files: {
          "a/1": json({ ...config(), "current-context": "" }),
          "b/2": json({ "current-context": "y" }),
        },
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
      // Kubeconfigs that other tools and shells write.
      ...[200, 20_000].map((count): Case => [`${count} aliases`, "reached", {
        config: yaml(`x-one: &one {a: b}\nx-many:\n${"- *one\n".repeat(count)}`),
      }]),
      ["aliases of aliases without end", "kubeconfig", {
        config: yaml(`x0: &x0 [${"a,".repeat(9)}]\n${nested(9)}`),
      }],
      ["UTF-16 of PowerShell", "reached", { config: utf16(json(config()), true) }],
      ["UTF-16, the other order", "reached", { config: utf16(yaml(), false) }],
      ["UTF-16 without a mark", "kubeconfig", { config: utf16(json(config()), true).subarray(2) }],
      ["a token in !!binary", "reached", {
        config: yaml().replace('"t0ken"', '!!binary "dDBr\\\n  ZW4="'),
      }],
      ["!!binary that is none", "kubeconfig", { config: yaml().replace('"t0ken"', "!!binary 'a b'") }],
      ["CR for line ends", "reached", { config: yaml().replaceAll("\n", "\r") }],
      ["CR and LF for line ends", "reached", { config: yaml().replaceAll("\n", "\r\n") }],
      ["a second document of JSON", "reached", { config: json(config()) + json({ "current-context": "y" }) }],
      ["a second document of JSON on its own line", "reached", {
        config: `${json(config())}\n${json({ "current-context": "y" })}\n`,
      }],
      ...([
        ["%2F", "/a%2fb", "/a/b"],
        ["an escaped dot", "/a/%2e%2e/b", "/b"],
        ["doubled slashes", "//a//b/", "/a/b"],
        ["an escaped letter", "/%41", "/A"],
        ["an escaped percent sign", "/a%252Fb", "/a%252Fb"],
        ["what net/url escapes", "/a b!'()*|^", "/a%20b%21%27%28%29%2A%7C%5E"],
        ["no letter of ASCII", "/größe", "/gr%C3%B6%C3%9Fe"],
      ] as const).map(([name, path, sent]): Case => [`a server path with ${name}`, "reached", {
        ...at(`${api.server}${path}`),
        server: `${api.server}${sent}`,
      }]),
      ["a server path with a broken escape", "? invalid URL escape", at(`${api.server}/a%zz`), [
        "kubeconfig",
        "its words",
      ]],
      ["an IPv6 zone", "unreachable", at("https://[fe80::1%25lo]:1"), ["kubeconfig", "says why"]],
      ["a kubeconfig by its descriptor", "reached", {
        config: config(),
        args: ["--kubeconfig", "/dev/fd/9"],
        by: ["sh", "-c", `"$@" 9<~/.kube/config`, "sh"],
      }],
      ["a kubeconfig by a link to standard input", "reached", {
        config: config(),
        args: ["--kubeconfig", "link"],
        by: [
          "sh",
          "-c",
          `ln -sf /dev/stdin link; cat ~/.kube/config | "$@"; code=$?; rm link; exit $code`,
          "sh",
        ],
      }],
      ["a kubeconfig from a pipe", "reached", {
        config: config(),
        args: ["--kubeconfig", "/dev/stdin"],
        by: ["sh", "-c", `cat ~/.kube/config | "$@"`, "sh"],
      }],
      ["KUBECONFIG from a pipe", "reached", {
        config: config(),
        env: { KUBECONFIG: "/dev/stdin" },
        by: ["sh", "-c", `cat ~/.kube/config | "$@"`, "sh"],
      }],
      // Proxies that require a user name but no password.
      [
        "an HTTP proxy with a user without password",
        "reached",
        at(api.server, { "proxy-url": http.url("jane") }),
      ],
      ["an HTTP proxy with an empty password", "reached", at(api.server, { "proxy-url": http.url("jane:") })],
      ["an HTTP proxy with a password alone", "reached", at(api.server, { "proxy-url": http.url(":pw") })],
      [
        "a SOCKS proxy with a user without password",
        "reached",
        at(api.server, { "proxy-url": socks.url("jane") }),
      ],
      [
        "a SOCKS proxy with an empty password",
        "reached",
        at(api.server, { "proxy-url": socks.url("jane:") }),
      ],
      [
        "a SOCKS proxy with a password alone",
        "unreachable",
        at(api.server, { "proxy-url": socks.url(":pw") }),
      ],
      [
        "a name with escapes for a proxy",
        "reached",
        at(api.server, { "proxy-url": http.url("j%40ne:p%3Aw%C3%A9") }),
      ],
      // kubectl's own settings restrict credential plugins.
      ["kuberc denies", "credentials", { ...kuberc("DenyAll") }],
      [
        "kuberc denies in the second document",
        "credentials",
        kuberc("DenyAll", { text: (kuberc) => `---\nkind: List\n---\n${kuberc}` }),
      ],
      ["kuberc denies, and no plugin is asked", "reached", { ...kuberc("DenyAll"), args: ["--token=x"] }],
      ["kuberc allows all", "reached", kuberc("AllowAll")],
      ["kuberc allows it by its path", "reached", kuberc("Allowlist", { list: ["~/.kube/login"] })],
      [
        "kuberc allows a path that is not plain",
        "kubeconfig",
        kuberc("Allowlist", { list: ["./login"] }),
      ],
      ["kuberc allows another", "credentials", kuberc("Allowlist", { list: ["login"] })],
      ["kuberc allows a name on PATH", "reached", named(kuberc("Allowlist", { list: ["login"] }))],
      [
        "kuberc allows the path of a name on PATH",
        "reached",
        named(kuberc("Allowlist", { list: ["~/.kube/login"] })),
      ],
      ["kuberc allows another name on PATH", "credentials", named(kuberc("Allowlist", { list: ["cat"] }))],
      ["kuberc with a policy that is none", "kubeconfig", kuberc("denyall")],
      ["kuberc with an empty list", "kubeconfig", kuberc("Allowlist", { list: [] })],
      ["kuberc with a list that no policy asks for", "kubeconfig", kuberc("DenyAll", { list: ["login"] })],
      ["kuberc that is none", "reached", { ...kuberc("AllowAll", { text: () => "what: ever" }) }],
      ["kuberc that is no YAML", "reached", { ...kuberc("AllowAll", { text: () => "a: [" }) }],
      ["kuberc with keys in another case", "credentials", {
        ...kuberc("DenyAll", {
          text: (kuberc) => kuberc.replace("kind", "Kind").replace("apiVersion", "apiversion"),
        }),
      }],
      ["kuberc with a policy in another case", "reached", {
        ...kuberc("DenyAll", {
          text: (kuberc) => kuberc.replace("credentialPluginPolicy", "CredentialPluginPolicy"),
        }),
      }],
      ["kuberc behind a separator with text", "reached", {
        ...kuberc("DenyAll", { text: (kuberc) => `--- x\n---\n${kuberc}` }),
      }],
      ["kuberc behind a separator with a comment", "credentials", {
        ...kuberc("DenyAll", { text: (kuberc) => `--- # x\r\n${kuberc}` }),
      }],
      ["kuberc with 2000 aliases", "credentials", {
        ...kuberc("DenyAll", { text: () => `x: &x a\ny: [${"*x,".repeat(2000)}]\n${deny}` }),
      }],
      ["kuberc in UTF-16", "credentials", { ...kuberc("DenyAll", { text: () => utf16(deny, false) }) }],
      ["kuberc allows a path that leads nowhere", "reached", {
        ...kuberc("Allowlist", { list: ["../login", "~/.kube/login"] }),
      }],
      ["--kuberc of nothing", "credentials", { ...kuberc("DenyAll"), args: ["--kuberc", ""] }],
      ["--kuberc= of nothing", "kubeconfig", { ...kuberc("DenyAll"), args: ["--kuberc="] }],
      ["KUBERC=off", "reached", { ...kuberc("DenyAll"), env: { KUBERC: "off" } }],
      ["KUBECTL_KUBERC=false", "reached", { ...kuberc("DenyAll"), env: { KUBECTL_KUBERC: "false" } }],
      ["KUBERC of another file", "credentials", {
        ...kuberc("DenyAll", { at: "rc" }),
        env: { KUBERC: "~/rc" },
      }],
      ["KUBERC of a file that is missing", "kubeconfig", {
        ...kuberc("AllowAll"),
        env: { KUBERC: "~/gone" },
      }],
      ["--kuberc", "credentials", { ...kuberc("DenyAll", { at: "rc" }), args: ["--kuberc=rc"] }],
      ["--kuberc of a file that holds none", "kubeconfig", {
        ...kuberc("AllowAll", { at: "rc", text: () => "a: b" }),
        args: ["--kuberc=rc"],
      }],
    ];
    for (const [name, result, situation, differs] of cases) {
      await t.step(name, async () => {
        for (const proxy of [http, socks]) proxy.seen.length = 0;
        const { kubectl, plugin, said } = await it.compare(situation);
        const ways = [http, socks].flatMap(({ seen }) => seen.map((tunnel) => json(tunnel)));
        assert.ok(new Set(ways).size <= 1, `the proxy was asked in different ways: ${ways}`);
        if (result.startsWith("? ")) assert.ok(kubectl.result.includes(result.slice(2)), said);
        else assert.equal(kubectl.result, result, `kubectl's result is another: ${said}`);
        if (differs) assert.equal(plugin.result, differs[0], said);
        else assert.deepEqual(plugin, kubectl, said);
      });
    }
  },
);

/** Aliases, each for nine of the one before. */
function nested(depth: number): string {
  return Array.from(
    { length: depth },
    (_, index) => `x${index + 1}: &x${index + 1} [${`*x${index},`.repeat(9)}]\n`,
  ).join("");
}

function utf16(text: string, little: boolean): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(2 + 2 * text.length);
  const view = new DataView(bytes.buffer);
  for (
    const [index, unit] of [0xfeff, ...text.split("").map((character) => character.charCodeAt(0))].entries()
  ) {
    view.setUint16(2 * index, unit, little);
  }
  return bytes;
}
