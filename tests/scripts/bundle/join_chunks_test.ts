import assert from "node:assert/strict";
import { joinChunks, type Part } from "../../../scripts/bundle/join_chunks.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

/** Writes a bundle's files, runs its entry and returns `result`. */
async function run(files: ReadonlyMap<string, string>): Promise<unknown> {
  const directory = temporaryDirectory();
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
    `import{a as n}from"./chunk-B.js";import{c as m}from"./chunk-C.js";import"./chunk-A.js";async function r(g){let{other:o}=await import("./rare-2.js"),{more:e}=await import("./more-3.js");return[g(),n.of,n===m,o(n),(await import("./chunk-C.js")).c===n,e(n),await o.many()]}export{r as run};`,
  "rare-2.js":
    `"use strict";import{a as n}from"./chunk-B.js";import{sep as s}from"node:path";function o(g){return g===n&&typeof s=="string"}o.many=async()=>[(await import("./many-4.js")).many,(await import("./run-1.js")).run.name];export{o as other};`,
  "chunk-D.js": `import{a as n}from"./chunk-B.js";var d=n;export{d};`,
  "more-3.js": `import{d as n}from"./chunk-D.js";import"./chunk-B.js";var o=t=>t===n;export{o as more};`,
  "many-4.js":
    `import{d as n}from"./chunk-D.js";import{more as m}from"./more-3.js";var o=m(n);export{o as many};`,
}));

const PARTS: readonly Part[] = [
  { file: "run.js", entries: ["run-"] },
  { file: "more.js", entries: ["more-"] },
  { file: "many.js", entries: ["many-"] },
];

Deno.test("joinChunks() joins modules that load together and keeps behavior", async () => {
  const joined = joinChunks(BUNDLE, "main.js", PARTS);
  const expected = [1, 1, true, true, true, true, [true, "r"]];
  assert.deepEqual(await run(BUNDLE), expected);
  assert.deepEqual(await run(joined), expected);
  // rare-2 has its imports after a directive, so chunk-B re-exports its moved content.
  assert.deepEqual([...joined.keys()].sort(), [
    "base.js",
    "chunk-B.js",
    "main.js",
    "many.js",
    "more.js",
    "rare-2.js",
  ]);
});

Deno.test("joinChunks() lets a part that loads alone import the base only", async () => {
  const parts = PARTS.map((part) => part.file === "many.js" ? { ...part, alone: true } : part);
  const importsOf = (joined: ReadonlyMap<string, string>) =>
    [...joined.get("many.js")!.matchAll(/from"\.\/([^"]+)"/g)].map(([, from]) => from);
  assert.deepEqual(importsOf(joinChunks(BUNDLE, "main.js", PARTS)), ["more.js"]);
  const joined = joinChunks(BUNDLE, "main.js", parts);
  assert.deepEqual(importsOf(joined), ["base.js"]);
  assert.deepEqual(await run(joined), await run(BUNDLE));
});

Deno.test("joinChunks() runs a part once, when it is first imported", async () => {
  const bundle = new Map(Object.entries({
    "main.js":
      `globalThis.$ran=0;var r=[$ran,(await import("./run-1.js")).run(),(await import("./run-1.js")).run(),$ran];export{r as result};`,
    "run-1.js": `globalThis.$ran++;var r=()=>$ran;export{r as run};`,
  }));
  assert.deepEqual(await run(joinChunks(bundle, "main.js", PARTS.slice(0, 1))), [0, 1, 1, 1]);
});

Deno.test("joinChunks() joins chunks with Node's modules outside of runs", async () => {
  const more =
    `import{d as n}from"./chunk-D.js";import*as w from"node:util";import"./chunk-B.js";import"node:events";var o=t=>t===n;` +
    `import p from"node:path";import{basename as b,sep}from"node:path";import f,{EOL as e}from"node:os";` +
    `var q=o;o=t=>q(t)&&b(p.join("a","b"))==="b"&&sep==="/"&&f.EOL===e&&w.types!==void 0;export{o as more};`;
  const joined = joinChunks(new Map([...BUNDLE, ["more-3.js", more]]), "main.js", PARTS);
  assert.deepEqual(joined.get("more.js")!.match(/import\*as [^;]+;/g), [
    `import*as $node_util from"node:util";`,
    `import*as $node_events from"node:events";`,
    `import*as $node_path from"node:path";`,
    `import*as $node_os from"node:os";`,
  ]);
  assert.deepEqual(await run(joined), [1, 1, true, true, true, true, [true, "r"]]);
});

Deno.test("joinChunks() refuses unknown forms", () => {
  const refuses = (change: Record<string, string>) =>
    assert.throws(() => joinChunks(new Map([...BUNDLE, ...Object.entries(change)]), "main.js", PARTS));
  refuses({ "run-1.js": `import*as n from"./chunk-B.js";export{n as run};` });
  refuses({ "chunk-B.js": `import n from"node:fs";export{n as a};` });
  refuses({ "chunk-A.js": `var n=1;export{n as b};var f=2;export{f as a};` });
  refuses({ "more-3.js": `var n=1;export{n as then};` });
  assert.throws(
    () => joinChunks(BUNDLE, "main.js", [{ file: "run.js", entries: ["walk-"] }]),
    /no walk-/,
  );
});
