/** The grant flags that `pull` and `run` share. */

import type { Command } from "@commander-js/extra-typings";
import { isAbsolute, join, normalize } from "node:path";
import { hostPath } from "../runtime/host_path.ts";
import { homeDirectory } from "../runtime/store/layout.ts";
import { type Grants, parseGrantFlags } from "../runtime/grants.ts";
import type { Context } from "./context.ts";

const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

/** Adds `--allow-…` to a command. */
// deno-lint-ignore ban-types -- commander's own empty type parameters
export function withGrantFlags<A extends unknown[], O extends {}, G extends {}>(command: Command<A, O, G>) {
  return command
    .option(
      "--allow-read <path>",
      "let the plugin read a file or directory; HOST::GUEST maps it (repeatable)",
      collect,
    )
    .option(
      "--allow-write <path>",
      "let the plugin read and change a file or directory (repeatable)",
      collect,
    )
    .option("--allow-home", "let the plugin read and change all of your home directory")
    .option(
      "--allow-env <names>",
      "the only variables it sees, parted by commas; '*' for all (repeatable)",
      collect,
    )
    .option("--allow-kubeconfig", "show it the real kubeconfig, credentials included");
}

/** Grants of the flags as parsed, paths made absolute. @throws AppError GRANT_INVALID */
export function grantsOf(flags: Parameters<typeof parseGrantFlags>[0], context: Context): Grants {
  return parseGrantFlags(flags, (path) => {
    if (path === "~" || path.startsWith("~/")) path = homeDirectory(context.env) + path.slice(1);
    const absolute = hostPath(normalize(isAbsolute(path) ? path : join(context.cwd(), path)));
    return absolute.length > 1 ? absolute.replace(/[\\/]+$/, "") : absolute;
  });
}
