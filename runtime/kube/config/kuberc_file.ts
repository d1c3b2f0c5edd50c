/** Finds kubectl's kuberc. Pure. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { absolute, tilde } from "./kubectl_flags.ts";

/** Where kuberc is. */
export interface KubercFile {
  /** Absolute. */
  readonly path: string;
  /** The path in messages. */
  readonly shown: string;
  /** Whether the user named it. Then it must exist and be valid. */
  readonly explicit: boolean;
}

/**
 * kubectl's rules: `--kuberc`, else `KUBERC`, else `~/.kube/kuberc`. Returns undefined for `KUBERC=off` and
 * `KUBECTL_KUBERC=false`.
 *
 * @throws AppError USAGE
 */
export function kubercFile(
  env: Readonly<Record<string, string>>,
  args: readonly string[],
  home: string,
  cwd: string,
): KubercFile | undefined {
  if (env.KUBECTL_KUBERC?.toLowerCase() === "false") return undefined;
  const flag = kubercFlag(args);
  if (env.KUBERC === "off") {
    if (flag === undefined) return undefined;
    throw new AppError("USAGE", "KUBERC=off and --kuberc contradict each other");
  }
  const named = flag ?? (env.KUBERC || undefined);
  const path = absolute(named ?? `${home}/.kube/kuberc`, cwd);
  return { path, shown: printable(tilde(path, home)), explicit: named !== undefined };
}

/** Every path at which kubectl may read a kuberc, with this run's environment and arguments or without them. */
export function kubercPaths(
  env: Readonly<Record<string, string>>,
  args: readonly string[],
  home: string,
  cwd: string,
): string[] {
  let flag: string | undefined;
  try {
    flag = kubercFlag(args);
  } catch { /* it is told when it is needed (kubercFile) */ }
  const named = [flag, env.KUBERC === "off" ? undefined : env.KUBERC, `${home}/.kube/kuberc`];
  return named.flatMap((path) => path ? [absolute(path, cwd)] : []);
}

/** The first one counts. */
function kubercFlag(args: readonly string[]): string | undefined {
  for (const [index, arg] of args.entries()) {
    if (arg === "--") return undefined;
    if (arg !== "--kuberc" && !arg.startsWith("--kuberc=")) continue;
    const value = arg === "--kuberc" ? args[index + 1] : arg.slice("--kuberc=".length) || undefined;
    if (value === undefined) throw new AppError("USAGE", "--kuberc needs a file");
    return value || undefined;
  }
  return undefined;
}
