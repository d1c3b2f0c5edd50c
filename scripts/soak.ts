// deno-lint-ignore-file no-console -- a script prints to its user

/**
 * `deno task soak [PATTERN...] [--events=N] [--rate=N] [--out=DIR] [--krew-wasm=PATH]`: runs each watch of the examples for
 * ten million events. The server sends each event by itself. Prints speed, lag and memory of each watch; `--out` gets a
 * drawing of them (SVG). Fails if memory grows in the second half of a run. Takes hours. `--rate` limits the events per
 * second.
 */

import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { buildFixture } from "./fixtures.ts";
import { drawing, type Sample } from "./soak/drawing.ts";
import { EventServer } from "./soak/server.ts";

/** A plugin that prints a line for each event, with the event's number in it as `#NUMBER#`. */
interface Pattern {
  readonly name: string;
  readonly fixture: string;
  readonly args: readonly string[];
}

const PATTERNS: readonly Pattern[] = [
  { name: "fetch", fixture: "events", args: ["--max", "EVENTS"] },
  { name: "client-node", fixture: "pods-ts", args: ["--max", "EVENTS"] },
  { name: "client-go", fixture: "pods-go", args: ["--max", "EVENTS"] },
  {
    name: "c",
    fixture: "kubernetes",
    args: ["get", "/api/v1/namespaces/default/pods?watch=true&resourceVersion=1"],
  },
];

/** One of this many events is timed. */
const EVERY = 500;
/** How much memory may grow in the second half: garbage, not a leak. */
const GROWTH = 1.15;

/** Runs one pattern. @throws Error when the plugin fails */
async function soak(
  binary: string,
  { fixture, args }: Pattern,
  events: number,
  rate: number | undefined,
): Promise<Sample[]> {
  const wasm = await buildFixture(fixture);
  const home = await Deno.makeTempDir({ prefix: "krew-wasm-soak-" });
  await using server = EventServer.start(events, EVERY, rate);
  try {
    await Deno.mkdir(`${home}/.kube`);
    await Deno.writeTextFile(`${home}/.kube/config`, server.kubeconfig());
    const command = (args: readonly string[]) =>
      new Deno.Command(binary, {
        args: [...args],
        env: { HOME: home, PATH: Deno.env.get("PATH") ?? "" },
        clearEnv: true,
        stdout: "piped",
        stderr: "inherit",
      });
    const words = args.map((word) => word.replace("EVENTS", `${events}`));
    const child = command(["run", wasm, "--", ...words]).spawn();
    const samples: Sample[] = [];
    const started = performance.now();
    for await (const number of numbersOf(child.stdout)) {
      if (number % EVERY !== 0) continue;
      const now = performance.now();
      const [sent, memory] = [server.sentAt(number), memoryOf(child.pid)];
      if (sent === undefined || memory === undefined) continue;
      samples.push({ events: number, seconds: (now - started) / 1000, lag: now - sent, memory });
      if (number >= events) break;
    }
    server.end();
    const { code } = await child.status;
    if (code !== 0) throw new Error(`${fixture} ended with exit code ${code}`);
    return samples;
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

/** Reads the numbers of printed events. */
async function* numbersOf(stdout: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<number> {
  let rest = "";
  for await (const text of stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const at = line.lastIndexOf("#", line.lastIndexOf("#") - 1);
      if (at >= 0) yield parseInt(line.slice(at + 1), 10);
    }
  }
}

/** A process's resident memory in MiB. Linux only. */
function memoryOf(pid: number): number | undefined {
  try {
    const [, kibibytes] = /^VmRSS:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ?? [];
    return kibibytes === undefined ? undefined : Number(kibibytes) / 1024;
  } catch {
    return undefined;
  }
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** The peak memory in a part of a run. */
function peak(samples: readonly Sample[], from: number, to: number): number {
  const part = samples.slice(Math.floor(samples.length * from), Math.ceil(samples.length * to));
  return part.reduce((most, { memory }) => Math.max(most, memory), 0);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "krew-wasm": { type: "string" },
    "events": { type: "string", default: "10000000" },
    "rate": { type: "string" },
    "out": { type: "string" },
  },
});
const binary = values["krew-wasm"] ?? fileURLToPath(new URL("../dist/krew-wasm", import.meta.url));
const rate = values.rate === undefined ? undefined : Number(values.rate);
const events = Number(values.events);
let failed = false;
console.log("| Pattern | Events | Events a second | Lag, median | p99 | Memory, first half | second half |");
console.log("| - | - | - | - | - | - | - |");
for (const pattern of PATTERNS) {
  if (positionals.length > 0 && !positionals.includes(pattern.name)) continue;
  const samples = await soak(binary, pattern, events, rate);
  const last = samples.at(-1)!;
  const lags = samples.map(({ lag }) => lag);
  // Skip the start, where programs allocate their base memory.
  const [first, second] = [peak(samples, 0.1, 0.5), peak(samples, 0.5, 1)];
  const cells = [
    pattern.name,
    last.events.toLocaleString("en"),
    Math.round(last.events / last.seconds).toLocaleString("en"),
    `${quantile(lags, 0.5).toFixed(1)} ms`,
    `${quantile(lags, 0.99).toFixed(1)} ms`,
    `${Math.round(first)} MiB`,
    `${Math.round(second)} MiB`,
  ];
  console.log(`| ${cells.join(" | ")} |`);
  if (values.out !== undefined) {
    await Deno.mkdir(values.out, { recursive: true });
    await Deno.writeTextFile(`${values.out}/${pattern.name}.svg`, drawing(pattern.name, samples));
  }
  if (second > first * GROWTH) {
    failed = true;
    console.log(`${pattern.name}: its memory grew from ${Math.round(first)} to ${Math.round(second)} MiB`);
  }
}
Deno.exit(failed ? 1 : 0);
