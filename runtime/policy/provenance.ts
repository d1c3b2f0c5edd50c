/**
 * Where an installed plugin came from and who signed it. The receipt keeps this for the rules that every run checks. Pure.
 */

import { DIGEST, parseReference, type Reference, repositoryName } from "../base/reference.ts";
import { printable } from "../base/text.ts";
import { malformed, nullable, object, parsed, type Reader, text, word } from "../base/strict_json.ts";

/** How krew-wasm got the manifest. */
export type Source =
  /** From the reference's own registry, or a mirror that the administrator set up. */
  | { readonly kind: "registry" }
  /** From a mirror that the user set up. */
  | {
    readonly kind: "mirror";
    /** The mirror's registry and repository, canonical. */
    readonly place: string;
  }
  /** From a bundle, which claims the reference. */
  | { readonly kind: "bundle" };

/** The owner of a trust root. `unknown`: an older krew-wasm verified the signature. */
export type RootOwner = "carried" | "administrator" | "user" | "unknown";

/** The trust root that verified an identity. */
export interface RootUsed {
  readonly of: RootOwner;
  /** `sha256:<hex>` of its text; undefined if unknown. */
  readonly digest: string | undefined;
}

/** A signature that krew-wasm verified at installation. */
export type Signature =
  & {
    /** The repository that it was verified for, canonical. */
    readonly repository: string;
    /** The repository that the signature itself names, canonical; undefined if it names none. */
    readonly names: string | undefined;
  }
  & (
    | {
      readonly kind: "key";
      /** `sha256:<hex>` of the public key. */
      readonly key: string;
      /** The key itself: SubjectPublicKeyInfo, DER, base64. */
      readonly publicKey: string;
    }
    | {
      readonly kind: "identity";
      /** The identity in the certificate. */
      readonly identity: string;
      /** The issuer that vouched for the identity. */
      readonly issuer: string;
      readonly trustRoot: RootUsed;
    }
  );

/** The part of a receipt that policy rules need. */
export interface Provenance {
  /** Canonical. */
  readonly reference: string;
  readonly source: Source;
  readonly signatures: readonly Signature[];
}

/**
 * Why a reference cannot belong to a manifest: its digest is another one. undefined if it can. Users who read
 * `REPOSITORY@DIGEST` expect the installed plugin to have this digest.
 *
 * @param indexDigest the index that lists the manifest
 */
export function digestProblem(
  { digest }: Pick<Reference, "digest">,
  { manifestDigest, indexDigest }: {
    readonly manifestDigest: string;
    readonly indexDigest?: string | undefined;
  },
): string | undefined {
  if (digest === undefined || digest === manifestDigest || digest === indexDigest) return undefined;
  const index = indexDigest === undefined ? "" : `, nor its index, ${indexDigest}`;
  return `its reference names ${digest}, which is not the manifest, ${manifestDigest}${index}`;
}

/** How a plugin came here, to print after its reference; empty for the usual way. */
export function sourceInWords(source: Source): string {
  return source.kind === "registry"
    ? ""
    : source.kind === "bundle"
    ? " (as its bundle says)"
    : ` (by the mirror ${printable(source.place, 300)})`;
}

/** A canonical reference's repository, registry included. */
export function repositoryOf({ reference }: Pick<Provenance, "reference">): string {
  return repositoryName(parseReference(reference));
}

/**
 * The repository that certainly published a plugin; undefined if only a bundle claims one. A receipt has signatures if
 * somebody asked to verify them. A signature that names the repository proves it.
 */
export function knownRepository(plugin: Provenance): string | undefined {
  const repository = repositoryOf(plugin);
  return plugin.source.kind !== "bundle" || plugin.signatures.some(({ names }) => names === repository)
    ? repository
    : undefined;
}

/**
 * Whether two versions have the same publisher, so that a grant to one may pass to the other. They do if both certainly
 * come from the same repository, or if they are the same bytes under the same name.
 */
export function isSamePublisher(
  a: Provenance & { readonly digest: string },
  b: Provenance & { readonly digest: string },
): boolean {
  const known = knownRepository(a);
  if (known !== undefined && known === knownRepository(b)) return true;
  return a.digest === b.digest && repositoryOf(a) === repositoryOf(b);
}

const digest = text(DIGEST, "is not a digest");
const repository = parsed((value) => {
  const canonical = repositoryName(parseReference(value));
  if (canonical !== value) throw new Error(`is not in its canonical form, ${canonical}`);
  return value;
});

/** Reads an object by its field `kind`, with one reader for each kind. */
function kinds<T>(readers: Readonly<Record<string, Reader<T>>>): Reader<T> {
  return (value, path) => {
    const { kind } = (value ?? {}) as { kind?: unknown };
    const reader = typeof kind === "string" && Object.hasOwn(readers, kind) ? readers[kind] : undefined;
    return reader ? reader(value, path) : malformed(`${path}.kind`, "is missing or not known");
  };
}

/** A source from JSON. */
export const sourceFromJson: Reader<Source> = kinds<Source>({
  registry: object<Source & { kind: "registry" }>({ kind: word("registry") }),
  mirror: object<Source & { kind: "mirror" }>({ kind: word("mirror"), place: repository }),
  bundle: object<Source & { kind: "bundle" }>({ kind: word("bundle") }),
});

const base64 = text(/^[A-Za-z0-9+/]+={0,2}$/, "is not base64");

/** A signature from JSON. */
export const signatureFromJson: Reader<Signature> = kinds<Signature>({
  key: object<Signature & { kind: "key" }>({
    kind: word("key"),
    key: digest,
    publicKey: base64,
    repository,
    names: nullable(repository) as Reader<string>,
  }),
  identity: object<Signature & { kind: "identity" }>({
    kind: word("identity"),
    identity: text(),
    issuer: text(),
    trustRoot: object<RootUsed>({
      of: word("carried", "administrator", "user", "unknown"),
      digest: nullable(digest) as Reader<string>,
    }),
    repository,
    names: nullable(repository) as Reader<string>,
  }),
});

/** The reverse of {@linkcode signatureFromJson}: undefined becomes null. */
export function signatureToJson(signature: Signature): Record<string, unknown> {
  const { repository, names = null } = signature;
  if (signature.kind === "key") {
    const { kind, key, publicKey } = signature;
    return { kind, key, publicKey, repository, names };
  }
  const { kind, identity, issuer, trustRoot: { of, digest = null } } = signature;
  return { kind, identity, issuer, trustRoot: { of, digest }, repository, names };
}
