/** Limits the grants of a plugin to the administrator's policy, when it is installed or changed. */

import type { Grants } from "../../runtime/grants/grants.ts";
import type { Policy } from "../../runtime/policy/policy.ts";
import type { Provenance } from "../../runtime/policy/provenance.ts";
import { homeDirectory } from "../../runtime/store/layout.ts";
import { printable } from "../../runtime/base/text.ts";
import { administratorOf, judge } from "../../runtime/policy/verdict.ts";
import type { Context } from "../context.ts";
import { grantRows, moreRows } from "./grant_rows.ts";

/** Removes grants above the limits, and reports them. */
export type Limit = (grants: Grants) => Grants;

/**
 * The limits of a plugin.
 *
 * @param policy the administrator's policy
 * @param refusing whether a plugin that the policy refuses is an error
 * @throws AppError POLICY_INVALID, POLICY_REFUSED
 */
export async function limitFor(
  context: Pick<Context, "env" | "stderr">,
  policy: Policy | undefined,
  plugin: Provenance,
  refusing = true,
): Promise<Limit> {
  const home = homeDirectory(context.env);
  const verdict = await judge(policy, plugin);
  if (refusing && verdict.refused) throw verdict.refused;
  const administrator = administratorOf(verdict, home);
  if (!administrator) return (grants) => grants;
  return (grants) => {
    const limited = administrator.limit(grants);
    const cut = moreRows(grantRows(grants, home), grantRows(limited, home));
    if (cut.length > 0) {
      const what = cut.map(({ kind, what }) =>
        printable(kind === "cluster" ? `${what} on the cluster` : what, 200)
      ).join("; ");
      context.stderr(`warning: the administrator's policy ${policy!.path} does not allow it to ${what}\n`);
    }
    return limited;
  };
}
