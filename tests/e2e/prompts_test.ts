/** Questions at a terminal for people: job control, pipes, narrow windows. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { clangMissing, Product } from "../support/product.ts";
import { atTerminal, ptyMissing, type Step } from "../support/pty.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { testBinary } from "../support/test_binary.ts";

const READY: Step = { expect: "[n]o" };
const RESUMED: Step = { signal: "CONT" };

/** Every complete question in a text, with its lines and the typed answer. */
function questions(text: string): string[] {
  const whole =
    /krew-wasm: a plugin asks for what it was not granted\r\n((?: .*\r\n)*)Allow it\? \[o\]nce, this \[r\]un, \[a\]lways,(?: something \[w\]ider,)? \[n\]o(?:, ne\[v\]er)?: (\w*(?:\^.)?)\r\n/g;
  return [...text.matchAll(whole)].map(([, lines = "", answer]) => {
    // A long value continues on indented lines.
    const joined = lines.replace(/\r\n(?: {13}| (?! ))/g, "");
    const part = (label: string) => new RegExp(`^ {2}${label} +(.*?)\\r?$`, "m").exec(joined)?.[1];
    const what = part("path") ?? `${part("verb")} ${part("resource")} ${part("name")} ${part("namespace")}`;
    return `${part("plugin")} ${what}: ${answer}`;
  });
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
  const asked = (name: string) => `tool delete pods ${name} demo`;
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

  await t.step("Ctrl-Z stops the job and restores the terminal; fg asks again", async () => {
    const { text, before } = await at(`exec ${remove("web")}`, [
      READY,
      { send: "o\x1a" },
      { stopped: true },
      { mode: ["echo", "icanon", "icrnl", "isig"] },
      RESUMED,
      READY,
      { send: "o\r" },
    ]);
    assert.equal(before.length, 4);
    assert.deepEqual(questions(text), [`${asked("web")}: o^Z`, `${asked("web")}: o`]);
    assert.match(text, /\r\n404 /); // the server's own answer
  });
  await t.step("two plugins in a pipe ask one after the other", async () => {
    const seen = api.seen.length;
    const { text } = await at(`${remove("left")} | ${remove("right")}`, [
      READY,
      { send: "n\r" },
      READY,
      { send: "n\r" },
    ]);
    assert.deepEqual(questions(text).sort(), [`${asked("left")}: n`, `${asked("right")}: n`]);
    assert.equal(api.seen.length, seen);
  });
  await t.step("another plugin's output waits for the answer", async () => {
    const flood = Array(200).fill("print 'forged'").join(" , ");
    const { text } = await at(`${remove("web")} | kubectl-tool ${flood}`, [READY, { send: "n\r" }]);
    assert.deepEqual(questions(text), [`${asked("web")}: n`]);
  });
  await t.step("asks although the reader stops early", async () => {
    const { text, code } = await at(
      `${remove("web").replace("request", "print first , request")} | head -n 1 >first; cat first`,
      [
        READY,
        { send: "n\r" },
      ],
    );
    assert.deepEqual(questions(text), [`${asked("web")}: n`]);
    assert.match(text, /first\r\n/);
    assert.equal(code, 0);
  });
  await t.step("another program's output during a question keeps its line ends", async () => {
    const raw = "stty -a </dev/tty | grep -q -e -icanon";
    const { text } = await at(
      `${remove("web")} | { until ${raw}; do :; done; while ${raw}; do echo here; sleep 0.05; done; cat; }`,
      [READY, { expect: "here" }, { send: "n\r" }],
    );
    assert.match(text, /here\r\n/);
    assert.doesNotMatch(text, /here\n/);
    assert.match(text, /403 /);
  });
  await t.step("Ctrl-D answers no, Ctrl-C ends the run", async () => {
    const no = await at(`exec ${remove("web")}`, [READY, { send: "o\x04" }]);
    assert.match(no.text, /403 /);
    const end = await at(`exec ${remove("web")}`, [READY, { send: "o\x03" }]);
    assert.equal(end.code ?? end.signal, 130);
    assert.doesNotMatch(end.text, /403|200 /);
  });
  await t.step("a window of twenty columns shows the same question", async () => {
    const { text } = await at(`exec ${remove("web")}`, [READY, { send: "o\r" }], 20);
    assert.deepEqual(questions(text), [`${asked("web")}: o`]);
  });
  await t.step("the question about a file names its target; the answer lasts for the run", async () => {
    Deno.symlinkSync("docs", `${product.home}/link`);
    const path = `${product.home}/link/notes`;
    const { text } = await at(`exec kubectl-tool read ${path} , read ${path}`, [READY, {
      send: "r\r",
    }]);
    assert.deepEqual(questions(text), [`tool ${path}: r`]);
    assert.ok(text.includes(`  leads to   ${product.home}/docs/notes\r\n`), text);
    assert.equal(text.split("the user's notes").length, 3);
    const always = await at(`exec kubectl-tool read ${path}`, [READY, { send: "always\r" }]);
    assert.match(always.text, /the user\'s notes/);
    assert.match((await product.shell(`kubectl-tool read ${path}`)).stdout, /the user\'s notes/);
  });
});
