/** Checks the module graph: which folder may import which, and what a plugin run loads. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url).href;

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    specifier: string;
    isDynamic?: boolean;
    code?: { specifier?: string };
    type?: { specifier?: string };
  }[];
}

async function graphOf(entry: string): Promise<Map<string, Module>> {
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: fileURLToPath(root),
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: Module[] };
  return new Map(modules.map((module) => [module.specifier, module]));
}

/** All modules that `entry` loads, by static imports of code. */
function staticClosure(modules: Map<string, Module>, entry: string): Set<string> {
  const seen = new Set<string>();
  const pending = [entry];
  for (let specifier = pending.pop(); specifier !== undefined; specifier = pending.pop()) {
    if (seen.has(specifier)) continue;
    seen.add(specifier);
    for (const { isDynamic, code } of modules.get(specifier)?.dependencies ?? []) {
      if (!isDynamic && code?.specifier) pending.push(code.specifier);
    }
  }
  return seen;
}

const folder = (specifier: string) =>
  specifier.startsWith(root) ? specifier.slice(root.length).split("/")[0]! : specifier;

Deno.test("imports go from cli to registry to runtime, never back", async () => {
  const allowed: Record<string, readonly string[]> = {
    cli: ["cli", "registry", "runtime", "wit"],
    registry: ["registry", "runtime", "wit"],
    runtime: ["runtime", "wit"],
  };
  const modules = await graphOf("main.ts");
  let edges = 0;
  for (const { specifier, dependencies } of modules.values()) {
    const from = allowed[folder(specifier)];
    if (!from) continue;
    for (const { specifier: text, code } of dependencies ?? []) {
      const target = code?.specifier;
      if (!target?.startsWith(root) || target.includes("/node_modules/")) continue;
      edges++;
      assert.ok(from.includes(folder(target)), `${specifier.slice(root.length)} must not import ${text}`);
    }
  }
  assert.ok(edges > 50, `the graph has ${edges} edges: is main.ts its entry?`);
});

Deno.test("no imports form a circle, types included", async () => {
  const modules = await graphOf("main.ts");
  const imports = new Map<string, string[]>();
  for (const { specifier, dependencies } of modules.values()) {
    if (!specifier.startsWith(root) || specifier.includes("/node_modules/")) continue;
    const targets = (dependencies ?? []).filter(({ isDynamic }) => !isDynamic)
      .map(({ code, type }) => code?.specifier ?? type?.specifier ?? "");
    imports.set(specifier, targets.filter((target) => target.startsWith(root)));
  }
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (specifier: string) => {
    const at = way.indexOf(specifier);
    if (at >= 0) {
      assert.fail([...way.slice(at), specifier].map((each) => each.slice(root.length)).join(" -> "));
    }
    if (done.has(specifier)) return;
    way.push(specifier);
    for (const target of imports.get(specifier) ?? []) visit(target);
    way.pop();
    done.add(specifier);
  };
  for (const specifier of imports.keys()) visit(specifier);
});

Deno.test("main.ts statically loads neither the manager nor the run", async () => {
  const loaded = staticClosure(await graphOf("main.ts"), `${root}main.ts`);
  assert.deepEqual([...loaded].map((specifier) => specifier.slice(root.length)).sort(), [
    "main.ts",
    "runtime/base/errors.ts",
    "runtime/base/invisible.ts",
    "runtime/base/names.ts",
    "runtime/base/text.ts",
    "runtime/run/invocation.ts",
  ]);
});

Deno.test("a plugin run loads no package, no node: module, no CLI and no registry code", async () => {
  const loaded = staticClosure(await graphOf("main.ts"), `${root}runtime/run/run.ts`);
  assert.ok(loaded.has(`${root}runtime/wasi/p1/preview1.ts`), "a preview1 plugin is run by what is loaded");
  for (const specifier of loaded) {
    assert.ok(
      specifier.startsWith(`${root}runtime/`) && !specifier.includes("/node_modules/"),
      `${specifier} is loaded by every run`,
    );
  }
});

Deno.test("the build of a release imports nothing of the tests", async () => {
  for (const [script, part] of [["compile", "bundle/record"], ["release", "release/archive"]]) {
    const modules = await graphOf(`scripts/${script}.ts`);
    assert.ok(modules.has(`${root}scripts/${part}.ts`));
    assert.deepEqual([...modules.keys()].filter((specifier) => folder(specifier) === "tests"), []);
  }
});

Deno.test("only the transport files open connections", async () => {
  const callers: string[] = [];
  for (const { specifier } of (await graphOf("main.ts")).values()) {
    if (!specifier.startsWith(root) || specifier.includes("/node_modules/") || !specifier.endsWith(".ts")) {
      continue;
    }
    const source = await Deno.readTextFile(fileURLToPath(specifier));
    const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
    if (/(^|[^.\w#])fetch\(|globalThis\.fetch|\bnew WebSocket\(|\bDeno\.(connect|connectTls)\(/m.test(code)) {
      callers.push(specifier.slice(root.length));
    }
  }
  assert.deepEqual(callers.sort(), [
    "registry/oci/registry_transport.ts",
    "registry/oci/speaks_tls.ts",
    "runtime/kube/sockets/dial.ts",
    "runtime/kube/sockets/dial_tls.ts",
  ]);
});

Deno.test("only main.ts calls Deno.exit", async () => {
  for (const { specifier } of (await graphOf("main.ts")).values()) {
    if (
      !specifier.startsWith(root) || specifier.includes("/node_modules/") || specifier === `${root}main.ts`
    ) continue;
    const source = await Deno.readTextFile(fileURLToPath(specifier));
    assert.ok(!/\bDeno\.exit\(|\bprocess\.exit\(/.test(source), `${specifier} calls exit`);
  }
});

Deno.test("property tests import fast-check from tests/support/fuzz.ts", async () => {
  const importers: string[] = [];
  const visit = async (directory: URL) => {
    for await (const { name, isDirectory } of Deno.readDir(directory)) {
      const url = new URL(isDirectory ? `${name}/` : name, directory);
      if (isDirectory) await visit(url);
      else if (name.endsWith(".ts") && /from "fast-check"/.test(await Deno.readTextFile(url))) {
        importers.push(url.href.slice(root.length));
      }
    }
  };
  await visit(new URL("tests/", root));
  assert.deepEqual(importers.filter((path) => path !== "tests/graph_test.ts"), ["tests/support/fuzz.ts"]);
});
