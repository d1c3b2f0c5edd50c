/** Inputs that decide whom to trust (policies, signatures, references, lock files, bundles), each claiming too much. */

import assert from "node:assert/strict";
import os from "node:os";
import { RegistryClient } from "../../registry/oci/registry_client.ts";
import { parseReference } from "../../registry/oci/mirrored_reference.ts";
import { pushBundle, signable } from "../../registry/signing/sign_artifact.ts";
import { parseReceipt } from "../../runtime/store/receipt.ts";
import { shellQuoted } from "../../runtime/base/text.ts";
import { formerReceipt } from "../support/former.ts";
import { namespaceArgs, namespaceMissing } from "../support/namespace.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { type Outcome, Product } from "../support/product.ts";
import { atTerminal, terminalMissing } from "../support/terminal.ts";
import { testBinary } from "../support/test_binary.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { IDENTITY, ISSUED_BY, makeKeyPair, TestSigstore } from "../support/sigstore.ts";
import { makeExiting } from "../support/store.ts";

const DIRECTORY = "/etc/krew-wasm";

/** Lines for /bin/sh that create the administrator's files, including policy.yaml. */
function administrator(policy: unknown, files: Readonly<Record<string, string>> = {}): string {
  const all = { "policy.yaml": JSON.stringify(policy), ...files };
  return [
    `umask 022; mkdir ${DIRECTORY}`,
    ...Object.entries(all).map(([name, text]) => `printf %s ${shellQuoted(text)} >${DIRECTORY}/${name}`),
  ].join("; ");
}

/** A machine, and a registry with plugins that each exit with their own code. */
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
    /** Runs a line under the administrator's policy. */
    under: (prepare: string, line: string) => product.exec("unshare", namespaceArgs(prepare, line)),
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

testBinary(
  "applies a policy's rules to every spelling of a reference",
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

testBinary("refuses a rule that can never match and applies one in another spelling", {
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
  "treats two spellings of a repository as one publisher",
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

testBinary("applies mirrors, certificates and blocks to every spelling of a host", async () => {
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

/** A key pair for a machine: the public key beside the policy, the private key in the user's home. */
async function signerOf(home: string, name: string): Promise<{ readonly pub: string }> {
  const { privateKey, publicKey } = await makeKeyPair();
  Deno.writeTextFileSync(`${home}/${name}.key`, privateKey);
  Deno.writeTextFileSync(`${home}/${name}.pub`, publicKey);
  return { pub: publicKey };
}

async function ok(outcome: Promise<Outcome>): Promise<Outcome> {
  const done = await outcome;
  assert.equal(done.code, 0, `${done.stdout}${done.stderr}`);
  return done;
}

testBinary(
  "a run checks the signers against the current policy",
  { ignore: namespaceMissing() },
  async (t) => {
    await using it = await setUp();
    const { under, product, registry } = it;
    const { home } = product;
    const [acme, evil] = [await signerOf(home, "acme"), await signerOf(home, "evil")];
    Deno.writeFileSync(`${home}/a.wasm`, makeExiting(21));
    Deno.writeFileSync(`${home}/b.wasm`, makeExiting(22));
    const [good, bad] = [`${registry.host}/acme/good:v1`, `${registry.host}/evil/bad:v1`];
    await ok(product.run("push", "-q", "--sign=acme.key", "a.wasm", good));
    await ok(product.run("push", "-q", "--sign=evil.key", "b.wasm", bad));
    const rules = (key: string) => ({
      rules: [{ match: `${registry.host}/acme/**`, verify: `${DIRECTORY}/${key}.pub` }, { match: "**" }],
    });
    const keys = { "acme.pub": acme.pub, "evil.pub": evil.pub };
    const byAcme = administrator(rules("acme"), keys);
    const byEvil = administrator(rules("evil"), keys);
    await ok(under(byAcme, `krew-wasm pull ${good}`));
    await ok(product.run("pull", "--verify=evil.pub", bad));

    await t.step(
      "runs only a plugin with a signer that the rule names now",
      async () => {
        assert.equal((await under(byAcme, "kubectl-good")).code, 21);
        const refused = await under(byEvil, "kubectl-good");
        assert.equal(refused.code, 125);
        assert.match(
          refused.stderr,
          /has to be signed by a signer of its rule, but was signed by the key/,
        );
        const gone = await under(administrator(rules("acme"), { "evil.pub": evil.pub }), "kubectl-good");
        assert.equal(gone.code, 125);
        assert.match(gone.stderr, /cannot read \/etc\/krew-wasm\/acme\.pub/);
      },
    );
    await t.step("does not accept a signer that only --verify named", async () => {
      const { code, stderr } = await under(
        byAcme,
        `krew-wasm pull --force --verify=evil.pub ${bad} --name other`,
      );
      assert.equal(code, 0, stderr);
      const receipt = `${product.store}/receipts/other.json`;
      const json = JSON.parse(Deno.readTextFileSync(receipt));
      assert.deepEqual(json.signatures.map(({ kind, names }: Record<string, unknown>) => [kind, names]), [
        ["key", `${registry.host}/evil/bad`],
      ]);
      // An older sync did this: another reference, without verification.
      const forged = { ...json, reference: good };
      Deno.writeTextFileSync(receipt, JSON.stringify(forged));
      assert.equal((await under(byAcme, "kubectl-other")).code, 125);
      await ok(product.run("rm", "other"));
    });
    await t.step("sync verifies and reinstalls after a change of the reference only", async () => {
      const lock = JSON.parse((await ok(product.run("list", "-o", "lock"))).stdout);
      const plugins = lock.plugins.map((plugin: { name: string }) =>
        plugin.name === "bad" ? { ...plugin, reference: good } : plugin
      );
      Deno.writeTextFileSync(`${home}/forged.lock`, JSON.stringify({ ...lock, plugins }));
      const dry = await under(byAcme, "krew-wasm sync forged.lock --dry-run");
      assert.match(dry.stdout, /^Would replace bad .* -> .*\/acme\/good:v1 /);
      for (const policy of [":", byAcme]) {
        const synced = await under(policy, "krew-wasm sync forged.lock --yes");
        assert.equal(synced.code, 1, synced.stdout);
      }
      const json = JSON.parse((await ok(product.run("list", "-o", "json"))).stdout);
      assert.deepEqual(json.plugins.map(({ reference }: { reference: string }) => reference), [bad, good]);
      assert.equal(
        (await product.exec(`${product.store}/bin/kubectl-bad`, [])).code,
        22,
        "it is what it was",
      );
    });
    await t.step(
      "an older receipt runs by its recorded key; without one doctor verifies again",
      async () => {
        const path = `${product.store}/receipts/good.json`;
        const before = Deno.readTextFileSync(path);
        const { signatures: [signature] } = JSON.parse(before);
        const former = formerReceipt(parseReceipt(before, "good"));
        const verified = { key: signature.key, publicKey: signature.publicKey };
        Deno.writeTextFileSync(path, JSON.stringify({ ...former, verified }));
        assert.equal((await under(byAcme, "kubectl-good")).code, 21);
        Deno.writeTextFileSync(path, JSON.stringify(former));
        const refused = await under(byAcme, "kubectl-good");
        assert.equal(refused.code, 125);
        assert.match(refused.stderr, /no signature was verified when it was installed/);
        assert.match(refused.stderr, /hint: krew-wasm doctor --fix/);
        const examined = await under(byAcme, "krew-wasm doctor --offline");
        assert.match(examined.stdout, /error +policy +"good" does not run: /);
        const check = await under(
          byAcme,
          "krew-wasm list -o lock > now.lock; krew-wasm sync now.lock --check",
        );
        assert.match(check.stdout, /^Would replace good /, "sync sees to it, too");
        await under(byAcme, "krew-wasm doctor --fix");
        assert.equal((await under(byAcme, "kubectl-good")).code, 21);
        assert.deepEqual(JSON.parse(Deno.readTextFileSync(path)).signatures, [signature]);
      },
    );
    await t.step("applies the user's own policy at a run, too", async () => {
      const own = `${product.store}/policy.yaml`;
      Deno.writeTextFileSync(own, JSON.stringify({ rules: [{ match: "**", verify: `${home}/acme.pub` }] }));
      assert.equal((await product.exec(`${product.store}/bin/kubectl-good`, [])).code, 21);
      const refused = await product.exec(`${product.store}/bin/kubectl-bad`, []);
      assert.equal(refused.code, 125);
      assert.match(refused.stderr, /has to be signed by a signer of its rule/);
      Deno.removeSync(own);
    });
    await t.step("refuses an administrator's key that others than root may change", async () => {
      for (
        const [change, words] of [
          [`chmod 666 ${DIRECTORY}/acme.pub`, /acme\.pub may be changed by others than root/],
          [`chown 1000 ${DIRECTORY}/acme.pub`, /acme\.pub belongs to the user 1000/],
          [
            `mv ${DIRECTORY}/acme.pub /etc/x.pub; chmod 666 /etc/x.pub; ln -s /etc/x.pub ${DIRECTORY}/acme.pub`,
            /by others/,
          ],
        ] as const
      ) {
        const { code, stderr } = await under(`${byAcme}; ${change}`, "kubectl-good");
        assert.equal(code, 125, change);
        assert.match(stderr, words);
      }
    });
  },
);

testBinary("the user's trust root does not affect the administrator's rules", {
  ignore: namespaceMissing(),
}, async () => {
  await using it = await setUp();
  const { under, product, registry } = it;
  const [machine, own] = [await TestSigstore.make(), await TestSigstore.make()];
  Deno.writeTextFileSync(`${product.home}/own.json`, own.trustRoot);
  const who = `${IDENTITY}@${ISSUED_BY}`;
  const policy = { rules: [{ match: "**", verify: who }] };
  // Signed by the user's own CA, with an identity that claims to be github.com/acme.
  const client = new RegistryClient({ credentials: () => Promise.resolve(undefined) });
  const sign = async (by: TestSigstore) => {
    const described = signable(registry.manifest("acme/tool", "v1"));
    const bundle = JSON.stringify(await by.bundle(described.digest));
    const repository = { ...parseReference(it.tool), tag: undefined };
    await pushBundle(client, repository, described, bundle, new Date());
  };
  await sign(own);
  const pull = `krew-wasm pull --force ${it.tool}`;
  const carried = administrator(policy);
  const named = administrator(policy, { "trusted_root.json": machine.trustRoot });
  const store = `mkdir -p -m 700 ${product.store}; cp own.json ${product.store}/trusted_root.json; ${pull}`;
  const tries = [`${pull} --trust-root=own.json`, `${pull} --trust-root=own.json --verify='${who}'`, store];
  for (const prepare of [carried, named]) {
    for (const line of tries) {
      const { code, stderr } = await under(prepare, line);
      assert.equal(code, 1, line);
      assert.match(stderr, /signed by somebody else|its certificate is of nobody the trust root knows/);
    }
  }
  // Without a policy the user decides, but such a verification satisfies no later rule.
  await ok(product.run(...`pull --verify=${who} ${it.tool}`.split(" ")));
  assert.equal((await product.exec(`${product.store}/bin/kubectl-tool`, [])).code, 11);
  for (const prepare of [carried, named]) {
    const { code, stderr } = await under(prepare, "kubectl-tool");
    assert.equal(code, 125);
    assert.match(stderr, /by a trust root of the user's own/);
  }
  // Each policy uses its own root, and both must be satisfied.
  await sign(machine);
  const both = await under(named, `${pull} --verify='${who}'`);
  assert.equal(both.code, 0, both.stderr);
  const [plugin] = JSON.parse((await product.run("list", "-o", "json")).stdout).plugins;
  assert.deepEqual(
    plugin.signatures.map(({ trustRoot }: { trustRoot: { of: string } }) => trustRoot.of).sort(),
    ["administrator", "user"],
  );
  assert.equal((await under(named, "kubectl-tool")).code, 11);
  const renewed = administrator(policy, { "trusted_root.json": (await TestSigstore.make()).trustRoot });
  assert.equal((await under(renewed, "kubectl-tool")).code, 125, "the administrator has another root now");
  const writable = await under(`${named}; chmod 666 ${DIRECTORY}/trusted_root.json`, "kubectl-tool");
  assert.equal(writable.code, 125);
  assert.match(writable.stderr, /may be changed by others than root/);
});

/** A lock file of the installed plugins, changed by a function. */
async function lockOf(
  product: Product,
  change: (
    plugin: { name: string; grants: Record<string, unknown> & { deny: Record<string, unknown> } },
  ) => void,
): Promise<string> {
  const lock = JSON.parse((await ok(product.run("list", "-o", "lock"))).stdout);
  for (const plugin of lock.plugins) change(plugin);
  return JSON.stringify(lock);
}

testBinary("sync shows a lock file's grants and gives only accepted ones", async (t) => {
  await using it = await setUp();
  const { product } = it;
  using other = Product.make();
  await ok(product.run("pull", it.tool));
  const write = (text: string) => Deno.writeTextFileSync(`${other.home}/plugins.lock`, text);
  const wide = await lockOf(product, ({ grants }) =>
    Object.assign(grants, {
      home: true,
      kubeconfig: true,
      env: "all",
      files: [{ host: "~/x/../..", guest: "~/x/../..", write: true, directory: null, real: null }],
      limits: { maxMemory: 16 * 2 ** 30, descriptors: 20_000 },
    }));
  const told = [
    /read and change all of your home directory/,
    /read the real kubeconfig/,
    /see all variables/,
    new RegExp(`read and change ${other.home.slice(0, other.home.lastIndexOf("/"))} `),
    /use up to 16 GiB/,
    /have up to 20000 files open/,
  ];
  const receipt = () => JSON.parse(Deno.readTextFileSync(`${other.store}/receipts/tool.json`));

  await t.step(
    "without a terminal only --yes or --with-grants gives the grants",
    async () => {
      write(wide);
      for (const flag of ["--dry-run", "--check"]) {
        const { stdout } = await other.run("sync", "plugins.lock", flag);
        assert.match(stdout, /^Would install tool .*, grant: /);
        for (const words of told) assert.match(stdout, new RegExp(words.source.trimEnd()), flag);
      }
      for (const args of [[], ["--quiet"]]) {
        const refused = await other.run("sync", "plugins.lock", ...args);
        assert.deepEqual([refused.code, refused.stdout], [1, ""]);
        for (const words of told) assert.match(refused.stderr, words);
        assert.match(
          refused.stderr,
          /error: krew-wasm cannot ask about .*: nothing was changed\nhint: --yes /,
        );
        assert.equal((await other.run("list", "-o", "name")).stdout, "");
      }
      const quietly = await ok(other.run("sync", "plugins.lock", "--yes", "--quiet"));
      assert.deepEqual([quietly.stdout, quietly.stderr], ["", ""]);
      await ok(other.run("rm", "tool"));
      const agreed = await ok(other.run("sync", "plugins.lock", "--with-grants"));
      for (const words of told) assert.match(agreed.stderr, words);
      const { grants } = receipt();
      assert.deepEqual([grants.home, grants.kubeconfig, grants.env, grants.limits.descriptors], [
        true,
        true,
        "all",
        20_000,
      ]);
      assert.equal(grants.files[0].host, other.home.slice(0, other.home.lastIndexOf("/")), "as it was shown");
      assert.equal((await other.run("sync", "plugins.lock", "--check")).code, 0);
    },
  );
  await t.step(
    "asks before lifting a denial or widening a bound, not before taking rights away",
    async () => {
      const narrow = await lockOf(product, ({ grants }) => {
        grants.cluster = "read-only";
        grants.env = ["HOME"];
        Object.assign(grants.deny, { read: ["~/.ssh"], home: true, cluster: [RULE] });
      });
      write(narrow);
      const narrowed = await ok(other.run("sync", "plugins.lock"));
      assert.match(narrowed.stdout, /^Changed tool, hold to: .*never see .*\.ssh.*, take back: .*kubeconfig/);
      assert.deepEqual(receipt().grants.deny.read, [`${other.home}/.ssh`]);
      for (
        const change of [
          (deny: Record<string, unknown>) => deny.read = [],
          (deny: Record<string, unknown>) => deny.home = false,
          (deny: Record<string, unknown>) => deny.cluster = false,
        ]
      ) {
        const lock = JSON.parse(narrow);
        change(lock.plugins[0].grants.deny);
        write(JSON.stringify(lock));
        const { code, stderr } = await other.run("sync", "plugins.lock");
        assert.equal(code, 1);
        assert.match(stderr, /not denied .* it was denied/);
      }
      for (
        const [more, words] of [
          [{ cluster: "full" }, /do all that you may do/],
          [{ env: "default" }, /see all variables but those whose name says credential/],
          [{ env: ["HOME", "TOKEN"] }, /see HOME, TOKEN/],
        ] as const
      ) {
        const lock = JSON.parse(narrow);
        Object.assign(lock.plugins[0].grants, more);
        write(JSON.stringify(lock));
        const { code, stderr } = await other.run("sync", "plugins.lock");
        assert.equal(code, 1);
        assert.match(stderr, words);
      }
    },
  );
  await t.step({
    name: "asks at a terminal",
    ignore: terminalMissing(),
    async fn() {
      await ok(other.run("rm", "tool"));
      write(wide);
      const no = await atTerminal(other, "krew-wasm sync plugins.lock", [["[N]o: ", "\r"]]);
      assert.match(no.text, /GRANT .*MAY .*RISK/);
      assert.match(no.text, /Grant these \d+\? \[y\]es, \[N\]o: /);
      assert.match(no.text, /You did not agree to the lock file's grants: nothing was changed/);
      assert.equal(no.code, 1);
      assert.equal((await other.run("list", "-o", "name")).stdout, "");
      const yes = await atTerminal(other, "krew-wasm sync plugins.lock", [["[N]o: ", "y\r"]]);
      assert.equal(yes.code, 0, yes.text);
      assert.equal(receipt().grants.home, true);
    },
  });
  await t.step("refuses a lock file with a missing, misspelt or duplicate field", async () => {
    const good = await lockOf(product, () => {});
    for (
      const [text, words] of [
        [good.replace('"deny"', '"denied"'), /plugins\[0\]\.grants\.denied is not known/],
        [good.replace(/,"terminal":true/, ""), /plugins\[0\]\.grants\.terminal is missing/],
        [good.replace('"cluster":"full"', '"cluster":"none","cluster":"full"'), /"cluster" twice/],
        [good.replace('"krewWasmLock":2', '"krewWasmLock":3'), /version 3, this krew-wasm reads 2 and older/],
        [good.replace('"cluster":"full"', '"cluster":"all"'), /plugins\[0\]\.grants\.cluster is not/],
      ] as const
    ) {
      assert.notEqual(text, good);
      write(text);
      const { code, stderr } = await other.run("sync", "plugins.lock", "--yes");
      assert.equal(code, 1, text);
      assert.match(stderr, words);
    }
  });
});

const RULE = {
  verbs: ["*"],
  apiGroups: [""],
  resources: ["secrets"],
  resourceNames: null,
  namespaces: null,
  nonResourceURLs: null,
};

testBinary(
  "does not run a plugin with an invalid or newer receipt",
  async () => {
    await using it = await setUp();
    const { product } = it;
    await ok(product.run("pull", it.tool, "--allow-cluster=none", "--deny-home"));
    const path = `${product.store}/receipts/tool.json`;
    const good = Deno.readTextFileSync(path);
    const of = (change: (receipt: Record<string, never> & { grants: Record<string, unknown> }) => void) => {
      const receipt = JSON.parse(good);
      change(receipt);
      return JSON.stringify(receipt);
    };
    for (
      const [text, words] of [
        [of(({ grants }) => delete grants.cluster), /grants\.cluster is missing/],
        [of(({ grants }) => delete grants.terminal), /grants\.terminal is missing/],
        [of(({ grants }) => delete grants.limits), /grants\.limits is missing/],
        [of(({ grants }) => delete grants.deny), /grants\.deny is missing/],
        [
          of(({ grants }) => Object.assign(grants, { clustre: grants.cluster })),
          /grants\.clustre is not known/,
        ],
        [of((receipt) => Object.assign(receipt, { verified: {} })), /verified is not known/],
        [of((receipt) => Object.assign(receipt, { format: 2 })), /is not known/],
        [
          of((receipt) => Object.assign(receipt, { format: 9 })),
          /has the format 9, this krew-wasm reads 3 and older/,
        ],
      ] as const
    ) {
      Deno.writeTextFileSync(path, text);
      const run = await product.exec(`${product.store}/bin/kubectl-tool`, []);
      assert.deepEqual([run.code, run.stdout], [125, ""], text);
      assert.match(run.stderr, words);
      const examined = await product.run("doctor", "--offline");
      assert.equal(examined.code, 1);
      assert.match(examined.stdout, new RegExp(`error +receipt +.*${words.source}`));
      const way = /later|format 9/.test(words.source)
        ? /fix: use the krew-wasm that wrote it, or a newer one/
        : /fix: krew-wasm rm tool, or krew-wasm pull --force .*\/acme\/tool:v1@sha256:\w+ --name tool/;
      assert.match(examined.stdout, way);
      assert.match((await product.run("list")).stderr, words);
    }
    // Pulled again, it gets the default grants, and krew-wasm says so.
    Deno.writeTextFileSync(path, of(({ grants }) => delete grants.deny));
    const again = await ok(product.run("pull", "--force", it.tool));
    assert.match(
      again.stderr,
      /what "tool" was granted, and denied, can't be read: it starts from what every plugin has/,
    );
    assert.equal((await product.exec(`${product.store}/bin/kubectl-tool`, [])).code, 11);
  },
);

/** Rewrites a bundle with a changed index.json. */
async function forge(
  product: Product,
  from: string,
  to: string,
  change: (plugin: { annotations: Record<string, unknown>; digest: string }) => void,
): Promise<void> {
  await ok(product.shell(`rm -rf tar; mkdir tar; tar -xf ${from} -C tar`));
  const path = `${product.home}/tar/index.json`;
  const index = JSON.parse(Deno.readTextFileSync(path));
  for (const plugin of index.manifests) change(plugin);
  Deno.writeTextFileSync(path, JSON.stringify(index));
  await ok(product.shell(`tar -cf ${to} -C tar oci-layout index.json blobs`));
}

const REF = "org.opencontainers.image.ref.name";

testBinary("treats a bundle's reference as a claim", { ignore: namespaceMissing() }, async (t) => {
  await using it = await setUp();
  const { under, product, registry, publish } = it;
  using attacker = Product.make();
  await publish("evil/tool", "v1", 44);
  await ok(attacker.run("pull", `${registry.host}/evil/tool:v1`));
  await ok(attacker.run("bundle", "save", "evil.tar"));
  await forge(attacker, "evil.tar", `${product.home}/forged.tar`, ({ annotations }) => {
    annotations[REF] = it.tool;
  });
  const host = registry.host;

  await t.step("the claim satisfies no rule", async () => {
    for (
      const policy of [
        { registries: [host] },
        { rules: [{ match: `${host}/acme/**` }, { match: "**", allow: false }] },
        { rules: [{ match: `${host}/acme/**` }, { match: "bundle://**", allow: false }] },
      ]
    ) {
      const { code, stdout, stderr } = await under(administrator(policy), "krew-wasm bundle load forged.tar");
      assert.deepEqual([code, stdout], [1, ""], JSON.stringify(policy));
      assert.match(stderr, /is not allowed on this machine: .*only what its bundle says/);
    }
    const evil = { rules: [{ match: `${host}/acme/**`, allow: false }] };
    assert.equal(
      (await under(administrator(evil), "krew-wasm bundle load forged.tar")).code,
      1,
      "it can harm itself",
    );
    // Loaded before the policy existed.
    await ok(product.run("bundle", "load", "forged.tar"));
    for (const command of ["info tool", "list"]) {
      const { stdout } = await product.run(...command.split(" "));
      assert.match(stdout, /\/acme\/tool:v1 \(as its bundle says\)/);
    }
    assert.equal((await under(administrator({ registries: [host] }), "kubectl-tool")).code, 125);
    const bounds = {
      rules: [{ match: `${host}/acme/**`, maximum: { cluster: "full" } }, {
        match: "bundle://**",
        allow: false,
      }],
    };
    assert.equal((await under(administrator(bounds), "kubectl-tool")).code, 125);
    assert.equal((await under(administrator({ registries: [host, "bundle://"] }), "kubectl-tool")).code, 44);
    await under(administrator({ registries: [host] }), "krew-wasm doctor --fix");
    const after = await under(administrator({ registries: [host] }), "kubectl-tool");
    assert.equal(after.code, 125, "the registry has no such thing under that name");
    await ok(product.run("rm", "tool"));
  });
  await t.step("other bytes inherit no grants and no private directory by the claim", async () => {
    await ok(
      product.run(
        "pull",
        it.tool,
        "--allow-home",
        "--allow-env=TOKEN",
        "--allow-cluster=read-only",
        "--deny-read=~/x",
      ),
    );
    Deno.mkdirSync(`${product.store}/data/tool`, { recursive: true });
    Deno.writeTextFileSync(`${product.store}/data/tool/secret`, "s");
    const loaded = await ok(product.run("bundle", "load", "forged.tar", "--force"));
    assert.match(loaded.stderr, /not known to be by the publisher of the version you have, which may:\n/);
    assert.match(loaded.stderr, /--allow-home/);
    const { grants } = JSON.parse(Deno.readTextFileSync(`${product.store}/receipts/tool.json`));
    assert.deepEqual([grants.home, grants.env, grants.cluster], [false, [], "read-only"]);
    assert.deepEqual(grants.deny.read, [`${product.home}/x`], "what was taken from it stays taken");
    assert.throws(() => Deno.statSync(`${product.store}/data/tool/secret`), Deno.errors.NotFound);
    // The registry's plugin of that name does not get the grants of the bundle's plugin.
    await ok(product.run("grants", "tool", "--allow-home"));
    await publish("acme/tool", "v1", 12);
    const upgraded = await ok(product.run("upgrade", "tool"));
    assert.match(upgraded.stderr, /not known to be by the publisher/);
    assert.equal(JSON.parse(Deno.readTextFileSync(`${product.store}/receipts/tool.json`)).grants.home, false);
    // After a rollback it gets its own earlier grants, and krew-wasm says so.
    const back = await ok(product.run("rollback", "tool"));
    assert.match(back.stderr, /of another publisher, with its own grants of then, grant: .*home directory/);
    await ok(product.run("rm", "tool"));
  });
  await t.step("the same bytes are the same plugin", async () => {
    await ok(product.run("pull", it.tool, "--allow-home"));
    await ok(product.run("bundle", "save", "same.tar"));
    await ok(product.run("bundle", "load", "same.tar", "--force"));
    assert.equal(JSON.parse(Deno.readTextFileSync(`${product.store}/receipts/tool.json`)).grants.home, true);
    await ok(product.run("rm", "tool"));
  });
  await t.step("a required signature that names the repository confirms the claim", async () => {
    const acme = await signerOf(attacker.home, "acme");
    Deno.writeFileSync(`${attacker.home}/good.wasm`, makeExiting(33));
    const good = `${host}/acme/good:v1`;
    await ok(attacker.run("push", "-q", "--sign=acme.key", "good.wasm", good));
    await ok(attacker.run("pull", "--verify=acme.pub", good));
    await ok(attacker.run("bundle", "save", "good.tar", "good"));
    Deno.copyFileSync(`${attacker.home}/good.tar`, `${product.home}/good.tar`);
    const policy = administrator({
      registries: [host],
      rules: [{ match: `${host}/acme/**`, verify: `${DIRECTORY}/acme.pub` }, { match: "**", allow: false }],
    }, { "acme.pub": acme.pub });
    registry.requests.length = 0;
    const loaded = await under(policy, "krew-wasm bundle load good.tar");
    assert.equal(loaded.code, 0, loaded.stderr);
    assert.equal((await under(policy, "kubectl-good")).code, 33);
    assert.deepEqual(registry.requests, []);
    await ok(product.run("rm", "good"));
    // Refused under the name of another plugin of the same publisher.
    await forge(
      attacker,
      "good.tar",
      `${product.home}/renamed.tar`,
      ({ annotations }) => annotations[REF] = it.tool,
    );
    const renamed = await under(policy, "krew-wasm bundle load renamed.tar --name tool");
    assert.equal(renamed.code, 1);
    assert.match(renamed.stderr, /made for another repository/);
    // Refused if signed by somebody else, or not signed.
    assert.equal((await under(policy, "krew-wasm bundle load forged.tar")).code, 1);
  });
});

testBinary("refuses a bundle with a missing, misspelt or mistyped field", async () => {
  await using it = await setUp();
  const { product } = it;
  await ok(product.run("pull", it.tool, "--allow-cluster=none", "--allow-read=~/in"));
  await ok(product.run("bundle", "save", "good.tar"));
  using other = Product.make();
  const ours = (name: string) => `krew-wasm.dev/${name}`;
  const granted = (change: (grants: Record<string, unknown>) => void) => (notes: Record<string, unknown>) => {
    const grants = JSON.parse(notes[ours("granted")] as string);
    change(grants);
    notes[ours("granted")] = JSON.stringify(grants);
  };
  for (
    const [change, words] of [
      [(notes: Record<string, unknown>) => delete notes[ours("granted")], /granted"\] is missing/],
      [(notes: Record<string, unknown>) => delete notes[ours("name")], /name"\] is missing/],
      [(notes: Record<string, unknown>) => notes[ours("granted")] = {}, /granted"\] is not a text/],
      [(notes: Record<string, unknown>) => notes[ours("signatures")] = 5, /signatures"\] is not a text/],
      [(notes: Record<string, unknown>) => notes[ours("signatures")] = "x", /signatures"\] is not a digest/],
      [(notes: Record<string, unknown>) => notes[ours("grant")] = "", /grant"\] is not known/],
      [
        (notes: Record<string, unknown>) => notes[ours("bundle")] = "3",
        /bundle"\] is 3, this krew-wasm reads 2/,
      ],
      [(notes: Record<string, unknown>) => notes[REF] = 1, /ref\.name"\] is not a text/],
      [granted((grants) => delete grants.cluster), /granted"\]: grants\.cluster is missing/],
      [granted((grants) => grants.clustre = "none"), /granted"\]: grants\.clustre is not known/],
      [granted((grants) => grants.deny = {}), /granted"\]: grants\.deny\.read is missing/],
    ] as const
  ) {
    await forge(product, "good.tar", `${other.home}/bad.tar`, ({ annotations }) => void change(annotations));
    for (const flags of [[], ["--with-grants"]]) {
      const { code, stdout, stderr } = await other.run("bundle", "load", "bad.tar", ...flags);
      assert.deepEqual([code, stdout], [1, ""], stderr);
      assert.match(stderr, words);
    }
  }
  assert.equal((await other.run("list", "-o", "name")).stdout, "");
  // Paths are canonical for this machine, and shown as stored.
  await forge(product, "good.tar", `${other.home}/paths.tar`, ({ annotations }) => {
    granted((grants) => (grants.files as { host: string; guest: string }[])[0]!.host = "~/a/../..//tmp/./")(
      annotations,
    );
  });
  const parent = other.home.slice(0, other.home.lastIndexOf("/"));
  const loaded = await ok(other.run("bundle", "load", "paths.tar", "--with-grants"));
  assert.ok(loaded.stderr.includes(`read ${parent}/tmp as ${other.home}/in`), loaded.stderr);
  const { grants } = JSON.parse(Deno.readTextFileSync(`${other.store}/receipts/tool.json`));
  assert.equal(grants.files[0].host, `${parent}/tmp`);
  assert.match(loaded.stderr, /hold to: nothing/);
  assert.equal(grants.cluster, "none");
});

testBinary("the environment's home does not move a bound", { ignore: namespaceMissing() }, async () => {
  await using it = await setUp();
  const { under, product } = it;
  const others = Deno.makeTempDirSync({ prefix: "krew-wasm-others-" });
  try {
    Deno.mkdirSync(`${others}/data`);
    const account = os.userInfo().homedir;
    await ok(product.run("pull", it.tool, `--allow-read=${account}`, `--allow-read=${others}/data`));
    const shown = async (maximum: unknown, home: string) => {
      const line = `HOME=${home} KREW_WASM_ROOT=${product.store} krew-wasm grants tool`;
      return (await ok(under(administrator({ rules: [{ match: "**", maximum }] }), line))).stdout;
    };
    const closed = { home: false };
    for (const home of [product.home, "/nowhere", "/"]) {
      assert.ok(!(await shown(closed, home)).includes(`read ${account} `), home);
    }
    const bounded = { read: ["~/data"] };
    assert.ok(
      (await shown(bounded, others)).includes(`read ${others}/data`),
      "a home of one's own is one's home",
    );
    Deno.chownSync(others, 1000, 1000);
    assert.ok(!(await shown(bounded, others)).includes(others), "another's is not");
  } finally {
    Deno.removeSync(others, { recursive: true });
  }
});

testBinary(
  "checks a user's mirror by its own name, an administrator's by the reference",
  {
    ignore: namespaceMissing(),
  },
  async () => {
    await using it = await setUp();
    const { under, product, registry } = it;
    const reference = "ghcr.io/acme/tool:v1";
    Deno.mkdirSync(product.store, { mode: 0o700 });
    const own = `${product.store}/registries.yaml`;
    Deno.writeTextFileSync(own, `registries:\n  ghcr.io: {mirrors: ["${registry.host}"], fallback: false}\n`);
    const only = (...registries: string[]) => administrator({ registries });
    const pull = `krew-wasm pull --force ${reference}`;
    const refused = await under(only("ghcr.io"), pull);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /127\.0\.0\.1.* is not allowed on this machine: .*a mirror that the user's own files set up/,
    );
    assert.equal((await product.run("list", "-o", "name")).stdout, "");
    for (const policy of [":", only("ghcr.io", registry.host)]) {
      const { code, stderr } = await under(policy, pull);
      assert.equal(code, 0, stderr);
    }
    assert.match(
      (await product.run("info", "tool")).stdout,
      /from +ghcr\.io\/acme\/tool:v1 \(by the mirror 127\.0\.0\.1/,
    );
    assert.equal((await under(only("ghcr.io"), "kubectl-tool")).code, 125, "nor when it was pulled before");
    const denied = { rules: [{ match: "ghcr.io/**" }, { match: "**", allow: false }] };
    assert.equal((await under(administrator(denied), "kubectl-tool")).code, 125);
    // Also when the environment names it.
    Deno.removeSync(own);
    const conf = `[[registry]]\nprefix = "ghcr.io"\nlocation = "${registry.host}"\n`;
    Deno.writeTextFileSync(`${product.home}/own.conf`, conf);
    const named = `CONTAINERS_REGISTRIES_CONF=$HOME/own.conf ${pull}`;
    assert.equal((await under(only("ghcr.io"), named)).code, 1);
    // The administrator's mirror counts as the reference's registry.
    const system =
      `rm -f /etc/containers; mkdir /etc/containers; cp $HOME/own.conf /etc/containers/registries.conf`;
    const pulled = await under(`${only("ghcr.io")}; ${system}`, `${pull} && kubectl-tool`);
    assert.equal(pulled.code, 11, pulled.stderr);
  },
);
