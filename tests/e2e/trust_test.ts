/** What decides whom to trust: policies, signatures, references, lock files and bundles, where each says more than it may. */

import assert from "node:assert/strict";
import { shellQuoted } from "../../runtime/text.ts";
import { namespaceArgs, namespaceMissing } from "../support/namespace.ts";
import { makeArtifact, push } from "../support/oci.ts";
import { Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";
import { TestRegistry } from "../support/registry.ts";
import { makeExiting } from "../support/store.ts";

const DIRECTORY = "/etc/krew-wasm";

/** Lines of /bin/sh that make the administrator's files, policy.yaml among them. */
function administrator(policy: unknown, files: Readonly<Record<string, string>> = {}): string {
  const all = { "policy.yaml": JSON.stringify(policy), ...files };
  return [
    `umask 022; mkdir ${DIRECTORY}`,
    ...Object.entries(all).map(([name, text]) => `printf %s ${shellQuoted(text)} >${DIRECTORY}/${name}`),
  ].join("; ");
}

/** A machine, and a registry with plugins that exit with a code of their own. */
async function setUp() {
  const registry = TestRegistry.start();
  const product = Product.make();
  const publish = (repository: string, tag: string, code: number, annotations = {}) =>
    push(registry.origin, repository, tag, makeArtifact(makeExiting(code), "cncf", annotations));
  await publish("acme/tool", "v1", 11);
  return {
    registry,
    product,
    publish,
    /** `127.0.0.1:PORT/acme/tool:v1` */
    tool: `${registry.host}/acme/tool:v1`,
    /** A line, where the administrator has said something. */
    under: (prepare: string, line: string) => product.exec("unshare", namespaceArgs(prepare, line)),
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

testBinary(
  "a policy's rules hold for every spelling of a reference",
  { ignore: namespaceMissing() },
  async () => {
    await using it = await setUp();
    const { under, registry } = it;
    const port = registry.host.split(":")[1];
    const cases: [policy: unknown, ...references: string[]][] = [
      [
        { rules: [{ match: "localhost/**", allow: false }] },
        ..."localhost:80/acme/x localhost:080/acme/x LOCALHOST/acme/x localhost./acme/x localhost.:0080/acme/x"
          .split(" "),
      ],
      [
        { rules: [{ match: "docker.io/**", allow: false }] },
        ..."docker.io:443/acme/x registry-1.docker.io/acme/x index.docker.io:0443/x Docker.io./x acme/x x"
          .split(" "),
      ],
      [{ rules: [{ match: "registry-1.docker.io/x", allow: false }] }, "x", "docker.io/library/x"],
      [{ rules: [{ match: "ghcr.io/**", allow: false }] }, "ghcr.io:443/x", "ghcr.io:80/x", "GHCR.IO./x"],
      [
        { rules: [{ match: `127.0.0.1:${port}/**`, allow: false }] },
        ...["127.0.0.1:0", "127.1:", "0177.0.0.1:", "2130706433:", "[::ffff:7f00:1]:"].map((host) =>
          `${host}${port}/acme/tool:v1`
        ),
      ],
      [
        { registries: ["ghcr.io"] },
        "ghcr.io.evil.example/x",
        "ghcr.io:5000/x",
        "file:5000/x",
        "bundle:5000/x",
      ],
    ];
    for (const [policy, ...references] of cases) {
      const asked = registry.requests.length;
      const line = references.map((text) => `krew-wasm pull ${shellQuoted(text)} 2>&1`).join("; ");
      const { stdout } = await under(administrator(policy), line);
      const refused = stdout.split("\n").filter((text) => / is not allowed on this machine: /.test(text));
      assert.equal(refused.length, references.length, `${JSON.stringify(policy)}\n${stdout}`);
      assert.equal(registry.requests.length, asked, "no registry is asked");
    }
  },
);

testBinary("a rule that can never match is an error, and one in another spelling holds", {
  ignore: namespaceMissing(),
}, async () => {
  await using it = await setUp();
  const { under, product } = it;
  assert.equal((await product.run("pull", it.tool)).code, 0);
  for (
    const [policy, words] of [
      [{ rules: [{ match: "ghcr.io", allow: false }] }, /rules\[0\]\.match: "ghcr\.io" can never match: /],
      [{ rules: [{ match: "ghcr.io/Acme/**", allow: false }] }, /repositories are lower-case/],
      [{ rules: [{ match: "acme/**", allow: false }] }, /it names no registry; .*docker\.io\/acme\/\*\*/],
      [{ rules: [{ match: "ghcr.io/acme/x:v1", allow: false }] }, /tag and digest don't count/],
      [{ registries: ["ghcr.io/acme"] }, /registries\[0\]: "ghcr\.io\/acme" is not HOST/],
      [{ registries: ["https://ghcr.io"] }, /registries\[0\]/],
    ] as const
  ) {
    const { code, stderr } = await under(administrator(policy), "kubectl-tool");
    assert.equal(code, 125, JSON.stringify(policy));
    assert.match(stderr, words);
    assert.match(stderr, /policy \/etc\/krew-wasm\/policy\.yaml can't be used/);
  }
  const port = it.registry.host.split(":")[1];
  for (const host of ["127.0.0.1:00", "0177.0.0.1:", "127.0.0.1.:"]) {
    const policy = { rules: [{ match: `${host}${port}/acme/**`, allow: false }] };
    const { code, stderr } = await under(administrator(policy), "kubectl-tool");
    assert.equal(code, 125, host);
    assert.match(stderr, /denies it/);
  }
});

testBinary(
  "one repository in two spellings is one publisher: its grants stay, its credentials are found",
  async () => {
    await using it = await setUp();
    const { product, registry } = it;
    const [, port] = registry.host.split(":");
    assert.equal((await product.run("pull", "--allow-env=A", it.tool)).code, 0);
    const again = await product.run("pull", "--force", `2130706433:0${port}/acme/tool:v1`);
    assert.equal(again.code, 0, again.stderr);
    const [plugin] = JSON.parse((await product.run("list", "-o", "json")).stdout).plugins;
    assert.deepEqual([plugin.reference, plugin.grants.env], [it.tool, ["A"]]);

    await using guarded = TestRegistry.start({ kind: "basic", username: "me", password: "secret" });
    const pushed = { authorization: `Basic ${btoa("me:secret")}` };
    await push(guarded.origin, "acme/own", "v1", makeArtifact(makeExiting(3)), pushed);
    const own = guarded.host.split(":")[1];
    Deno.mkdirSync(`${product.home}/.docker`);
    const auths = { [`https://127.1:0${own}/v2/`]: { auth: btoa("me:secret") } };
    Deno.writeTextFileSync(`${product.home}/.docker/config.json`, JSON.stringify({ auths }));
    const pulled = await product.run("pull", `0177.0.0.1:${own}/acme/own:v1`);
    assert.equal(pulled.code, 0, pulled.stderr);
    const out = await product.run("logout", `127.0.0.1:${own}`);
    assert.equal(out.code, 0, out.stderr);
    const { auths: left } = JSON.parse(Deno.readTextFileSync(`${product.home}/.docker/config.json`));
    assert.deepEqual(left, {});
  },
);

testBinary("mirrors, certificates and blocks hold for every spelling of their host", async () => {
  await using it = await setUp();
  const { product, registry } = it;
  Deno.mkdirSync(product.store, { mode: 0o700 });
  const write = (text: string) => Deno.writeTextFileSync(`${product.store}/registries.yaml`, text);
  write(`registries:\n  GHCR.io.:0443/Team/x: {blocked: true}\n`);
  assert.match((await product.run("pull", "ghcr.io/team/x")).stderr, /is not HOST/);
  write(`registries:\n  GHCR.io.:0443/team: {blocked: true}\n  registry-1.docker.io: {blocked: true}\n`);
  for (const text of ["ghcr.io/team/x", "ghcr.io:443/team/x", "x", "docker.io:443/x", "index.docker.io/x"]) {
    assert.match((await product.run("pull", text)).stderr, /is blocked/, text);
  }
  write(
    `registries:\n  ghcr.io:443: {mirrors: ["0177.0.0.1:${registry.host.split(":")[1]}"], fallback: false}\n`,
  );
  const { code, stderr } = await product.run("pull", "GHCR.IO/acme/tool:v1");
  assert.equal(code, 0, stderr);
  write(`registries:\n  ghcr.io: {}\n  ghcr.io:443: {}\n`);
  assert.match((await product.run("pull", "ghcr.io/team/x")).stderr, /is the same as "ghcr\.io"/);
});
