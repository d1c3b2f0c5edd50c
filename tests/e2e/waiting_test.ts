/** Waiting and computing plugins: Ctrl-C ends them at once, sleeping uses no CPU, a poll wakes for the first event. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { componentOf } from "../support/components.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { binaryUnderTest, clangMissing, kubectlMissing, Product } from "../support/product.ts";
import { atTerminal, ptyMissing } from "../support/pty.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";

// jco leaves timers of 10 ms behind.
const options = { ignore: clangMissing(), sanitizeOps: false, sanitizeResources: false };
const withTerminal = { ...options, ignore: options.ignore || ptyMissing() || !binaryUnderTest() };

/** An installation with the program pulled as a module and as a component. */
async function setUp() {
  const registry = TestRegistry.start();
  const product = Product.make();
  const module = await Deno.readFile(await buildFixture("waiting"));
  for (
    const [local, wasm] of [["waiting", module], ["waiting-component", await componentOf(module)]] as const
  ) {
    await push(registry.origin, `plugins/${local}`, "v1", makeArtifact(wasm));
    const { code, stderr } = await product.run("pull", `${registry.host}/plugins/${local}:v1`);
    assert.equal(code, 0, stderr);
  }
  return {
    product,
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

const PLUGINS = ["kubectl-waiting", "kubectl-waiting_component"];
const WAYS = ["loop", "read", "sleep 1000000", "poll 1000000"];

Deno.test("Ctrl-C ends a plugin whatever it does, with exit code 130", withTerminal, async () => {
  await using it = await setUp();
  const { product } = it;
  for (const plugin of PLUGINS) {
    for (const way of WAYS) {
      const { output, failed } = await atTerminal(
        ["/bin/sh", "-c", `trap : INT; ${plugin} ${way}; echo "code $?"`],
        [{ expect: "waiting\r\n" }, { send: "\x03" }, { expect: "code " }],
        { env: product.env(), cwd: product.home },
      );
      assert.equal(failed, null, `${plugin} ${way}`);
      assert.match(output, /^waiting\r\n\^Ccode 130\r\n$/, `${plugin} ${way}`);
    }
  }
});

Deno.test("Ctrl-C ends a plugin that kubectl started", {
  ...withTerminal,
  ignore: withTerminal.ignore || kubectlMissing(),
}, async () => {
  await using it = await setUp();
  const { product } = it;
  const { output } = await atTerminal(
    ["/bin/sh", "-c", `trap : INT; kubectl waiting-component loop; echo "code $?"`],
    [{ expect: "waiting\r\n" }, { send: "\x03" }, { expect: "code " }],
    { env: product.env(), cwd: product.home },
  );
  assert.match(output, /code 130\r\n$/);
});

Deno.test("sleeping uses no CPU", { ...options, ignore: options.ignore || !binaryUnderTest() }, async () => {
  await using it = await setUp();
  /** The CPU seconds that a command of /bin/sh used. */
  const cost = async (line: string): Promise<number> => {
    const { stdout } = await it.product.shell(`${line} >/dev/null; times`);
    const times = [...stdout.trim().split("\n").at(-1)!.matchAll(/(\d+)m([\d.]+)s/g)];
    return times.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
  };
  for (const plugin of PLUGINS) {
    for (const way of ["sleep", "poll"]) {
      const input = way === "poll" ? "(sleep 2) | " : "";
      const asleep = await cost(`${input}${plugin} ${way} 2000`);
      const awake = await cost(`${plugin} sleep 0`);
      assert.ok(asleep - awake < 1, `${plugin} ${way}: ${asleep} s beside ${awake} s of CPU`);
    }
  }
});

Deno.test("a poll for stdin and a clock wakes for the first", options, async () => {
  await using it = await setUp();
  const { product } = it;
  for (const plugin of PLUGINS) {
    const child = product.start(`${product.store}/bin/${plugin}`, ["poll", "20"]);
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let seen = "";
    const until = async (text: string) => {
      while (!seen.includes(text)) {
        const { value, done } = await reader.read();
        assert.ok(!done, `${plugin}: ${seen}`);
        seen += value;
      }
      seen = seen.slice(seen.indexOf(text) + text.length);
    };
    const writer = child.stdin.getWriter();
    await until("time\n");
    for (const line of ["one\n", "two\n"]) {
      await writer.write(new TextEncoder().encode(line));
      await until(`input ${line}`);
      await until("time\n");
    }
    await writer.close();
    assert.equal((await child.status).code, 0);
    await reader.cancel();
  }
});
