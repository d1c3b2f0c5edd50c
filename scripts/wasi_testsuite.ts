// deno-lint-ignore-file no-console camelcase -- a script talks to who runs it

/**
 * `deno task wasi-testsuite DIR [--krew-wasm=PATH] [--filter=TEXT]`: runs the preview1 programs of a checkout of
 * WebAssembly/wasi-testsuite (branch prod/testsuite-all), each with `krew-wasm run`, and ends with a line
 * `72 passed, 0 failed`.
 */

import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";

interface Case {
  readonly args?: readonly string[];
  readonly dirs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly exit_code?: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

async function* programs(directory: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(directory)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) yield* programs(path);
    else if (entry.name.endsWith(".wasm") && /preview1|wasip1|wasm32-wasi(\/|$)/.test(path)) yield path;
  }
}

/** Runs one program in a copy of its directories; returns what is wrong, or undefined. */
async function runCase(command: readonly string[], wasm: string): Promise<string | undefined> {
  const text = await Deno.readTextFile(wasm.replace(/\.wasm$/, ".json")).catch(() => "{}");
  const spec = JSON.parse(text) as Case;
  const work = await Deno.makeTempDir({ prefix: "wasi-testsuite-" });
  try {
    const parent = wasm.slice(0, wasm.lastIndexOf("/"));
    const grants: string[] = [];
    for (const name of spec.dirs ?? []) {
      await new Deno.Command("cp", { args: ["-a", `${parent}/${name}`, `${work}/${name}`] }).output();
      grants.push(`--allow-write=${work}/${name}::${name}`);
    }
    const names = Object.keys(spec.env ?? {});
    const [program = "", ...rest] = command;
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args: [...rest, "run", ...grants, `--allow-env=${names.join(",")}`, wasm, "--", ...(spec.args ?? [])],
      env: { ...spec.env },
      stdin: "null",
    }).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    if (code !== (spec.exit_code ?? 0)) {
      return `exit code ${code}, expected ${spec.exit_code ?? 0}: ${decode(stderr).slice(0, 400)}`;
    }
    if (spec.stdout !== undefined && decode(stdout) !== spec.stdout) {
      return `stdout is ${JSON.stringify(decode(stdout).slice(0, 200))}`;
    }
    if (spec.stderr !== undefined && decode(stderr) !== spec.stderr) {
      return `stderr is ${JSON.stringify(decode(stderr).slice(0, 200))}`;
    }
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { "krew-wasm": { type: "string" }, "filter": { type: "string" } },
});
const [directory] = positionals;
if (directory === undefined) {
  console.error("usage: deno task wasi-testsuite DIR [--krew-wasm=PATH] [--filter=TEXT]");
  Deno.exit(2);
}
const binary = values["krew-wasm"] ?? fileURLToPath(new URL("../dist/krew-wasm", import.meta.url));
let passed = 0;
let failed = 0;
const all = (await Array.fromAsync(programs(directory))).sort();
for (const wasm of all) {
  if (values.filter && !wasm.includes(values.filter)) continue;
  const wrong = await runCase([binary], wasm);
  if (wrong === undefined) passed++;
  else {
    failed++;
    console.log(`${wasm.slice(directory.length + 1)}: ${wrong}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);
