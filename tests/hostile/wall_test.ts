/**
 * Tests the second wall alone, without the third. In this build the random number function carries out a plugin's orders
 * with all rights of the process (broken/random.ts). Only Deno's permissions stop the orders.
 */

import assert from "node:assert/strict";
import { compile } from "../../scripts/compile.ts";
import { binaryUnderTest, clangMissing } from "../support/product.ts";
import { atTerminal, terminalMissing } from "../support/terminal.ts";
import { Stage } from "./stage.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const BROKEN = {
  "runtime/wasi/random_bytes.ts": "tests/hostile/broken/random.ts",
  "runtime/sandbox/kernel/restrict_run.ts": "tests/hostile/broken/no_kernel.ts",
};

/** Orders and their required outcomes. */
type Orders = Readonly<Record<string, string>>;

const REFUSED = "NotCapable";

/** Forbidden in every run without questions, whatever was granted. */
const NEVER: Orders = {
  "read|$HOME/.ssh/id_ed25519": REFUSED,
  "read|$HOME/.kube/config": REFUSED,
  "read|$OUTSIDE/file": REFUSED,
  "read|/etc/passwd": REFUSED,
  "read|/proc/self/environ": REFUSED,
  "list|$HOME": REFUSED,
  "write|$HOME/.bashrc|evil": REFUSED,
  "write|$STORE/receipts/attack.json|evil": REFUSED,
  "write|$STORE/bin/kubectl-evil|evil": REFUSED,
  "remove|$STORE/bin/kubectl-attack": REFUSED,
  "rename|$STORE/receipts|$STORE/gone": REFUSED,
  "rename|$STORE|$HOME/gone": REFUSED,
  "link|$HOME/.ssh/id_ed25519|$WORK/key": REFUSED,
  "symlink|x|$HOME/x": REFUSED,
  "hostname": REFUSED,
  "ffi": REFUSED,
  "again|ffi": "denied",
  "again|read": "denied",
  "again|write": "denied",
};

const NO_NETWORK: Orders = {
  "run|id": REFUSED,
  "env|HOME": REFUSED,
  "env|AWS_SECRET_ACCESS_KEY": REFUSED,
  "environ": REFUSED,
  "listen": REFUSED,
  "connect|127.0.0.1|$DECOYPORT": "ok",
  "again|run": "denied",
  "again|net": "denied",
};

Deno.test("with the inner wall broken", {
  // The build needs a Deno that can compile, which exists where the binary under test was made.
  ignore: clangMissing() || !binaryUnderTest() || Deno.build.os !== "linux",
  sanitizeOps: false, // importing jco starts to load files
  sanitizeResources: false,
}, async (t) => {
  const directory = temporaryDirectory();
  const binary = await compile({
    output: `${directory}/krew-wasm`,
    quiet: true,
    uncached: true,
    replace: BROKEN,
  });
  await using stage = await Stage.make({ binary });
  const check = async (orders: Orders, options: Parameters<Stage["attack"]>[2] = {}) => {
    stage.reset();
    const before = stage.snapshot();
    const names = Object.keys(orders);
    const { code, stdout, stderr } = await stage.attack(
      "preview1",
      names.flatMap((order) => ["door", order, ","]),
      options,
    );
    assert.equal(code, 0, stderr);
    const got = stdout.trimEnd().split("\n");
    assert.deepEqual(Object.fromEntries(names.map((name, index) => [name, got[index]])), orders);
    assert.doesNotMatch(stdout + stderr, /s3cr3t-/);
    return { before, after: stage.snapshot() };
  };
  try {
    await t.step("a plugin without a cluster reaches its granted files only", async () => {
      const { before, after } = await check({ ...NEVER, ...NO_NETWORK });
      assert.deepEqual(after, before);
      assert.equal(stage.decoyHits(), 0);
    });
    await t.step("Deno's functions reach no file, since granted directories are open", async () => {
      const { before, after } = await check({
        ...NEVER,
        ...NO_NETWORK,
        "read|$WORK/bait": REFUSED,
        "write|$WORK/bait|x": REFUSED,
      }, { granted: "--allow-write=$WORK" });
      assert.deepEqual(after, before);
    });
    await t.step("the kernel keeps a path below the directory it starts in", async () => {
      Deno.mkdirSync(stage.work, { recursive: true });
      const links = () => {
        Deno.symlinkSync("../.ssh/id_ed25519", `${stage.work}/relative`);
        Deno.symlinkSync(`${stage.home}/.ssh`, `${stage.work}/absolute`);
        Deno.symlinkSync("/proc/self/root", `${stage.work}/magic`);
      };
      stage.reset();
      links();
      const { stdout } = await stage.attack(
        "preview1",
        [
          ...["bait", "sub/../bait", "../.ssh/id_ed25519", "sub/../../.bashrc", "$HOME/.bashrc", "relative"],
          ...["absolute/id_ed25519", "magic/etc/passwd"],
        ].flatMap((path) => ["door", `beneath|${path}`, ","]),
      );
      assert.deepEqual(stdout.trimEnd().split("\n"), ["ok", "ok", ...Array(6).fill("not-permitted")]);
    });
    await t.step("a plugin with a cluster keeps the network, but no secret to send", async () => {
      const { before, after } = await check({
        ...NEVER,
        "run|id": REFUSED,
        "again|run": "denied",
        "env|AWS_SECRET_ACCESS_KEY": "unset",
        "env|GITHUB_TOKEN": "unset",
        "env|HARMLESS": "unset",
        "listen": "ok",
      }, { network: true, env: { HARMLESS: "x" } });
      assert.deepEqual(after, before);
    });
    await t.step("import() and workers load nothing but krew-wasm's own files", async () => {
      // Deno shows the binary's files in a directory of this name below the temporary one. It does not exist on disk.
      const shown = `${stage.home}/shared/deno-compile-krew-wasm`;
      Deno.mkdirSync(shown, { recursive: true });
      const found = [`${stage.home}/cloud.json`, `${shown}/cloud.json`];
      const code = [`${stage.home}/code.js`, `${shown}/code.js`];
      for (const path of found) Deno.writeTextFileSync(path, '{"token":"s3cr3t-json"}');
      for (const path of code) Deno.writeTextFileSync(path, "globalThis.postMessage?.(1)");
      const within = (specifier: string) =>
        `data:text/javascript,import("${specifier}",{with:{type:"json"}}).then(()=>postMessage(1))`;
      const refused: Orders = {
        ...Object.fromEntries(
          [
            ...[...found, ...code].map((path) => `file://${path}`),
            ...found.flatMap((path) => [path, `file:${path}`, `file://localhost${path}`, `file:///.${path}`]),
            ...["./cloud.json", "./..%2F..%2Fcloud.json", ".//cloud.json", "../../cloud.json"],
            ...["node:/cloud.json", "npm:cloud.json", "ext:/cloud.json", "blocked:///cloud.json"],
          ].map((specifier) => [`import|${specifier}`, "TypeError"]),
        ),
        [`importAs|file://${found[0]}|file://${shown}/main.js`]: "TypeError",
        [`importAs|./cloud.json|file://${stage.home}/main.js`]: "TypeError",
        ...Object.fromEntries(
          [...code.map((path) => `file://${path}`), ...found.map((path) => within(`file://${path}`))]
            .map((specifier) => [`worker|${specifier}`, REFUSED]),
        ),
      };
      const names = Object.keys(refused);
      const wait = ["request", "get", "$SERVER/version", "", ","];
      // Each order finishes later, while requests let time pass: as many as it takes.
      const results = async (passing: number): Promise<string[]> => {
        const { code, stdout, stderr } = await stage.attack(
          "preview1",
          ["import|./files.js", ...names].flatMap((order) => {
            const waits = Array(order.startsWith("worker") ? 10 * passing : passing).fill(wait).flat();
            return ["door", order, ",", ...waits, "door", "outcome", ","];
          }),
          { network: true, env: { TMPDIR: `${stage.home}/shared` } },
        );
        assert.equal(code, 0, stderr);
        const got = stdout.trimEnd().split("\n").filter((line) => !/^(?:200|later)/.test(line));
        return got.includes("pending") ? await results(2 * passing) : got;
      };
      const [own, ...got] = await results(3);
      assert.equal(own, "ok");
      assert.deepEqual(Object.fromEntries(names.map((name, index) => [name, got[index]])), refused);
    });
    await t.step("a plugin whose cluster grant is none has no network", async () => {
      await check({ ...NEVER, ...NO_NETWORK }, { network: true, granted: "--allow-cluster=none" });
      assert.equal(stage.decoyHits(), 0);
    });
    await t.step("the right to start programs ends when the user needs no credential plugin", async () => {
      const config = JSON.parse(stage.api.kubeconfig());
      const exec = {
        apiVersion: "client.authentication.k8s.io/v1",
        command: "true",
        interactiveMode: "Never",
      };
      config.users.push({ name: "other", user: { exec } });
      Deno.writeTextFileSync(`${stage.home}/.kube/config`, JSON.stringify(config));
      const { stdout } = await stage.attack("preview1", [
        ...[
          "door",
          "permission|run",
          ",",
          "request",
          "get",
          "$SERVER/version",
          "",
          ",",
          "door",
          "permission|run",
          ",",
        ],
        ...["door", "env|AWS_SECRET_ACCESS_KEY"],
      ], { network: true });
      const [before, answer, after, secret] = stdout.trimEnd().split("\n");
      assert.deepEqual([before, answer!.slice(0, 3), after, secret], ["granted", "200", "prompt", "unset"]);
    });
    await t.step({
      name: "at a terminal a plugin can change receipts, but no code that runs",
      ignore: terminalMissing(),
      async fn() {
        Deno.writeTextFileSync(`${stage.home}/.kube/config`, stage.api.kubeconfig());
        stage.reset();
        const before = stage.snapshot();
        const orders = [
          ...[
            "write|$STORE/bin/kubectl-evil|evil",
            "symlink|x|$STORE/bin/kubectl-evil",
            "write|$STORE/compiled/x|evil",
          ],
          ...[
            "remove|$STORE/bin/kubectl-attack",
            "rename|$STORE/bin|$STORE/stage/x",
            "write|$HOME/.bashrc|evil",
          ],
          ...["read|$HOME/.ssh/id_ed25519", "run|id"],
        ];
        const words = orders.map((order) => `door '${stage.expand(order)}' ,`).join(" ");
        const { text } = await atTerminal(stage.product, `kubectl-attack_network ${words}`, []);
        assert.deepEqual(text.trimEnd().split("\r\n"), orders.map(() => REFUSED));
        assert.deepEqual(stage.snapshot(), before);
      },
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
