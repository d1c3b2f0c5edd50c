import assert from "node:assert/strict";
import { joinChunks } from "../../scripts/join_chunks.ts";

/** Writes a bundle's files, runs its entry and returns what `result` holds then. */
async function run(files: ReadonlyMap<string, string>): Promise<unknown> {
  const directory = await Deno.makeTempDir();
  try {
    for (const [name, text] of files) await Deno.writeTextFile(`${directory}/${name}`, text);
    return (await import(`file://${directory}/main.js`)).result;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const BUNDLE = new Map(Object.entries({
  "main.js":
    `import{a as x}from"./chunk-A.js";var r=await(await import("./run-1.js")).run(x);export{r as result};`,
  "chunk-A.js": `var n=1;function f(){return n}export{f as a,n as b};`,
  "chunk-B.js": `import{b as n}from"./chunk-A.js";class E{static of=n}export{E as a};\n`,
  "chunk-C.js": `import{a as n}from"./chunk-B.js";import"./chunk-A.js";var n2=n;export{n2 as c};`,
  "run-1.js":
    `import{a as n}from"./chunk-B.js";import{c as m}from"./chunk-C.js";import"./chunk-A.js";async function r(g){let{other:o}=await import("./rare-2.js");return[g(),n.of,n===m,o(n),(await import("./chunk-C.js")).c===n]}export{r as run};`,
  "rare-2.js":
    `import{a as n}from"./chunk-B.js";import{sep as s}from"node:path";function o(g){return g===n&&typeof s=="string"}export{o as other};`,
}));

Deno.test("joinChunks() joins what is always loaded together, and the program stays what it was", async () => {
  const joined = joinChunks(BUNDLE, "main.js", "run-");
  const expected = [1, 1, true, true, true];
  assert.deepEqual(await run(BUNDLE), expected);
  assert.deepEqual(await run(joined), expected);
  // chunk-C is asked for by name, and hands over what has moved.
  assert.deepEqual([...joined.keys()].sort(), ["base.js", "chunk-C.js", "main.js", "rare-2.js", "run-1.js"]);
});

Deno.test("joinChunks() refuses what it does not know", () => {
  const refuses = (change: Record<string, string>) =>
    assert.throws(() => joinChunks(new Map([...BUNDLE, ...Object.entries(change)]), "main.js", "run-"));
  refuses({ "run-1.js": `import*as n from"./chunk-B.js";export{n as run};` });
  refuses({ "chunk-B.js": `import n from"node:fs";export{n as a};` });
  refuses({ "chunk-A.js": `var n=1;export{n as b};var f=2;export{f as a};` });
  assert.throws(() => joinChunks(BUNDLE, "main.js", "walk-"), /no walk-/);
});
