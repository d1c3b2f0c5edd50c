// deno-lint-ignore-file no-console -- a script prints to its user

/**
 * `deno task compile [--target TRIPLE] [--output FILE]`: bundles main.ts into a minified entry, with chunks for parts that
 * a run may not need, and embeds the bundle into the runtime-only Deno.
 *
 * The Deno that runs this script also compiles. Deno itself reads DENORT_BIN.
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
 * The binary's permissions: all that the manager needs. A plugin's run gives up the rest
 * (runtime/sandbox/process_permissions.ts). Deno can revoke a path only if the build allowed paths. Windows has many
 * roots, including network shares, so there the permission is all or nothing.
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
 * Prepares jco's transpiler. It is a component whose JavaScript imports preview2-shim: under Deno the build for Node, with
 * a worker thread and a native addon. The binary uses the browser build, with the wasm beside the bundle.
 *
 * @returns names of the files to embed, all in `directory`
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
  // yaml's build for Node calls `require` for modules that a bundle lacks.
  staged["yaml"] = toFileUrl(`${root}node_modules/yaml/browser/index.js`);
  const text = (value: string | undefined) => JSON.stringify(value) ?? "undefined";
  await Deno.writeTextFile(
    `${directory}/vendor-build_info.js`,
    `export const COMMIT = ${text(await commitOfSources())};
export const REPOSITORY = ${text(Deno.env.get("GITHUB_REPOSITORY"))};\n`,
  );
  staged[toFileUrl(`${root}runtime/base/build_info.ts`)] = toFileUrl(`${directory}/vendor-build_info.js`);
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

/** The commit of the sources; undefined outside of a git repository. */
async function commitOfSources(): Promise<string | undefined> {
  const git = async (...args: string[]) => {
    const { success, stdout } = await new Deno.Command("git", { args, cwd: root, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  };
  try {
    const commit = await git("rev-parse", "HEAD");
    return commit && await git("status", "--porcelain", "--untracked-files=no") !== ""
      ? `${commit}-dirty`
      : commit;
  } catch {
    return undefined; // there is no git
  }
}

/** Reads a module of the transpiler from the binary. */
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
 * Puts the assets into an executable file of Linux, before Deno's embedded data (registry/compile/carried_assets.ts).
 * Returns false and changes nothing if the file has an unknown form.
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

/** Files that the build adds for the bundler. */
const STAGED = /^vendor-(?:build_info|tools|wasm-tools|js-component-bindgen-component)\.js$/;

/**
 * The parts of the bundle that are loaded together: for every plugin, for files, for components, for the cluster, for the
 * manager, and for installing.
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
  { file: "manager.js", entries: ["app-"], alone: true },
  { file: "compile.js", entries: ["compile-"] },
];

/** The files with a code cache. */
const SCRIPTS: readonly string[] = [BASE, ...PARTS.map(({ file }) => file).slice(1)];

/** The JavaScript files of a bundle by name. */
async function readBundle(directory: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for await (const { name } of Deno.readDir(directory)) {
    if (!name.endsWith(".js") || STAGED.test(name)) continue;
    files.set(name, await Deno.readTextFile(`${directory}/${name}`));
  }
  return files;
}

/** Names the chunks of the added files without the bundler's hash, which covers the name of the temporary directory. */
async function nameStaged(directory: string): Promise<void> {
  for await (const { name } of Deno.readDir(directory)) {
    const [, stem] = /^(vendor-(?:tools|wasm-tools|js-component-bindgen-component))-\w{8}\.js$/.exec(name) ??
      [];
    if (stem === undefined) continue;
    await Deno.rename(`${directory}/${name}`, `${directory}/${stem}.chunk.js`);
    for await (const { name: other } of Deno.readDir(directory)) {
      if (!other.endsWith(".js")) continue;
      const text = await Deno.readTextFile(`${directory}/${other}`);
      if (!text.includes(name)) continue;
      await Deno.writeTextFile(`${directory}/${other}`, text.replaceAll(name, `${stem}.chunk.js`));
    }
  }
}

/** Joins the chunks that are loaded together, so that plugins start faster. */
async function joinBundle(directory: string): Promise<void> {
  const files = await readBundle(directory);
  const joined = joinChunks(files, "main.js", PARTS);
  for (const name of files.keys()) if (!joined.has(name)) await Deno.remove(`${directory}/${name}`);
  for (const [name, text] of joined) await Deno.writeTextFile(`${directory}/${name}`, text);
}

/**
 * Makes CommonJS code use a global `require` when it calls it. Deno 2.6's bundler does that already, and krew-wasm defines
 * `require` before it loads sigstore. Deno 2.9's bundler makes a `require` at the start, which always loads node:module.
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
 * Adds a code cache for the most frequent commands to a bundle (scripts/bundle/code_cache.ts). A copy of the binary records
 * it.
 *
 * @param build writes a binary of the current bundle
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
    // The cache only saves time, so a build for another platform does without.
    console.error(`No code cache, each start will take longer: ${(error as Error).message}`);
    for (const [name, text] of files) await Deno.writeTextFile(`${directory}/${name}`, text);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/**
 * Starts the manager and a plugin run once, so that the build finds problems with another Deno.
 *
 * @param program a binary, or Deno with the arguments that run the bundle
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

/** Options of a build. */
export interface CompileOptions {
  readonly target?: string;
  readonly output?: string;
  readonly quiet?: boolean;
  /** Without a code cache, like builds for other platforms. */
  readonly uncached?: boolean;
  /** For tests: no import map, so that `import()` reads every file. */
  readonly importsAll?: boolean;
  /** For tests: replaces modules by broken ones. Paths from the repository's root. */
  readonly replace?: Readonly<Record<string, string>>;
}

/**
 * Writes the bundle, `main.js` and its chunks, into a directory.
 *
 * @returns the names of the assets to embed beside the bundle
 * @throws Error when the bundler fails, the bundle does not start, or a package differs from its record
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
  await nameStaged(directory);
  await joinBundle(directory);
  // A deliberately broken module may not start without its test.
  if (Object.keys(replace).length === 0) {
    const alone = ["--no-config", "--no-lock", "--no-code-cache"];
    const run = ["run", "--quiet", "--allow-all", "--no-prompt", ...alone];
    await tryStart(Deno.execPath(), [...run, `${directory}/main.js`]);
  }
  return assets;
}

/** Gives all files one time, as `deno compile` embeds times: so two builds of the same sources are equal. */
async function setTimes(directory: string): Promise<void> {
  for await (const { name } of Deno.readDir(directory)) await Deno.utime(`${directory}/${name}`, 0, 0);
  await Deno.utime(directory, 0, 0);
}

/** Builds the binary and returns its path. @throws Error when the runtime is unavailable or the bundle is broken */
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
      // A run uses most regular expressions only a few times. Interpreting them is then faster than compiling.
      "--regexp-tier-up-ticks=64",
      // Validate functions at their first call: pull has validated the whole module. Deno 2.9 refuses the flag.
      ...(major === 2 && minor < 9 ? ["--wasm-lazy-validation"] : []),
      // Three times V8's default, for parsers that recurse, such as Go's for ASN.1. Windows gives a program 4 MiB of stack,
      // Linux and macOS 8 MiB. JSPI's stacks get the smaller of both flags.
      "--stack-size=3072",
      "--wasm-stack-switching-stack-size=3072",
    ];
    const imports = options.importsAll
      ? []
      : ["--import-map", await writeImportMap(directory, (await readBundle(directory)).keys())];
    const embed = async (output: string, included: readonly string[] = []) => {
      await setTimes(directory);
      await deno([
        "compile",
        "--quiet",
        "--no-check",
        "--no-config",
        "--no-lock",
        // Deno's code cache is in $TMPDIR under a guessable name, and Deno does not check its owner.
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
    };
    const linux = options.target ? options.target.includes("linux") : Deno.build.os === "linux";
    const write = async (output: string) => {
      if (linux) await embed(output);
      if (!linux || !await insertAssets(output, directory, assets)) await embed(output, assets);
    };
    // Deno 2.9 takes longer to load node:vm than the cache saves. There, and on other systems, V8 compiles at the start.
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
  const { values } = parseArgs({
    options: {
      target: { type: "string" },
      output: { type: "string" },
      uncached: { type: "boolean", default: false },
    },
  });
  const started = performance.now();
  const output = await compile(values);
  const { size } = await Deno.stat(output);
  console.log(
    `${output} (${(size / 1e6).toFixed(1)} MB) in ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
}
