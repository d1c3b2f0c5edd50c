/** `krew-wasm self-update`: replaces the program by a newer release. */

import { Command } from "@commander-js/extra-typings";
import { downloadFile, isNewer, isVersion, newestVersion } from "../../registry/release/find_release.ts";
import { packageOwner } from "../../registry/release/package_owner.ts";
import { archiveName, platformOf, programIn } from "../../registry/release/platform_archive.ts";
import { replaceProgram } from "../../registry/release/replace_program.ts";
import { provenanceName, verifyRelease } from "../../registry/release/verify_release.ts";
import { Transport } from "../../registry/oci/registry_transport.ts";
import type { TrustRoot } from "../../registry/signing/required_signers.ts";
import { REPOSITORY } from "../../runtime/base/build_info.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { VERSION } from "../../runtime/base/version.ts";
import type { Context } from "../context.ts";
import { createStore } from "../../registry/store/open.ts";
import { openProgress } from "../install/open_registry.ts";

/** What an update depends on. Tests give other values. */
export interface SelfUpdate {
  /** `OWNER/REPO`; undefined for a build of one's own. */
  readonly repository: string | undefined;
  /** The page of the project. */
  readonly page: string;
  /** The version that runs. */
  readonly version: string;
  /** The real path of the program; undefined when krew-wasm runs from its sources. */
  readonly program: string | undefined;
  readonly trustRoot?: TrustRoot;
  /** A directory of the store, which no plugin reaches. Called when the new program is there. */
  readonly stage: () => Promise<string>;
}

/** The command. */
export function selfUpdateCommand(context: Context) {
  return new Command("self-update")
    .description("replace krew-wasm itself by a newer release")
    .option("--to <version>", "install this version, also an older one")
    .option("-n, --dry-run", "say what would be done")
    .addHelpText(
      "after",
      `
The new program is installed only if the project's release workflow built it,
by the provenance that GitHub signed. If a package manager installed krew-wasm,
use that to update it.

Examples:
  krew-wasm self-update
  krew-wasm self-update --to ${VERSION}`,
    )
    .action(async (options) => {
      const repository = REPOSITORY;
      await selfUpdate(context, {
        repository,
        page: `https://github.com/${repository}`,
        version: VERSION,
        program: Deno.build.standalone ? await Deno.realPath(Deno.execPath()) : undefined,
        async stage() {
          const layout = context.layout();
          await createStore(layout, { task: "update krew-wasm" });
          return layout.stage;
        },
      }, options);
    });
}

/** Updates the program. @throws AppError USAGE, SELF_UPDATE_FAILED, SIGNATURE_… */
export async function selfUpdate(
  context: Context,
  { repository, page, version, program: path, trustRoot, stage }: SelfUpdate,
  { to, dryRun = false }: { readonly to?: string | undefined; readonly dryRun?: boolean | undefined },
): Promise<void> {
  const wanted = to?.replace(/^v/, "");
  if (wanted !== undefined && !isVersion(wanted)) {
    throw new AppError("USAGE", `"${printable(wanted, 80)}" is not a version such as ${VERSION}`);
  }
  if (repository === undefined || path === undefined) {
    throw new AppError(
      "SELF_UPDATE_FAILED",
      "This krew-wasm is not from a release, so it cannot update itself",
      {
        hint: "build it again from its sources, or install a release",
      },
    );
  }
  const owner = await packageOwner(path);
  if (owner) {
    throw new AppError("SELF_UPDATE_FAILED", `${owner.name} installed ${path}, and updates it`, {
      hint: `run ${owner.update}`,
    });
  }
  const trace = (line: string) => {
    if (context.verbose) context.stderr(`${line}\n`);
  };
  const transport = new Transport({ trace });
  try {
    const place = { page, transport };
    const next = wanted ?? await newestVersion(place);
    if (next === version || wanted === undefined && !isNewer(next, version)) {
      return context.stdout(`krew-wasm ${version} is the newest version\n`);
    }
    if (dryRun) return context.stdout(`krew-wasm ${version} would be replaced by ${next}\n`);
    const name = archiveName(next, platformOf());
    const progress = openProgress(context, false);
    const bytes = await downloadFile(place, next, name, progress.show);
    progress.end();
    const provenance = new TextDecoder().decode(await downloadFile(place, next, provenanceName(next)));
    await verifyRelease({ name, bytes }, provenance, { repository, version: next }, trustRoot);
    const program = await programIn(name, bytes);
    await replaceProgram(path, program, await stage(), (path) => startsAs(path, next));
    context.stdout(`Replaced krew-wasm ${version} by ${next}\n`);
  } finally {
    await transport.close();
  }
}

/** Checks that the new program starts and is of its version. */
async function startsAs(path: string, version: string): Promise<void> {
  const { success, stdout } = await new Deno.Command(path, {
    args: ["version"],
    stdin: "null",
    stderr: "null",
  })
    .output();
  if (success && new TextDecoder().decode(stdout).startsWith(`krew-wasm ${version} `)) return;
  throw new AppError(
    "SELF_UPDATE_FAILED",
    `The krew-wasm of release ${version} does not start on this machine`,
  );
}
