/** Questions in a terminal emulator: what a plugin does to the screen, and what an answer grants. */

import assert from "node:assert/strict";
import { shellQuoted } from "../../runtime/base/text.ts";
import { buildFixture } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { clangMissing, Product } from "../support/product.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { testBinary } from "../support/test_binary.ts";
import { Tmux, tmuxMissing } from "../support/tmux.ts";

/** Output before the question that tries to hide it or to change its look. */
const HIDING: readonly (readonly [what: string, text: string])[] = [
  ["nothing", ""],
  ["black on black, by OSC 10 and 11", "\x1b]10;#000000\x1b\\\x1b]11;#000000\x1b\\"],
  [
    "a palette of black",
    `${Array.from({ length: 256 }, (_, index) => `\x1b]4;${index};#000000\x07`).join("")}`,
  ],
  ["hidden, faint and reversed text, no cursor", "\x1b[8;2;7;30;40m\x1b[?25l"],
  ["an unfinished sequence", "\x1b[38;5"],
  ["an unfinished string", "\x1b]0;title"],
  ["an unfinished device control string", "\x1bPq"],
  ["the alternate screen", "\x1b[?1049h"],
  ["a scroll region of two lines, with its own origin", "\x1b[3;4r\x1b[?6h\x1b[2;1H"],
  ["line drawing for letters", "\x1b(0\x1b)0\x0e"],
  ["insertion, no wrapping, new lines that return", "\x1b[4h\x1b[?7l\x1b[20h"],
  ["a reversed screen", "\x1b[?5h"],
  ["synchronized output", "\x1b[?2026h"],
  [
    "mouse, focus and paste reports, other keys",
    "\x1b[?1003h\x1b[?1006h\x1b[?1004h\x1b[?2004h\x1b[>1u\x1b[>4;2m\x1b[?1h\x1b=",
  ],
  ["a link over all that follows", "\x1b]8;;https://example.com\x1b\\"],
  ["a screen full of text, the cursor at its top", `${"forged ".repeat(270)}\x1b[1;1H`],
  ["UTF-8 off, an unfinished character", "\x1b%@\xc3"],
];

const QUESTION = [
  "krew-wasm: a plugin asks for what it was not granted",
  "  plugin     tool",
  "  namespace  demo",
  "  verb       delete",
  "  resource   pods",
  "  name       web",
  "  so far     read-only",
  "  rule       delete:pods[web]@demo",
  '  wider      delete pods of any name in the namespace "demo"',
  "Allow it? [o]nce, this [r]un, [a]lways, something [w]ider, [n]o, ne[v]er:",
];
/** White on black by value. */
const COLOURS = "\x1b[38;2;255;255;255m\x1b[48;2;0;0;0m";

async function setUp() {
  const api = await TestApiServer.start();
  const product = Product.make();
  await using registry = TestRegistry.start();
  const plugin = makeArtifact(await Deno.readFile(await buildFixture("attack-network")));
  await push(registry.origin, "plugins/tool", "v1", plugin);
  const pulled = await product.run("pull", "--allow-cluster=read-only", `${registry.host}/plugins/tool:v1`);
  assert.equal(pulled.code, 0, pulled.stderr);
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());
  return {
    product,
    api,
    cluster: () => JSON.parse(Deno.readTextFileSync(`${product.store}/receipts/tool.json`)).grants.cluster,
    reset: () => product.run("grants", "tool", "--reset", "--allow-cluster=read-only"),
    /** Runs the plugin's operations in order. The output text is in a file, so that its bytes are exact. */
    tmux: (words: readonly string[], before = "") => {
      Deno.writeTextFileSync(`${product.home}/before`, before);
      return new Tmux(
        `kubectl-tool print "$(cat before)" , ${words.map(shellQuoted).join(" ")}; echo "code $?"`,
        product.env({ COLORTERM: "truecolor" }),
        product.home,
      );
    },
    request: (method: string, path: string) => ["request", method, `${api.server}${path}`, ""],
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

const POD = "/api/v1/namespaces/demo/pods/web";

testBinary(
  "a question stays readable, whatever a plugin does to the terminal",
  {
    ignore: clangMissing() || tmuxMissing(),
  },
  async (t) => {
    await using it = await setUp();
    for (const [what, text] of HIDING) {
      await t.step(what, async () => {
        using tmux = it.tmux(it.request("delete", POD), text);
        const screen = await tmux.see("ne[v]er:", true);
        const lines = screen.trimEnd().split("\n");
        const from = lines.indexOf(QUESTION[0]!);
        assert.ok(from >= 0, screen);
        // The arguments contain the printed text, on indented lines.
        const shown = lines.slice(from).filter((line) => !/^ {2}arguments|^ {13}/.test(line));
        assert.deepEqual(shown, QUESTION, screen);
        const coloured = tmux.screen(true);
        const at = coloured.indexOf(QUESTION[0]!);
        assert.ok(coloured.slice(0, at).endsWith(COLOURS), JSON.stringify(coloured));
        // deno-lint-ignore no-control-regex -- looks for attributes
        assert.doesNotMatch(coloured.slice(at).trimEnd(), /\x1b\[(?!0?m|39m|49m)/, "nothing else colours it");
        assert.deepEqual(
          tmux.state(
            "#{mouse_any_flag} #{insert_flag} #{wrap_flag} #{cursor_flag} #{scroll_region_upper} #{scroll_region_lower}",
          ),
          "0 0 1 1 0 23",
        );
        tmux.type("n\r");
        await tmux.see("code ");
        assert.match(tmux.screen(), /403 /);
        assert.equal(it.cluster(), "read-only");
      });
    }
  },
);

testBinary("keys count that are typed after the question, and nothing that a terminal sends", {
  ignore: clangMissing() || tmuxMissing(),
}, async (t) => {
  await using it = await setUp();
  for (
    const [what, ...pieces] of [
      ["a report in two pieces", "\x1b[24;80", "R"],
      ["a report, and an Enter", "\x1b[24;80R"],
      ["a title in pieces", "\x1b]l", "always", "\x1b\\"],
      ["a paste", "\x1b[200~always\r\x1b[201~"],
      ["a mouse's letters", "\x1b[Maaa"],
      ["capitals, as reports end with", "R"],
    ] as const
  ) {
    await t.step(what, async () => {
      using tmux = it.tmux(it.request("delete", POD));
      await tmux.see("ne[v]er:", true);
      for (const piece of pieces) {
        tmux.type(piece);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      tmux.type("\r");
      await tmux.see("Please answer o, r, a, w, v or n:", true);
      tmux.type("\r");
      await tmux.see("code ");
      assert.match(tmux.screen(), /403 /);
      assert.equal(it.cluster(), "read-only");
    });
  }
});

testBinary("an answer grants exactly the shown rule", {
  ignore: clangMissing() || tmuxMissing(),
}, async (t) => {
  await using it = await setUp();
  const rule = (more: Record<string, unknown>) => ({
    verbs: ["delete"],
    apiGroups: [""],
    resources: ["pods"],
    resourceNames: null,
    nonResourceURLs: null,
    ...more,
  });
  await t.step("this run grants exactly one name", async () => {
    const seen = it.api.seen.length;
    using tmux = it.tmux([
      ...it.request("delete", POD),
      ",",
      ...it.request("delete", POD),
      ",",
      ...it.request("delete", POD.replace("web", "db")),
    ]);
    await tmux.see("ne[v]er:", true);
    tmux.type("r\r");
    await tmux.see("  rule       delete:pods[db]@demo");
    await tmux.see("ne[v]er:", true);
    tmux.type("n\r");
    const screen = await tmux.see("code ");
    assert.match(screen, /^403 /m);
    assert.deepEqual(it.api.seen.slice(seen).map(({ method, path }) => `${method} ${path}`), [
      `DELETE ${POD}`,
      `DELETE ${POD}`,
    ]);
    assert.equal(it.cluster(), "read-only");
  });
  await t.step("always stores the shown rule", async () => {
    using tmux = it.tmux(it.request("delete", POD));
    await tmux.see("ne[v]er:", true);
    tmux.type("a\r");
    await tmux.see("code ");
    assert.deepEqual(it.cluster(), {
      rules: [rule({ resourceNames: ["web"], namespaces: ["demo"] })],
      readOnly: true,
    });
    await it.reset();
  });
  await t.step("a wider rule needs a second question", async () => {
    using tmux = it.tmux(it.request("delete", POD));
    await tmux.see("ne[v]er:", true);
    tmux.type("w\r");
    await tmux.see("  rule       delete:pods@demo");
    await tmux.see("Allow all of that? this [r]un, [a]lways, [n]o:", true);
    tmux.type("a\r");
    await tmux.see("code ");
    assert.deepEqual(it.cluster(), { rules: [rule({ namespaces: ["demo"] })], readOnly: true });
    await it.reset();
  });
  await t.step(
    "refuses wildcards and impossible names without a question",
    async () => {
      const name = "ui-settings%22%20in%20the%20namespace%20%22demo%22%E2%A0%80";
      const words = [
        "/api/v1/namespaces/*/secrets/x",
        "/api/v1/namespaces/demo/*/x",
        "/apis/*/v1/namespaces/demo/pods/x",
        `/api/v1/namespaces/kube-system/secrets/${name}`,
        "/metrics*",
      ].flatMap((path, index) => [...(index > 0 ? [","] : []), ...it.request("delete", path)]);
      const seen = it.api.seen.length;
      using tmux = it.tmux(words);
      const screen = await tmux.see("code ");
      assert.doesNotMatch(screen, /a plugin asks/);
      assert.equal(it.api.seen.length, seen);
      assert.equal(it.cluster(), "read-only");
    },
  );
  await t.step("stops asking after five refusals", async () => {
    const words = Array.from(
      { length: 8 },
      (_, index) => it.request("delete", `/api/v1/namespaces/ns-${index}/pods/web`),
    )
      .flatMap((each, index) => [...(index > 0 ? [","] : []), ...each]);
    using tmux = it.tmux(words);
    for (let index = 0; index < 5; index++) {
      await tmux.see(`  namespace  ns-${index}`);
      await tmux.see("ne[v]er:", true);
      tmux.type("n\r");
    }
    const screen = await tmux.see("code ");
    assert.doesNotMatch(screen, /namespace {2}ns-5/);
  });
});
