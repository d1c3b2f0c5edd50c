/** Measures the cost of giving up process permissions at a start, beside a build that gives nothing up. */

import { compile } from "../compile.ts";
import { buildFixture } from "../fixtures.ts";
import type { Row } from "./files.ts";

/** What {@linkcode benchProcessPermissions} gets from the benchmark. */
export interface Bench {
  /** The normal binary. */
  readonly binary: string;
  readonly work: string;
  /** Medians in milliseconds, by name. */
  readonly measure: (
    cases: readonly { name: string; command: readonly string[] }[],
  ) => Promise<Map<string, number>>;
}

/** The rows of docs/benchmarks.md: the added time at a start, for a plugin with files and one with a cluster. */
export async function benchProcessPermissions({ binary, work, measure }: Bench): Promise<Row[]> {
  const open = await compile({
    output: `${work}/nothing-given-up`,
    replace: { "runtime/sandbox/process_permissions.ts": "scripts/bench/no_process_permissions.ts" },
  });
  const plugins = [["files", await buildFixture("attack")], [
    "a cluster",
    await buildFixture("attack-network"),
  ]];
  const times = await measure(
    plugins.flatMap(([name, wasm]) =>
      [["with", binary], ["without", open]].map(([build, program]) => ({
        name: `${name} ${build}`,
        command: [program!, "run", wasm!, "print", "x"],
      }))
    ),
  );
  return plugins.map(([name]): Row => {
    const [ours, without] = [times.get(`${name} with`)!, times.get(`${name} without`)!];
    return [
      `start with the second wall, a plugin with ${name}`,
      `${ours.toFixed(1)} ms`,
      `${without.toFixed(1)} ms (nothing given up)`,
      `+${(ours - without).toFixed(1)} ms`,
      "+1 ms",
    ];
  });
}
