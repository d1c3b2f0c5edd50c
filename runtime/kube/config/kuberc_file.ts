/** Where kubectl's kuberc is. Pure. */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { absolute, tilde } from "./kubectl_flags.ts";

/** Where kuberc is. */
export interface KubercFile {
  /** Absolute. */
  readonly path: string;
  /** As it is shown. */
  readonly shown: string;
  /** Whether the user named it: then it has to be there, and to be right. */
  readonly explicit: boolean;
}

/**
 * By kubectl's rules: `--kuberc`, else `KUBERC`, else `~/.kube/kuberc`; undefined for `KUBERC=off` and
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

/** Every file that kubectl may read as kuberc, by this run's environment and arguments, or by those of the next without them. */
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
