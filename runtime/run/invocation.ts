/** Decides the role of a process from its argv. Pure. */

import { completionLinkName, linkName, MANAGER, nameOfLink } from "../base/names.ts";

/** The role that argv asks for. */
export type Invocation =
  | { readonly life: "manager"; readonly args: readonly string[] }
  | {
    readonly life: "plugin";
    readonly link: string;
    readonly name: string;
    readonly args: readonly string[];
    /** kubectl called for completions, on Tab. krew-wasm then asks no questions. */
    readonly completing: boolean;
  }
  /** A helper process, started by krew-wasm itself (runtime/sandbox/broker/); `args` are descriptors. */
  | { readonly life: "broker"; readonly args: readonly string[] };

/** Whether a plugin's arguments, without its name, ask for completions in cobra's protocol (kubectl's own). */
export function isCompleting(args: readonly string[]): boolean {
  return args[0] === "__complete" || args[0] === "__completeNoDesc";
}

/**
 * A process called `kubectl-<name>`, with any directory, runs that plugin. `kubectl_complete-<name>` asks the plugin for
 * completions with `__complete ARGS…`, cobra's protocol (kubectl's own). Every other name is the manager. Both kinds of
 * slashes separate directories, and `.exe` is ignored in any case, so Windows needs no rule of its own. `kubectl-wasm` is the
 * manager.
 */
export function parseInvocation(argv0: string, args: readonly string[]): Invocation {
  const file = argv0.slice(Math.max(argv0.lastIndexOf("/"), argv0.lastIndexOf("\\")) + 1);
  const link = file.replace(/\.exe$/i, "");
  // `kubectl wasm …` is the manager, however it was installed: by Krew, or by a link of the user's own.
  if (link === linkName(MANAGER)) return { life: "manager", args };
  if (link === completionLinkName(MANAGER)) return { life: "manager", args: ["__complete", "--", ...args] };
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
