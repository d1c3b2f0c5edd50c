/** Measures small reads and large directories, beside the native program, and wasmtime if installed. */

import { fileURLToPath } from "node:url";
import { findProgram } from "../../tests/support/programs.ts";
import { buildFixture } from "../fixtures.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A row of docs/benchmarks.md: topic, krew-wasm's figure, the baseline's, their ratio, the goal. */
export type Row = [what: string, ours: string, baseline: string, ratio: string, goal: string];

/** Number of runs for the median. Slow commands run once. */
const RUNS = 5;
const LONG = 5_000;
/** Timeout. wasmtime's preview1 needs it, because it reads a directory again for every buffer. */
const TIMEOUT = 60_000;
const READS = 100_000;
const ENTRIES = 100_000;

interface Measured {
  readonly ms: number;
  readonly megabytes: number;
}

/**
 * Runs a command. Returns its time and peak memory (VmHWM, polled). A command that times out has an infinite time.
 */
async function run(command: readonly string[], env: Record<string, string>): Promise<Measured> {
  const [program = "", ...args] = command;
  const started = performance.now();
  const child = new Deno.Command(program, { args, env, stdin: "null", stdout: "null", stderr: "piped" })
    .spawn();
  let peak = 0;
  const timer = setInterval(() => {
    try {
      const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${child.pid}/status`)) ??
        [];
      peak = Math.max(peak, Number(kilobytes ?? 0));
    } catch { /* the process has ended, or this is not Linux */ }
  }, 5);
  let ended = false;
  const timeout = setTimeout(() => {
    ended = true;
    child.kill("SIGKILL");
  }, TIMEOUT);
  const errors = new Response(child.stderr).text();
  const { success } = await child.status;
  clearInterval(timer);
  clearTimeout(timeout);
  if (ended) return { ms: Infinity, megabytes: peak / 1000 };
  if (!success) throw new Error(`${command.join(" ")}: ${await errors}`);
  await errors;
  return { ms: performance.now() - started, megabytes: peak / 1000 };
}

function median(measured: readonly Measured[]): Measured {
  const middle = Math.floor(measured.length / 2);
  return {
    ms: measured.map(({ ms }) => ms).sort((a, b) => a - b)[middle]!,
    megabytes: Math.max(...measured.map(({ megabytes }) => megabytes)),
  };
}

/** Builds the native program, if there is a C compiler. */
async function buildNative(work: string): Promise<string | undefined> {
  const compiler = findProgram("cc") ?? findProgram("clang");
  if (!compiler) return undefined;
  const output = `${work}/filebench`;
  const args = ["-O2", "-o", output, `${root}tests/fixtures/filebench.c`];
  const { success } = await new Deno.Command(compiler, { args, stderr: "null" }).output();
  return success ? output : undefined;
}

/**
 * Adds the rows. `binary` is the compiled krew-wasm, `component` makes a component from a module's bytes, and `work` is an
 * empty directory.
 */
export async function measureFiles(
  binary: string,
  component: (name: string) => Promise<Uint8Array>,
  work: string,
  env: Record<string, string>,
): Promise<Row[]> {
  const module = await buildFixture("filebench");
  await Deno.writeFile(`${work}/filebench-component.wasm`, await component("filebench"));
  const small = `${work}/small`;
  const large = `${work}/large`;
  for (const directory of [small, large]) await Deno.mkdir(directory);
  const plugin = (file: string, directory: string, ...args: string[]) => [
    binary,
    "run",
    `--allow-write=${directory}::/data`,
    file,
    "--",
    ...args,
  ];
  await run(plugin(module, small, "make", "/data", "1000"), env);
  await run(plugin(module, large, "make", "/data", String(ENTRIES)), env);
  const native = await buildNative(work);
  const wasmtime = findProgram("wasmtime");

  const rows: Row[] = [];
  for (
    const { what, directory, args } of [
      { what: "100,000 small file reads", directory: small, args: ["reads", "/data", "1000", String(READS)] },
      { what: "readdir of 100,000 entries", directory: large, args: ["list", "/data"] },
    ]
  ) {
    const cases = new Map<string, readonly string[]>([
      ["preview1", plugin(module, directory, ...args)],
      ["0.2", plugin(`${work}/filebench-component.wasm`, directory, ...args)],
    ]);
    if (native) {
      cases.set("native", [native, ...args.map((arg) => arg === "/data" ? directory : arg)]);
    }
    for (const [kind, file] of [["preview1", module], ["0.2", `${work}/filebench-component.wasm`]] as const) {
      if (wasmtime) {
        cases.set(`wasmtime ${kind}`, [
          wasmtime,
          "run",
          "-C",
          "cache=n",
          `--dir=${directory}::/data`,
          file,
          ...args,
        ]);
      }
    }
    const times = new Map([...cases.keys()].map((name): [string, Measured[]] => [name, []]));
    for (let i = 0; i < RUNS; i++) {
      for (const [name, command] of cases) {
        if (times.get(name)!.some(({ ms }) => ms > LONG)) continue;
        times.get(name)!.push(await run(command, env));
      }
    }
    const results = new Map([...times].map(([name, list]) => [name, median(list)]));
    const text = ({ ms, megabytes }: Measured) =>
      `${ms === Infinity ? `over ${TIMEOUT}` : ms.toFixed(0)} ms, ${megabytes.toFixed(0)} MB`;
    const row = (kind: string, baseline: string, goal: string) => {
      const [ours, theirs] = [results.get(kind)!, results.get(baseline)];
      if (!theirs) return;
      rows.push([
        `${what}, ${kind}, whole run and peak memory`,
        text(ours),
        `${text(theirs)} (${baseline})`,
        (ours.ms / theirs.ms).toFixed(2),
        goal,
      ]);
    };
    row("preview1", "native", "");
    row("0.2", "preview1", "2");
    row("preview1", "wasmtime preview1", "1");
    row("0.2", "wasmtime 0.2", "");
  }
  return rows;
}
