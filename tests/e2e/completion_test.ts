/** Completion: which words of a plugin reach the user's shell, and how shells treat them. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { componentOf } from "../support/components.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { clangMissing, Product } from "../support/product.ts";
import { atTerminal, ptyMissing } from "../support/pty.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { COBRAS, CompletingShell, kubectlOf, SHELLS, shellsMissing } from "../support/shells.ts";
import { testBinary } from "../support/test_binary.ts";

/** The plugin `tool`, and its answer. */
async function setUp(form: "preview1" | "component" = "preview1", ...flags: string[]) {
  const product = Product.make();
  await using registry = TestRegistry.start();
  const module = await Deno.readFile(await buildFixture("completing"));
  const wasm = form === "preview1" ? module : await componentOf(module);
  await push(
    registry.origin,
    "plugins/tool",
    "v1",
    makeArtifact(wasm, "cncf", { "krew-wasm.dev/completion": "cobra" }),
  );
  const pulled = await product.run("pull", `${registry.host}/plugins/tool:v1`, ...flags);
  assert.equal(pulled.code, 0, pulled.stderr);
  await product.shell("kubectl-tool"); // creates its directory
  const data = `${product.store}/data/tool/share`;
  Deno.writeFileSync(`${product.home}/tool.wasm`, wasm);
  return {
    product,
    pulled,
    answer: (text: string) => Deno.writeTextFileSync(`${data}/answer`, text),
    complain: (text: string) => Deno.writeTextFileSync(`${data}/complaint`, text),
    seen: () => Deno.readTextFileSync(`${data}/seen`),
    [Symbol.dispose]: () => product[Symbol.dispose](),
  };
}

const HOSTILE = "$(touch PWNED)\n--kubeconfig=/tmp/k\nalpha\tthe \x1b[2Jfirst\n`x`\nbeta\n:4\n";
const HARMLESS = "alpha\tthe 2Jfirst\nbeta\n:4\n";

for (const form of ["preview1", "component"] as const) {
  testBinary(`krew-wasm filters a plugin's completions on every path, ${form}`, {
    ignore: clangMissing() || ptyMissing(),
  }, async () => {
    using it = await setUp(form);
    const { product } = it;
    it.answer(HOSTILE);
    it.complain("\x1b[2Jpress Enter\n");
    for (
      const line of [
        "kubectl_complete-tool al",
        "krew-wasm run tool -- __complete al",
        "kubectl-tool __completeNoDesc al",
      ]
    ) {
      assert.deepEqual(await product.shell(line, { stdin: "typed\n" }), {
        code: 0,
        stdout: HARMLESS,
        stderr: "",
      }, line);
    }
    assert.match(it.seen(), /^terminals 000, stdin 0\n/);
    // The plugin reads neither keys nor the terminal, although kubectl passes its own stdin.
    const { text } = await atTerminal(["kubectl_complete-tool", "demo", "al"], [{ expect: ":4" }], {
      env: product.env(),
      cwd: product.home,
    });
    assert.equal(text, HARMLESS.replaceAll("\n", "\r\n"));
    assert.equal(it.seen(), "terminals 000, stdin 0\n[__complete][demo][al]");
    // The user sees the plugin's error messages, escaped.
    const traced = await product.shell("krew-wasm run --verbose tool -- __complete al");
    assert.match(traced.stderr, /\\x1b\[2Jpress Enter\n/);
    assert.equal((await product.shell("kubectl-tool")).stdout, "ran\n", "else it writes as it likes");
  });
}

testBinary(
  "pull tells of a plugin that completes, and a grant takes it away",
  { ignore: clangMissing() },
  async () => {
    using it = await setUp();
    const { product } = it;
    it.answer("alpha\n:4\n");
    assert.match(
      it.pulled.stdout,
      /^ {2}Tab {5}asks it to complete its arguments \(krew-wasm grants tool --deny-completion\)$/m,
    );
    const completed = async () => (await product.shell("kubectl_complete-tool al")).stdout;
    assert.equal(await completed(), "alpha\n:4\n");
    const denied = await product.run("grants", "tool", "--deny-completion");
    assert.match(denied.stdout, /denied +never complete its arguments/);
    assert.equal(await completed(), ":0\n");
    const info = (await product.run("info", "tool")).stdout;
    assert.match(info, /^Tab +asks it nothing: that is denied$/m);
    assert.match(info, /^ +never complete its arguments$/m);
    const grants = JSON.parse((await product.run("grants", "tool", "-o", "json")).stdout).grants;
    assert.deepEqual([grants.completion, grants.deny.completion], [true, true]);
    const lock = (await product.run("list", "-o", "lock")).stdout;
    assert.match(lock, /"completion": true/);
    assert.equal(
      (await product.shell("krew-wasm run --allow-completion tool -- __complete al")).stdout,
      ":0\n",
      "a denial wins",
    );
    await product.run("grants", "tool", "--allow-completion");
    assert.equal(await completed(), "alpha\n:4\n");
    const file = await product.shell(`krew-wasm run --deny-completion ./tool.wasm -- __complete al`, {
      cwd: product.home,
    });
    assert.equal(file.stdout, ":0\n");
    using none = await setUp("preview1", "--deny-completion");
    assert.doesNotMatch(none.pulled.stdout, /Tab/);
  },
);

testBinary(
  "each installing command says that a new version offers completion",
  { ignore: clangMissing() },
  async () => {
    using product = Product.make();
    await using registry = TestRegistry.start();
    const wasm = await Deno.readFile(await buildFixture("completing"));
    const artifact = (version: string, more: Record<string, string> = {}) =>
      makeArtifact(wasm, "cncf", { "org.opencontainers.image.version": version, ...more });
    const completing = artifact("2.0.0", { "krew-wasm.dev/completion": "cobra" });
    await push(registry.origin, "plugins/tool", "latest", artifact("1.0.0"));
    const told = async (line: string) => {
      const { code, stdout, stderr } = await product.shell(`krew-wasm ${line}`);
      assert.equal(code, 0, `${line}: ${stderr}`);
      return /^ {2}Tab {5}asks it .*--deny-completion\)$/m.test(stdout);
    };
    assert.equal(await told(`pull ${registry.host}/plugins/tool:latest`), false);
    await told("list -o lock > first.lock");
    await push(registry.origin, "plugins/tool", "latest", completing);
    assert.equal(await told(`upgrade tool`), true);
    await told("list -o lock > second.lock");
    assert.equal(await told("rollback tool"), false);
    await told("sync second.lock --yes");
    assert.equal(await told("sync first.lock --yes"), false);
    assert.equal(await told("rollback tool"), true, "to the version before");
    assert.equal(await told("sync first.lock --yes"), false);
    assert.equal(await told("sync second.lock --yes"), true);
    await told("grants tool --deny-completion");
    assert.equal(await told("sync second.lock --yes"), true, "which grants it again");
    await told("bundle save tool.bundle tool; krew-wasm rm tool");
    assert.equal(await told("bundle load tool.bundle"), true);
    await told("grants tool --deny-completion");
    await product.shell("krew-wasm sync first.lock --yes; krew-wasm grants tool --deny-completion");
    assert.equal(await told("upgrade tool"), false, "denied, it is asked nothing");
  },
);

testBinary(
  "a plugin that prints without end ends, and completes nothing",
  { ignore: clangMissing() },
  async () => {
    using it = await setUp();
    it.answer(`${"a".repeat(2 << 20)}\n:4\n`);
    const { code, stdout, stderr } = await it.product.shell("kubectl_complete-tool ''");
    assert.deepEqual([code, stdout, stderr], [141, "", ""]);
  },
);

/** Hostile answers of a plugin: nothing of them may run at the first Tab, the second Tab, or Enter. */
const ATTACKS = [
  "$(touch PWNED)\n:4\n",
  "$(touch PWNED)\n:8\n",
  "`touch${IFS}PWNED`\n:0\n",
  "x;touch${IFS}PWNED\n:4\n",
  "x\n:a[$(touch PWNED)]\n",
  "x\t$(touch PWNED)\nx\t$(touch PWNED)\n:4\n",
  "'$(touch PWNED)'\n:16\n",
  "x\n_activeHelp_ $(touch PWNED) %F{red}\n:4\n",
  "~root\n=ls\n-x$(touch PWNED)\na\0;touch PWNED\nb\r;touch PWNED\r\n\x9b;touch PWNED\n:4\n:8\n:63\n",
  "c\t`touch PWNED`\td\n'\n\"$(touch PWNED)\n{c,$(touch PWNED)}\n:999\n",
];

/** Unfinished words that contain a server's address, as their shells split them. */
const BEGUN = ["--server=https://", "--server=https:", "'--server='", "--server ", "--kubeconfig=a="];

testBinary("no shell runs a plugin's completions, with any version of cobra's scripts", {
  ignore: clangMissing() || shellsMissing(),
}, async (t) => {
  using it = await setUp();
  const { product } = it;
  for (const version of ["kubectl", ...COBRAS] as const) {
    const kubectl = kubectlOf(version);
    for (const shell of SHELLS) {
      if (version === "kubectl" && shell === "bash-v1") continue; // it prints no such script
      await t.step({
        name: `${shell}, ${version === "kubectl" ? "kubectl itself" : `cobra ${version}`}`,
        ignore: kubectl === undefined,
        async fn() {
          const cwd = Deno.makeTempDirSync({ prefix: "krew-wasm-shell-" });
          try {
            using terminal = new CompletingShell(shell, kubectl!, product, cwd);
            await terminal.ready();
            for (const attack of ATTACKS) {
              it.answer(attack);
              await terminal.type("kubectl tool \t\t\r");
              const made = [...Deno.readDirSync(cwd)].map(({ name }) => name);
              assert.deepEqual(made, [], `${JSON.stringify(attack)}: ${terminal.tmux.screen()}`);
            }
            it.answer("//evil\nevil\nhttps://evil\n--server=evil\n:6\n");
            for (const begun of BEGUN) await terminal.type(`kubectl tool ${begun}\t\t\r`);
            assert.doesNotMatch(terminal.tmux.screen(), /evil/);
            it.answer("alpha\tthe first\n:4\n");
            terminal.tmux.type("kubectl tool al\t");
            await terminal.tmux.see("kubectl tool alpha");
          } finally {
            Deno.removeSync(cwd, { recursive: true });
          }
        },
      });
    }
  }
});
