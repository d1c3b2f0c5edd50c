/**
 * krew-wasm: chooses the life this process leads. Called as `kubectl-<name>` it is that plugin, by any other name
 * it is the manager. Only the half that is needed is imported.
 */

import { parseInvocation } from "./runtime/run/invocation.ts";
import type { GrantChange } from "./runtime/grants/grants.ts";
import type { RunHost } from "./runtime/run/run.ts";
import type { Layout } from "./runtime/store/layout.ts";
import type { Receipt } from "./runtime/store/receipt.ts";

/** What the parent process gave as argv[0]: the link's name, where `Deno.execPath()` is what it resolves to. */
async function argv0(): Promise<string> {
  if (!Deno.build.standalone) return ""; // `deno run main.ts`: argv[0] is deno's
  // node:process knows it everywhere, but takes 15 ms to load on Deno 2.9. /proc can be read with --allow-all only.
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

/** After an upgrade of krew-wasm: a plugin is compiled again on its first use. */
async function recompile(layout: Layout, name: string): Promise<Receipt> {
  const [{ recompilePlugin }, { compilePlugin }] = await Promise.all([
    import("./registry/install/install.ts"),
    import("./registry/compile/compile.ts"),
  ]);
  return await recompilePlugin(layout, name, compilePlugin, tellWaiting);
}

/** For whom a run waits. */
function tellWaiting(line: string): void {
  import("./runtime/run/error_report.ts").then(({ printError }) => printError(`${line}\n`));
}

/** What a person granted for good while a plugin ran. */
async function keep(layout: Layout, name: string, change: GrantChange): Promise<void> {
  const [{ updateReceipt }, { changeGrants }] = await Promise.all([
    import("./registry/store/commit.ts"),
    import("./runtime/grants/grants.ts"),
  ]);
  await updateReceipt(
    layout,
    name,
    (receipt) => ({ ...receipt, grants: changeGrants(receipt.grants, change) }),
    { notice: tellWaiting },
  );
}

const host: RunHost = { recompile, keep, end: (code) => Deno.exit(code) };
const invocation = parseInvocation(await argv0(), Deno.args);
let code: number;
// Awaited here: the engine then waits for what does not keep a process by itself, too, such as a terminal's next key.
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
