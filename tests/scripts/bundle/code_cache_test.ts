import assert from "node:assert/strict";
import { asScripts, recordedIn } from "../../../scripts/bundle/code_cache.ts";

const BUNDLE = new Map(Object.entries({
  "main.js":
    `import{$base0,$first}from"./base.js";const{a:x}=$base0;console.log(await(await Promise.resolve().then(()=>$first().$part0_0)).run(x));Deno.exit(3);\n`,
  "base.js":
    `const $base0=(()=>{var n=1;function f(){return n++}\nreturn{a:f}})();\nlet $made;const $run=(()=>{const $part0_0=(()=>{async function r(g){return[g(),g(),function(){return this}()===void 0,"\\u2028\\n\\"",await import("./more.js").then($=>$.$part1_0.of(g)),(await import("./rare.js")).rare,(await import("node:path")).basename("/a/b")].join()}\nreturn{run:r}})();\nreturn{$part0_0}});const $first=()=>$made??=$run();\nexport{$base0,$first};\n`,
  "more.js":
    `import{$base0,$first}from"./base.js";import*as $path from"node:path";\nconst $part1_0=(()=>{var o=g=>$path.sep!==""&&import.meta.url.endsWith("/more.js")&&g===$base0.a&&typeof $first()=="object";\nreturn{of:o}})();\nexport{$part1_0};\n`,
  "rare.js": `import{$base0}from"./base.js";var r=$base0.a();export{r as rare};\n`,
}));
const FILES = ["base.js", "more.js"];

/** Writes a program's files and runs its entry. */
async function run(files: ReadonlyMap<string, string>): Promise<{ stdout: string; stderr: string }> {
  const directory = await Deno.makeTempDir();
  try {
    for (const [name, text] of files) await Deno.writeTextFile(`${directory}/${name}`, text);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", "--no-config", "--no-lock", `${directory}/main.js`],
      env: { NO_COLOR: "1" },
    }).output();
    const told = new TextDecoder().decode(stderr);
    assert.equal(code, 3, told);
    return { stdout: new TextDecoder().decode(stdout), stderr: told };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const EXPECTED = `1,2,true,\u2028\n",true,3,b\n`;

Deno.test("asScripts() keeps behavior with, without and with a foreign code cache", async () => {
  const caches = await Deno.makeTempDir();
  try {
    assert.equal((await run(BUNDLE)).stdout, EXPECTED);
    assert.equal((await run(asScripts(BUNDLE, "base.js", "main.js", FILES, new Map()))).stdout, EXPECTED);

    const recording = asScripts(BUNDLE, "base.js", "main.js", FILES, { caches });
    const first = await run(recording);
    assert.equal(first.stdout, EXPECTED);
    const recorded = recordedIn(first.stderr);
    assert.deepEqual(
      recorded.map(({ file, taken }) => [file, taken]),
      FILES.map((file) => [file, undefined]),
    );
    for (const { file, cache } of recorded) await Deno.writeFile(`${caches}/${file}`, cache);
    const again = recordedIn((await run(recording)).stderr);
    assert.deepEqual(again.map(({ file, taken }) => [file, taken]), FILES.map((file) => [file, true]));

    const cached = new Map(again.map(({ file, cache }) => [file, cache.toBase64()]));
    const made = asScripts(BUNDLE, "base.js", "main.js", FILES, cached);
    assert.deepEqual(await run(made), { stdout: EXPECTED, stderr: "" });
    const swapped = new Map([["base.js", cached.get("more.js")!], ["more.js", "AAAA"]]);
    assert.deepEqual(await run(asScripts(BUNDLE, "base.js", "main.js", FILES, swapped)), {
      stdout: EXPECTED,
      stderr: "",
    });
  } finally {
    await Deno.remove(caches, { recursive: true });
  }
});

Deno.test("asScripts() refuses code that cannot be a script", () => {
  const refuse = (more: string, expected: RegExp, base = BUNDLE.get("base.js")!) =>
    assert.throws(
      () =>
        asScripts(
          new Map([...BUNDLE, ["base.js", base], ["more.js", more]]),
          "base.js",
          "main.js",
          FILES,
          new Map(),
        ),
      expected,
    );
  refuse(`const a=import.meta.dirname;export{a};\n`, /^Error: more\.js uses what only a module has$/);
  refuse(`const a=name=>import(name);export{a};\n`, /^Error: more\.js uses what only a module has$/);
  refuse(`const a=1;export{a as b};\n`, /^Error: more\.js imports or exports in a way that is not known$/);
  refuse(`const a=1;\n`, /^Error: more\.js imports or exports in a way that is not known$/);
  assert.throws(
    () => asScripts(BUNDLE, "base.js", "main.js", ["base.js", "none.js"], new Map()),
    /^Error: The bundle has no none\.js$/,
  );
  const open = new Map([...BUNDLE, ["main.js", "export{};\n"]]);
  assert.throws(
    () => asScripts(open, "base.js", "main.js", FILES, { caches: "/nowhere" }),
    /^Error: main\.js ends in a way that is not known$/,
  );
});
