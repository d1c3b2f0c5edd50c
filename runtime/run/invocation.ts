/** Which of its lives a process leads. Pure: a function of argv. */

import { nameOfLink } from "../base/names.ts";

/** What argv asks for. */
export type Invocation =
  | { readonly life: "manager"; readonly args: readonly string[] }
  | {
    readonly life: "plugin";
    readonly link: string;
    readonly name: string;
    readonly args: readonly string[];
    /** Called by kubectl at a press of Tab: nobody is asked anything. */
    readonly completing: boolean;
  }
  /** Of another process of krew-wasm, which starts it (runtime/broker/); `args` are descriptors. */
  | { readonly life: "broker"; readonly args: readonly string[] };

/** Whether a plugin's arguments, its name left out, ask for completions, in the protocol of cobra (kubectl's own). */
export function isCompleting(args: readonly string[]): boolean {
  return args[0] === "__complete" || args[0] === "__completeNoDesc";
}

/**
 * A process called `kubectl-<name>`, by whatever path, is that plugin; any other is the manager. `kubectl_complete-<name>`
 * is the plugin too, asked for what may come next, by the protocol of cobra (kubectl's own): `__complete ARGS…`. Both slashes
 * part a path and `.exe` is dropped in any case, so that Windows needs no rule of its own.
 */
export function parseInvocation(argv0: string, args: readonly string[]): Invocation {
  const file = argv0.slice(Math.max(argv0.lastIndexOf("/"), argv0.lastIndexOf("\\")) + 1);
  const link = file.replace(/\.exe$/i, "");
  if (link.startsWith("kubectl-") && link.length > "kubectl-".length) {
    return { life: "plugin", link, name: nameOfLink(link), args, completing: false };
  }
  if (link.startsWith("kubectl_complete-") && link.length > "kubectl_complete-".length) {
    const plugin = link.replace("_complete", "");
    return {
      life: "plugin",
      link: plugin,
      name: nameOfLink(plugin),
      args: ["__complete", ...args],
      completing: true,
    };
  }
  const [first, ...rest] = args;
  if (first === "--broker") return { life: "broker", args: rest };
  return { life: "manager", args };
}
