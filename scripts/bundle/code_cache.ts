/**
 * The code cache in the binary: V8's compiled code of the bundle, made once by the build. Deno's own code cache is in
 * $TMPDIR under a guessable name, and Deno does not check its owner. This cache is part of the executable file, like the
 * code itself. V8 uses it only with the same version, flags and text, and otherwise compiles as usual.
 *
 * V8 supports caches for scripts (through node:vm), but not for modules of a program. So a file of joined chunks
 * (scripts/bundle/join_chunks.ts) becomes a script, inside of a module with the same imports and exports:
 *
 *     import{$script,$base0}from"./base.js";
 *     const{$part1_0}=$script(import.meta.url,"…","…")(imports,$base0);
 *     export{$part1_0};
 *
 * V8 compiles a function that the cache lacks when it is called. The build runs frequent commands, and V8 then returns all
 * functions that it compiled.
 */

const IMPORT = /import(?:\{([^}]*)\}|\*as ([$\w]+) )from"[^"]+";/y;
const DYNAMIC = /\bimport\("([^"]+)"\)/g;
const URL_OF = /\bimport\.meta\.url\b/g;
const EXPORT = /export\{([^}]*)\};\s*$/;
/** Prefix of the lines with a recorded code cache: the file's name and base64. */
const RECORD = "krew-wasm code cache";

/** How to record a program. */
export interface Recording {
  /** The directory with caches of earlier runs, by file name. */
  readonly caches: string;
}

/**
 * Turns a bundle's files of joined chunks into scripts.
 *
 * @param files the bundle's JavaScript by name
 * @param base the file that all others import
 * @param entry the entry file, which ends the process with `Deno.exit(…)`
 * @param names the files that become scripts, including `base`
 * @param how the caches by file, base64, or how to record them
 * @throws Error for a file of another form
 */
export function asScripts(
  files: ReadonlyMap<string, string>,
  base: string,
  entry: string,
  names: readonly string[],
  how: ReadonlyMap<string, string> | Recording,
): Map<string, string> {
  const result = new Map(files);
  for (const name of names) {
    const text = files.get(name);
    if (text === undefined) throw new Error(`The bundle has no ${name}`);
    result.set(name, asScript(name, text, base, "caches" in how ? "" : how.get(name) ?? ""));
  }
  const make = "caches" in how ? recordingScript(how) : SCRIPT;
  result.set(base, `import $vm from"node:vm";${make}\n${result.get(base)}export{$script};\n`);
  if ("caches" in how) {
    const text = files.get(entry) ?? "";
    if (!/Deno\.exit\(\w+\);\s*$/.test(text)) throw new Error(`${entry} ends in a way that is not known`);
    result.set(
      entry,
      text.replace(/Deno\.exit\(\w+\);\s*$/, (exit) => `globalThis.$record();${exit}`),
    );
  }
  return result;
}

const SCRIPT =
  `const $script=(url,text,cache)=>new $vm.Script(text,cache===""?{filename:url}:{filename:url,cachedData:Uint8Array.fromBase64(cache)}).runInThisContext();`;

/** Reads all caches at the start, because a run may not read later. Prints the new caches at the end. */
function recordingScript({ caches }: Recording): string {
  return `const $scripts=[];const $caches=new Map([...Deno.readDirSync(${
    JSON.stringify(caches)
  })].map(({name})=>[name,Deno.readFileSync(${JSON.stringify(`${caches}/`)}+name)]));
const $script=(url,text)=>{const name=url.split("/").at(-1),cachedData=$caches.get(name);
const script=new $vm.Script(text,cachedData?{filename:url,cachedData}:{filename:url});
$scripts.push([name,script,cachedData?!script.cachedDataRejected:undefined]);return script.runInThisContext()};
globalThis.$record=()=>{for(const[name,script,taken]of $scripts){
const line=new TextEncoder().encode(\`\\n${RECORD} \${name} \${taken} \${script.createCachedData().toString("base64")}\\n\`);
for(let at=0;at<line.length;)at+=Deno.stderr.writeSync(line.subarray(at))}};`;
}

/** The output of a recorded program. */
export interface Recorded {
  readonly file: string;
  /** Whether V8 accepted the earlier cache; undefined without one. */
  readonly taken: boolean | undefined;
  readonly cache: Uint8Array<ArrayBuffer>;
}

/** Finds the code caches in a recorded program's stderr. */
export function recordedIn(stderr: string): Recorded[] {
  const lines = stderr.split("\n").filter((line) => line.startsWith(`${RECORD} `));
  return lines.map((line) => {
    const [file = "", taken, cache = ""] = line.slice(RECORD.length + 1).split(" ");
    return {
      file,
      taken: taken === "undefined" ? undefined : taken === "true",
      cache: Uint8Array.fromBase64(cache),
    };
  });
}

/** Converts one file: imports become a function's parameters, exports its result. */
function asScript(name: string, text: string, base: string, cache: string): string {
  const imports: string[] = [];
  const locals: string[] = [];
  IMPORT.lastIndex = 0;
  let end = 0;
  for (let match = IMPORT.exec(text); match; match = IMPORT.exec(text)) {
    imports.push(match[0]);
    locals.push(...(match[1] ?? match[2]!).split(",").filter((local) => local !== ""));
    end = IMPORT.lastIndex;
  }
  const exported = EXPORT.exec(text);
  const body = text.slice(end, exported?.index);
  const names = [...locals, ...exported?.[1]?.split(",") ?? []];
  if (!exported || names.some((local) => !/^[$\w]+$/.test(local))) {
    throw new Error(`${name} imports or exports in a way that is not known`);
  }
  // A script has no import() and no import.meta.
  if (/\bimport\s*\(|\bimport\.meta\b/.test(body.replaceAll(DYNAMIC, "").replaceAll(URL_OF, ""))) {
    throw new Error(`${name} uses what only a module has`);
  }
  const loaded = new Set([...body.matchAll(DYNAMIC)].map(([, file]) => file!));
  const loads = [...loaded].map((file) => `${JSON.stringify(file)}:()=>import(${JSON.stringify(file)})`);
  const moved = body.replaceAll(DYNAMIC, (_, file) => `$load[${JSON.stringify(file)}]()`)
    .replaceAll(URL_OF, "$url");
  const script = `(function(${["$url", "$load", ...locals].join(",")}){"use strict";${moved}\nreturn{${
    exported[1]
  }}})`;
  const given = name === base ? "" : `import{$script}from"./${base}";`;
  return `${given}${imports.join("")}const{${exported[1]}}=$script(import.meta.url,${
    JSON.stringify(script)
  },${JSON.stringify(cache)})(${["import.meta.url", `{${loads.join(",")}}`, ...locals].join(",")});\nexport{${
    exported[1]
  }};\n`;
}
