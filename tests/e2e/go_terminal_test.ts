/** Go programs at a terminal, built by `krew-wasm build`: modes, keys, sizes and questions. */

import assert from "node:assert/strict";
import { canBuildGo } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { buildGoPlugin } from "../support/go_plugin.ts";
import { Product } from "../support/product.ts";
import { atTerminal, ptyMissing, type Step } from "../support/pty.ts";
import { testBinary } from "../support/test_binary.ts";

testBinary("build: a Go program at a terminal does what its native build does", {
  ignore: !canBuildGo() || ptyMissing(),
}, async (step) => {
  await using api = await TestApiServer.start();
  using product = Product.make();
  const { native, plugin } = await buildGoPlugin(product);
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());
  const run = (command: readonly string[], steps: readonly Step[]) =>
    atTerminal(command, steps, {
      env: product.env({ TERM: "xterm" }),
      cwd: product.home,
      columns: 100,
      rows: 30,
    });

  await step.step("raw mode, keys, the size and its changes", async () => {
    const steps: Step[] = [
      { expect: "raw\r\n" },
      { mode: [] },
      { send: "a" },
      { expect: "key 97\r\n" },
      { resize: [120, 50] },
      { expect: "resized to 120 50\r\n" },
      { send: "\x03" },
      { expect: "key 3\r\n" },
      { resize: [80, 24] },
      { expect: "resized to 80 24\r\n" },
      { send: "q" },
      { expect: "raw again\r\n" },
      { mode: [] },
      { send: "x" },
    ];
    const own = await run([plugin, "terminal"], steps);
    assert.equal(own.failed, null, own.output);
    assert.equal(
      own.output,
      "true true true true\r\n100 30 <nil>\r\nraw\r\nkey 97\r\nresized to 120 50\r\nkey 3\r\nresized to 80 24\r\n" +
        "key 113\r\nraw again\r\ndone\r\n",
    );
    assert.deepEqual(own.after, own.before);
    assert.deepEqual({ ...await run([native, "terminal"], steps) }, own);
  });

  await step.step("no terminal in a pipe, nor with --deny-terminal", async () => {
    const piped = await product.shell(`kubectl-plain terminal </dev/null`);
    assert.deepEqual(piped, await product.shell(`${native} terminal </dev/null`));
    assert.match(piped.stdout, /^false false false false\n/);
    const hidden = await run([product.command, "run", "--deny-terminal", "plain", "--", "terminal"], []);
    assert.match(hidden.output, /^false false false false\r\n/);
  });

  await step.step("asks before it accepts connections", async () => {
    using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const place = `127.0.0.1:${free.addr.port}`;
    free.close();
    const { text, failed } = await run([plugin, "listen", place, place], [
      { expect: `at         ${place}` },
      { expect: "[n]o" },
      { send: "r\r" },
      { expect: "false <nil>\r\nfalse <nil>" },
    ]);
    assert.equal(failed, null, text);
    assert.match(text, /to {9}accept connections from this machine/);
    const refused = await run([plugin, "listen", place], [{ expect: "[n]o" }, { send: "n\r" }]);
    assert.match(refused.text, /true listen tcp .*: krew-wasm: The plugin was not allowed to accept/);
  });
});
