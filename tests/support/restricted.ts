/**
 * A process that restricts itself by the kernel and then carries out attempts.
 * tests/runtime/sandbox/kernel/restrict_test.ts starts it. Its argument and its output are JSON.
 */

import { type Restriction, restrictProcess, type Standing } from "../../runtime/sandbox/kernel/restrict.ts";
import { Syscalls } from "../../runtime/sandbox/kernel/kernel_calls.ts";
import { attempts } from "./attempts.ts";

/** An attempt: a name in attempts.ts, and its words. */
export interface Order {
  readonly restriction: Restriction;
  /** The ports that remain after this attempt. */
  readonly ports?: readonly number[];
  readonly attempts: readonly (readonly [name: string, ...words: string[]])[];
}

/** The outcome: "ok", or the error's name. */
export interface Report {
  readonly standing: Standing;
  readonly results: readonly string[];
}

const order = JSON.parse(Deno.args[0]!) as Order;
await Deno.readTextFile("/proc/self/status"); // starts a thread of the pool
const system = Syscalls.load()!;
const known = attempts(system);
const { standing, narrow } = restrictProcess(system, order.restriction);
if (order.ports) {
  Deno.permissions.revokeSync({ name: "ffi" });
  narrow(order.ports);
}
const results: string[] = [];
for (const [name, ...words] of order.attempts) {
  try {
    await known[name]!(...words);
    results.push("ok");
  } catch (error) {
    results.push((error as Error).name);
  }
}
const report: Report = { standing, results };
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(report)));
Deno.exit(0);
