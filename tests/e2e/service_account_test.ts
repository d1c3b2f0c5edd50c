/** Inside of a Pod a plugin acts as kubectl does: as the service account, by client-go's rules. */

import assert from "node:assert/strict";
import { status, TestApiServer } from "../../scripts/servers/api_server.ts";
import { Authority } from "../../scripts/servers/certificates.ts";
import { controlPlaneMissing } from "../support/envtest.ts";
import { installFixture } from "../support/install.ts";
import { inPod, podMissing, ServiceAccountFiles } from "../support/pod.ts";
import { clangMissing, Product } from "../support/product.ts";
import { type Result, SideBySide, type Situation } from "../support/side_by_side.ts";
import { testBinary } from "../support/test_binary.ts";

const ignore = clangMissing() || controlPlaneMissing() || podMissing();

interface Case extends Situation {
  readonly name: string;
  /** Replaces files of the service account's directory. */
  readonly account?: Readonly<Record<string, string>>;
  readonly result: Result;
  readonly differs?: readonly [result: Result, why: string];
}

testBinary("inside of a Pod, kubectl and a plugin get the same", { ignore }, async (t) => {
  await using api = await TestApiServer.start();
  api.hook = () => Response.json({ major: "1" });
  using it = await SideBySide.start(api);
  const { hostname, port } = new URL(api.server);
  const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
  const usual = { token: "of-the-pod", "ca.crt": api.authority.cert, namespace: "shop" };
  const other = await Authority.make("other-ca");
  const config = JSON.parse(api.kubeconfig({ token: "of-the-kubeconfig" }));
  const without = (name: keyof typeof usual) =>
    Object.fromEntries(Object.entries(usual).filter(([key]) => key !== name));
  const nowhere: Pick<Case, "result" | "differs"> = {
    result: "unreachable",
    differs: ["kubeconfig", "kubectl tries http://localhost:8080"],
  };
  const cases: Case[] = [
    { name: "the service account", result: "reached" },
    {
      name: "a kubeconfig goes before it",
      config,
      result: "reached",
    },
    { name: "an empty kubeconfig does not", config: {}, result: "reached" },
    { name: "KUBECONFIG that names nothing does not", env: { KUBECONFIG: "~/gone" }, result: "reached" },
    { name: "without a token", account: without("token"), ...nowhere },
    { name: "with an empty token", account: { ...usual, token: "" }, result: "credentials" },
    { name: "without ca.crt: the system's roots", account: without("ca.crt"), result: "tls" },
    {
      name: "without ca.crt, where the system's roots know the server",
      account: without("ca.crt"),
      files: { "system.pem": api.authority.cert },
      env: { SSL_CERT_FILE: "~/system.pem" },
      result: "reached",
    },
    { name: "ca.crt that holds no certificate", account: { ...usual, "ca.crt": "x" }, result: "tls" },
    { name: "ca.crt of another authority", account: { ...usual, "ca.crt": other.cert }, result: "tls" },
    { name: "without namespace", account: without("namespace"), result: "reached" },
    { name: "without KUBERNETES_SERVICE_HOST", env: { KUBERNETES_SERVICE_HOST: "" }, ...nowhere },
    { name: "without KUBERNETES_SERVICE_PORT", env: { KUBERNETES_SERVICE_PORT: "" }, ...nowhere },
    {
      name: "a port where nobody is",
      env: { KUBERNETES_SERVICE_PORT: "9" },
      server: `https://${hostname}:9`,
      result: "unreachable",
    },
    { name: "--token", args: ["--token=fl4g"], result: "reached" },
    {
      name: "--request-timeout",
      args: ["--request-timeout=10s"],
      result: "unreachable",
      differs: ["reached", "kubectl takes the flag for a kubeconfig, and tries http://localhost:8080"],
    },
    {
      name: "--as",
      args: ["--as=eve"],
      result: "unreachable",
      differs: ["reached", "kubectl takes the flag for a kubeconfig, and tries http://localhost:8080"],
    },
    { name: "--context that is not there", args: ["--context=x"], result: "kubeconfig" },
  ];
  for (const { name, account = usual, result, differs, ...situation } of cases) {
    await t.step(name, async () => {
      using files = new ServiceAccountFiles(account);
      const { kubectl, plugin, said } = await it.compare({
        ...situation,
        env: { ...env, ...situation.env },
        by: inPod(files.directory),
      });
      assert.equal(kubectl.result, result, `kubectl's result is another: ${said}`);
      if (differs) assert.equal(plugin.result, differs[0], said);
      else assert.deepEqual(plugin, kubectl, said);
    });
  }
});

testBinary(
  "a Pod's token is renewed while a plugin runs, as are its server's authorities",
  { ignore },
  async () => {
    await using api = await TestApiServer.start();
    using product = Product.make();
    await installFixture(product, "raw", "--allow-cluster=read-only");
    using account = new ServiceAccountFiles({
      token: "first",
      "ca.crt": api.authority.cert,
      namespace: "shop",
    });
    let valid = "first";
    api.hook = (request) =>
      request.headers.get("authorization") === `Bearer ${valid}`
        ? Response.json(valid)
        : status(401, "Unauthorized", "Unauthorized");
    const { hostname, port } = new URL(api.server);
    const [program = "", ...words] = inPod(account.directory);
    const child = product.start(
      program,
      [...words, `${product.store}/bin/kubectl-raw`, "/version", "3", "--lines"],
      { env: { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port } },
    );
    const stdin = child.stdin.getWriter();
    const next = () => stdin.write(new TextEncoder().encode("\n"));
    let output = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      output += chunk;
      if (output === `"first"`) {
        // The token was renewed and the old one revoked. The test waits for the server's refusal, not for time.
        valid = "second";
        account.write({ token: "second", "ca.crt": api.authority.cert, namespace: "shop" });
        await next();
      } else if (output === `"first""second"`) {
        // During a rotation the last token stays in use.
        account.write({ namespace: "shop" });
        await next();
        await stdin.close();
      }
    }
    assert.equal((await child.status).code, 0);
    assert.equal(output, `"first""second""second"`);
    assert.deepEqual(
      api.seen.map(({ headers }) => headers.get("authorization")),
      ["first", "first", "second", "second"].map((token) => `Bearer ${token}`),
    );
  },
);

testBinary("a plugin in a Pod gets kubectl's namespace", { ignore }, async () => {
  await using api = await TestApiServer.start();
  using it = await SideBySide.start(api);
  const { product } = it;
  await installFixture(product, "kubernetes");
  const { hostname, port } = new URL(api.server);
  const cases: [
    files: Record<string, string>,
    args: string[],
    env: Record<string, string>,
    namespace: string,
  ][] = [
    [{ namespace: "shop" }, [], {}, "shop"],
    [{ namespace: "shop\n" }, [], {}, "shop"],
    [{}, [], {}, "default"],
    [{ namespace: "" }, [], {}, "default"],
    [{ namespace: "shop" }, [], { POD_NAMESPACE: "pod" }, "pod"],
    [{ namespace: "shop" }, ["-n", "flag"], { POD_NAMESPACE: "pod" }, "flag"],
  ];
  const pods = { name: "pods", singularName: "pod", namespaced: true, kind: "Pod", verbs: ["list"] };
  const answers: Record<string, unknown> = {
    "/api": { kind: "APIVersions", versions: ["v1"] },
    "/apis": { kind: "APIGroupList", apiVersion: "v1", groups: [] },
    "/api/v1": { kind: "APIResourceList", groupVersion: "v1", resources: [pods] },
  };
  api.hook = (_request, { pathname }) =>
    Response.json(answers[pathname] ?? { kind: "PodList", apiVersion: "v1", metadata: {}, items: [] });
  for (const [files, args, more, namespace] of cases) {
    using account = new ServiceAccountFiles({ token: "t", "ca.crt": api.authority.cert, ...files });
    const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port, ...more };
    const [program = "", ...words] = inPod(account.directory);
    const run = (...command: string[]) => product.exec(program, [...words, ...command, ...args], { env });
    assert.deepEqual(await run(`${product.store}/bin/kubectl-kubernetes`, "current"), {
      code: 0,
      stdout: `\n${api.server}\n${namespace}\n`,
      stderr: "",
    });
    api.seen.length = 0;
    await run(it.kubectl, "get", "pods");
    assert.match(api.seen.at(-1)?.path ?? "", new RegExp(`^/api/v1/namespaces/${namespace}/pods`));
  }
});
