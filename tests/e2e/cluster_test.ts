/** Plugins and their cluster: through kubectl, with a small API server and a real one. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { Authority } from "../../scripts/servers/certificates.ts";
import { ControlPlane, controlPlaneMissing } from "../support/envtest.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { clangMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";

async function setUp(names: readonly string[]) {
  const api = await TestApiServer.start();
  const product = Product.make();
  await using registry = TestRegistry.start();
  for (const name of names) {
    await push(
      registry.origin,
      `plugins/${name}`,
      "v1",
      makeArtifact(await Deno.readFile(await buildFixture(name))),
    );
    const { code, stderr } = await product.run(
      "pull",
      `${registry.host}/plugins/${name}:v1`,
      "--name",
      name === "events" ? "watch-events" : name,
    );
    assert.equal(code, 0, stderr);
  }
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());
  return {
    api,
    product,
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

const event = (name: string, message: string) => ({
  apiVersion: "v1",
  kind: "Event",
  metadata: { name, namespace: "default" },
  type: "Normal",
  reason: "Tested",
  message,
  involvedObject: { kind: "Pod", name: "web" },
});

Deno.test("a TypeScript plugin reaches the cluster as the user through our interface", async () => {
  await using it = await setUp(["whoami"]);
  const { product, api } = it;
  assert.deepEqual(await product.shell("kubectl-whoami"), {
    code: 0,
    stdout:
      "ATTRIBUTE   VALUE\nUsername    jane@example.com\nUID         4711\nGroups      developers, system:authenticated\n",
    stderr: "",
  });
  assert.equal(api.seen.at(-1)?.headers.get("authorization"), `Bearer ${api.token}`);
  assert.equal((await product.shell("kubectl-whoami -o nope")).code, 2);
  const traced = await product.shell("KREW_WASM_VERBOSE=1 kubectl-whoami -o name");
  assert.equal(traced.stdout, "jane@example.com\n");
  assert.match(
    traced.stderr,
    /^krew-wasm: POST \/apis\/authentication\.k8s\.io\/v1\/selfsubjectreviews 201 in \d+ ms, \d+ bytes\n$/,
  );
});

testBinary("krew-wasm reports a bad kubeconfig or server, and --help needs neither", async () => {
  await using it = await setUp(["whoami"]);
  const { product, api } = it;
  const other = await Authority.make("other");
  const cases: [config: string | undefined, words: RegExp][] = [
    [undefined, /There is no kubeconfig at .*\.kube\/config/],
    ["a: [", /\.kube\/config is not YAML/],
    ["{}", /no current context/],
    ["current-context: gone", /no context "gone"/],
    [api.kubeconfig().replace("jane", "joe"), /names "jane"|names "joe"/],
    [
      api.kubeconfig({ server: "https://127.0.0.1:2" }),
      /Cannot reach the API server https:\/\/127\.0\.0\.1:2: connection refused/,
    ],
    [api.kubeconfig({ ca: other.cert }), /signed by an authority/],
    [api.kubeconfig({ token: "wrong" }), /answered 401/],
    [
      api.kubeconfig().replace(/"user":\{"token":"[^"]*"\}/, '"user":{"exec":{}}'),
      /~\/\.kube\/config: users\[0\]\.exec\.command is missing/,
    ],
    [
      api.kubeconfig().replace(/"certificate-authority-data":"[^"]*"/, '"certificate-authority":"gone.crt"'),
      /names ".*gone\.crt", which can't be read/,
    ],
  ];
  const path = `${product.home}/.kube/config`;
  for (const [config, words] of cases) {
    if (config === undefined) Deno.removeSync(path);
    else Deno.writeTextFileSync(path, config);
    const { code, stdout, stderr } = await product.shell("kubectl-whoami");
    assert.deepEqual([code, stdout], [1, ""], stderr);
    assert.match(stderr, words);
    assert.ok(!stderr.includes(api.token));
    assert.equal((await product.shell("kubectl-whoami --help")).code, 0);
  }
});

Deno.test("kubectl's flags choose the context and reach the plugin unchanged", async () => {
  await using it = await setUp(["whoami"]);
  const { product, api } = it;
  const { clusters } = JSON.parse(api.kubeconfig());
  Deno.writeTextFileSync(
    `${product.home}/other.yaml`,
    `# YAML, with an anchor
clusters:
- name: c
  cluster: &cluster
    server: ${clusters[0].cluster.server}
    certificate-authority-data: ${clusters[0].cluster["certificate-authority-data"]}
users:
- name: u
  user:
    token: "${api.token}"
contexts:
- {name: x, context: {cluster: c, user: u}}
`,
  );
  const flags = "--kubeconfig=other.yaml --context x -n shop";
  assert.equal((await product.shell(`kubectl-whoami ${flags} -o name`)).stdout, "jane@example.com\n");
  assert.equal((await product.shell("kubectl-whoami --context nope")).code, 1);
});

Deno.test("fetch over wasi:http returns a watch line by line", async () => {
  await using it = await setUp(["events"]);
  const { product, api } = it;
  api.add("events", event("a", "first"));
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", "kubectl-watch_events --max 3"],
    clearEnv: true,
    env: product.env(),
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let output = "";
  let added = 1;
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += chunk;
    // Send each event after the plugin has printed the one before.
    if (output.trimEnd().split("\n").length === added + 1 && added < 3) {
      api.add("events", event("b", ["", "second", "third"][added++]!));
    }
  }
  assert.equal((await child.status).code, 0);
  assert.match(output, /^TIME .*\n.*first\n.*second\n.*third\n$/);
});

Deno.test("every interface refuses other hosts and sends nothing", async () => {
  await using it = await setUp(["events"]);
  const { product, api } = it;
  await using elsewhere = TestRegistry.start();
  // A redirect by the API server could lead a client library elsewhere. The host does not follow it.
  api.hook = () => new Response(null, { status: 302, headers: { location: `${elsewhere.origin}/stolen` } });
  const { code, stderr } = await product.shell("kubectl-watch_events --once");
  assert.equal(code, 1);
  assert.notEqual(stderr, "");
  assert.deepEqual(elsewhere.requests, []);
});

Deno.test(
  "a plugin of 2022 runs unmodified and reaches no other host",
  { ignore: clangMissing() },
  async () => {
    await using it = await setUp(["outbound", "files"]);
    const { product, api } = it;
    const { code, stdout } = await product.shell(`kubectl-outbound ${api.server}/version?x=1 get '' params`);
    assert.equal(code, 0);
    const [head = "", body = ""] = stdout.split("\n\n");
    assert.match(head, /^200\n[^]*content-type: application\/json/);
    assert.equal(JSON.parse(body).major, "1");
    const seen = api.seen.at(-1)!;
    assert.equal(seen.path, "/version?x=1&limit=2&label=a%20b%26c%3D%C3%A9");
    assert.equal(seen.headers.get("authorization"), `Bearer ${api.token}`);
    assert.equal(seen.headers.get("accept"), "application/json");
    for (
      const url of [
        "https://evil.example/",
        api.server.replace("https", "http"),
        "/version",
        "https://127.0.0.1:1/",
      ]
    ) {
      const refused = await product.shell(`kubectl-outbound ${url}`);
      assert.equal(refused.code, 1, url);
      assert.match(refused.stderr, /destination-not-allowed|invalid-url/);
    }
    assert.equal(api.seen.length, 1);
    // The plugin gets an error number; the user gets words.
    const closed = api.kubeconfig({ server: "https://127.0.0.1:9" });
    Deno.writeTextFileSync(`${product.home}/closed`, closed);
    const failed = await product.shell("kubectl-outbound https://127.0.0.1:9/ --kubeconfig=closed");
    assert.match(failed.stderr, /^request: request-error\nkrew-wasm: Cannot reach .*: connection refused\n$/);
    for (
      const [flags, words] of [
        ["--id=other", "request: invalid-cfg"],
        ["--method=7", "request: request-error"],
        ["--far", "request: runtime-error"],
      ] as const
    ) {
      const { code, stderr } = await product.shell(`kubectl-outbound ${api.server}/ ${flags}`);
      assert.deepEqual([code, stderr.split("\n")[0]], [1, words], flags);
    }
    for (const flags of ["--no-id", "--no-identity", "--plain", "--register=mine --id=mine --twice"]) {
      const { code, stderr } = await product.shell(`kubectl-outbound ${api.server}/version ${flags}`);
      assert.equal(code, 0, `${flags}: ${stderr}`);
    }
    assert.match(
      (await product.shell(`kubectl-outbound ${api.server}/version --register=mine --show-id`)).stdout,
      /^mine\n200\n/,
    );
    const posted = await product.shell(
      `kubectl-outbound ${api.server}/apis/authentication.k8s.io/v1/selfsubjectreviews post '{"kind":"SelfSubjectReview"}'`,
    );
    assert.match(posted.stdout, /^201\n/);
  },
);

Deno.test("a plugin reads a redacted kubeconfig at every path", {
  ignore: clangMissing(),
}, async () => {
  await using it = await setUp(["files"]);
  const { product, api } = it;
  const path = `${product.home}/.kube/config`;
  Deno.linkSync(path, `${product.home}/hard`);
  Deno.symlinkSync(".kube/config", `${product.home}/soft`);
  const read = async (line: string) => (await product.shell(line)).stdout;
  for (
    const line of [
      `kubectl-files read ${path}`,
      ...["hard", "soft", ".kube/config"].map((name) =>
        `krew-wasm run --allow-home files read ${product.home}/${name}`
      ),
    ]
  ) {
    const text = await read(line);
    assert.ok(!text.includes(api.token), line);
    const redacted = JSON.parse(text);
    assert.equal(redacted.clusters[0].cluster.server, api.server);
    assert.equal(redacted["current-context"], "demo");
    assert.ok(redacted.users[0].user.token && redacted.users[0].user["client-key-data"], line);
  }
  assert.ok(
    (await read(`krew-wasm run --allow-home --allow-kubeconfig files read ${path}`)).includes(api.token),
  );
  assert.equal((await product.shell(`kubectl-files list ${product.home}/.kube`)).stdout, "config\n");
});

testBinary("against a real API server, with a client certificate and with a token", {
  ignore: controlPlaneMissing(),
}, async () => {
  await using it = await setUp(["whoami", "decoder", "events"]);
  await using plane = await ControlPlane.start();
  const { product } = it;
  const shell = (line: string) => product.shell(line, { env: { KUBECONFIG: plane.kubeconfig } });
  assert.equal((await shell("kubectl-whoami -o name")).stdout, "admin\n");
  assert.equal((await shell("kubectl-whoami --context reader -o name")).stdout, "reader\n");
  assert.equal((await shell("kubectl-whoami --as jane --as-group dev -o name")).stdout, "jane\n");
  const { cert, key } = await plane.authority.issue({ commonName: "shop.example", hosts: ["shop.example"] });
  Deno.writeTextFileSync(`${product.home}/crt`, cert);
  Deno.writeTextFileSync(`${product.home}/key`, key);
  await plane.run(
    "create",
    "secret",
    "tls",
    "shop",
    `--cert=${product.home}/crt`,
    `--key=${product.home}/key`,
  );
  await plane.run("create", "secret", "generic", "db", "--from-literal=password=s3cret");
  const decoded = await shell("kubectl-decoder secret shop");
  assert.match(
    decoded.stdout,
    /certificate for +CN=shop\.example\n +names +shop\.example\n +signed by +CN=envtest-ca\n +valid .*29 days left/,
  );
  assert.deepEqual(JSON.parse((await shell("kubectl-decoder db -o json")).stdout), { password: "s3cret" });
  const forbidden = await shell("kubectl-decoder db --context reader");
  assert.equal(forbidden.code, 1);
  assert.match(
    forbidden.stderr,
    /answered 403: secrets "db" is forbidden: User "reader" cannot get resource/,
  );
  assert.match((await shell("kubectl-decoder gone")).stderr, /answered 404/);
  // A separate namespace, because the API server creates events in the default one.
  await plane.run("create", "namespace", "quiet");
  assert.equal((await shell("kubectl-watch_events --once -n quiet")).stdout, "No events.\n");
});
