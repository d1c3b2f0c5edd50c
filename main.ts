/**
 * krew-wasm: chooses the life this process leads. Called as `kubectl-<name>` it is that plugin, by any other name
 * it is the manager. Only the half that is needed is imported.
 */

import { parseInvocation } from "./runtime/invocation.ts";
import type { Layout } from "./runtime/store/layout.ts";
import type { Receipt } from "./runtime/store/receipt.ts";

/** What the parent process gave as argv[0]: the link's name, where `Deno.execPath()` is what it resolves to. */
async function argv0(): Promise<string> {
  if (!Deno.build.standalone) return ""; // `deno run main.ts`: argv[0] is deno's
  // node:process knows it everywhere, but costs start-up time on Deno 2.9.
  if (Deno.build.os === "linux") {
    try {
      return Deno.readTextFileSync("/proc/self/cmdline").split("\0", 1)[0] ?? "";
    } catch { /* /proc is not mounted */ }
  }
  return (await import("node:process")).default.argv0;
}

/** After an upgrade of krew-wasm: a plugin is compiled again on its first use. */
async function recompile(layout: Layout, name: string): Promise<Receipt> {
  const [{ recompilePlugin }, { compilePlugin }] = await Promise.all([
    import("./registry/install.ts"),
    import("./registry/compile.ts"),
  ]);
  return await recompilePlugin(layout, name, compilePlugin);
}

const invocation = parseInvocation(await argv0(), Deno.args);
let code: number;
try {
  code = invocation.life === "plugin"
    ? await (await import("./runtime/run.ts")).runAsPlugin(invocation, recompile)
    : await (await import("./cli/app.ts")).runManager(invocation.args);
} catch (error) {
  code = (await import("./runtime/report.ts")).reportCrash(error, invocation.life);
}
Deno.exit(code);
