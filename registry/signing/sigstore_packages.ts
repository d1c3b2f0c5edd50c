/** Loads sigstore's packages, and keys and trust roots for them. The only importer of these packages' code. */

import type { TrustMaterial } from "@sigstore/verify";
import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";

/** The loaded packages. */
export type Sigstore = Awaited<ReturnType<typeof loadSigstore>>;

/** The signed content, in the packages' form. */
export type Entity = ReturnType<Sigstore["verify"]["toSignedEntity"]>;
/** A key of node:crypto. */
export type PublicKey = ReturnType<Sigstore["createPublicKey"]>;

/** Loads sigstore's packages. They are CommonJS, which needs `require` inside a bundle. */
export async function loadSigstore() {
  if (Deno.build.standalone) {
    const [{ createRequire }, { Buffer }] = await Promise.all([import("node:module"), import("node:buffer")]);
    Object.assign(globalThis, { require: createRequire(import.meta.url), Buffer });
  }
  const { default: crypto } = await import("node:crypto");
  useDefaultDigest(crypto);
  const { createHash, createPublicKey } = crypto;
  const [verify, bundle, core, specs] = await Promise.all([
    import("@sigstore/verify"),
    import("@sigstore/bundle"),
    import("@sigstore/core"),
    import("@sigstore/protobuf-specs"),
  ]);
  return {
    createHash,
    createPublicKey,
    verify: named(verify),
    bundle: named(bundle),
    core: named(core),
    specs: named(specs),
  };
}

let patched = false;

/** sigstore's packages name no digest and rely on Node's default, SHA-256; Deno refuses that. */
function useDefaultDigest(crypto: { verify: (...args: never[]) => unknown }): void {
  if (patched) return;
  patched = true;
  const { verify } = crypto as { verify: (...args: unknown[]) => unknown };
  crypto.verify = (algorithm: unknown, data: unknown, key: unknown, ...rest: unknown[]) => {
    const { asymmetricKeyType: type } = key as { asymmetricKeyType?: string };
    // Ed25519 hashes by itself and takes no digest.
    return verify(type === "ed25519" ? undefined : algorithm ?? "sha256", data, key, ...rest);
  };
}

/** A CommonJS package's exports; in a bundle they are its default export. */
function named<T extends object>(loaded: T): T {
  return (loaded as { default?: T }).default ?? loaded;
}

/** Media types in sigstore's protobuf-specs, sigstore_trustroot.proto: versions 0.1 and later. */
const TRUSTED_ROOT = /^application\/vnd\.dev\.sigstore\.trustedroot(\+json;version=0\.\d+|\.v0\.\d+\+json)$/;

/** A trusted root in the packages' form. @throws AppError TRUST_INVALID */
export function trustMaterial({ verify, specs }: Sigstore, text: string): TrustMaterial {
  try {
    const json = parseJson(text);
    // Another kind of file would be read as a root without authorities.
    if (!TRUSTED_ROOT.test(json?.mediaType)) throw new Error("it is not of a trusted root's type");
    return verify.toTrustMaterial(specs.TrustedRoot.fromJSON(json));
  } catch (error) {
    throw new AppError("TRUST_INVALID", `The trust root can't be read: ${reason(error)}`, {
      hint: "it is sigstore's trusted_root.json",
    });
  }
}

/** Key types that cosign signs with, both variants of Ed25519 included. */
const KEY_TYPES: readonly unknown[] = ["ec", "rsa", "ed25519"];

/** A key to verify with. @throws AppError TRUST_INVALID */
export function publicKey({ createPublicKey }: Sigstore, path: string, pem: string) {
  try {
    const key = createPublicKey(pem);
    if (!KEY_TYPES.includes(key.asymmetricKeyType)) {
      throw new Error(`keys of the type ${key.asymmetricKeyType} are not supported`);
    }
    return key;
  } catch (error) {
    throw new AppError(
      "TRUST_INVALID",
      `The key "${printable(path, 300)}" can't be used: ${reason(error)}`,
    );
  }
}

/** Parses JSON. @throws Error that does not quote the text */
export function parseJson(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("it is not JSON"); // the engine's message would quote the text
  }
}

/** The reason of a package's error, safe to print. */
export function reason(error: unknown): string {
  const cause = (error as { cause?: unknown }).cause;
  const text = cause instanceof Error ? `${messageOf(error)} (${cause.message})` : messageOf(error);
  return printable(text.split("\n", 1)[0] ?? "", 200);
}
