/** Which of its two lives a process leads. Pure: a function of argv. */

import { nameOfLink } from "./names.ts";

/** What argv asks for. */
export type Invocation =
  | { readonly life: "manager"; readonly args: readonly string[] }
  | {
    readonly life: "plugin";
    readonly link: string;
    readonly name: string;
    readonly args: readonly string[];
  };

/**
 * A process called `kubectl-<name>`, by whatever path, is that plugin; any other is the manager. Both slashes
 * part a path and `.exe` is dropped in any case, so that Windows needs no rule of its own.
 */
export function parseInvocation(argv0: string, args: readonly string[]): Invocation {
  const file = argv0.slice(Math.max(argv0.lastIndexOf("/"), argv0.lastIndexOf("\\")) + 1);
  const link = file.replace(/\.exe$/i, "");
  if (link.startsWith("kubectl-") && link.length > "kubectl-".length) {
    return { life: "plugin", link, name: nameOfLink(link), args };
  }
  return { life: "manager", args };
}
