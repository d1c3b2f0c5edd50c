// deno-lint-ignore-file no-console camelcase -- a script prints to its user

/**
 * `deno task wasi-testsuite DIR [--as-components] [--krew-wasm=PATH] [--filter=TEXT]`: runs the preview1 programs of a
 * checkout of WebAssembly/wasi-testsuite (branch prod/testsuite-all) with `krew-wasm run`. The last line is such as
 * `72 passed, 0 failed`. With `--as-components` it first makes each program a WASI 0.2 component with the Bytecode
 * Alliance's preview1 adapter. It names and counts separately the programs that the adapter makes impossible.
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

/**
 * Programs that the adapter makes impossible in every runtime, with the responsible line of
 * crates/wasi-preview1-component-adapter/src/lib.rs (bytecodealliance/wasmtime, 2026-06-04, ff639ef6). They run and must
 * fail in exactly this way.
 */
const ADAPTER_LIMITS: Readonly<Record<string, { readonly fails: RegExp; readonly why: string }>> = {
  "assemblyscript/testsuite/wasm32-wasip1/args_get-multiple-arguments": {
    fails: /^exit code 134.*assertion failed at adapter line 2858/s,
    why:
      "lib.rs:2897 keeps its state in a page of memory.grow, as the program exports no cabi_realloc; AssemblyScript's allocator " +
      "takes every page for its own and overwrites it, which the check in lib.rs:2858 notices",
  },
  "assemblyscript/testsuite/wasm32-wasip1/environ_get-multiple-variables": {
    fails: /^exit code 134.*assertion failed at adapter line 2858/s,
    why: "lib.rs:2897, as above",
  },
  "assemblyscript/testsuite/wasm32-wasip1/fd_write-to-invalid-fd": {
    fails: /^exit code 1, expected 0: abort/,
    why: "lib.rs:1721 answers a write of no buffers with success before it looks at the descriptor",
  },
  "assemblyscript/testsuite/wasm32-wasip1/proc_exit-failure": {
    fails: /^exit code 1, expected 33/,
    why: "lib.rs:2366 makes every exit code but 0 the error of wasi:cli/exit, which has no number",
  },
};

async function* programs(directory: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(directory)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) yield* programs(path);
    else if (entry.name.endsWith(".wasm") && /preview1|wasip1|wasm32-wasi(\/|$)/.test(path)) yield path;
  }
}

let adapter: Uint8Array | undefined;

/** Makes a component from a preview1 command. */
async function componentOf(bytes: Uint8Array): Promise<Uint8Array> {
  const { componentNew } = await import("@bytecodealliance/jco-transpile/wasm-tools");
  adapter ??= await Deno.readFile(
    new URL(
      "../node_modules/@bytecodealliance/jco/lib/wasi_snapshot_preview1.command.wasm",
      import.meta.url,
    ),
  );
  return await componentNew(bytes, [["wasi_snapshot_preview1", adapter]]);
}

/** Runs one program in a copy of its directories. Returns the problem, or undefined. */
async function runCase(
  command: readonly string[],
  wasm: string,
  asComponent: boolean,
): Promise<string | undefined> {
  const text = await Deno.readTextFile(wasm.replace(/\.wasm$/, ".json")).catch(() => "{}");
  const spec = JSON.parse(text) as Case;
  const work = await Deno.makeTempDir({ prefix: "wasi-testsuite-" });
  try {
    const parent = wasm.slice(0, wasm.lastIndexOf("/"));
    let program = wasm;
    if (asComponent) {
      program = `${work}/${wasm.slice(parent.length + 1)}`;
      await Deno.writeFile(program, await componentOf(await Deno.readFile(wasm)));
    }
    const grants: string[] = [];
    for (const name of spec.dirs ?? []) {
      await new Deno.Command("cp", { args: ["-a", `${parent}/${name}`, `${work}/${name}`] }).output();
      grants.push(`--allow-write=${work}/${name}::${name}`);
    }
    const names = Object.keys(spec.env ?? {});
    const [executable = "", ...rest] = command;
    const { code, stdout, stderr } = await new Deno.Command(executable, {
      args: [
        ...rest,
        "run",
        ...grants,
        `--allow-env=${names.join(",")}`,
        program,
        "--",
        ...(spec.args ?? []),
      ],
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
  options: {
    "krew-wasm": { type: "string" },
    "filter": { type: "string" },
    "as-components": { type: "boolean", default: false },
  },
});
const [directory] = positionals;
if (directory === undefined) {
  console.error("usage: deno task wasi-testsuite DIR [--as-components] [--krew-wasm=PATH] [--filter=TEXT]");
  Deno.exit(2);
}
const binary = values["krew-wasm"] ?? fileURLToPath(new URL("../dist/krew-wasm", import.meta.url));
let passed = 0;
let failed = 0;
let impossible = 0;
const all = (await Array.fromAsync(programs(directory))).sort();
for (const wasm of all) {
  if (values.filter && !wasm.includes(values.filter)) continue;
  const wrong = await runCase([binary], wasm, values["as-components"]);
  const [, name = ""] = /(?:^|\/)tests\/(.*)\.wasm$/.exec(wasm) ?? [];
  const limit = values["as-components"] ? ADAPTER_LIMITS[name] : undefined;
  if (wrong === undefined) passed++;
  else if (limit?.fails.test(wrong)) {
    impossible++;
    console.log(`${name}: the adapter can't: ${limit.why}`);
  } else {
    failed++;
    console.log(`${wasm.slice(directory.length + 1)}: ${wrong}`);
  }
}
const apart = impossible === 0 ? "" : ` (${impossible} more that the adapter makes impossible)`;
console.log(`${passed} passed, ${failed} failed${apart}`);
Deno.exit(failed === 0 ? 0 : 1);
