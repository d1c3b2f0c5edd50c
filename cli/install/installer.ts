/** Shared by the commands that install: pull, upgrade, sync, bundle load. */

import type { RegistryClient } from "../../registry/oci/registry_client.ts";
import { type InstallOptions, installPlugin } from "../../registry/install/install.ts";
import { registrySignatures, type SignatureSource } from "../../registry/signing/find_signatures.ts";
import type { Signature } from "../../runtime/policy/provenance.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { limitFor } from "../grants/policy_bounds.ts";
import { resolveGrants } from "../../runtime/grants/granted_path.ts";
import type { Context } from "../context.ts";
import { linkTarget } from "./link_target.ts";
import type { Progress } from "../terminal/progress.ts";
import { openProgress, openRegistry } from "./open_registry.ts";
import {
  checkVerification,
  describeSignature,
  requirementsFor,
  signersOf,
  verification,
} from "./verify_option.ts";

/** Options of one installation. */
export type InstallRequest =
  & Pick<InstallOptions, "reference" | "force" | "grants">
  & Partial<
    Pick<InstallOptions, "name" | "pin" | "pinnedIndex" | "pinnedBlob" | "keep" | "client" | "upgrades">
  >
  /** Signatures of the replaced version, if the new version needs the same signer. */
  & {
    readonly earlier?: readonly Signature[] | undefined;
    /** The source of signatures, if it is not the registry. */
    readonly signatures?: SignatureSource;
  };

/** Installs one plugin after another and shows the progress. */
export interface Installer {
  readonly client: RegistryClient;
  /** Reads policies, keys and trust root, before any request. @throws AppError TRUST_INVALID, POLICY_INVALID, USAGE */
  check(): Promise<void>;
  /** The same for one plugin. @throws AppError */
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
      const { grants } = request;
      const compiler = () => import("../../registry/compile/compile.ts");
      let before: Signature | undefined;
      const checkSignatures = await verification(
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
        verify: checkSignatures,
        ...request,
        grants: async (plugin, replaced) => {
          // Load it while the plugin downloads.
          compiler().catch(() => {});
          before = replaced?.signatures.at(-1);
          return typeof grants === "function"
            ? await grants(plugin, replaced)
            : (await limitFor(context, plugin))(resolveGrants(grants, replaced?.grants));
        },
      }).finally(() => progress.end());
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
