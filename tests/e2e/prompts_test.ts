/** Questions at a terminal as people meet them: job control, pipes, narrow windows. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../support/api_server.ts";
import { makeArtifact, push } from "../support/oci.ts";
import { clangMissing, Product } from "../support/product.ts";
import { atTerminal, ptyMissing, type Step } from "../support/pty.ts";
import { TestRegistry } from "../support/registry.ts";
import { testBinary } from "../support/test_binary.ts";

const READY: Step = { expect: "[N]ot? " };
const RESUMED: Step = { signal: "CONT" };

/** Every question of an output, whole and in its lines, with the answer as it was typed. */
function questions(output: string): string[] {
  const whole =
    /krew-wasm: the plugin "tool" asks to\r\n {2}([^\r\n]*)\r\nbut [^\r\n]*\r\nAllow it \[o\]nce, for this \[r\]un, \[a\]lways, or \[N\]ot\? (\w*(?:\^.)?)\r\n/g;
  return [...output.matchAll(whole)].map(([, what, answer]) => `${what}: ${answer}`);
}

testBinary("a question at a terminal stands by itself, whatever stops, pipes or squeezes it", {
  ignore: clangMissing() || ptyMissing() || Deno.build.os !== "linux",
}, async (t) => {
  await using api = await TestApiServer.start();
  await using registry = TestRegistry.start();
  using product = Product.make();
  const plugin = makeArtifact(await Deno.readFile(await buildFixture("attack-network")));
  await push(registry.origin, "plugins/tool", "v1", plugin);
  const pulled = await product.run("pull", "--allow-cluster=read-only", `${registry.host}/plugins/tool:v1`);
  assert.equal(pulled.code, 0, pulled.stderr);
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());
  Deno.mkdirSync(`${product.home}/docs`);
  Deno.writeTextFileSync(`${product.home}/docs/notes`, "the user's notes");

  const remove = (name: string) =>
    `kubectl-tool request delete ${api.server}/api/v1/namespaces/demo/pods/${name} \'\'`;
  const asked = (name: string) => `delete pods "${name}" in the namespace "demo"`;
  const at = async (line: string, steps: readonly Step[], columns = 80) => {
    const outcome = await atTerminal(["/bin/sh", "-c", line], steps, {
      env: product.env({ TERM: "xterm" }),
      cwd: product.home,
      columns,
    });
    assert.equal(outcome.failed, null, `${JSON.stringify(outcome.failed)}: ${outcome.output}`);
    assert.deepEqual(outcome.after, outcome.before, "the terminal is as it was");
    return outcome;
  };

  await t.step("Ctrl-Z stops the job and gives the terminal back; the question is asked again", async () => {
    const { output, before } = await at(`exec ${remove("web")}`, [
      READY,
      { send: "o\x1a" },
      { stopped: true },
      { mode: ["echo", "icanon", "icrnl", "isig"] },
      RESUMED,
      READY,
      { send: "o\r" },
    ]);
    assert.equal(before.length, 4);
    assert.deepEqual(questions(output), [`${asked("web")}: o^Z`, `${asked("web")}: o`]);
    assert.match(output, /\r\n404 /); // the server's own answer
  });
  await t.step("two plugins in a pipe ask one after the other, each with its own answer", async () => {
    const seen = api.seen.length;
    const { output } = await at(`${remove("left")} | ${remove("right")}`, [
      READY,
      { send: "n\r" },
      READY,
      { send: "n\r" },
    ]);
    assert.deepEqual(questions(output).sort(), [`${asked("left")}: n`, `${asked("right")}: n`]);
    assert.equal(api.seen.length, seen);
  });
  await t.step("what another plugin of the pipe writes to the terminal waits for the answer", async () => {
    const flood = Array(200).fill("print 'forged'").join(" , ");
    const { output } = await at(`${remove("web")} | kubectl-tool ${flood}`, [READY, { send: "n\r" }]);
    assert.deepEqual(questions(output), [`${asked("web")}: n`]);
  });
  await t.step("who reads only the beginning is asked all the same", async () => {
    const { output, code } = await at(
      `${remove("web").replace("request", "print first , request")} | head -n 1 >first; cat first`,
      [
        READY,
        { send: "n\r" },
      ],
    );
    assert.deepEqual(questions(output), [`${asked("web")}: n`]);
    assert.match(output, /first\r\n/);
    assert.equal(code, 0);
  });
  await t.step("what another program writes while a question stands keeps its line ends", async () => {
    const raw = "stty -a </dev/tty | grep -q -e -icanon";
    const { output } = await at(
      `${remove("web")} | { until ${raw}; do :; done; while ${raw}; do echo here; sleep 0.05; done; cat; }`,
      [READY, { expect: "here" }, { send: "n\r" }],
    );
    assert.match(output, /here\r\n/);
    assert.doesNotMatch(output, /here\n/);
    assert.match(output, /403 /);
  });
  await t.step("Ctrl-D is no, Ctrl-C is the end", async () => {
    const no = await at(`exec ${remove("web")}`, [READY, { send: "o\x04" }]);
    assert.match(no.output, /403 /);
    const end = await at(`exec ${remove("web")}`, [READY, { send: "o\x03" }]);
    assert.equal(end.code ?? end.signal, 130);
    assert.doesNotMatch(end.output, /403|200 /);
  });
  await t.step("a window of twenty columns shows the same question", async () => {
    const { output } = await at(`exec ${remove("web")}`, [READY, { send: "o\r" }], 20);
    assert.deepEqual(questions(output), [`${asked("web")}: o`]);
  });
  await t.step("a file is asked for with where it leads; for this run, and not again", async () => {
    Deno.symlinkSync("docs", `${product.home}/link`);
    const path = `${product.home}/link/notes`;
    const { output } = await at(`exec kubectl-tool read ${path} , read ${path}`, [READY, { send: "r\r" }]);
    assert.deepEqual(questions(output), [`read ${path}: r`]);
    assert.match(
      output,
      new RegExp(`but it leads to ${product.home}/docs/notes, and it is not among the files`),
    );
    assert.equal(output.split("the user's notes").length, 3);
    const always = await at(`exec kubectl-tool read ${path}`, [READY, { send: "always\r" }]);
    assert.match(always.output, /the user\'s notes/);
    assert.match((await product.shell(`kubectl-tool read ${path}`)).stdout, /the user\'s notes/);
  });
});
