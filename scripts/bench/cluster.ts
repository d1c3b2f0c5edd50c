/**
 * The cluster's rows of `deno task bench`: a plugin's requests beside those of kubectl and curl, with a local server in its
 * own process.
 */

import { fileURLToPath } from "node:url";
import { findAssets } from "../../tests/support/envtest.ts";
import { findProgram } from "../../tests/support/programs.ts";

/** A figure beside its baseline. */
export interface ClusterRow {
  readonly what: string;
  readonly ours: string;
  readonly baseline: string;
  readonly ratio: string;
  readonly goal: string;
}

/** What a topic gets from the benchmark. */
export interface ClusterBench {
  /** The link of the plugin `raw` from tests/fixtures. */
  readonly raw: string;
  /** The link of the plugin `outbound` from tests/fixtures. */
  readonly outbound: string;
  /** HOME and PATH. */
  readonly env: Readonly<Record<string, string>>;
  readonly runs: number;
}

interface Server extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  /** Path of the server's CA certificate. */
  readonly ca: string;
}

/** Starts scripts/bench/server.ts and writes a kubeconfig for it. */
async function startServer(home: string): Promise<Server> {
  const script = fileURLToPath(new URL("server.ts", import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", script],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) text += (await reader.read()).value ?? "\n";
  const { url, token, ca, config } = JSON.parse(text) as Record<string, string>;
  await Deno.writeTextFile(`${home}/cluster-config`, config!);
  await Deno.writeTextFile(`${home}/ca.crt`, ca!);
  return {
    url: url!,
    token: token!,
    ca: `${home}/ca.crt`,
    async [Symbol.asyncDispose]() {
      child.stdin.close();
      await reader.cancel();
      await child.status;
    },
  };
}

/** Runs a program: milliseconds to its first byte and to its end, and its peak memory in bytes if there is /proc. */
async function run(command: readonly string[], env: Readonly<Record<string, string>>) {
  const [program = "", ...args] = command;
  const started = performance.now();
  const child = new Deno.Command(program, { args, env, stdin: "null", stdout: "piped", stderr: "piped" })
    .spawn();
  let peak = 0;
  const look = () => {
    try {
      const status = Deno.readTextFileSync(`/proc/${child.pid}/status`);
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024);
    } catch { /* the process has ended, or this is not Linux */ }
  };
  let first: number | undefined;
  let bytes = 0;
  for await (const chunk of child.stdout) {
    first ??= performance.now() - started;
    bytes += chunk.length;
    look();
  }
  look();
  const [{ success }, errors] = [await child.status, await new Response(child.stderr).text()];
  if (!success) throw new Error(`${command.join(" ")}: ${errors}`);
  return { first: first ?? NaN, all: performance.now() - started, peak, bytes };
}

type Figures = Awaited<ReturnType<typeof run>>;

/** Medians of the commands, which take turns. */
async function measure(
  commands: Readonly<Record<string, readonly string[]>>,
  env: Readonly<Record<string, string>>,
  count: number,
): Promise<Map<string, Figures>> {
  const all = new Map(Object.keys(commands).map((name) => [name, [] as Figures[]]));
  for (const command of Object.values(commands)) await run(command, env);
  for (let i = 0; i < count; i++) {
    for (const [name, command] of Object.entries(commands)) all.get(name)!.push(await run(command, env));
  }
  return new Map([...all].map(([name, figures]) => [name, {
    first: percentile(figures.map(({ first }) => first), 0.5),
    all: percentile(figures.map(({ all }) => all), 0.5),
    peak: percentile(figures.map(({ peak }) => peak), 0.5),
    bytes: figures[0]!.bytes,
  }]));
}

function percentile(numbers: readonly number[], part: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
}

const ms = (value: number) => `${value.toFixed(value < 10 ? 2 : 1)} ms`;
const mb = (value: number) => `${(value / 1e6).toFixed(0)} MB`;

/** All rows, except those without a baseline on this machine. */
export async function clusterRows(bench: ClusterBench): Promise<ClusterRow[]> {
  const { raw, outbound, runs } = bench;
  await using server = await startServer(bench.env.HOME!);
  const env = { ...bench.env, KUBECONFIG: `${bench.env.HOME}/cluster-config` };
  const rows: ClusterRow[] = [];
  const row = (what: string, ours: number, baseline: number, of: string, goal: string, unit = ms) =>
    rows.push({
      what,
      ours: unit(ours),
      baseline: `${unit(baseline)} (${of})`,
      ratio: (ours / baseline).toFixed(2),
      goal,
    });
  const kubectl = findProgram("kubectl") ?? findAssets()?.kubectl;
  const curl = findProgram("curl");
  const curlOf = (...args: string[]) => [
    curl!,
    "--silent",
    "--fail",
    "--cacert",
    server.ca,
    "--header",
    `Authorization: Bearer ${server.token}`,
    ...args,
  ];

  const version = await measure(
    {
      raw: [raw, "/version"],
      outbound: [outbound, `${server.url}/version`],
      ...(kubectl ? { kubectl: [kubectl, "get", "--raw", "/version"] } : {}),
      ...(curl ? { curl: curlOf(`${server.url}/version`) } : {}),
    },
    env,
    runs,
  );
  for (const [name, of] of [["kubectl", "kubectl get --raw"], ["curl", "curl"]] as const) {
    const baseline = version.get(name);
    if (!baseline) continue;
    row(
      "first byte of GET /version, a plugin",
      version.get("raw")!.first,
      baseline.first,
      of,
      name === "kubectl" ? "1" : "",
    );
    row(
      "first byte of GET /version, a plugin of 2022",
      version.get("outbound")!.first,
      baseline.first,
      of,
      name === "kubectl" ? "1" : "",
    );
  }

  if (kubectl) {
    const list = await measure(
      {
        raw: [raw, "/list"],
        outbound: [outbound, `${server.url}/list`],
        kubectl: [kubectl, "get", "--raw", "/list"],
      },
      env,
      Math.min(runs, 5),
    );
    const [ours, legacy, theirs] = [list.get("raw")!, list.get("outbound")!, list.get("kubectl")!];
    row("a list of 100 MB, time", ours.all, theirs.all, "kubectl get --raw", "");
    row("a list of 100 MB, peak memory", ours.peak, theirs.peak, "kubectl get --raw", "", mb);
    row("a list of 100 MB in a plugin of 2022, time", legacy.all, theirs.all, "kubectl get --raw", "");
    row(
      "a list of 100 MB in a plugin of 2022, peak memory",
      legacy.peak,
      theirs.peak,
      "kubectl get --raw",
      "",
      mb,
    );
  }

  if (curl) {
    const [plugin, direct] = [
      await latencies([raw, "/watch"], env),
      await latencies(curlOf("--no-buffer", `${server.url}/watch`), env),
    ];
    for (const [name, part, goal] of [["median", 0.5, "1 ms"], ["p99", 0.99, ""]] as const) {
      const [ours, theirs] = [percentile(plugin, part), percentile(direct, part)];
      rows.push({
        what: `a line of a watch, from server to stdout, ${name}`,
        ours: ms(ours),
        baseline: `${ms(theirs)} (curl)`,
        ratio: `${ours < theirs ? "-" : "+"}${ms(Math.abs(ours - theirs))}`,
        goal: goal === "" ? "" : `+${goal}`,
      });
    }
    const many = 1000;
    const gets = await measure(
      {
        one: [raw, "/version"],
        many: [raw, "/version", String(many + 1)],
        curlOne: curlOf(`${server.url}/version`),
        curlMany: curlOf(`${server.url}/version?[0-${many}]`),
      },
      env,
      Math.min(runs, 7),
    );
    const each = (one: string, all: string) => (gets.get(all)!.all - gets.get(one)!.all) / many;
    const [ours, theirs] = [each("one", "many"), each("curlOne", "curlMany")];
    rows.push({
      what: "each of 1,000 small gets, one after the other",
      ours: ms(ours),
      baseline: `${ms(theirs)} (curl)`,
      ratio: `${ours < theirs ? "-" : "+"}${ms(Math.abs(ours - theirs))}`,
      goal: "+0.3 ms",
    });
  }
  return rows;
}

/** Milliseconds from the server to a program's stdout, for each line of a watch. The server writes the time into it. */
async function latencies(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number[]> {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program, { args, env, stdin: "null", stdout: "piped", stderr: "inherit" })
    .spawn();
  const found: number[] = [];
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const now = performance.timeOrigin + performance.now();
    const lines = `${text}${chunk}`.split("\n");
    text = lines.pop()!;
    for (const line of lines) found.push(now - JSON.parse(line).sent);
  }
  await child.status;
  return found.slice(10); // without the time to connect
}
