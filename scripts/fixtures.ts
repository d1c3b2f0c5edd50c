// deno-lint-ignore-file no-console -- a script prints to its user

/**
 * `deno task fixtures [NAME...]`: builds the examples and the tests' programs into build/fixtures/*.wasm. It skips
 * unchanged ones.
 */

import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { findProgram } from "../tests/support/programs.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const directory = `${root}build/fixtures`;

interface Fixture {
  readonly name: string;
  readonly language: "c" | "go" | "rust" | "typescript" | "npm";
  readonly source: string;
  /** Further source files or directories. */
  readonly inputs?: readonly string[];
  /** Flags of the C compiler. */
  readonly flags?: readonly string[];
  /** The world of wit/ to embed into a C module. */
  readonly world?: string;
}

const TYPESCRIPT_INPUTS = ["examples/lib", "wit", "scripts/componentize.ts", "deno.lock"];

/** All programs. */
const FIXTURES: readonly Fixture[] = [
  { name: "hello", language: "c", source: "examples/hello/hello.c" },
  ...[
    "cat",
    "clock",
    "completing",
    "filebench",
    "files",
    "grow",
    "http_client",
    "outbound",
    "posix",
    "terminal",
    "trap",
    "waiting",
  ].map((
    name,
  ): Fixture => ({
    name,
    language: "c",
    source: `tests/fixtures/${name}.c`,
  })),
  ...["kubernetes", "raw"].map((name): Fixture => ({
    name,
    language: "c",
    source: `tests/fixtures/${name}.c`,
    inputs: [`tests/fixtures/${name}.c`, "wit/krew_wasm_kubernetes.h"],
  })),
  {
    name: "sockets",
    language: "c",
    source: "tests/fixtures/sockets.c",
    inputs: ["tests/fixtures/sockets.c", "wit/deps/sockets.wit", "scripts/embed_world.ts"],
    world: "wasi:sockets/imports@0.2.12",
  },
  {
    name: "attack-interfaces",
    language: "typescript",
    source: "tests/fixtures/attack_interfaces.ts",
    inputs: ["tests/fixtures/attack_interfaces.ts", ...TYPESCRIPT_INPUTS],
  },
  {
    name: "wasi-ts",
    language: "typescript",
    source: "tests/fixtures/wasi.ts",
    inputs: ["tests/fixtures/wasi.ts", ...TYPESCRIPT_INPUTS],
  },
  {
    name: "prints",
    language: "typescript",
    source: "tests/fixtures/prints.ts",
    inputs: ["tests/fixtures/prints.ts", ...TYPESCRIPT_INPUTS],
  },
  { name: "attack", language: "c", source: "tests/fixtures/attack.c" },
  { name: "attack-network", language: "c", source: "tests/fixtures/attack.c", flags: ["-DNETWORK"] },
  ...["whoami", "decoder", "events", "each"].map((name): Fixture => ({
    name,
    language: "typescript",
    source: `examples/${name}/${name}.ts`,
    inputs: [`examples/${name}`, ...TYPESCRIPT_INPUTS],
  })),
  { name: "rust", language: "rust", source: "tests/fixtures/rust.rs" },
  { name: "pods-go", language: "go", source: "examples/pods-go" },
  { name: "help-go", language: "go", source: "tests/fixtures/help-go" },
  {
    name: "pods-ts",
    language: "npm",
    source: "examples/pods-ts",
    inputs: [
      ...["bundle.js", "node.js", "package-lock.json", "pods.ts", "watch.ts"].map((file) =>
        `examples/pods-ts/${file}`
      ),
      ...TYPESCRIPT_INPUTS,
    ],
  },
];

/** How to install the tools for the C programs. */
export const CLANG_HINT = "Debian: apt-get install clang lld wasi-libc libclang-rt-14-dev-wasm32";

/** Whether the C programs can be built here. */
export function canBuildC(): boolean {
  return findProgram("clang") !== undefined && findProgram("wasm-ld", clangDirectories()) !== undefined;
}

/** Whether the Go programs can be built here, with the Go version of their go.mod or a later one. */
export function canBuildGo(): boolean {
  if (findProgram("go") === undefined) return false;
  const { stdout } = new Deno.Command("go", { args: ["env", "GOVERSION"] }).outputSync();
  const [, minor] = /^go1\.(\d+)/.exec(new TextDecoder().decode(stdout)) ?? [];
  return Number(minor) >= 26;
}

/** A Rust compiler, and its name for WASI preview1. */
interface Rust {
  readonly rustc: string;
  readonly target: string;
}

let rust: Rust | false | undefined;

/** The Rust compiler with a standard library for WASI. There may be several on PATH: rustup's may hide Debian's. */
function findRust(): Rust | undefined {
  rust ??= [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/bin"]
    .flatMap((directory) => ["wasm32-wasip1", "wasm32-wasi"].map((target) => ({ directory, target })))
    .map(({ directory, target }) => ({ rustc: findProgram("rustc", [directory]), target }))
    .find((one): one is Rust => one.rustc !== undefined && hasLibrary(one.rustc, one.target)) ?? false;
  return rust || undefined;
}

function hasLibrary(rustc: string, target: string): boolean {
  const args = ["--print", "target-libdir", "--target", target];
  const { success, stdout } = new Deno.Command(rustc, { args, stderr: "null" }).outputSync();
  try {
    return success && Deno.statSync(new TextDecoder().decode(stdout).trim()).isDirectory;
  } catch {
    return false;
  }
}

/** How to install the tools for the Rust programs. */
export const RUST_HINT =
  "Debian: apt-get install rustc libstd-rust-dev-wasm32 lld; or rustup target add wasm32-wasip1";

/** Whether the Rust programs can be built here. */
export function canBuildRust(): boolean {
  return findRust() !== undefined;
}

/** Whether the example with npm packages can be built here. */
export function canBuildNpm(): boolean {
  return findProgram("npm") !== undefined && findProgram("node") !== undefined;
}

function clangDirectories(): string[] {
  return [14, 15, 16, 17, 18, 19, 20].map((version) => `/usr/lib/llvm-${version}/bin`);
}

/** The path of a fixture's WebAssembly. */
export function fixturePath(name: string): string {
  return `${directory}/${name}.wasm`;
}

async function hashOf(paths: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  const add = async (path: string): Promise<void> => {
    const info = await Deno.stat(`${root}${path}`);
    if (!info.isDirectory) {
      hash.update(path).update(await Deno.readFile(`${root}${path}`));
      return;
    }
    const names = (await Array.fromAsync(Deno.readDir(`${root}${path}`))).map(({ name }) => name).sort();
    for (const name of names) await add(`${path}/${name}`);
  };
  for (const path of paths) await add(path);
  return hash.digest("hex");
}

/** Builds a fixture unless it is up to date. Returns its path. @throws Error with the compiler's output */
export async function buildFixture(name: string): Promise<string> {
  const fixture = FIXTURES.find((one) => one.name === name);
  if (!fixture) throw new Error(`There is no fixture "${name}"`);
  const { language, source, inputs = [source], flags = [], world } = fixture;
  const output = fixturePath(name);
  const hash = await hashOf(inputs) + flags.join(" ");
  const mark = `${output}.hash`;
  const built = await Deno.readTextFile(mark).catch(() => "");
  if (built === hash && await Deno.stat(output).then(() => true, () => false)) return output;
  await Deno.mkdir(directory, { recursive: true });
  const staged = `${output}.${Deno.pid}.new`;
  const [program, args, env]: [string, string[], Record<string, string>] = language === "c"
    ? [
      "clang",
      ["--target=wasm32-wasi", "--sysroot=/usr", "-O2", "-Wall", "-Wextra", ...flags, "-o", staged, source],
      {},
    ]
    : language === "go"
    ? [
      "go",
      // Stripping debug information halves the size.
      ["build", "-C", source, "-trimpath", "-ldflags=-s -w", "-o", staged, "."],
      { GOOS: "wasip1", GOARCH: "wasm" },
    ]
    : language === "rust"
    ? [
      findRust()?.rustc ?? "rustc",
      // Stripping debug information makes it 30 times smaller. The functions' names stay.
      ["--edition=2021", "-O", "-Cstrip=debuginfo", `--target=${findRust()?.target}`, "-o", staged, source],
      {},
    ]
    : [
      Deno.execPath(),
      [
        "run",
        "--quiet",
        "-A",
        "--no-check",
        "scripts/componentize.ts",
        language === "npm" ? await bundleNpm(name, source) : source,
        staged,
      ],
      {},
    ];
  // `deno task` puts node_modules/.bin on PATH. clang would run the wasm-opt there, which strips the functions' names.
  const path = (Deno.env.get("PATH") ?? "").split(":").filter((entry) => !entry.endsWith("node_modules/.bin"))
    .join(":");
  await run(program, args, root, { ...env, PATH: path });
  if (world !== undefined) {
    const embed = ["run", "--quiet", "-A", "--no-check", "scripts/embed_world.ts", staged, world];
    await run(Deno.execPath(), embed, root);
  }
  await Deno.rename(staged, output);
  await Deno.writeTextFile(mark, hash);
  return output;
}

/** Installs an example's packages and bundles it; returns the bundle's path. */
async function bundleNpm(name: string, source: string): Promise<string> {
  const bundle = `${directory}/${name}.bundle.js`;
  await run("npm", ["ci", "--loglevel=error", "--no-audit", "--no-fund"], `${root}${source}`);
  await run("node", ["bundle.js", bundle], `${root}${source}`);
  return bundle;
}

/** Messages of go and npm about a failing network. */
const NETWORK =
  /dial tcp|i\/o timeout|TLS handshake|connection reset|unexpected EOF|5\d\d (Bad Gateway|Service|Gateway|Internal)|ECONNRESET|ETIMEDOUT|EAI_AGAIN|socket hang up/;

async function run(
  program: string,
  args: string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<void> {
  for (let tries = 1;; tries++) {
    const { success, stdout, stderr } = await new Deno.Command(program, { args, env, cwd }).output();
    if (success) return;
    const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    // go and npm download dependencies. A failing network, unlike a compiler error, is worth a retry.
    if (tries === 3 || !NETWORK.test(output)) throw new Error(`${program} ${args.join(" ")}:\n${output}`);
  }
}

if (import.meta.main) {
  const names = Deno.args.length > 0 ? Deno.args : FIXTURES.map(({ name }) => name);
  let skipped = 0;
  for (const name of names) {
    const language = FIXTURES.find((one) => one.name === name)?.language;
    if (language === "go" && !canBuildGo()) {
      console.warn(`Go 1.26 or later is missing, ${name} is not built: https://go.dev/dl`);
      continue;
    }
    if (language === "rust" && !canBuildRust()) {
      console.warn(`Rust for WebAssembly is missing, ${name} is not built: ${RUST_HINT}`);
      continue;
    }
    if (language === "npm" && !canBuildNpm()) {
      console.warn(`npm is missing, ${name} is not built: https://nodejs.org`);
      continue;
    }
    if (language === "c" && !canBuildC()) {
      skipped++;
      continue;
    }
    console.log((await buildFixture(name)).slice(root.length));
  }
  if (skipped > 0) {
    console.warn(`clang for WebAssembly is missing, ${skipped} programs in C are not built: ${CLANG_HINT}`);
    if (Deno.env.get("CI") === "true") Deno.exit(1);
  }
}
