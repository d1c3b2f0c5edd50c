/** Shows the grants of a lock file and asks for consent. The rest of `sync` sees only agreed grants. */

import type { SyncStep } from "../../registry/fleet/lockfile.ts";
import { formatReference } from "../../registry/oci/mirrored_reference.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { resolveGrants } from "../../runtime/grants/granted_path.ts";
import { type Grants, LEAST } from "../../runtime/grants/grants.ts";
import type { Policy } from "../../runtime/policy/policy.ts";
import { isSamePublisher, type Provenance } from "../../runtime/policy/provenance.ts";
import { homeDirectory } from "../../runtime/store/layout.ts";
import { administratorOf, judge } from "../../runtime/policy/verdict.ts";
import type { Context } from "../context.ts";
import { confirm } from "../terminal/confirm.ts";
import { givenTable, type GrantChanges, grantChanges } from "./grant_changes.ts";

/** A step of `sync`, with the resulting grants. */
export interface GrantedStep {
  readonly step: SyncStep;
  readonly grants: Grants;
  readonly changes: GrantChanges;
}

const NO_CHANGES: GrantChanges = { given: [], held: [], taken: [] };

/** Adds to each step its grants, within the administrator's limits. @throws AppError POLICY_INVALID */
export async function grantedSteps(
  context: Context,
  policy: Policy | undefined,
  steps: readonly SyncStep[],
): Promise<GrantedStep[]> {
  const home = homeDirectory(context.env);
  return await Promise.all(steps.map(async (step): Promise<GrantedStep> => {
    if (step.kind === "extra" || step.kind === "keep") return { step, grants: LEAST, changes: NO_CHANGES };
    const { plugin } = step;
    const arriving: Provenance & { digest: string } = {
      reference: formatReference(plugin.reference),
      source: { kind: "registry" },
      signatures: [],
      digest: plugin.digest,
    };
    const installed = step.kind === "install" ? undefined : step.installed;
    // The installation reports plugins that the policy refuses.
    const administrator = administratorOf(await judge(policy, arriving), home);
    const before = installed && (step.kind === "change" || isSamePublisher(installed, arriving))
      ? installed.grants
      : LEAST;
    const resolved = resolveGrants(plugin.grants, before);
    const grants = administrator?.limit(resolved) ?? resolved;
    return { step, grants, changes: grantChanges(before, grants, home) };
  }));
}

/** Options of the question. */
export interface ConfirmOptions {
  /** The file's name, for messages. */
  readonly shown: string;
  /** The command line has `--yes`. */
  readonly agreed: boolean;
  /** Print failures only, and do not ask. */
  readonly quiet: boolean;
}

/**
 * Shows new rights and asks. Without consent, the command ends before it changes anything.
 *
 * @throws AppError GRANTS_UNCONFIRMED; Interrupted
 */
export function confirmGrants(
  context: Context,
  steps: readonly GrantedStep[],
  { shown, agreed, quiet }: ConfirmOptions,
): void {
  const giving = steps.filter(({ changes }) => changes.given.length > 0);
  if (giving.length === 0) return;
  const tables = giving.map(({ step, changes }) => {
    const where = "plugin" in step ? formatReference(step.plugin.reference) : "";
    return givenTable(`${shown} grants ${step.name} (${where}):`, changes);
  }).join("\n");
  if (agreed && quiet) return;
  context.stderr(tables);
  if (agreed) return;
  const refuse = (why: string): never => {
    throw new AppError("GRANTS_UNCONFIRMED", `${why}: nothing was changed`, {
      hint: "--yes grants what the file grants",
    });
  };
  const count = giving.reduce((sum, { changes }) => sum + changes.given.length, 0);
  const answer = quiet ? undefined : confirm(context, `Grant ${count === 1 ? "this" : `these ${count}`}?`);
  if (answer === undefined) {
    return refuse("krew-wasm cannot ask about the lock file's grants without a terminal");
  }
  if (!answer) refuse("You did not agree to the lock file's grants");
}
