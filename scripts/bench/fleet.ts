/** Measures many plugins: `list`, a run, `sync`. */

import { RegistryClient } from "../../registry/oci/registry_client.ts";
import { installPlugin } from "../../registry/install/install.ts";
import { parseReference } from "../../registry/oci/mirrored_reference.ts";
import { writeReceipt } from "../../registry/store/commit.ts";
import { openForWriting } from "../../registry/store/open.ts";
import { LEAST } from "../../runtime/grants/grants.ts";
import { layoutAt } from "../../runtime/store/layout.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { makeArtifact, push } from "../servers/artifacts.ts";
import type { TestRegistry } from "../servers/oci_registry.ts";
import { compileNothing, makeWasm } from "../../tests/support/store.ts";

/** A row of the table in docs/benchmarks.md. */
export type Row = [what: string, ours: string, baseline: string, ratio: string, goal: string];

const MANY = 1000;
const SYNCED = 50;
/** First syncs of few and of many plugins show how the time grows. */
const FIRST = [50, 200] as const;

/** Measures the binary, in directories below `work`. Each figure is a median of interleaved runs. */
export async function benchFleet(
  { binary, registry, work, runs }: {
    readonly binary: string;
    readonly registry: TestRegistry;
    readonly work: string;
    readonly runs: number;
  },
): Promise<Row[]> {
  const reference = await published(registry, "none");
  const few = await storeWith(`${work}/few`, binary, [reference]);
  const many = await storeWith(`${work}/many`, binary, [reference], MANY);
  const references = await Promise.all(
    Array.from({ length: SYNCED }, (_, index) => published(registry, `synced${index}`)),
  );
  const synced = await storeWith(`${work}/synced`, binary, references);
  const lock = `${work}/plugins.lock`;
  const { stdout } = await output(binary, ["list", "-o", "lock"], synced);
  await Deno.writeFile(lock, stdout);

  const firsts = await benchFirstSync(binary, registry, work);
  const before = registry.requests.length;
  const link = (home: string) => `${home}/.krew-wasm/bin/kubectl-none`;
  const times = await interleaved(runs, {
    version: () => output(binary, ["version"], many),
    list: () => output(binary, ["list"], many),
    runFew: () => output(link(few), [], few),
    runMany: () => output(link(many), [], many),
    sync: () => output(binary, ["sync", lock], synced),
  });
  const requests = registry.requests.length - before;
  const slower = await interleaved(Math.min(runs, 5), {
    outdated: () => output(binary, ["outdated"], many),
    // It reports what this bench's environment lacks, such as a PATH.
    doctor: () => output(binary, ["doctor", "--offline"], many, [0, 1]),
  });
  const row = (what: string, ours: number, baseline: number, of: string, goal: string): Row => [
    what,
    `${ours.toFixed(1)} ms`,
    `${baseline.toFixed(1)} ms (${of})`,
    (ours / baseline).toFixed(2),
    goal,
  ];
  return [
    row(`krew-wasm list with ${MANY} plugins`, times.list, times.version, "krew-wasm version", "2"),
    row(`start of a plugin among ${MANY}`, times.runMany, times.runFew, "the same plugin alone", "1"),
    [
      `krew-wasm sync of ${SYNCED} plugins that are there`,
      `${times.sync.toFixed(1)} ms`,
      `${requests} requests`,
      (times.sync / 1000).toFixed(2),
      "1 s, no requests",
    ],
    firsts,
    row(
      `krew-wasm doctor --offline with ${MANY} plugins`,
      slower.doctor,
      times.version,
      "krew-wasm version",
      "",
    ),
    row(`krew-wasm outdated with ${MANY} plugins`, slower.outdated, times.version, "krew-wasm version", ""),
  ];
}

/** Measures how the time of a first `sync` grows with the number of plugins. */
async function benchFirstSync(binary: string, registry: TestRegistry, work: string): Promise<Row> {
  const [few, many] = FIRST;
  const references: string[] = [];
  for (let index = 0; index < many; index++) references.push(await published(registry, `first${index}`));
  const source = await storeWith(`${work}/first`, binary, references);
  const { stdout } = await output(binary, ["list", "-o", "lock"], source);
  const { plugins, ...rest } = JSON.parse(new TextDecoder().decode(stdout));
  const time = async (count: number) => {
    const home = `${work}/first${count}`;
    await Deno.mkdir(home);
    const lock = `${home}/plugins.lock`;
    await Deno.writeTextFile(lock, JSON.stringify({ ...rest, plugins: plugins.slice(0, count) }));
    const started = performance.now();
    await output(binary, ["sync", "-q", "--yes", lock], home);
    return performance.now() - started;
  };
  const [short, long] = [await time(few), await time(many)];
  return [
    `first sync of ${many} plugins`,
    `${long.toFixed(0)} ms`,
    `${short.toFixed(0)} ms (of ${few})`,
    (long / short).toFixed(2),
    String(many / few),
  ];
}

async function published(registry: TestRegistry, name: string): Promise<string> {
  await push(registry.origin, `fleet/${name}`, "v1", makeArtifact(makeWasm(name)));
  return `${registry.host}/fleet/${name}:v1`;
}

/** Makes a home with a store of these plugins. The first one also gets `copies` further names. */
async function storeWith(
  home: string,
  binary: string,
  references: readonly string[],
  copies = 0,
): Promise<string> {
  const layout = layoutAt(`${home}/.krew-wasm`);
  await Deno.mkdir(home);
  const client = new RegistryClient({ credentials: () => Promise.resolve(undefined) });
  let first: Receipt | undefined;
  for (const reference of references) {
    const receipt = await installPlugin({ reference: parseReference(reference), force: false }, {
      signatures: () => Promise.resolve([]),
      grants: () => LEAST,
    }, {
      layout,
      target: { kind: "binary", path: binary },
      client,
      compile: compileNothing,
      now: () => new Date(),
    });
    first ??= receipt;
  }
  using _lock = await openForWriting(layout, { task: "bench" });
  for (let index = 1; index < copies; index++) writeReceipt(layout, { ...first!, name: `copy${index}` });
  return home;
}

async function output(
  program: string,
  args: readonly string[],
  home: string,
  codes: readonly number[] = [0],
) {
  const result = await new Deno.Command(program, {
    args: [...args],
    env: { HOME: home },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!codes.includes(result.code)) {
    throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(result.stderr)}`);
  }
  return result;
}

async function interleaved<K extends string>(
  runs: number,
  cases: Record<K, () => Promise<unknown>>,
): Promise<Record<K, number>> {
  const names = Object.keys(cases) as K[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  for (let run = -1; run < runs; run++) {
    // Alternate the order, because the preceding command has an influence.
    for (const name of run % 2 === 0 ? names : names.toReversed()) {
      const started = performance.now();
      await cases[name]();
      if (run >= 0) times[name].push(performance.now() - started);
    }
  }
  const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
  return Object.fromEntries(names.map((name) => [name, median(times[name])])) as Record<K, number>;
}
