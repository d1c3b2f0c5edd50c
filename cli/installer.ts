/** What the commands that install share: pull, upgrade, sync, bundle load. */

import type { RegistryClient } from "../registry/client.ts";
import { type InstallOptions, installPlugin } from "../registry/install.ts";
import { registrySignatures, type SignatureSource } from "../registry/signatures.ts";
import { checkAllowed, readPolicy } from "../runtime/policy.ts";
import { subjectOf } from "../runtime/reference_pattern.ts";
import { homeDirectory } from "../runtime/store/layout.ts";
import type { Receipt, Verified } from "../runtime/store/receipt.ts";
import type { Context } from "./context.ts";
import { linkTarget } from "./link_target.ts";
import type { Progress } from "./progress.ts";
import { openProgress, openRegistry } from "./registry.ts";
import { checkVerification, describeVerified, requirementsFor, signersOf, verification } from "./verify.ts";
import { withinPolicy } from "./wish.ts";

/** What differs from one installation to the next. */
export type InstallRequest =
  & Pick<InstallOptions, "reference" | "force" | "grants">
  & Partial<
    Pick<InstallOptions, "name" | "pin" | "pinnedIndex" | "pinnedBlob" | "keep" | "client" | "upgrades">
  >
  /** Who signed the version that is replaced, where this one has to be by the same. */
  & {
    readonly earlier?: Verified | undefined;
    /** Where its signatures are, if not in the registry. */
    readonly signatures?: SignatureSource;
  };

/** Installs, one plugin after another, and shows how it goes. */
export interface Installer {
  readonly client: RegistryClient;
  /** Reads policies, keys and trust root, before anything is asked of a registry. @throws AppError TRUST_INVALID, POLICY_INVALID, USAGE */
  check(): Promise<void>;
  /** The same, as far as it is about one plugin. @throws AppError */
  checkFor(request: Pick<InstallRequest, "reference" | "earlier">): Promise<void>;
  install(request: InstallRequest): Promise<Receipt>;
}

/** An installer for one command. */
export function openInstaller(
  context: Context,
  options: {
    readonly plainHttp?: boolean | undefined;
    readonly quiet?: boolean | undefined;
    readonly verify?: readonly string[] | undefined;
    readonly trustRoot?: string | undefined;
  },
): Installer {
  const progress: Progress = openProgress(context, options.quiet ?? false);
  const client = openRegistry(context, options, progress);
  const { trustRoot } = options;
  const verify = signersOf(options.verify);
  return {
    client,
    check: () => checkVerification(context, { verify, trustRoot }),
    async checkFor({ reference, earlier }) {
      await requirementsFor(context, reference, { verify, trustRoot, earlier });
    },
    async install({ earlier, signatures, ...request }) {
      const layout = context.layout();
      const home = homeDirectory(context.env);
      const policy = await readPolicy(context.policyPath, home);
      checkAllowed(policy, subjectOf(request.reference));
      const { grants } = request;
      const compiler = () => import("../registry/compile.ts");
      let before: Verified | undefined;
      const verified = await verification(
        context,
        signatures ?? registrySignatures(client),
        request.reference,
        { verify, trustRoot, earlier },
      );
      const receipt = await installPlugin({
        layout,
        client,
        target: linkTarget(context.env, layout.bin),
        compile: async (bytes) => {
          progress.end();
          return await (await compiler()).compilePlugin(bytes);
        },
        now: context.now,
        notice: (line) => {
          progress.end();
          if (!options.quiet) context.stderr(`${line}\n`);
        },
        progress: progress.show,
        verify: verified,
        ...request,
        grants: (plugin, replaced) => {
          // Loaded while the plugin is on its way.
          compiler().catch(() => {});
          before = replaced?.verified;
          return typeof grants === "function"
            ? grants(plugin, replaced)
            : withinPolicy(context, grants, request.reference, policy, home);
        },
      }).finally(() => progress.end());
      if (before && !receipt.verified) {
        context.stderr(
          `warning: what ${receipt.name} replaces was signed by ${
            describeVerified(before)
          }; of this no signature was asked for\n`,
        );
      }
      return receipt;
    },
  };
}
