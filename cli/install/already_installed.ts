/** What to do if the plugin of a name is installed already: nothing if it is the same, otherwise a hint. */

import type { ArtifactSource } from "../../registry/install/download.ts";
import { formatReference, type Reference } from "../../registry/oci/mirrored_reference.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { repositoryOf } from "../../runtime/policy/provenance.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { readReceipt } from "../../runtime/store/read.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { printable } from "../../runtime/base/text.ts";

/** The installation that found the plugin installed. */
export interface RefusedInstall {
  readonly layout: Layout;
  readonly name: string;
  readonly reference: Reference;
  /** The registry or bundle. */
  readonly client: ArtifactSource;
  /** The digest that the reference stands for, if it is known. */
  readonly manifestDigest?: string | undefined;
  /** Options that an installed plugin would not get, such as `--verify`. */
  readonly ignored: readonly string[];
}

/**
 * The receipt of the installed plugin, if it is the wanted one. Otherwise throws `error` with the command that installs the
 * wanted one.
 *
 * @throws AppError ALREADY_INSTALLED, REGISTRY_…
 */
export async function sameInstalled(error: unknown, wanted: RefusedInstall): Promise<Receipt> {
  if (!(error instanceof AppError) || error.code !== "ALREADY_INSTALLED") throw error;
  const { layout, name, reference, client, ignored } = wanted;
  let receipt: Receipt;
  try {
    receipt = readReceipt(layout, name);
  } catch {
    throw error; // broken: --force replaces it
  }
  const shown = formatReference(reference);
  const hinted = (hint: string) => new AppError(error.code, error.message, { hint, cause: error });
  if (repositoryOf(receipt) !== repositoryOf({ reference: shown })) throw error;
  if (receipt.reference === shown) {
    const { digest } = wanted.manifestDigest === undefined
      ? await client.fetchManifest(reference)
      : { digest: wanted.manifestDigest };
    if (digest === receipt.manifestDigest) {
      if (ignored.length === 0) return receipt;
      throw hinted(
        ignored.every((flag) => /^--(allow|deny|max)/.test(flag))
          ? ["to change its grants: krew-wasm grants", name, ...ignored].join(" ")
          : "--force installs it again",
      );
    }
    throw hinted(`krew-wasm upgrade ${name} installs the newer version; --force replaces it`);
  }
  const { tag, digest } = reference;
  throw hinted(
    digest === undefined && tag !== undefined
      ? `krew-wasm upgrade ${name} --to ${printable(tag, 200)}; --name installs under another name`
      : "--force replaces it, --name installs under another name",
  );
}
