// deno-lint-ignore-file no-console -- a script prints to its user

/**
 * `deno task bench [--runs N] [--only TOPIC,…]`: measures start-up, size and throughput of the compiled binary, each beside
 * a baseline of the same run. Prints the table of docs/benchmarks.md. Times are medians of interleaved runs. Quote the
 * ratios, not the times. Topics: start, fleet, streams, cluster, interfaces, grants, registry, permissions, files.
 */

import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { makeArtifact, push } from "./servers/artifacts.ts";
import { findProgram } from "../tests/support/programs.ts";
import { TestApiServer } from "./servers/api_server.ts";
import { TestRegistry } from "./servers/oci_registry.ts";
import { clusterRows } from "./bench/cluster.ts";
import { benchInterfaces } from "./bench/interfaces.ts";
import { benchFleet } from "./bench/fleet.ts";
import { measureFiles } from "./bench/files.ts";
import { benchStreams } from "./bench/streams.ts";
import { benchProcessPermissions } from "./bench/process_permissions.ts";
import { benchGrants, RULED } from "./bench/grants.ts";
import { compile } from "./compile.ts";
import { benchRegistry } from "./bench/registry.ts";
import { buildFixture, fixturePath } from "./fixtures.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({
  options: { runs: { type: "string", default: "31" }, only: { type: "string", default: "" } },
});
const runs = Number(values.runs);
const only = values.only === "" ? undefined : new Set(values.only.split(","));
const work = await Deno.makeTempDir({ prefix: "krew-wasm-bench-" });
const env = { HOME: work, PATH: `${work}/.krew-wasm/bin:${Deno.env.get("PATH")}` };

interface Case {
  readonly name: string;
  readonly command: readonly string[];
}

async function time({ command }: Case): Promise<number> {
  const [program = "", ...args] = command;
  const started = performance.now();
  const { success, stderr } = await new Deno.Command(program, {
    args,
    env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`${command.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return performance.now() - started;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}

/** Medians in milliseconds, by name. The cases take turns, so that other load affects all of them equally. */
async function measure(cases: readonly Case[], count = runs): Promise<Map<string, number>> {
  const times = new Map(cases.map(({ name }) => [name, [] as number[]]));
  for (const one of cases) await time(one);
  for (let run = 0; run < count; run++) for (const one of cases) times.get(one.name)!.push(await time(one));
  return new Map([...times].map(([name, list]) => [name, median(list)]));
}

const rows: [what: string, ours: string, baseline: string, ratio: string, goal: string][] = [];
const ms = (value: number) => `${value.toFixed(1)} ms`;
function row(what: string, ours: number, baseline: number, of: string, goal: string): void {
  rows.push([what, ms(ours), `${ms(baseline)} (${of})`, (ours / baseline).toFixed(2), goal]);
}

let failed = false;
/** Adds one topic's rows. Reports an error and continues with the next topic. */
async function topic(name: string, measureRows: () => Promise<void>): Promise<void> {
  if (only && !only.has(name)) return;
  const started = performance.now();
  try {
    await measureRows();
  } catch (error) {
    failed = true;
    console.error(`${name} failed: ${error instanceof Error ? error.stack : error}`);
  }
  console.error(`${name}: ${Math.round((performance.now() - started) / 1000)} s`);
}

try {
  await bench();
} finally {
  await Deno.remove(work, { recursive: true });
}
Deno.exit(failed ? 1 : 0);

async function bench(): Promise<void> {
  const binary = `${root}dist/krew-wasm`;
  await compile();
  await Deno.writeTextFile(`${work}/empty.js`, "");
  const empty = `${work}/empty`;
  const compiled = await new Deno.Command(Deno.execPath(), {
    args: ["compile", "--quiet", "--no-check", "--no-code-cache", "--output", empty, `${work}/empty.js`],
  }).output();
  if (!compiled.success) throw new Error(new TextDecoder().decode(compiled.stderr));

  await using registry = TestRegistry.start();
  await using api = await TestApiServer.start();
  await Deno.mkdir(`${work}/.kube`);
  await Deno.writeTextFile(`${work}/.kube/config`, api.kubeconfig());
  const components = await Promise.all(["hello"].map(makeComponent));
  for (const name of ["hello", "outbound", "raw", "whoami"]) {
    await push(
      registry.origin,
      `p/${name}`,
      "v1",
      makeArtifact(await Deno.readFile(await buildFixture(name))),
    );
  }
  for (const [index, name] of ["hello-component"].entries()) {
    await push(registry.origin, `p/${name}`, "v1", makeArtifact(components[index]!));
  }
  for (const name of ["hello", "outbound", "raw", "whoami", "hello-component"]) {
    await new Deno.Command(binary, {
      args: ["pull", "--quiet", `${registry.host}/p/${name}:v1`],
      env,
      stdout: "null",
      stderr: "null",
    }).output();
  }
  const install = async (name: string, ...flags: string[]): Promise<string> => {
    const artifact = makeArtifact(await Deno.readFile(await buildFixture(name)));
    await push(registry.origin, `p/${name}`, "v1", artifact);
    const args = ["pull", "--quiet", ...flags, `${registry.host}/p/${name}:v1`];
    const { success, stderr } = await new Deno.Command(binary, { args, env, stdout: "null", stderr: "piped" })
      .output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return link(name.replaceAll("-", "_"));
  };
  const installBytes = async (name: string, wasm: Uint8Array): Promise<string> => {
    await push(registry.origin, `p/${name}`, "v1", makeArtifact(wasm));
    const args = ["pull", "--quiet", "--force", `${registry.host}/p/${name}:v1`];
    const { success, stderr } = await new Deno.Command(binary, { args, env, stdout: "null", stderr: "piped" })
      .output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return link(name.replaceAll("-", "_"));
  };
  const link = (name: string) => `${work}/.krew-wasm/bin/kubectl-${name}`;

  await topic("start", async () => {
    const starts = await measure([
      { name: "empty", command: [empty] },
      { name: "hello", command: [link("hello")] },
      { name: "component", command: [link("hello_component")] },
      { name: "typescript", command: [link("whoami"), "--help"] },
      { name: "version", command: [binary, "version"] },
      { name: "list", command: [binary, "list"] },
    ]);
    const nothing = starts.get("empty")!;
    const of = "empty Deno program";
    row("start of kubectl-hello, preview1", starts.get("hello")!, nothing, of, "1.25");
    row("start of kubectl-hello, WASI 0.2 component", starts.get("component")!, nothing, of, "1.5");
    row("start of a TypeScript plugin (17 MB)", starts.get("typescript")!, nothing, of, "");
    const file = await measure([
      { name: "file", command: [binary, "run", fixturePath("whoami"), "--", "--help"] },
      { name: "installed", command: [binary, "run", "whoami", "--", "--help"] },
    ]);
    row(
      "run FILE of a TypeScript plugin, again",
      file.get("file")!,
      file.get("installed")!,
      "installed",
      "+20 ms",
    );
    row("krew-wasm version", starts.get("version")!, nothing, of, "");
    row("krew-wasm list", starts.get("list")!, nothing, of, "");
  });
  await topic("fleet", async () => void rows.push(...await benchFleet({ binary, registry, work, runs })));
  await topic("streams", () =>
    benchStreams(
      { installBytes, measure, row, textRow: (...cells) => void rows.push(cells), runs, env },
      empty,
      link("hello"),
    ));
  await topic("cluster", async () => {
    const measured = await clusterRows({ raw: link("raw"), outbound: link("outbound"), env, runs });
    for (const { what, ours, baseline, ratio, goal } of measured) {
      rows.push([what, ours, baseline, ratio, goal]);
    }
  });
  await topic("interfaces", async () => {
    if (findProgram("kubectl")) await benchInterfaces({ api, install, measure, row });
  });
  await topic("grants", async () => {
    for (const name of ["hello", "outbound"]) {
      const args = ["pull", "--quiet", "--name", `${name}-ruled`, ...RULED, `${registry.host}/p/${name}:v1`];
      await new Deno.Command(binary, { args, env, stdout: "null", stderr: "null" }).output();
    }
    rows.push(
      ...await benchGrants({
        measure,
        plain: link("hello"),
        ruled: link("hello_ruled"),
        asks: link("outbound"),
        asksRuled: link("outbound_ruled"),
        url: `${api.server}/version`,
      }),
    );
  });
  await topic(
    "registry",
    async () => void rows.push(...await benchRegistry(binary, work, Math.min(runs, 9))),
  );
  await topic(
    "permissions",
    async () => void rows.push(...await benchProcessPermissions({ binary, work, measure })),
  );
  await topic("files", async () => {
    await Deno.mkdir(`${work}/files`);
    rows.push(...await measureFiles(binary, makeComponent, `${work}/files`, env));
  });

  const { size } = await Deno.stat(binary);
  const bare = (await Deno.stat(empty)).size;
  rows.push([
    "size of the binary",
    `${(size / 1e6).toFixed(1)} MB`,
    `${(bare / 1e6).toFixed(1)} MB (bare runtime)`,
    `+${((size - bare) / 1e6).toFixed(1)} MB`,
    "+8 MB",
  ]);

  console.log(`Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores, medians of ${runs}\n`);
  console.log("| What | krew-wasm | Baseline | Ratio | Goal, at most |\n| --- | --- | --- | --- | --- |");
  for (const cells of rows) console.log(`| ${cells.join(" | ")} |`);
}

/** Makes a WASI 0.2 component from a preview1 program with the preview1 adapter. */
async function makeComponent(name: string): Promise<Uint8Array> {
  await buildFixture(name);
  const { componentNew } = await import("@bytecodealliance/jco-transpile/wasm-tools");
  const adapter = await Deno.readFile(
    `${root}node_modules/@bytecodealliance/jco/lib/wasi_snapshot_preview1.command.wasm`,
  );
  return await componentNew(await Deno.readFile(fixturePath(name)), [["wasi_snapshot_preview1", adapter]]);
}
