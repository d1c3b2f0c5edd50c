/**
 * The code cache that the binary carries: what V8 compiles of the bundle at each start, compiled once, when the binary is
 * built. Deno's own code cache lies in $TMPDIR under a guessable name, whoever owns it; this one is part of the executable
 * file, as the code is that it stands for. V8 takes it only where its version, its flags and the text are those that it was
 * made with, and compiles as ever where they are not.
 *
 * V8 has it for scripts, through node:vm, not for modules that a program loads. So a file of joined chunks
 * (scripts/bundle/join_chunks.ts) becomes a script in a module that imports and exports what the file did:
 *
 *     import{$script,$base0}from"./base.js";
 *     const{$part1_0}=$script(import.meta.url,"…","…")(imports,$base0);
 *     export{$part1_0};
 *
 * A function that the cache lacks is compiled when it is called. Which ones it has is found out by starting what users
 * start: after a run V8 hands over all that it has compiled by then.
 */

const IMPORT = /import(?:\{([^}]*)\}|\*as ([$\w]+) )from"[^"]+";/y;
const DYNAMIC = /\bimport\("([^"]+)"\)/g;
const URL_OF = /\bimport\.meta\.url\b/g;
const EXPORT = /export\{([^}]*)\};\s*$/;
/** Where a recorded program tells of a file's code cache: its name and base64, one line. */
const RECORD = "krew-wasm code cache";

/** What the parts of a program that is being recorded do more than others. */
export interface Recording {
  /** The directory where caches of earlier runs are, by the name of the file. */
  readonly caches: string;
}

/**
 * A bundle whose files of joined chunks are scripts.
 *
 * @param files the bundle's JavaScript by name
 * @param base the file that all others import
 * @param entry the file that is loaded first; it ends the process with `Deno.exit(…)`
 * @param names the files that become scripts, `base` among them
 * @param how the caches by file, base64; or how they are recorded
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

/** Takes caches out of a directory, all at once, as a run may not read later, and tells at the end what there is by then. */
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

/** What a recorded program told. */
export interface Recorded {
  readonly file: string;
  /** Whether V8 took the cache of before; undefined where there was none. */
  readonly taken: boolean | undefined;
  readonly cache: Uint8Array<ArrayBuffer>;
}

/** The code caches in what a recorded program wrote to stderr. */
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

/** One file: its imports become parameters of a function, and its exports what that returns. */
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
  // A script can't load modules, nor does it know where it is.
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
