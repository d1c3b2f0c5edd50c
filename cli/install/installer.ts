/** Shared by the commands that install: pull, upgrade, sync, bundle load. */

import type { DecideGrants, InstallDecisions, InstallPlan } from "../../registry/install/install_plan.ts";
import { type InstallOptions, installPlugin } from "../../registry/install/install.ts";
import type { Reference } from "../../registry/oci/mirrored_reference.ts";
import type { RegistryClient } from "../../registry/oci/registry_client.ts";
import { StoreBatch } from "../../registry/store/batch.ts";
import { registrySignatures, type SignatureSource } from "../../registry/signing/find_signatures.ts";
import { resolveGrants } from "../../runtime/grants/granted_path.ts";
import type { Grants } from "../../runtime/grants/grants.ts";
import type { Signature } from "../../runtime/policy/provenance.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import type { Context } from "../context.ts";
import { limitFor } from "../grants/policy_bounds.ts";
import type { Policies } from "../policies.ts";
import { linkTarget } from "./link_target.ts";
import { openProgress, openRegistry } from "./open_registry.ts";
import { readSignatureRules, requirementsFor, verification } from "./required_signatures.ts";
import { describeSignature } from "./verify_option.ts";

/** One installation. */
export interface InstallRequest extends InstallPlan {
  /** Its grants, or who decides them. */
  readonly grants: Grants | DecideGrants;
  /** Signatures of the replaced version, if the new version needs the same signer. */
  readonly earlier?: readonly Signature[] | undefined;
  /** The source of the artifact, if it is not the registry. */
  readonly client?: InstallOptions["client"];
  /** The source of signatures, if it is not the registry. */
  readonly signatures?: SignatureSource;
}

/** Installs one plugin after another and shows the progress. Dispose it after the last one: it sweeps the store. */
export interface Installer extends AsyncDisposable {
  /** For the command's other changes of the store. */
  readonly batch: StoreBatch;
  readonly client: RegistryClient;
  /**
   * Reads the keys that a reference requires, without a request. `earlier` as in {@linkcode InstallRequest}.
   *
   * @throws AppError POLICY_INVALID, TRUST_INVALID
   */
  check(reference: Reference, earlier: readonly Signature[]): void;
  install(request: InstallRequest): Promise<Receipt>;
}

/** Options of an installer, from the command line. */
export interface InstallerOptions {
  readonly plainHttp?: boolean | undefined;
  readonly quiet?: boolean | undefined;
  readonly verify?: readonly string[] | undefined;
  readonly trustRoot?: string | undefined;
}

/** An installer for one command. Reads keys and trust roots, before any request. @throws AppError TRUST_INVALID, USAGE */
export async function openInstaller(
  context: Context,
  policies: Policies,
  options: InstallerOptions,
): Promise<Installer> {
  const progress = openProgress(context, options.quiet ?? false);
  const client = openRegistry(context, options, progress);
  const rules = await readSignatureRules(context, policies, options);
  const layout = context.layout();
  const notice = (line: string) => {
    progress.end();
    if (!options.quiet) context.stderr(`${line}\n`);
  };
  const batch = new StoreBatch(layout, { task: "clean up", notice });
  const host: InstallOptions = {
    layout,
    batch,
    client,
    target: linkTarget(context.env, layout.bin),
    now: context.now,
    progress,
    notice,
  };
  return {
    client,
    batch,
    [Symbol.asyncDispose]: () => batch[Symbol.asyncDispose](),
    check: (reference, earlier) => void requirementsFor(rules, reference, earlier),
    async install({ grants, earlier, signatures = registrySignatures(client), client: source, ...plan }) {
      let before: Signature | undefined;
      const verify = await verification(rules, signatures, plan.reference, earlier);
      progress.wait(`Waiting for ${plan.reference.registry}`);
      const decide: InstallDecisions = {
        signatures: async (reference, manifest) => {
          progress.step("Verifying");
          return await verify(reference, manifest).finally(progress.end);
        },
        grants: async (plugin, replaced) => {
          progress.end();
          before = replaced?.signatures.at(-1);
          if (typeof grants === "function") return await grants(plugin, replaced);
          const limit = await limitFor(context, policies.administrator, plugin);
          return limit(resolveGrants(grants, replaced?.grants));
        },
      };
      const receipt = await installPlugin(plan, decide, source ? { ...host, client: source } : host)
        .finally(() => progress.end());
      if (before && receipt.signatures.length === 0) {
        context.stderr(
          `warning: what ${receipt.name} replaces was signed by ${
            describeSignature(before)
          }; of this no signature was asked for\n`,
        );
      }
      return receipt;
    },
  };
}
