import assert from "node:assert/strict";
import { connectionOf } from "../../../../runtime/kube/config/make_connection.ts";
import {
  chooseContext,
  mergeKubeconfigs,
  parseKubeconfig,
} from "../../../../runtime/kube/config/kubeconfig.ts";
import {
  formatRedactedKubeconfig,
  makePlaceholderCredentials,
} from "../../../../runtime/kube/config/redacted_kubeconfig.ts";

const CONFIG = `
apiVersion: v1
kind: Config
current-context: prod
clusters:
- name: prod
  cluster: {server: "https://prod.example:6443", certificate-authority: ca.crt}
- name: dev
  cluster: {server: "https://dev.example", tls-server-name: other}
users:
- name: jane
  user: {token: s3cret}
- name: cert
  user: {client-certificate: /c.crt, client-key: /c.key}
contexts:
- name: prod
  context: {cluster: prod, user: jane, namespace: shop}
- name: dev
  context: {cluster: dev, user: cert}
`;
const PEM = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

const choose = async (text: string, flags = {}) =>
  chooseContext(await parseKubeconfig(text, "/k/config"), flags);
const connect = async (text: string, flags = {}) =>
  connectionOf(await choose(text, flags), flags, "/w", () => PEM);

Deno.test("chooseContext() uses current-context unless a flag names another", async () => {
  assert.equal((await choose(CONFIG)).namespace, "shop");
  const dev = await choose(CONFIG, { context: "dev", namespace: "x", user: "jane" });
  assert.deepEqual([dev.namespace, dev.user?.entry.token], ["x", "s3cret"]);
  assert.equal((await choose(CONFIG, { context: "dev" })).namespace, "default");
  const flags = { server: "https://elsewhere" };
  const none = chooseContext(await parseKubeconfig("", "/k"), flags);
  assert.equal(connectionOf(none, flags, "/").server, "https://elsewhere");
});

Deno.test("chooseContext() names the missing entry", async () => {
  await assert.rejects(choose(CONFIG, { context: "nope" }), { code: "CONTEXT_NOT_FOUND" });
  await assert.rejects(choose(CONFIG.replace("current-context: prod", "")), { code: "NO_CLUSTER" });
  await assert.rejects(choose(CONFIG, { user: "nope" }), { code: "KUBECONFIG_INVALID" });
  await assert.rejects(choose(CONFIG.replace("cluster: prod, user", "cluster: gone, user")), {
    code: "KUBECONFIG_INVALID",
    message: /contexts\[0\]\.cluster names "gone"/,
  });
});

Deno.test("parseKubeconfig() names the file and the invalid field", async () => {
  const wrong: [text: string, where: string][] = [
    ["clusters: 5", "/k/config: clusters"],
    ["clusters: [5]", "/k/config: clusters[0]"],
    ["users: [{name: a, user: {token: [x]}}]", "/k/config: users[0].token"],
    ["users: [{name: a, user: {exec: {args: x}}}]", "/k/config: users[0].exec.args"],
    ["clusters: [{name: a}, {name: a}]", "/k/config: clusters[1].name"],
    ["users: [{name: a, user: {as-groups: x}}]", "/k/config: users[0].as-groups"],
    ["contexts: [{name: a, context: 1}]", "/k/config: contexts[0].context"],
    ["- a", "/k/config"],
    ["a: [", "/k/config"],
  ];
  for (const [text, where] of wrong) {
    await assert.rejects(parseKubeconfig(text, "/k/config"), (error: { code: string; message: string }) => {
      assert.equal(error.code, "KUBECONFIG_INVALID", text);
      assert.ok(error.message.startsWith(where), `${error.message} begins with ${where}`);
      return true;
    });
  }
  assert.equal((await parseKubeconfig("", "/k/config")).clusters.size, 0);
});

Deno.test("parseKubeconfig() quotes nothing of invalid YAML, which may contain secrets", async () => {
  await assert.rejects(
    parseKubeconfig("users: [{name: a, user: {token: s3cret", "/k"),
    (error: Error) => !error.message.includes("s3cret"),
  );
});

Deno.test("mergeKubeconfigs() lets the first file win for each name", async () => {
  const first = await parseKubeconfig("current-context: ''\nusers: [{name: a, user: {token: one}}]", "/1/c");
  const second = await parseKubeconfig(
    "current-context: x\nusers: [{name: a, user: {token: two}}, {name: b, user: {}}]",
    "/2/c",
  );
  const merged = mergeKubeconfigs([first, second]);
  assert.equal(merged.currentContext, "x");
  assert.equal(merged.users.get("a")?.entry.token, "one");
  assert.equal(merged.users.get("b")?.directory, "/2");
});

Deno.test("connectionOf() resolves files relative to the kubeconfig", async () => {
  const read: string[] = [];
  const chosen = await choose(CONFIG);
  const connection = connectionOf(chosen, {}, "/w", (path) => (read.push(path), PEM));
  assert.deepEqual(read, ["/k/ca.crt"]);
  assert.equal(connection.token, "s3cret");
  const dev = await connect(CONFIG, { context: "dev" });
  assert.deepEqual([dev.server, dev.tlsServerName, dev.certificate], ["https://dev.example", "other", {
    cert: PEM,
    key: PEM,
  }]);
});

Deno.test("connectionOf() sends no credentials without TLS or without a scheme", async () => {
  for (const server of ["dev.example", "dev.example:8080", "http://dev.example"]) {
    for (const user of ["jane", "cert"]) {
      const connection = await connect(CONFIG, { server, user });
      assert.equal(connection.server, server.includes("//") ? server : `http://${server}`);
      assert.deepEqual([connection.token, connection.certificate], [undefined, undefined]);
    }
  }
  const { server, basic } = await connect(CONFIG, { server: "https://a%40b:c@d.example/x/", user: "cert" });
  assert.deepEqual([server, basic], ["https://d.example/x", { username: "a@b", password: "c" }]);
});

Deno.test("connectionOf() names a credential plugin's missing field", async () => {
  const exec = (fields: string) => connect(CONFIG.replace("{token: s3cret}", `{exec: {${fields}}}`));
  const v1 = "apiVersion: client.authentication.k8s.io/v1";
  for (
    const [fields, message] of [
      [v1, "users[0].exec.command is missing"],
      ["command: x", "users[0].exec.apiVersion is missing"],
      [`${v1}, command: x`, "users[0].exec.interactiveMode is missing"],
      [`${v1}, command: x, interactiveMode: Maybe`, 'users[0].exec.interactiveMode "Maybe" is not'],
      [
        `${v1}, command: x, interactiveMode: Never, env: [{value: z}]`,
        "users[0].exec.env[0].name is missing",
      ],
      [`${v1}alpha1, command: x`, "users[0].exec.apiVersion"],
    ] as const
  ) {
    await assert.rejects(exec(fields), (error: Error & { code: string }) => {
      assert.equal(error.code, "KUBECONFIG_INVALID");
      assert.ok(error.message.startsWith(`/k/config: ${message}`), error.message);
      return true;
    });
  }
  assert.equal((await exec(`${v1}beta1, command: x`)).exec?.entry.interactiveMode, "IfAvailable");
  // Mistakes in users that are not chosen do not matter.
  const [one, other] = ["{token: s3cret}", "{client-certificate: /c.crt, client-key: /c.key}"];
  assert.equal((await connect(CONFIG.replace(other, "{exec: {}}"))).token, "s3cret");
  assert.notEqual(one, other);
});

Deno.test("connectionOf() names the replacement of an auth-provider", async () => {
  for (
    const [name, hint] of [
      ["gcp", /gke-gcloud-auth-plugin/],
      ["azure", /kubelogin/],
      ["oidc", /oidc-login/],
      ["x", /exec/],
    ]
  ) {
    await assert.rejects(connect(CONFIG.replace("{token: s3cret}", `{auth-provider: {name: ${name}}}`)), {
      code: "CLUSTER_UNSUPPORTED",
      message: /users\[0\]\.auth-provider/,
      hint,
    });
  }
});

Deno.test("connectionOf() impersonates the user of flags and kubeconfig", async () => {
  const config = CONFIG.replace(
    "{token: s3cret}",
    "{token: x, as: joe, as-groups: [a], as-user-extra: {k: [v]}}",
  );
  assert.deepEqual((await connect(config)).impersonate, [
    ["impersonate-user", "joe"],
    ["impersonate-group", "a"],
    ["impersonate-extra-k", "v"],
  ]);
  const flags = {
    as: "eve",
    asUid: "7",
    asGroup: ["b", "c"],
    asUserExtra: ["x.io/y z=1=2", "none", "x.io/y z=3"],
  };
  assert.deepEqual((await connect(config, flags)).impersonate, [
    ["impersonate-user", "eve"],
    ["impersonate-uid", "7"],
    ["impersonate-group", "b"],
    ["impersonate-group", "c"],
    ["impersonate-extra-k", "v"],
    ["impersonate-extra-x.io%2Fy%20z", "1=2"],
    ["impersonate-extra-x.io%2Fy%20z", "3"],
  ]);
});

Deno.test("connectionOf() refuses contradictory fields", async () => {
  const user = (fields: string) => CONFIG.replace("{token: s3cret}", fields);
  for (
    const [text, code] of [
      [user("{client-certificate-data: AA==}"), "KUBECONFIG_INVALID"],
      [user("{client-certificate: /c, client-key-data: '***'}"), "KUBECONFIG_INVALID"],
      [user("{as-groups: [x]}"), "KUBECONFIG_INVALID"],
      [user("{token: x, username: y}"), "KUBECONFIG_INVALID"],
      [user("{tokenFile: x, password: y}"), "KUBECONFIG_INVALID"],
      [user("{client-certificate: /c, client-certificate-data: AA==, client-key: /k}"), "KUBECONFIG_INVALID"],
      [CONFIG.replace("certificate-authority: ca.crt", "proxy-url: 'ftp://p'"), "KUBECONFIG_INVALID"],
      [CONFIG.replace('"https://prod.example:6443"', "prod.example/path"), "KUBECONFIG_INVALID"],
      [user("{auth-provider: {name: gcp}}"), "CLUSTER_UNSUPPORTED"],
      [CONFIG.replace('"https://prod.example:6443"', "'ftp://x'"), "KUBECONFIG_INVALID"],
      [
        CONFIG.replace(
          "certificate-authority: ca.crt",
          "certificate-authority: ca.crt, insecure-skip-tls-verify: true",
        ),
        "KUBECONFIG_INVALID",
      ],
    ] as const
  ) await assert.rejects(connect(text), { code }, text);
  const chosen = await choose(CONFIG);
  assert.throws(() =>
    connectionOf(chosen, {}, "/w", () => {
      throw new Deno.errors.NotFound("no");
    }), { code: "KUBECONFIG_UNREADABLE" });
});

Deno.test("formatRedactedKubeconfig() keeps clusters and contexts but no secret", async () => {
  const secret = "S3CR3T";
  const text = `
current-context: a
clusters: [{name: a, cluster: {server: "https://${secret}:${secret}@a.example", proxy-url: "http://${secret}@p", extensions: [{name: ${secret}}]}}]
contexts: [{name: a, context: {cluster: a, user: u, namespace: shop, extensions: [{name: ${secret}}]}}]
users:
- name: u
  user:
    token: ${secret}
    tokenFile: /${secret}
    username: ${secret}
    password: ${secret}
    client-key-data: ${btoa(secret)}
    client-certificate-data: ${btoa(secret)}
    client-key: /${secret}
    as: ${secret}
    as-groups: [${secret}]
    exec: {apiVersion: v1, command: ${secret}, args: [${secret}], env: [{name: A, value: ${secret}}]}
    auth-provider: {name: gcp, config: {access-token: ${secret}}}
extensions: [{name: ${secret}}]
`;
  const redacted = formatRedactedKubeconfig(
    await parseKubeconfig(text, "/k"),
    undefined,
    () => PEM,
    await makePlaceholderCredentials("placeholder"),
  );
  assert.ok(!redacted.includes(secret) && !redacted.includes(btoa(secret)), redacted);
  const parsed = await parseKubeconfig(redacted, "/k");
  assert.deepEqual(parsed.contexts.get("a")?.entry, { cluster: "a", user: "u", namespace: "shop" });
  assert.equal(parsed.clusters.get("a")?.entry.server, "https://a.example");
  const user = parsed.users.get("u")!.entry;
  assert.ok(user.token && user.clientCertificateData && user.clientKeyData);
});

Deno.test("formatRedactedKubeconfig() shows only a server's location", async () => {
  const secret = "S3CR3T";
  for (
    const [written, shown] of [
      [`https://a.example/x?token=${secret}`, "https://a.example/x"],
      [`https://a.example/x/#${secret}`, "https://a.example/x"],
      [`https://${secret}:${secret}@a.example:1?${secret}=1#${secret}`, "https://a.example:1"],
      [`https://a%40${secret}@a.example`, "https://a.example"],
      [`${secret}:${secret}@a.example:8080`, "http://a.example:8080"],
      [`${secret}@a.example`, "http://a.example"],
      [`https://${secret}%zz@a.example`, undefined],
      [`ftp://${secret}@a.example`, undefined],
      [`https://[::z?${secret}`, undefined],
      [`//${secret}@a.example/${secret}`, undefined],
    ] as const
  ) {
    const text = JSON.stringify({ clusters: [{ name: "a", cluster: { server: written } }] });
    const redacted = formatRedactedKubeconfig(
      await parseKubeconfig(text, "/k"),
      undefined,
      () => undefined,
      await makePlaceholderCredentials("placeholder"),
    );
    assert.ok(!redacted.includes(secret), redacted);
    assert.equal((await parseKubeconfig(redacted, "/k")).clusters.get("a")!.entry.server, shown, written);
    const config = { ...JSON.parse(text), contexts: [{ name: "c", context: { cluster: "a" } }] };
    const connection = await connect(JSON.stringify({ ...config, "current-context": "c" }))
      .catch((error: Error) => error);
    if (connection instanceof Error) assert.ok(!connection.message.includes(secret), connection.message);
    else assert.equal(connection.server, shown);
  }
});

Deno.test("formatRedactedKubeconfig() shows an authority's certificates but no key", async () => {
  const { cert, key } = await makePlaceholderCredentials("placeholder");
  const config = await parseKubeconfig("clusters: [{name: a, cluster: {server: https://a}}]", "/k");
  const shown = async (ca: string) => {
    const text = formatRedactedKubeconfig(
      config,
      undefined,
      () => ca,
      await makePlaceholderCredentials("placeholder"),
    );
    const data = (await parseKubeconfig(text, "/k")).clusters.get("a")!.entry.certificateAuthorityData;
    return data === undefined ? undefined : atob(data);
  };
  assert.equal(await shown(`# a comment\n${key}${cert}${key}${cert}password: S3CR3T`), `${cert}${cert}`);
  assert.equal(await shown(key), undefined);
  assert.equal(await shown("S3CR3T"), undefined);
});

Deno.test("makePlaceholderCredentials() makes a new matching pair each time", async () => {
  const { X509Certificate, createPrivateKey } = await import("node:crypto");
  const [one, two] = [
    await makePlaceholderCredentials("placeholder"),
    await makePlaceholderCredentials("placeholder"),
  ];
  const spki = { type: "spki", format: "der" } as const;
  const { createPublicKey } = await import("node:crypto");
  const ofCertificate = new X509Certificate(one.cert).publicKey.export(spki);
  const ofKey = createPublicKey(createPrivateKey(one.key)).export(spki);
  assert.deepEqual([...ofCertificate], [...ofKey]);
  assert.notEqual(one.key, two.key);
});
