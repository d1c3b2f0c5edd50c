/** Plugins that change contexts in the kubeconfig: modules and components, with and without the grant. */

import assert from "node:assert/strict";
import { buildC, componentOf, lacksClang } from "../support/components.ts";
import { atTerminal, ptyMissing, type Step } from "../support/pty.ts";
import { Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

const SOURCE = "tests/fixtures/kubeconfig.c";
const READY: Step = { expect: "[n]o" };

const CONFIG = `# mine
apiVersion: v1
kind: Config
clusters:
- cluster:
    server: https://127.0.0.1:1
  name: one
contexts:
- context: # comment
    cluster: one
    user: jane
  name: a
- context:
    cluster: one
    namespace: x
    user: jane
  name: b
current-context: a # now
users:
- name: jane
  user:
    token: s3cret
`;
const CURRENT = ['"current-context": "a"', '"current-context": "b"'] as const;
const SWITCHED = CONFIG.replace("current-context: a", "current-context: b");

async function setUp() {
  const product = Product.make();
  const module = await buildC(SOURCE);
  Deno.writeFileSync(`${product.home}/edit.wasm`, module);
  Deno.writeFileSync(`${product.home}/edit-component.wasm`, await componentOf(module));
  Deno.mkdirSync(`${product.home}/.kube`);
  const config = `${product.home}/.kube/config`;
  Deno.writeTextFileSync(config, CONFIG);
  return {
    product,
    config,
    read() {
      const text = Deno.readTextFileSync(config);
      assert.deepEqual([...Deno.readDirSync(`${product.home}/.kube`)].map(({ name }) => name), ["config"]);
      Deno.writeTextFileSync(config, CONFIG);
      return text;
    },
    [Symbol.dispose]: () => product[Symbol.dispose](),
  };
}

const FORMS = ["edit", "edit-component"];
const WAYS = ["inplace", "rename", "unclosed"];
// jco leaves timers of 10 ms behind.
const options = { ignore: lacksClang(), sanitizeOps: false, sanitizeResources: false };

testBinary("a plugin with --allow-kubeconfig=switch changes contexts and nothing else", options, async () => {
  using it = await setUp();
  const run = (form: string, ...args: string[]) =>
    it.product.run("run", "--allow-kubeconfig=switch", `${it.product.home}/${form}.wasm`, ...args);
  for (const form of FORMS) {
    for (const way of WAYS) {
      const { code, stderr } = await run(form, way, ...CURRENT);
      assert.deepEqual([code, stderr, it.read()], [0, "", SWITCHED], `${form} ${way}`);
      const hostile = await run(form, way, "https://127.0.0.1:1", "https://192.0.2.1");
      assert.equal(it.read(), CONFIG);
      assert.equal(hostile.code, 1, `${form} ${way}`);
      assert.match(hostile.stderr, /krew-wasm: edit\S* was not allowed to change the cluster "one"/);
      assert.doesNotMatch(hostile.stderr, /to allow it/);
    }
  }
  const { stderr } = await run("edit", "inplace", "https://127.0.0.1:1", "https://192.0.2.1");
  assert.match(stderr, /^close: Operation not permitted$/m);
  const namespace = await run("edit", "inplace", '"namespace": "x"', '"namespace": "web"');
  assert.deepEqual([namespace.code, it.read()], [0, CONFIG.replace("namespace: x", "namespace: web")]);
  const renamed = await run("edit", "inplace", '"name": "b"', '"name": "c"');
  assert.deepEqual([renamed.code, it.read()], [0, CONFIG.replace("name: b", "name: c")]);
});

testBinary(
  "without the grant nothing changes, and the line at exit names the change and the grant",
  options,
  async () => {
    using it = await setUp();
    for (const form of FORMS) {
      // Each run compiles a component anew.
      for (
        const flags of form === "edit" ? [[], ["--deny-kubeconfig"], ["--allow-home"], ["--deny-home"]] : [[]]
      ) {
        const file = `${it.product.home}/${form}.wasm`;
        const { code, stderr } = await it.product.run("run", ...flags, file, "inplace", ...CURRENT);
        assert.deepEqual([code, it.read()], [1, CONFIG], `${form} ${flags}`);
        assert.match(stderr, /was not allowed to change the current context from a to b/);
        assert.match(stderr, flags[0] === "--deny-kubeconfig" ? /deny that/ : /--allow-kubeconfig=switch/);
      }
    }
  },
);

testBinary("a kubeconfig below a granted directory can be changed, too", options, async () => {
  using it = await setUp();
  for (const form of FORMS) {
    for (const flag of ["--allow-home", "--allow-read=~/.kube", "--allow-write=~/.kube"]) {
      for (const way of form === "edit" ? WAYS : ["rename"]) {
        const file = `${it.product.home}/${form}.wasm`;
        const flags = ["--allow-kubeconfig=switch", flag];
        const { code, stderr } = await it.product.run("run", ...flags, file, way, ...CURRENT);
        assert.deepEqual([code, stderr, it.read()], [0, "", SWITCHED], `${form} ${flag} ${way}`);
      }
    }
  }
});

testBinary("a kubeconfig that another program has locked or made read-only stays", options, async () => {
  using it = await setUp();
  const file = `${it.product.home}/edit.wasm`;
  const run = () => it.product.run("run", "--allow-kubeconfig=switch", file, "inplace", ...CURRENT);
  Deno.writeTextFileSync(`${it.config}.lock`, "");
  const { code, stderr } = await run();
  assert.equal(code, 1);
  assert.match(stderr, /error: Cannot change ".*\/\.kube\/config": another program is changing it/);
  Deno.removeSync(`${it.config}.lock`);
  assert.equal(it.read(), CONFIG);
});

testBinary("a person is asked in words, and answers for once", {
  ...options,
  ignore: lacksClang() || ptyMissing(),
}, async () => {
  using it = await setUp();
  for (const [answer, expected] of [["o", SWITCHED], ["n", CONFIG]] as const) {
    const { text, code, failed } = await atTerminal(
      [it.product.command, "run", `${it.product.home}/edit.wasm`, "inplace", ...CURRENT],
      [READY, { send: `${answer}\r` }],
      { env: it.product.env() },
    );
    assert.equal(failed, null, text);
    assert.match(text, /to {9}change the current context from a to b/);
    assert.equal(code, answer === "o" ? 0 : 1, text);
    assert.equal(it.read(), expected);
  }
});
