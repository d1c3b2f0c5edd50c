/** Breaks everything that `doctor` checks. Each finding must name its fix, and `--fix` must work. */

import assert from "node:assert/strict";
import { type Layout, layoutAt } from "../../runtime/store/layout.ts";
import { formatHistory } from "../../runtime/store/history.ts";
import { readReceipt } from "../../runtime/store/read.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { binaryUnderTest, kubectlMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { makeExiting, namesIn } from "../support/store.ts";

interface Finding {
  readonly check: string;
  readonly level: string;
  readonly message: string;
  readonly fix?: string;
}

async function setUp() {
  const registry = TestRegistry.start();
  for (const version of [1, 2]) {
    await push(registry.origin, "acme/foo", `v${version}`, makeArtifact(makeExiting(version)));
  }
  const product = Product.make();
  assert.equal((await product.run("pull", `${registry.host}/acme/foo:v1`)).code, 0);
  assert.equal((await product.run("pull", `${registry.host}/acme/foo:v2`, "--force")).code, 0);
  const doctor = async (...args: string[]) => {
    const { code, stdout, stderr } = await product.run("doctor", "-o", "json", ...args);
    assert.doesNotMatch(stderr, /defect/);
    const findings: Finding[] = JSON.parse(stdout).findings;
    return {
      code,
      stderr,
      findings,
      bad: findings.filter(({ level, check }) => level !== "ok" && check !== "kubectl"),
    };
  };
  return {
    registry,
    product,
    layout: layoutAt(product.store),
    doctor,
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

testBinary("doctor accepts a store behind a link, and --fix narrows its target", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using it = await setUp();
  const { home, store } = it.product;
  Deno.renameSync(store, `${home}/kept`);
  Deno.symlinkSync("kept", store);
  const { code, bad } = await it.doctor();
  assert.deepEqual([code, bad], [0, []]);
  Deno.chmodSync(`${home}/kept`, 0o755);
  assert.deepEqual((await it.doctor()).bad.map(({ check }) => check), ["modes"]);
  await it.doctor("--fix");
  assert.deepEqual((await it.doctor()).bad, []);
  assert.equal(Deno.statSync(`${home}/kept`).mode! & 0o777, 0o700);
});

testBinary("doctor finds no problems in a valid store", async () => {
  await using it = await setUp();
  const { code, bad, findings } = await it.doctor();
  assert.deepEqual([code, bad], [0, []]);
  for (
    const check of [
      "store",
      "modes",
      "receipts",
      "digests",
      "compiled",
      "links",
      "leftovers",
      "PATH",
      "registry",
    ]
  ) {
    assert.ok(findings.some((finding) => finding.check === check), check);
  }
  const text = await it.product.run("doctor", "--offline");
  assert.match(text.stdout, /^ok +store +\/.*, format 3\n/);
  using fresh = Product.make();
  assert.equal((await fresh.run("doctor", "--offline")).code, 0);
  assert.throws(() => Deno.statSync(fresh.store), Deno.errors.NotFound);
});

/** The problem, the finding, and whether `--fix` repairs it without a registry. */
const CASES: Record<string, {
  readonly breaks: (layout: Layout) => void;
  readonly check: string;
  readonly level: "warning" | "error";
  readonly fix: RegExp;
  readonly fixedBy: "offline" | "online" | "never";
}> = {
  "a stored blob that was changed": {
    breaks: (layout) =>
      Deno.writeFileSync(layout.blob(readReceipt(layout, "foo").digest), new Uint8Array(96)),
    check: "digests",
    level: "error",
    fix: /doctor --fix/,
    fixedBy: "online",
  },
  "an earlier version that is gone": {
    breaks(layout) {
      const lost = `sha256:${"0".repeat(64)}`;
      const version = { ...readReceipt(layout, "foo"), digest: lost, manifestDigest: lost };
      Deno.writeTextFileSync(layout.historyOf("foo"), formatHistory([version]), { mode: 0o600 });
    },
    check: "digests",
    level: "warning",
    fix: /doctor --fix/,
    fixedBy: "offline",
  },
  "a compiled form that was changed": {
    breaks(layout) {
      const { digest, bindgen } = readReceipt(layout, "foo");
      Deno.writeTextFileSync(`${layout.compiledDir(digest, bindgen)}/plugin.wasm`, "evil");
    },
    check: "compiled",
    level: "error",
    fix: /doctor --fix/,
    fixedBy: "offline",
  },
  "a compiled form that is gone": {
    breaks: (layout) => Deno.removeSync(layout.compiled, { recursive: true }),
    check: "compiled",
    level: "error",
    fix: /doctor --fix/,
    fixedBy: "offline",
  },
  "a compiled form of another version": {
    breaks(layout) {
      const receipt = JSON.parse(Deno.readTextFileSync(layout.receipt("foo")));
      Deno.writeTextFileSync(layout.receipt("foo"), JSON.stringify({ ...receipt, bindgen: "0-old" }));
    },
    check: "compiled",
    level: "warning",
    fix: /doctor --fix/,
    fixedBy: "offline",
  },
  "a link that is gone": {
    breaks: (layout) => Deno.removeSync(layout.link("foo")),
    check: "links",
    level: "error",
    fix: /doctor --fix/,
    fixedBy: "offline",
  },
  "somebody else's file for a link": {
    breaks(layout) {
      Deno.removeSync(layout.link("foo"));
      Deno.writeTextFileSync(layout.link("foo"), "#!/bin/sh\n", { mode: 0o755 });
    },
    check: "links",
    level: "error",
    fix: /^mv /,
    fixedBy: "never",
  },
  ...Object.fromEntries(
    (["blobs", "compiled", "data", "indexes", "history", "stage"] as const).map((name) => [
      `a file where ${name}/ belongs`,
      {
        breaks(layout: Layout) {
          Deno.removeSync(layout[name], { recursive: true });
          Deno.writeTextFileSync(layout[name], "x");
        },
        check: "directories",
        level: "error" as const,
        fix: name === "stage" ? /doctor --fix/ : /^mv /,
        fixedBy: name === "stage" ? "offline" as const : "never" as const,
      },
    ]),
  ),
  "orphans": {
    breaks(layout) {
      Deno.writeTextFileSync(layout.blob(`sha256:${"0".repeat(64)}`), "x");
      Deno.mkdirSync(layout.dataDir("gone"));
      Deno.writeTextFileSync(`${layout.stage}/blob`, "half");
    },
    check: "leftovers",
    level: "warning",
    fix: /doctor --fix/,
    fixedBy: "offline",
  },
  "a broken receipt": {
    breaks: (layout) => Deno.writeTextFileSync(`${layout.receipts}/bar.json`, "{"),
    check: "receipt",
    level: "error",
    fix: /^krew-wasm rm bar, or krew-wasm pull/,
    fixedBy: "never",
  },
  "a broken history": {
    breaks: (layout) => Deno.writeTextFileSync(layout.historyOf("foo"), "{"),
    check: "history",
    level: "warning",
    fix: /doctor --fix/,
    fixedBy: "offline",
  },
  "a broken index": {
    breaks: (layout) => Deno.writeTextFileSync(layout.index("acme"), "{"),
    check: "index",
    level: "warning",
    fix: /^krew-wasm index remove acme/,
    fixedBy: "never",
  },
  "a broken store.json": {
    breaks: (layout) => Deno.writeTextFileSync(layout.version, "{}"),
    check: "store",
    level: "error",
    fix: /doctor --fix/,
    fixedBy: "offline",
  },
  "a newer store": {
    breaks: (layout) => Deno.writeTextFileSync(layout.version, '{"format":99}'),
    check: "store",
    level: "error",
    fix: /KREW_WASM_ROOT/,
    fixedBy: "never",
  },
  "files that others may read": {
    breaks: (layout) => Deno.chmodSync(layout.receipt("foo"), 0o644),
    check: "modes",
    level: "warning",
    fix: /doctor --fix/,
    fixedBy: "offline",
  },
};

testBinary("doctor finds each problem and names its fix", async (test) => {
  await using it = await setUp();
  const { layout, product } = it;
  const kept = `${product.home}/kept`;
  const copy = (from: string, to: string) => new Deno.Command("cp", { args: ["-a", from, to] }).output();
  await copy(layout.root, kept);
  for (const [name, { breaks, check, level, fix, fixedBy }] of Object.entries(CASES)) {
    await test.step(name, async () => {
      Deno.removeSync(layout.root, { recursive: true });
      await copy(kept, layout.root);
      breaks(layout);
      const { code, bad } = await it.doctor("--offline");
      const finding = bad.find((each) => each.check === check);
      assert.ok(finding, JSON.stringify(bad));
      assert.equal(finding.level, level);
      assert.match(finding.fix ?? "", fix);
      assert.equal(code, level === "error" ? 1 : 0);
      assert.deepEqual((await it.doctor("--offline")).bad, bad, "looking changes nothing");
      const fixed = await it.doctor("--fix", ...(fixedBy === "online" ? [] : ["--offline"]));
      if (fixedBy === "never") return assert.ok(fixed.bad.some((each) => each.check === check));
      assert.deepEqual([fixed.code, fixed.bad], [0, []], fixed.stderr);
      assert.match(fixed.stderr, /^fixed: /m);
      assert.equal((await product.exec(layout.link("foo"), [])).code, 2);
      assert.deepEqual(namesIn(layout.stage), []);
    });
  }
});

testBinary("doctor reports bin/ missing from PATH and a shadowed name", async () => {
  await using it = await setUp();
  const { product, layout } = it;
  const off = await product.exec(product.command, ["doctor", "--offline", "-o", "json"], {
    env: { PATH: "/usr/bin:/bin", SHELL: "/bin/zsh" },
  });
  assert.equal(off.code, 1);
  const [path] = JSON.parse(off.stdout).findings.filter(({ check }: Finding) => check === "PATH");
  assert.deepEqual([path.level, path.fix], ["error", 'export PATH="$HOME/.krew-wasm/bin:$PATH"']);
  Deno.writeTextFileSync(`${product.home}/bin/kubectl-foo`, "#!/bin/sh\n", { mode: 0o755 });
  const shadowed = await product.exec(product.command, ["doctor", "--offline", "-o", "json"], {
    env: { PATH: `${product.home}/bin:${layout.bin}:/usr/bin:/bin` },
  });
  const findings: Finding[] = JSON.parse(shadowed.stdout).findings;
  assert.match(
    findings.find(({ level, check }) => check === "PATH" && level === "warning")!.message,
    /shadowed by/,
  );
});

testBinary("doctor warns of a low limit on address space", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  using product = Product.make();
  const limited = await product.shell("ulimit -v 62000000 && krew-wasm doctor --offline");
  assert.match(limited.stdout, /^warning +address space +"ulimit -v" is 59 GiB: /m);
  assert.doesNotMatch((await product.shell("krew-wasm doctor --offline")).stdout, /address space/);
});

testBinary("doctor reports whether kubectl, registries and the cluster work", {
  ignore: kubectlMissing(),
}, async () => {
  await using it = await setUp();
  await using api = await TestApiServer.start();
  Deno.mkdirSync(`${it.product.home}/.kube`);
  Deno.writeTextFileSync(`${it.product.home}/.kube/config`, api.kubeconfig());
  const { findings } = await it.doctor();
  const level = (check: string) => findings.find((finding) => finding.check === check)?.level;
  assert.deepEqual(
    [level("kubectl"), level("registry"), level("cluster")],
    ["ok", "ok", "ok"],
    JSON.stringify(findings),
  );
  await it.registry[Symbol.asyncDispose]();
  Deno.writeTextFileSync(
    `${it.product.home}/.kube/config`,
    api.kubeconfig().replace(/https:\/\/[^"\s]+/, "https://127.0.0.1:1"),
  );
  const down = await it.doctor();
  assert.equal(down.code, 0, "neither is krew-wasm's error");
  assert.deepEqual(down.bad.map(({ check }) => check), ["registry", "cluster"]);
});

testBinary(
  "the next command repairs the link to a moved binary",
  { ignore: !binaryUnderTest() },
  async () => {
    await using it = await setUp();
    const { product, layout } = it;
    const moved = `${product.home}/elsewhere`;
    Deno.mkdirSync(moved);
    Deno.removeSync(layout.self);
    Deno.symlinkSync(`${moved}/gone`, layout.self);
    assert.equal((await product.shell("kubectl-foo")).code, 127);
    assert.equal((await product.run("version")).code, 0);
    assert.equal((await product.shell("kubectl-foo")).code, 2);
    assert.equal(Deno.readLinkSync(layout.self), product.command, "by its name on PATH");
  },
);

testBinary(
  "every command refuses a newer or writable store and leaves it unchanged",
  {
    ignore: Deno.build.os === "windows",
  },
  async () => {
    await using it = await setUp();
    const { product, layout, registry } = it;
    const commands: [args: string[], code: number][] = [
      [["list"], 1],
      [["pull", "--force", `${registry.host}/acme/foo:v1`], 1],
      [["rm", "foo"], 1],
      [["upgrade"], 1],
      [["rollback", "foo"], 1],
      [["grants", "foo", "--allow-home"], 1],
      [["grants"], 1],
      [["grants", "foo"], 1],
      [["info", "foo"], 1],
      [["log"], 1],
      [["outdated"], 1],
      [["search"], 1],
      [["index", "list"], 1],
      [["inspect", `${registry.host}/acme/foo:v1`], 1],
      [["bundle", "save", "x.tar"], 1],
      [["run", "foo"], 125],
    ];
    const refused = async (words: RegExp) => {
      for (const [args, code] of commands) {
        const outcome = await product.run(...args);
        assert.equal(outcome.code, code, `${args}: ${outcome.stderr}`);
        assert.match(outcome.stderr, words, args.join(" "));
      }
      assert.equal((await product.run("__complete", "--", "rm", "")).stdout, "");
      const { code, stderr } = await product.exec(layout.link("foo"), []);
      assert.deepEqual([code, words.test(stderr)], [125, true], stderr);
    };
    const version = Deno.readTextFileSync(layout.version);
    Deno.writeTextFileSync(layout.version, '{"format":99}');
    await refused(/^error: The store .* has the format 99, this krew-wasm knows 3 and older\nhint: /);
    Deno.writeTextFileSync(layout.version, version);
    Deno.chmodSync(layout.root, 0o777);
    await refused(/^error: Other users may write to the store .*\nhint: chmod -R go= /);
    Deno.chmodSync(layout.root, 0o700);
    assert.equal((await product.exec(layout.link("foo"), [])).code, 2);
  },
);
