/** The policies of this machine, for a command. A command reads them once and passes them on. */

import type { Policy } from "../runtime/policy/policy.ts";
import { readPolicy } from "../runtime/policy/read_policy.ts";
import { readUserPolicy } from "../runtime/policy/user_policy.ts";
import { homeDirectory } from "../runtime/store/layout.ts";
import type { Context } from "./context.ts";

/** Both policies; undefined where there is none. */
export interface Policies {
  readonly administrator: Policy | undefined;
  readonly user: Policy | undefined;
  /** Those that exist, the administrator's first. */
  readonly all: readonly Policy[];
}

/** Reads both policies. @throws AppError POLICY_INVALID */
export async function readPolicies(context: Context): Promise<Policies> {
  const administrator = await readAdministratorsPolicy(context);
  const user = await readUserPolicy(context.layout(), homeDirectory(context.env));
  return { administrator, user, all: [administrator, user].filter((policy) => policy !== undefined) };
}

/** Reads the administrator's policy alone; undefined if there is none. @throws AppError POLICY_INVALID */
export async function readAdministratorsPolicy(
  { env, policyPath }: Pick<Context, "env" | "policyPath">,
): Promise<Policy | undefined> {
  return await readPolicy(policyPath, homeDirectory(env));
}
