/**
 * Finds an artifact's signatures in a registry: sigstore bundles and cosign's older signatures. Looks at OCI referrers
 * (distribution-spec 1.1, with the fallback tag) and at cosign's own tag. Verifies nothing.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { DIGEST } from "../../runtime/store/receipt.ts";
import type { RegistryClient } from "../oci/registry_client.ts";
import { fetchBytes } from "../oci/inspect_artifact.ts";
import { duplicateName, isDeep } from "../oci/json_text.ts";
import { INDEX_TYPES, MANIFEST_TYPES } from "../oci/manifest.ts";
import { whoOf } from "../oci/registry_failure.ts";
import { pagesOf } from "../oci/pages.ts";
import type { Reference } from "../oci/mirrored_reference.ts";
import { replayed } from "../oci/replayed.ts";
import { repositoryName } from "../../runtime/base/reference.ts";

/** The media type of a sigstore bundle: v0.3, as cosign writes it. Older bundles have another version. */
export const BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const BUNDLE_TYPES = /^application\/vnd\.dev\.sigstore\.bundle(\.v0\.\d+\+json|\+json;version=0\.\d+)$/;
/** The artifact type of cosign's older signatures as referrers. */
const COSIGN_SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json";
/** cosign writes the config's type instead into the fallback tag of the referrers API. */
const EMPTY_CONFIG = "application/vnd.oci.empty.v1+json";
/** The media type of their payload: Red Hat's "simple signing". */
export const SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json";

/** A signature that is not verified. */
export type FoundSignature =
  | { readonly kind: "bundle"; readonly json: string }
  | {
    readonly kind: "simple";
    readonly payload: Uint8Array<ArrayBuffer>;
    /** Annotations of the layer: signature, certificate, chain and log entry. */
    readonly annotations: Readonly<Record<string, unknown>>;
  };

/** A source of signatures: a registry, or a file with signatures beside the artifact. */
export interface SignatureSource {
  /** The signatures of the manifest with this digest, not verified. */
  readonly signatures: (repository: Reference, digest: string) => AsyncIterable<FoundSignature>;
  /** The text of the manifest or index with the reference's digest. */
  readonly manifest: (reference: Reference) => Promise<string>;
}

/** The signatures in a registry. */
export function registrySignatures(client: RegistryClient): SignatureSource {
  // Each requirement reads them again.
  const known = new Map<string, () => AsyncIterable<FoundSignature>>();
  return {
    signatures(repository, digest) {
      const key = `${repositoryName(repository)}@${digest}`;
      let found = known.get(key);
      if (!found) known.set(key, found = replayed(() => findSignatures(client, repository, digest)));
      return found();
    },
    manifest: async (reference) => (await client.fetchAnyManifest(reference, "verify")).text,
  };
}

/** Answers of registries without the referrers API: 404 by the specification, and others in practice. */
const NO_REFERRERS_API = [400, 404, 405, 406, 501];
/** The most signatures of one artifact, and the most manifests with signatures. */
export const MAX_SIGNATURES = 50;
/** Limit for all signatures of one artifact together. Bytes. */
const MAX_TOTAL = 8 << 20;
/** Limit for a list of referrers. */
const MAX_PAGES = 20;
const MAX_PAGE = 4 << 20;
const MAX_BUNDLE = 1 << 20;
const MAX_PAYLOAD = 64 << 10;

interface Entry {
  readonly mediaType?: unknown;
  readonly digest?: unknown;
  readonly size?: unknown;
  readonly artifactType?: unknown;
  readonly annotations?: unknown;
}

/** What remains of one artifact's limits, and the blobs fetched for it. */
interface Budget {
  signatures: number;
  bytes: number;
  readonly blobs: Map<string, Uint8Array<ArrayBuffer>>;
}

/**
 * The signatures of the manifest with this digest, in the order of arrival, within the limits.
 *
 * @throws AppError REGISTRY_…, DIGEST_MISMATCH
 */
export async function* findSignatures(
  client: RegistryClient,
  repository: Reference,
  digest: string,
): AsyncGenerator<FoundSignature> {
  let left = MAX_SIGNATURES;
  const budget: Budget = { signatures: MAX_SIGNATURES, bytes: MAX_TOTAL, blobs: new Map() };
  const seen = new Set<string>();
  const signatures = async function* (entries: readonly Entry[]): AsyncGenerator<FoundSignature> {
    for (const { digest: of } of entries) {
      if (typeof of !== "string" || !DIGEST.test(of) || seen.has(of) || left-- <= 0) continue;
      seen.add(of);
      if (budget.signatures <= 0) return;
      yield* signaturesIn(client, { ...repository, tag: undefined, digest: of }, digest, budget);
    }
  };
  yield* signatures((await listReferrers(client, repository, digest)).filter(isSignature));
  const tag = `${digest.replace(":", "-")}.sig`;
  const old = await manifestAt(client, { ...repository, tag, digest: undefined });
  if (old) yield* signatures([{ digest: old.digest }]);
}

/** Whether an entry of an index may be a signature. Registries and cosign may omit or misstate the artifact type. */
function isSignature({ artifactType }: Entry): boolean {
  return artifactType === undefined || artifactType === COSIGN_SIGNATURE || artifactType === EMPTY_CONFIG ||
    (typeof artifactType === "string" && BUNDLE_TYPES.test(artifactType));
}

/** The referrers of a manifest, from the referrers API or its fallback tag. */
export async function listReferrers(
  client: RegistryClient,
  repository: Reference,
  digest: string,
): Promise<readonly Entry[]> {
  const listed = await client.fromAny(repository, "verify", async (endpoint, task) => {
    const found = new Map<unknown, Entry>();
    let known = false;
    const path = `/v2/${endpoint.repository}/referrers/${digest}`;
    const request = (page: number) => ({
      headers: { accept: INDEX_TYPES[0] },
      expect: page === 0 ? [200, ...NO_REFERRERS_API] : [200],
    });
    let pages = 0;
    for await (const answer of pagesOf(client.access, task, endpoint, path, MAX_PAGES, request)) {
      const json = answer.status === 200 && (answer.header("content-type") ?? "").includes("json");
      if (!json && !known) {
        await answer.discard();
        break;
      }
      const bytes = await answer.bytes(
        MAX_PAGE,
        () => new AppError("TOO_LARGE", `${task.failed}: its list of referrers is larger than 4 MiB`),
      );
      const entries = entriesOf(new TextDecoder().decode(bytes));
      if (!entries && !known) break;
      if (!entries) {
        throw new AppError("REGISTRY_PROTOCOL", `${task.failed}: ${whoOf(task)} sent no list of referrers`);
      }
      known = true;
      for (const entry of entries) found.set(entry.digest, entry);
      // Further pages are ignored.
      if (++pages === MAX_PAGES) break;
    }
    return known ? [...found.values()] : undefined;
  });
  if (listed) return listed;
  const fallback = { ...repository, tag: digest.replace(":", "-"), digest: undefined };
  const index = await manifestAt(client, fallback);
  return index ? entriesOf(index.text) ?? [] : [];
}

function entriesOf(text: string): readonly Entry[] | undefined {
  if (isDeep(text)) return undefined;
  try {
    const { manifests } = JSON.parse(text) as { manifests?: unknown };
    return Array.isArray(manifests)
      ? manifests.filter((one): one is Entry => typeof one === "object" && one !== null)
      : undefined;
  } catch {
    return undefined;
  }
}

async function manifestAt(client: RegistryClient, reference: Reference) {
  try {
    return await client.fetchAnyManifest(reference, "verify", [...MANIFEST_TYPES, ...INDEX_TYPES]);
  } catch (error) {
    if (error instanceof AppError && error.code === "REGISTRY_NOT_FOUND") return undefined;
    throw error;
  }
}

/** The signatures in a manifest; none if it holds something else. */
async function* signaturesIn(
  client: RegistryClient,
  reference: Reference,
  subject: string,
  budget: Budget,
): AsyncGenerator<FoundSignature> {
  const manifest = await manifestAt(client, reference);
  if (!manifest) return;
  let json: { layers?: unknown; subject?: { digest?: unknown } };
  try {
    json = JSON.parse(manifest.text);
    if (duplicateName(manifest.text) !== undefined) return;
  } catch {
    return;
  }
  if (json.subject !== undefined && json.subject?.digest !== subject) return;
  if (!Array.isArray(json.layers)) return;
  const fetched = async (blob: { readonly digest: string; readonly size: number }) => {
    let bytes = budget.blobs.get(blob.digest);
    if (!bytes) {
      budget.bytes -= blob.size;
      budget.blobs.set(blob.digest, bytes = await fetchBytes(client, reference, blob, () => {}, "verify"));
    }
    return bytes;
  };
  for (const layer of json.layers as (Entry | null)[]) {
    const { mediaType, digest, size, annotations } = layer ?? {};
    if (typeof mediaType !== "string" || typeof digest !== "string" || !DIGEST.test(digest)) continue;
    if (!Number.isSafeInteger(size) || (size as number) < 2) continue;
    const blob = { digest, size: size as number };
    const isBundle = BUNDLE_TYPES.test(mediaType) && blob.size <= MAX_BUNDLE;
    const isSimple = mediaType === SIMPLE_SIGNING && blob.size <= MAX_PAYLOAD;
    if (!isBundle && !isSimple) continue;
    if (!budget.blobs.has(digest) && blob.size > budget.bytes) continue;
    if (budget.signatures-- <= 0) return;
    if (isBundle) yield { kind: "bundle", json: new TextDecoder().decode(await fetched(blob)) };
    else {
      const payload = await fetched(blob);
      const texts = typeof annotations === "object" && annotations !== null ? annotations : {};
      yield { kind: "simple", payload, annotations: texts as Record<string, unknown> };
    }
  }
}
