/** krew_wasm_kubernetes: the cluster for preview1 modules, in C and in Go. */

import assert from "node:assert/strict";
import { canBuildGo } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { ExecServer } from "../support/exec_server.ts";
import { ControlPlane, controlPlaneMissing } from "../support/envtest.ts";
import { installFixture } from "../support/install.ts";
import { clangMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

async function setUp(fixture: string) {
  const api = await TestApiServer.start();
  const server = new ExecServer();
  api.hook = (request, url) =>
    request.headers.get("authorization") === `Bearer ${api.token}` && /\/pods\/[^/]+\//.test(url.pathname)
      ? server.hook(request, url)
      : undefined;
  const product = Product.make();
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig({ namespace: "default" }));
  await installFixture(product, fixture);
  return {
    api,
    server,
    product,
    /** Runs the plugin with arguments. */
    run: (args: string, options = "--allow-cluster=full") =>
      product.shell(`krew-wasm run ${options} ${fixture} -- ${args}`),
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

const pod = (name: string, phase = "Running") => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default" },
  status: { phase },
});

const POD = "/api/v1/namespaces/default/pods/web";

testBinary(
  "a module in C asks, sends and reads, with the user's credentials",
  { ignore: clangMissing() },
  async () => {
    await using it = await setUp("kubernetes");
    const { api, run } = it;
    assert.deepEqual(await run("current"), { code: 0, stdout: `demo\n${api.server}\ndefault\n`, stderr: "" });
    const got = await run("get /version");
    assert.match(got.stdout, /^200\n\{.*"major": *"1"/);
    assert.equal(api.seen.at(-1)?.headers.get("authorization"), `Bearer ${api.token}`);
    const review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    for (const how of ["post", "upload"]) {
      assert.match(
        (await run(`${how} ${review} '{"kind":"SelfSubjectReview"}'`)).stdout,
        /^201\n.*jane@example\.com/,
        how,
      );
    }
    assert.match((await run("get /nowhere")).stdout, /^404\n/);
    // Headers are UTF-8 in both directions.
    api.hook = (request) => {
      const agent = Uint8Array.from(request.headers.get("user-agent")!, (letter) => letter.charCodeAt(0));
      return new Response(null, {
        headers: { "x-agent": [...agent].map((byte) => String.fromCharCode(byte)).join("") },
      });
    };
    assert.match(
      (await run("head /version 'user-agent: größe ✓\n'")).stdout,
      /^x-agent: kubectl-\S+ krew-wasm\/\S+ größe ✓$/m,
    );
    // HTTP's blanks are only space and tab; anything else belongs to the value.
    assert.match(
      (await run("head /version 'user-agent: \u00a0x\u00a0 \r\n'")).stdout,
      /^x-agent: kubectl-\S+ krew-wasm\/\S+ \u00a0x\u00a0$/m,
    );
  },
);

testBinary(
  "a module in C waits for two watches at once with poll()",
  { ignore: clangMissing() },
  async () => {
    await using it = await setUp("kubernetes");
    const { api, run } = it;
    api.add("pods", pod("web"));
    const running = run("two '/api/v1/namespaces/default/pods?watch=true'");
    while (api.watches.size < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    api.add("pods", pod("new"));
    const { code, stdout, stderr } = await running;
    assert.equal(code, 0, stderr);
    const lines = stdout.trim().split("\n");
    assert.equal(lines.filter((line) => /"name":"new"/.test(line)).length, 2);
    assert.equal(lines.filter((line) => /"name":"web"/.test(line)).length, 2);
  },
);

testBinary(
  "a module in C runs commands, tunnels and talks in messages",
  { ignore: clangMissing() },
  async () => {
    await using it = await setUp("kubernetes");
    const { run } = it;
    assert.deepEqual(await run(`exec '${POD}/exec?command=cat&stdin=true&stdout=true' typed`), {
      code: 0,
      stdout: `typed{"metadata":{},"status":"Success"}`,
      stderr: "",
    });
    const refused = await run(`exec '${POD.replace("web", "secret")}/exec?command=cat' typed`);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^403: .*pods \\"secret\\" is forbidden/);
    const broken = await run(`exec '${POD}/exec?command=drop&stdout=true' x`);
    assert.equal(broken.code, 1);
    assert.match(
      broken.stderr,
      /^read: I\/O error: the server closed the connection with code 4000: the pod is gone/,
    );
    assert.equal((await run(`tunnel ${POD}/portforward bytes`)).stdout, "bytes\n");
    assert.deepEqual(await run(`messages ${POD}/proxy grüße`), { code: 0, stdout: "1 grüße\n", stderr: "" });
  },
);

testBinary(
  "krew_wasm_kubernetes refuses other hosts and headers with a message",
  { ignore: clangMissing() },
  async () => {
    await using it = await setUp("kubernetes");
    const { api, server, run, product } = it;
    const cases: [args: string, words: RegExp][] = [
      ["get https://evil.test/", /Invalid argument: .*is not a path/],
      ["get //evil.test/", /Permission denied: .*two slashes/],
      ["get /api/%2e%2e/x", /Permission denied/],
      [`get /version "x: a\rhost: evil"`, /Invalid argument: .*holds a character that no header has/],
      ["exec https://evil.test/ x", /Invalid argument: .*is not a path/],
      [`exec '/api/../x' x`, /Permission denied/],
      [`get /version?access_token=t`, /Permission denied: .*its query carries credentials/],
      ...["v5.channel.k8s.io,base64url.bearer.authorization.k8s.io.Z3Vlc3Q", "x"].map((
        protocols,
      ): [string, RegExp] => [
        `upgrade '${POD}/exec?command=cat' ${protocols}`,
        /Invalid argument: .*is not a subprotocol that a plugin may ask for/,
      ]),
    ];
    for (const [args, words] of cases) {
      const { code, stderr } = await run(args);
      assert.equal(code, 1, args);
      assert.match(stderr, words, args);
    }
    assert.equal(api.seen.length + server.sockets.length, 0);
    const guarded = await run(`exec '${POD}/exec?command=cat' x`, "--allow-cluster=read-only");
    assert.match(guarded.stderr, /^403: .*krew-wasm does not let/);
    assert.equal((await run("wrong /version")).code, 0);
    assert.match((await run("churn /version")).stdout, /^200\n/);
    assert.deepEqual(await run("many /version"), { code: 0, stdout: "1021\n", stderr: "" });
    Deno.removeSync(`${product.home}/.kube/config`);
    const nowhere = await run("current");
    assert.match(nowhere.stderr, /^current: No such device: There is no kubeconfig at /);
  },
);

testBinary(
  "client-go in Go: an informer sees a change, while a heartbeat goes on",
  { ignore: !canBuildGo() },
  async () => {
    await using it = await setUp("pods-go");
    const { api, run } = it;
    api.add("pods", pod("web"));
    const running = run("--max 2");
    while (api.watches.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    api.add("pods", pod("new", "Pending"));
    assert.deepEqual(await running, {
      code: 0,
      stdout:
        "ADDED     default/web                    Running\nADDED     default/new                    Pending\n",
      stderr: "",
    });
    assert.equal(api.seen.at(-1)?.headers.get("authorization"), `Bearer ${api.token}`);
  },
);

testBinary(
  "Go: exec with input and exit code, refusals and failures in words",
  { ignore: !canBuildGo() },
  async () => {
    await using it = await setUp("pods-go");
    const { run, product, api } = it;
    const typed = await product.shell(
      `printf 'one\\ntwo\\n' | krew-wasm run --allow-cluster=full pods-go -- exec web -- cat`,
    );
    assert.deepEqual(typed, { code: 0, stdout: "one\ntwo\n", stderr: "" });
    assert.deepEqual(await run("exec web -- fail 9"), { code: 9, stdout: "", stderr: "" });
    const refused = await run("exec secret -- ls");
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^error: pods "secret" is forbidden/);
    assert.equal((await run("exec web")).code, 2);
    Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig({ server: "https://127.0.0.1:1" }));
    const unreachable = await run("");
    assert.equal(unreachable.code, 1);
    assert.match(
      unreachable.stderr,
      /Cannot reach the API server https:\/\/127\.0\.0\.1:1: connection refused/,
    );
  },
);

testBinary("a real API server's refusal of exec is kubectl's", {
  ignore: clangMissing() || controlPlaneMissing(),
}, async () => {
  await using it = await setUp("kubernetes");
  await using plane = await ControlPlane.start();
  // No scheduler runs, so the Pod has no node and exec fails.
  await plane.run("create", "namespace", "quiet");
  await plane.run("create", "serviceaccount", "default", "-n", "quiet");
  await plane.run("run", "one", "--image=none.test/none", "-n", "quiet");
  const path = "/api/v1/namespaces/quiet/pods/one/exec?command=date&stdout=true";
  const options = { env: { KUBECONFIG: plane.kubeconfig } };
  const run = (args: string) =>
    it.product.shell(`krew-wasm run --allow-cluster=full kubernetes -- ${args}`, options);
  const theirs = await plane.run("exec", "one", "-n", "quiet", "--", "date").then(
    () => assert.fail(),
    String,
  );
  const [, message = ""] = /(pod one does not have a host assigned)/.exec(theirs) ?? [];
  assert.notEqual(message, "", theirs);
  const own = await run(`exec '${path}' x`);
  assert.equal(own.code, 1);
  assert.match(own.stderr, new RegExp(`^400: .*"message":"${message}"`));
  const forbidden = await run(`exec '${path}' x --context reader`);
  assert.match(forbidden.stderr, /^403: .*User \\"reader\\" cannot (get|create) resource \\"pods\/exec\\"/);
});

testBinary("client-go's informer against a real API server", {
  ignore: !canBuildGo() || controlPlaneMissing(),
}, async () => {
  await using it = await setUp("pods-go");
  await using plane = await ControlPlane.start();
  await plane.run("create", "namespace", "quiet");
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", `krew-wasm run pods-go -- -n quiet --max 3`],
    clearEnv: true,
    env: { ...it.product.env(), KUBECONFIG: plane.kubeconfig },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const warnings = new Response(child.stderr).text();
  await plane.run("create", "serviceaccount", "default", "-n", "quiet");
  await plane.run("run", "one", "--image=none.test/none", "-n", "quiet");
  let output = "";
  let step = 0;
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += chunk;
    // Make each change after the plugin has printed the one before.
    if (step === 0 && output.includes("ADDED")) {
      step++;
      await plane.run("label", "pod", "one", "seen=yes", "-n", "quiet");
    } else if (step === 1 && output.includes("CHANGED")) {
      step++;
      await plane.run("delete", "pod", "one", "-n", "quiet", "--force", "--grace-period=0");
    }
  }
  assert.equal((await child.status).code, 0);
  assert.match(
    output,
    /^ADDED +quiet\/one +Pending\nCHANGED +quiet\/one +Pending\n(CHANGED|DELETED) +quiet\/one/,
  );
  // Such as a watch that ended too soon.
  assert.equal(await warnings, "");
});
