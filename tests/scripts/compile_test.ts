/** The bundle of the binary, made by this Deno's bundler. Releases use another Deno. */

import assert from "node:assert/strict";
import { bundle } from "../../scripts/compile.ts";
import { TestStore } from "../support/store.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/** The modules that `name` loads, and their imports from outside of the bundle. */
function loadedWith(
  directory: string,
  name: string,
  seen = new Map<string, string[]>(),
): Map<string, string[]> {
  if (seen.has(name)) return seen;
  const text = Deno.readTextFileSync(`${directory}/${name}`);
  const imports = [...text.matchAll(/(?:^|[;}])(?:import|export)\s*(?:[\w$*{][^"'()]*?from\s*)?"([^"]+)"/g)]
    .map((
      [, from],
    ) => from!);
  seen.set(name, imports.filter((from) => !from.startsWith("./")));
  for (const from of imports) if (from.startsWith("./")) loadedWith(directory, from.slice(2), seen);
  return seen;
}

/** Runs a bundle whose other files were removed. `argv0`: the name that the process is called by. */
async function exec(directory: string, argv0: string, args: readonly string[], store: string) {
  const words = [
    "run",
    "--quiet",
    "--allow-all",
    "--no-prompt",
    "--no-config",
    "--no-lock",
    "--no-code-cache",
  ];
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", 'exec -a "$0" "$@"', argv0, Deno.execPath(), ...words, `${directory}/main.js`, ...args],
    env: { KREW_WASM_ROOT: store, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("the bundle loads few modules: the manager one more than a plugin", async () => {
  const directory = temporaryDirectory();
  const assets = await bundle(directory);
  assert.ok(assets.length > 0);
  for (const asset of assets) assert.ok((await Deno.stat(`${directory}/${asset}`)).size > 1000, asset);
  // The first file has the code of every run, as a function.
  assert.deepEqual([...Deno.readDirSync(directory)].filter(({ name }) => /^run\b/.test(name)), []);
  const loaded = loadedWith(directory, "main.js");
  assert.deepEqual([...loaded.keys()].sort(), ["base.js", "main.js"]);
  assert.deepEqual([...loaded.values()].flat(), []);
  assert.deepEqual([...loadedWith(directory, "manager.js").keys()].sort(), ["base.js", "manager.js"]);

  await using store = TestStore.make();
  await store.push("acme/nothing:v1");
  await store.install("acme/nothing:v1");
  const keepOnly = (kept: readonly string[]) => {
    for (const { name } of Deno.readDirSync(directory)) {
      if (!kept.includes(name)) Deno.removeSync(`${directory}/${name}`, { recursive: true });
    }
  };
  keepOnly(["main.js", "base.js", "manager.js"]);
  for (const [args, expected] of [[["version"], /^krew-wasm /], [["list"], /^nothing /m]] as const) {
    const { code, stdout, stderr } = await exec(directory, "krew-wasm", args, store.layout.root);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, expected);
  }
  keepOnly(["main.js", "base.js"]);
  // From source, krew-wasm does not look at argv[0].
  const main = Deno.readTextFileSync(`${directory}/main.js`);
  assert.ok(main.includes("Deno.build.standalone"));
  Deno.writeTextFileSync(`${directory}/main.js`, main.replaceAll("Deno.build.standalone", "true"));
  assert.deepEqual(await exec(directory, "kubectl-nothing", [], store.layout.root), {
    code: 0,
    stdout: "",
    stderr: "",
  });
});
