// deno-lint-ignore-file no-console -- a script talks to who runs it

/**
 * `deno task compile [--target TRIPLE] [--output FILE]`: bundles main.ts into a minified entry with a chunk for
 * each half and each part that a run may not need, and embeds it into the runtime-only Deno.
 *
 * The Deno that runs this script does the work; DENORT_BIN is honoured by Deno itself.
 */

import { parseArgs } from "node:util";
import { fileURLToPath, pathToFileURL } from "node:url";
import { OVERLAY_ASSET, readOverlay } from "../registry/build/overlay_files.ts";
import { ASSET_MARK, TRAILER } from "../registry/compile/carried_assets.ts";
import { asScripts, type Recording } from "./bundle/code_cache.ts";
import { writeImportMap } from "./bundle/import_map.ts";
import { BASE, joinChunks, type Part } from "./bundle/join_chunks.ts";
import { placeEsbuild, wrongPackages } from "./packages.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const modules = `${root}node_modules/@bytecodealliance`;
const ADAPTER = "wasi_snapshot_preview1.command.wasm";

/**
 * What the binary may do: all that the manager needs. A plugin's run gives up what it does not need (runtime/sandbox/process_permissions.ts),
 * which Deno does by path only for what is allowed by path. Windows has many roots, shares of the network among them,
 * so that there it is all or nothing.
 */
function permissions(windows: boolean): string[] {
  return [
    ...(windows ? ["--allow-read", "--allow-write"] : ["--allow-read=/", "--allow-write=/"]),
    ...["--allow-env", "--allow-net", "--allow-run", "--allow-sys", "--allow-ffi", "--no-prompt"],
  ];
}

async function deno(args: readonly string[], quiet: boolean): Promise<void> {
  const { success, stderr, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: root,
    stdout: quiet ? "piped" : "inherit",
    stderr: quiet ? "piped" : "inherit",
  }).output().then((result) =>
    quiet ? result : { ...result, stdout: new Uint8Array(), stderr: new Uint8Array() }
  );
  if (!success) {
    const said = new TextDecoder().decode(new Uint8Array([...stdout, ...stderr]));
    throw new Error(`deno ${args[0]} failed`, said === "" ? {} : { cause: new Error(said) });
  }
}

/**
 * jco's transpiler is itself a component, whose JavaScript imports preview2-shim: under Deno the build for Node, with a
 * worker thread and a native addon. In the binary it gets the browser build, and its wasm lies beside the bundle.
 *
 * @returns names of the files that the binary carries, all in `directory`
 */
async function prepareTranspiler(
  directory: string,
  replace: Readonly<Record<string, string>>,
): Promise<string[]> {
  const shim = toFileUrl(`${modules}/preview2-shim/dist/browser/`);
  const staged: Record<string, string> = {};
  for (
    const [specifier, file] of [
      ["@bytecodealliance/jco-transpile/component", "js-component-bindgen-component.js"],
      ["wasm-tools-component", "wasm-tools.js"],
    ] as const
  ) {
    const source = await Deno.readTextFile(`${modules}/jco-transpile/vendor/${file}`);
    const patched = source.replaceAll(
      /'@bytecodealliance\/preview2-shim\/([a-z]+)'/g,
      (_, name) => `'${shim}${name}.js'`,
    ).replaceAll(
      /fetchCompile\(new URL\('(\.\/[\w.-]+\.wasm)', import\.meta\.url\)\)/g,
      "gunzipCompile('$1.gz')",
    );
    if (/'@bytecodealliance\/|\.wasm'/.test(patched)) {
      throw new Error(`${file} imports what is not known of it`);
    }
    await Deno.writeTextFile(`${directory}/vendor-${file}`, `${patched}${GUNZIP_COMPILE}`);
    staged[specifier] = toFileUrl(`${directory}/vendor-${file}`);
  }
  const tools = `export async function componentNew(bytes, adapters) {
  const { $init, tools } = await import("wasm-tools-component");
  await $init;
  return tools.componentNew(bytes, adapters);
}
export async function componentWit(bytes) {
  const { $init, tools } = await import("wasm-tools-component");
  await $init;
  return tools.componentWit(bytes);
}\n`;
  await Deno.writeTextFile(`${directory}/vendor-tools.js`, tools);
  staged["@bytecodealliance/jco-transpile/wasm-tools"] = toFileUrl(`${directory}/vendor-tools.js`);
  // yaml's build for Node asks `require` for modules that a bundle does not have.
  staged["yaml"] = toFileUrl(`${root}node_modules/yaml/browser/index.js`);
  const { imports } = JSON.parse(await Deno.readTextFile(`${root}deno.json`)) as {
    imports: Record<string, string>;
  };
  const replaced = Object.fromEntries(
    Object.entries(replace).map(([path, by]) => [toFileUrl(`${root}${path}`), toFileUrl(`${root}${by}`)]),
  );
  await Deno.writeTextFile(
    `${directory}/import_map.json`,
    JSON.stringify({ imports: { ...imports, ...staged, ...replaced } }),
  );
  const vendor = `${modules}/jco-transpile/vendor`;
  const assets = [
    ...["js-component-bindgen-component.core.wasm", "js-component-bindgen-component.core2.wasm"].map((name) =>
      `${vendor}/${name}`
    ),
    ...["wasm-tools.core.wasm", "wasm-tools.core2.wasm"].map((name) => `${vendor}/${name}`),
    `${modules}/jco/lib/${ADAPTER}`,
  ];
  const overlay = readOverlay(pathToFileURL(`${root}sdk/go/overlay/`));
  await Deno.writeTextFile(`${directory}/${OVERLAY_ASSET}`, JSON.stringify(Object.fromEntries(overlay)));
  assets.push(`${directory}/${OVERLAY_ASSET}`);
  return await Promise.all(assets.map(async (asset) => {
    const name = `${asset.split("/").at(-1)}.gz`;
    const { readable } = await Deno.open(asset);
    await Deno.writeFile(`${directory}/${name}`, readable.pipeThrough(new CompressionStream("gzip")));
    return name;
  }));
}

/** Reads a module of the transpiler's from where the binary has it. */
const GUNZIP_COMPILE = `
import { readAsset } from ${JSON.stringify(toFileUrl(`${root}registry/compile/carried_assets.ts`))};
async function gunzipCompile(name) {
  return new WebAssembly.Module(await readAsset(name.slice(2, -3)));
}
`;

function toFileUrl(path: string): string {
  return pathToFileURL(path).href;
}

/**
 * Puts the assets into an executable file of Linux, before what Deno has embedded (registry/compile/carried_assets.ts). False, and the
 * file as it was, where Deno writes it in another form than is known.
 */
async function insertAssets(output: string, directory: string, assets: readonly string[]): Promise<boolean> {
  const binary = await Deno.readFile(output);
  const embedded = Number(new DataView(binary.buffer).getBigUint64(binary.length - 8, true));
  const at = binary.length - embedded;
  const mark = new TextEncoder().encode("d3n0l4nd");
  if (!(embedded > TRAILER && at > 0) || !mark.every((byte, index) => binary[at + index] === byte)) {
    return false;
  }
  const files: Record<string, readonly [offset: number, length: number]> = {};
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let start = 0;
  for (const name of assets) {
    const bytes = await Deno.readFile(`${directory}/${name}`);
    files[name] = [start, bytes.length];
    parts.push(bytes);
    start += bytes.length;
  }
  const index = new TextEncoder().encode(JSON.stringify({ start, files }));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, index.length, true);
  parts.push(index, length, new TextEncoder().encode(ASSET_MARK));
  const blob = new Blob([binary.subarray(0, at), ...parts, binary.subarray(at)]);
  await Deno.writeFile(output, blob.stream());
  return true;
}

/** What is put beside the bundle for the bundler to find. */
const STAGED = /^vendor-(?:tools|wasm-tools|js-component-bindgen-component)\.js$/;

/**
 * What of the bundle is loaded together: by every plugin, by plugins that use files, by components, by plugins that use the
 * cluster; by the manager, and to install a plugin.
 */
const PARTS: readonly Part[] = [
  { file: "run.js", entries: ["run-"] },
  { file: "files.js", entries: ["linux_tree-"] },
  { file: "component.js", entries: ["component-", "open_tree-", "recorded_tree-", "filesystem-"] },
  {
    file: "cluster.js",
    entries: [
      ...["open_cluster-", "recorded_requests-", "outbound_http-", "kubernetes_imports-"],
      "authorize_request-",
    ],
  },
  { file: "client_certificate.js", entries: ["certificate_pair-", "dial_node-"] },
  { file: "manager.js", entries: ["app-"] },
  { file: "compile.js", entries: ["compile-"] },
];

/** The files that have a code cache. */
const SCRIPTS: readonly string[] = [BASE, ...PARTS.map(({ file }) => file).slice(1)];

/** The JavaScript of a bundle by name. */
async function readBundle(directory: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for await (const { name } of Deno.readDir(directory)) {
    if (!name.endsWith(".js") || STAGED.test(name)) continue;
    files.set(name, await Deno.readTextFile(`${directory}/${name}`));
  }
  return files;
}

/** Joins the chunks of a bundle that are loaded together, for the start of a plugin's run. */
async function joinBundle(directory: string): Promise<void> {
  const files = await readBundle(directory);
  const joined = joinChunks(files, "main.js", PARTS);
  for (const name of files.keys()) if (!joined.has(name)) await Deno.remove(`${directory}/${name}`);
  for (const [name, text] of joined) await Deno.writeTextFile(`${directory}/${name}`, text);
}

/**
 * Deno 2.9's bundler gives CommonJS a `require` made at once, which loads node:module at every start; 2.6's looks for a
 * global one when it is called, as those who load sigstore provide it. This makes the first the second.
 */
async function provideRequireLate(directory: string): Promise<void> {
  const made =
    /import\s*\{\s*createRequire as (\w+)\s*\}\s*from\s*"node:module";\s*var (\w+)=\1\(import\.meta\.url\);/;
  for await (const { name } of Deno.readDir(directory)) {
    if (!name.endsWith(".js") || STAGED.test(name)) continue;
    const text = await Deno.readTextFile(`${directory}/${name}`);
    if (!made.test(text)) continue;
    await Deno.writeTextFile(
      `${directory}/${name}`,
      text.replace(made, (_, _made, local) => `var ${local}=name=>globalThis.require(name);`),
    );
  }
}

/**
 * Gives a bundle the code cache of what users start most (scripts/bundle/code_cache.ts), which a copy of the binary tells.
 *
 * @param build writes a binary of the bundle as it is
 */
async function cacheCode(
  directory: string,
  adapter: string,
  build: (binary: string) => Promise<void>,
): Promise<void> {
  const { recordCodeCaches } = await import("./bundle/record.ts");
  const files = await readBundle(directory);
  const write = async (how: ReadonlyMap<string, string> | Recording) => {
    for (const [name, text] of asScripts(files, BASE, "main.js", SCRIPTS, how)) {
      await Deno.writeTextFile(`${directory}/${name}`, text);
    }
  };
  const work = await Deno.realPath(await Deno.makeTempDir({ prefix: "krew-wasm-record-" }));
  try {
    const [binary, caches, home] = [`${work}/krew-wasm`, `${work}/caches`, `${work}/home`];
    await Deno.mkdir(caches);
    await Deno.mkdir(home);
    await write({ caches });
    await build(binary);
    await write(await recordCodeCaches(binary, caches, home, adapter));
  } catch (error) {
    // It saves time, and no more: a machine that can't run what it makes can make it all the same.
    console.error(`No code cache, each start will take longer: ${(error as Error).message}`);
    for (const [name, text] of files) await Deno.writeTextFile(`${directory}/${name}`, text);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/**
 * Starts both halves of krew-wasm once: what another Deno makes of them is found out here, not by a user.
 *
 * @param program a binary; or a Deno, with the words that have it run the bundle
 */
async function tryStart(program: string, words: readonly string[] = []): Promise<void> {
  const store = await Deno.makeTempDir({ prefix: "krew-wasm-try-" });
  try {
    for (const [args, expected] of [[["version"], 0], [["run", "none"], 125]] as const) {
      const { code, stderr } = await new Deno.Command(program, {
        args: [...words, ...args],
        env: { KREW_WASM_ROOT: `${store}/store` },
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).output();
      if (code === expected) continue;
      const text = new TextDecoder().decode(stderr);
      throw new Error(
        `What Deno ${Deno.version.deno} made is broken: ${args.join(" ")} ended with ${code}: ${text}`,
      );
    }
  } finally {
    await Deno.remove(store, { recursive: true });
  }
}

/** How a build differs from the plainest. */
export interface CompileOptions {
  readonly target?: string;
  readonly output?: string;
  readonly quiet?: boolean;
  /** Without its code cache, as those of other platforms than this are. */
  readonly uncached?: boolean;
  /** For tests of what else stops it: `import()` reads every file. */
  readonly importsAll?: boolean;
  /** For tests of what a broken part could do: modules by those that take their place, both from the repository's root. */
  readonly replace?: Readonly<Record<string, string>>;
}

/**
 * Writes the bundle, `main.js` and its chunks, into a directory.
 *
 * @returns the names of the assets there, which the binary carries beside it
 * @throws Error when the bundler fails, or writes what does not start, or a package is not what is recorded of it
 */
export async function bundle(
  directory: string,
  { replace = {}, quiet = true }: Pick<CompileOptions, "replace" | "quiet"> = {},
): Promise<string[]> {
  const wrong = await wrongPackages();
  if (wrong.length > 0) throw new Error(`${wrong.join("; ")}: deno install, or deno task packages`);
  const checkEsbuild = await placeEsbuild();
  const assets = await prepareTranspiler(directory, replace);
  await deno([
    ...["bundle", "--quiet", "--minify", "--code-splitting", "--platform", "deno"],
    ...["--import-map", `${directory}/import_map.json`, "--outdir", directory, "main.ts"],
  ], quiet);
  await checkEsbuild();
  await provideRequireLate(directory);
  await joinBundle(directory);
  // A part that is broken on purpose may not start without what its test brings.
  if (Object.keys(replace).length === 0) {
    const alone = ["--no-config", "--no-lock", "--no-code-cache"];
    const run = ["run", "--quiet", "--allow-all", "--no-prompt", ...alone];
    await tryStart(Deno.execPath(), [...run, `${directory}/main.js`]);
  }
  return assets;
}

/** Builds the binary; returns its path. @throws Error when the runtime can't be had or the bundle is broken */
export async function compile(
  options: CompileOptions = {},
): Promise<string> {
  const windows = options.target ? options.target.includes("windows") : Deno.build.os === "windows";
  const output = options.output ?? `${root}dist/krew-wasm${windows ? ".exe" : ""}`;
  const directory = await Deno.makeTempDir({ prefix: "krew-wasm-bundle-" });
  try {
    const assets = await bundle(directory, options);
    const [major = 0, minor = 0] = Deno.version.deno.split(".").map(Number);
    const flags = [
      // A run calls most of its regular expressions a few times: compiling them takes longer than interpreting them.
      "--regexp-tier-up-ticks=64",
      // Functions are validated when they are first called; pull has validated the whole module. 2.9 refuses the flag.
      ...(major === 2 && minor < 9 ? ["--wasm-lazy-validation"] : []),
      // Three times V8's own, for parsers that recurse, as Go's of ASN.1 does. Windows gives a program 4 MiB in all, Linux and
      // macOS 8. The stacks of what may wait (JSPI) are as large as the smaller of both says.
      "--stack-size=3072",
      "--wasm-stack-switching-stack-size=3072",
    ];
    const imports = options.importsAll
      ? []
      : ["--import-map", await writeImportMap(directory, (await readBundle(directory)).keys())];
    const embed = (output: string, included: readonly string[] = []) =>
      deno([
        "compile",
        "--quiet",
        "--no-check",
        "--no-config",
        "--no-lock",
        // Deno's code cache lies in $TMPDIR under a guessable name and is read whoever owns it.
        "--no-code-cache",
        ...permissions(windows),
        `--v8-flags=${flags.join(",")}`,
        ...imports,
        ...(options.target ? ["--target", options.target] : []),
        ...included.flatMap((file) => ["--include", `${directory}/${file}`]),
        "--output",
        output,
        `${directory}/main.js`,
      ], options.quiet ?? true);
    const linux = options.target ? options.target.includes("linux") : Deno.build.os === "linux";
    const write = async (output: string) => {
      if (linux) await embed(output);
      if (!linux || !await insertAssets(output, directory, assets)) await embed(output, assets);
    };
    // Elsewhere, and with Deno 2.9, whose node:vm takes longer to load than all of this saves, V8 compiles as it starts.
    const native = (options.target ?? Deno.build.target) === Deno.build.target;
    if (native && linux && major === 2 && minor < 9 && !options.uncached) {
      await cacheCode(directory, `${modules}/jco/lib/${ADAPTER}`, write);
    }
    await write(output);
    if (native && options.replace === undefined) await tryStart(output);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  return output;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { target: { type: "string" }, output: { type: "string" } } });
  const started = performance.now();
  const output = await compile(values);
  const { size } = await Deno.stat(output);
  console.log(
    `${output} (${(size / 1e6).toFixed(1)} MB) in ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
}
