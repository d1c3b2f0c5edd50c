/** The bundle of the binary, made by this Deno's bundler. Releases use another Deno. */

import assert from "node:assert/strict";
import { bundle } from "../../scripts/compile.ts";
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

Deno.test("the bundle starts, and a run loads few modules and none of Node", async () => {
  const directory = temporaryDirectory();
  try {
    const assets = await bundle(directory);
    assert.ok(assets.length > 0);
    for (const asset of assets) assert.ok((await Deno.stat(`${directory}/${asset}`)).size > 1000, asset);
    // The first file has the code of every run, as a function.
    assert.deepEqual([...Deno.readDirSync(directory)].filter(({ name }) => /^run\b/.test(name)), []);
    const loaded = loadedWith(directory, "main.js");
    assert.deepEqual([...loaded.keys()].sort(), ["base.js", "main.js"]);
    assert.deepEqual([...loaded.values()].flat(), []);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
