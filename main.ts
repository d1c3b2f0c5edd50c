/**
 * The entry of krew-wasm. Called as `kubectl-<name>`, the process runs that plugin. Called by any other name, it is the
 * manager. It imports only the half that it needs.
 */

import { parseInvocation } from "./runtime/run/invocation.ts";
import type { GrantChange } from "./runtime/grants/grants.ts";
import type { RunHost } from "./runtime/run/run.ts";
import type { Layout } from "./runtime/store/layout.ts";
import type { Receipt } from "./runtime/store/receipt.ts";

/** argv[0] as the parent process set it. For a link it is the link's name; `Deno.execPath()` is its target. */
async function argv0(): Promise<string> {
  if (!Deno.build.standalone) return ""; // `deno run main.ts`: argv[0] is deno's
  // node:process would also know, but takes 15 ms to load on Deno 2.9. /proc needs --allow-all.
  if (Deno.build.os === "linux" && !Deno.version.deno.startsWith("2.6.")) {
    try {
      return argv0OfLibc();
    } catch { /* another C library */ }
  }
  return (await import("node:process")).default.argv0;
}

/** argv[0] as glibc keeps it (program_invocation_name(3)). @throws when this is not glibc */
function argv0OfLibc(): string {
  const library = Deno.dlopen("libc.so.6", { program_invocation_name: { type: "pointer" } } as const);
  const variable = new Deno.UnsafePointerView(library.symbols.program_invocation_name!);
  return Deno.UnsafePointerView.getCString(Deno.UnsafePointer.create(variable.getBigUint64())!);
}

/** Compiles a plugin again on its first use after an upgrade of krew-wasm. */
async function recompile(layout: Layout, name: string): Promise<Receipt> {
  const [{ recompilePlugin }, { compilePlugin }] = await Promise.all([
    import("./registry/install/recompile.ts"),
    import("./registry/compile/compile.ts"),
  ]);
  return await recompilePlugin(layout, name, compilePlugin, tellWaiting);
}

/** Tells the user what the run waits for, such as the store's lock. */
function tellWaiting(line: string): void {
  import("./runtime/run/error_report.ts").then(({ printError }) => printError(`${line}\n`));
}

/** Stores what the user granted permanently ("always") during the run. */
async function keep(layout: Layout, name: string, change: GrantChange): Promise<void> {
  const [{ updateReceipt }, { changeGrants }, { withChangedGrants }] = await Promise.all([
    import("./registry/store/commit.ts"),
    import("./runtime/grants/merge_grants.ts"),
    import("./runtime/store/receipt.ts"),
  ]);
  await updateReceipt(
    layout,
    name,
    (receipt) => withChangedGrants(receipt, changeGrants(receipt.grants, change)),
    { notice: tellWaiting },
  );
}

const host: RunHost = { recompile, keep, end: (code) => Deno.exit(code) };
const invocation = parseInvocation(await argv0(), Deno.args);
let code: number;
// A top-level await keeps the process alive, also for work that does not, such as reading a key of the terminal.
try {
  code = invocation.life === "plugin"
    ? await (await import("./runtime/run/run.ts")).runAsPlugin(invocation, host)
    : invocation.life === "broker"
    ? await (await import("./runtime/sandbox/broker/broker_main.ts")).runBroker(invocation.args, host)
    : await (await import("./cli/app.ts")).runManager(invocation.args, host);
} catch (error) {
  code = (await import("./runtime/run/error_report.ts")).reportCrash(error, invocation.life);
}
Deno.exit(code);
