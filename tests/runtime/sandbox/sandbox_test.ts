import assert from "node:assert/strict";
import { type Grants, LEAST, NO_DENIALS } from "../../../runtime/grants/grants.ts";
import { openSandbox } from "../../../runtime/sandbox/sandbox.ts";
import type { SandboxContext } from "../../../runtime/sandbox/sandbox_context.ts";
import { layoutAt } from "../../../runtime/store/layout.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

function open(grants: Partial<Grants>, change: Partial<SandboxContext> = {}) {
  return openSandbox({
    name: "test",
    args: ["kubectl-test", "--token", "s3cr3t", "-v"],
    grants: { ...LEAST, ...grants },
    layout: layoutAt(temporaryDirectory()),
    installed: true,
    verbose: false,
    ...change,
  });
}

Deno.test("hides the user's token from the plugin's arguments", () => {
  using sandbox = open({});
  assert.match(sandbox.args.join(" "), /^kubectl-test --token krew-wasm-\S+ -v$/);
  using trusted = open({ kubeconfig: true });
  assert.deepEqual(trusted.args, ["kubectl-test", "--token", "s3cr3t", "-v"]);
});

Deno.test("applies the administrator's bounds to every part of the sandbox", () => {
  const administrator = {
    limit: (grants: Grants): Grants => ({ ...grants, kubeconfig: false, home: false, env: ["LANG"] }),
    cluster: "none",
    listen: [],
  } as const;
  using sandbox = open({ kubeconfig: true, home: true, env: "all" }, { administrator });
  assert.deepEqual(sandbox.env.filter(([name]) => name !== "LANG"), []);
  assert.deepEqual(sandbox.files.mounts, []);
  assert.ok(!sandbox.args.includes("s3cr3t"));
  assert.ok(sandbox.files.overlays.length > 0, "the kubeconfig is redacted");
});

Deno.test("a denied grant counts as missing", () => {
  using sandbox = open({ kubeconfig: true, deny: { ...NO_DENIALS, kubeconfig: true } });
  assert.ok(!sandbox.args.includes("s3cr3t"));
});

Deno.test("removes the private directory of a program that is not installed", () => {
  for (const installed of [true, false]) {
    const sandbox = open({}, { installed });
    const [own = ""] = sandbox.files.unprotectedPaths;
    assert.ok(sandbox.files.mounts.some(({ host, write }) => host === own && write));
    sandbox[Symbol.dispose]();
    if (installed) Deno.statSync(own);
    else assert.throws(() => Deno.statSync(own), Deno.errors.NotFound);
  }
});

Deno.test("asks for ungranted files, and records a refusal", () => {
  const asked: string[] = [];
  using sandbox = open({}, {
    ask: (_question, about) => {
      if ("file" in about) asked.push(about.file.path);
      return { answer: asked.length === 1 ? "run" : "no", wider: false };
    },
  });
  const ask = (path: string) =>
    sandbox.files.requests!.ask({ kind: "write", path, real: path, directory: false });
  assert.deepEqual([ask("/srv/a"), ask("/srv/b")], ["stay", "no"]);
  assert.deepEqual(asked, ["/srv/a", "/srv/b"]);
  assert.deepEqual(sandbox.permissionRequests.grants.files.map(({ host }) => host), ["/srv/a"]);
});

Deno.test("hides the terminal from a plugin without that grant, and with other streams", () => {
  const { isTerminal } = Deno.stdin;
  Object.assign(Deno.stdin, { isTerminal: () => true });
  try {
    const stdin = (grants: Partial<Grants>, change: Partial<SandboxContext> = {}) => {
      using sandbox = open(grants, change);
      return sandbox.terminals.stdin;
    };
    using sandbox = open({});
    const { stdin: source, stdout, stderr } = sandbox;
    assert.equal(stdin({}), true);
    assert.equal(stdin({ terminal: false }), false);
    assert.equal(stdin({}, { streams: { stdin: source as never, stdout, stderr } }), false);
  } finally {
    Object.assign(Deno.stdin, { isTerminal });
  }
});

Deno.test({
  name: "restores the terminal before printing to it",
  // The process that restores the terminal has none here, and may take a moment to end.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const root = Deno.makeTempDirSync();
    const { isTerminal, setRaw } = Deno.stdin;
    const modes: boolean[] = [];
    Object.assign(Deno.stdin, { isTerminal: () => true, setRaw: (raw: boolean) => void modes.push(raw) });
    try {
      const sandbox = openSandbox({
        name: "test",
        args: ["kubectl-test"],
        grants: LEAST,
        layout: layoutAt(root),
        installed: true,
        verbose: false,
      });
      const terminal = await sandbox.terminal();
      terminal.setMode("raw");
      sandbox[Symbol.dispose]();
      assert.deepEqual(modes, [true, false]);
    } finally {
      Object.assign(Deno.stdin, { isTerminal, setRaw });
      Deno.removeSync(root, { recursive: true });
    }
  },
});
