/**
 * Measures what WASI plugins do most: copy stdin to stdout, ask for the time, print help; and the memory for that. The
 * baselines are native programs, and wasmtime without its cache if it is on PATH.
 */

import { fileURLToPath } from "node:url";
import { findProgram } from "../../tests/support/programs.ts";
import { buildFixture, canBuildGo, fixturePath } from "../fixtures.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A command to time. */
interface Case {
  readonly name: string;
  readonly command: readonly string[];
}

/** What a topic gets from the benchmark. */
export interface Bench {
  /** Pulls a module or component. Returns the path of its link. */
  installBytes(name: string, wasm: Uint8Array): Promise<string>;
  /** Medians in milliseconds, by name. */
  measure(cases: readonly Case[], count?: number): Promise<Map<string, number>>;
  row(what: string, ours: number, baseline: number, of: string, goal: string): void;
  /** Adds a row with another unit than time. */
  textRow(what: string, ours: string, baseline: string, ratio: string, goal: string): void;
  readonly runs: number;
  /** The environment of the commands. */
  readonly env: Record<string, string>;
}

const COPY = 1 << 30;
const CLOCK_CALLS = 1_000_000;

/** Makes a WASI 0.2 component from a preview1 program with the preview1 adapter. Returns the file's path. */
async function componentOf(name: string): Promise<string> {
  const path = fixturePath(`${name}-component`);
  const { componentNew } = await import("@bytecodealliance/jco-transpile/wasm-tools");
  const adapter = await Deno.readFile(
    `${root}node_modules/@bytecodealliance/jco/lib/wasi_snapshot_preview1.command.wasm`,
  );
  const module = await Deno.readFile(await buildFixture(name));
  await Deno.writeFile(path, await componentNew(module, [["wasi_snapshot_preview1", adapter]]));
  return path;
}

const PEAK = `import resource, subprocess, sys
source = subprocess.Popen(["head", "-c", sys.argv[1], "/dev/zero"], stdout=subprocess.PIPE)
subprocess.run(sys.argv[2:], stdin=source.stdout, stdout=subprocess.DEVNULL, check=True)
source.stdout.close()
source.wait()
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)`;

/** A program's peak memory in MiB, with the given number of bytes on stdin; undefined without python3. */
async function peakOf(
  command: readonly string[],
  bytes: number,
  env: Record<string, string>,
): Promise<number | undefined> {
  if (!findProgram("python3")) return undefined;
  const { success, stdout, stderr } = await new Deno.Command("python3", {
    args: ["-c", PEAK, String(bytes), ...command],
    env,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return Number(new TextDecoder().decode(stdout)) / 1024;
}

/** Adds the rows. `empty` is the path of an empty Deno program, `hello` the path of the smallest plugin. */
export async function benchStreams(bench: Bench, empty: string, hello: string): Promise<void> {
  const { installBytes, measure, row, textRow, runs, env } = bench;
  const wasmtime = findProgram("wasmtime") !== undefined;
  const kinds = async (name: string) => {
    const files = { "preview1": await buildFixture(name), "WASI 0.2": await componentOf(name) };
    return await Promise.all(
      Object.entries(files).map(async ([kind, file]) => ({
        kind,
        file,
        link: await installBytes(kind === "preview1" ? name : `${name}-component`, await Deno.readFile(file)),
      })),
    );
  };
  /** Times each kind of command beside a baseline and wasmtime, if installed. */
  const compare = async (
    what: string,
    programs: readonly { kind: string; file: string; link: string }[],
    args: readonly string[],
    around: (command: readonly string[]) => readonly string[],
    baseline: { command: readonly string[]; of: string; goal: (kind: string) => string },
    count: number,
  ) => {
    const cases: Case[] = [
      { name: "baseline", command: around(baseline.command) },
      { name: "hello", command: [hello] },
      ...programs.flatMap(({ kind, file, link }) => [
        { name: kind, command: around([link, ...args]) },
        ...(wasmtime
          ? [{
            name: `${kind} wasmtime`,
            command: around(["wasmtime", "run", "-C", "cache=n", file, ...args]),
          }]
          : []),
      ]),
    ];
    const times = await measure(cases, count);
    for (const { kind } of programs) {
      const ours = times.get(kind)!;
      row(`${what}, ${kind}`, ours, times.get("baseline")!, baseline.of, baseline.goal(kind));
      const theirs = times.get(`${kind} wasmtime`);
      if (theirs !== undefined) row(`${what}, ${kind}`, ours, theirs, "wasmtime, no cache", "1");
    }
    if (programs.length === 2) {
      const [first, second] = programs.map(({ kind }) => times.get(kind)!);
      row(`${what}, WASI 0.2`, second!, first!, "preview1", "2");
    }
  };

  const cat = await kinds("cat");
  for (const size of [4096, 65536]) {
    await compare(
      `1 GiB from stdin to stdout, ${size / 1024} KiB at a time`,
      cat,
      [String(size)],
      (command) => ["/bin/sh", "-c", `head -c ${COPY} /dev/zero | ${command.join(" ")} > /dev/null`],
      { command: ["cat"], of: "cat", goal: (kind) => kind === "preview1" && size === 65536 ? "2" : "" },
      Math.min(runs, 5),
    );
  }
  const clock = await kinds("clock");
  await compare(
    "1,000,000 times clock_time_get",
    clock,
    [String(CLOCK_CALLS)],
    (command) => command,
    { command: [hello], of: "kubectl-hello", goal: () => "" },
    Math.min(runs, 9),
  );
  const peaks = [
    ["an empty Deno program", [empty]],
    ["kubectl-hello", [hello]],
    ...cat.map(({ kind, link }) => [`a copy of 1 GiB, ${kind}`, [link, "65536"]]),
    ...clock.map((
      { kind, link },
    ) => [`1,000,000 times clock_time_get, ${kind}`, [link, String(CLOCK_CALLS)]]),
  ] as [string, string[]][];
  if (canBuildGo()) {
    const file = await buildFixture("help-go");
    const megabytes = ((await Deno.stat(file)).size / 1e6).toFixed(0);
    const link = await installBytes("help-go", await Deno.readFile(file));
    await compare(
      `--help of a Go plugin (${megabytes} MB)`,
      [{ kind: "preview1", file, link }],
      ["--help"],
      (command) => command,
      { command: [empty], of: "empty Deno program", goal: () => "" },
      runs,
    );
    peaks.push([`--help of a Go plugin (${megabytes} MB)`, [link, "--help"]]);
  }
  const nothing = await peakOf([empty], 0, env);
  if (nothing === undefined) return;
  for (const [what, command] of peaks.slice(1)) {
    const peak = await peakOf(command, what.startsWith("a copy") ? COPY : 0, env);
    textRow(
      `peak memory of ${what}`,
      `${peak!.toFixed(0)} MiB`,
      `${nothing.toFixed(0)} MiB (empty Deno program)`,
      (peak! / nothing).toFixed(2),
      "",
    );
  }
}
