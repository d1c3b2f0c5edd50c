/** What is known of an installed plugin. Parsing is pure; nothing in the file is taken on trust. */

import { AppError } from "../errors.ts";
import { type Grants, grantsFromJson, grantsToJson } from "../grants.ts";
import { DIGEST, formatReference, parseReference } from "../reference.ts";

/** How a plugin's bytes are run: a preview1 core module directly, a component through jco's JavaScript. */
export type PluginKind = "preview1" | "component";

/** A file of the compiled form and the digest it must have when it is loaded. */
export interface CompiledFile {
  readonly file: string;
  /** `sha256:<hex>`. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

/** Who signed what was installed, as it was verified when it was pulled. */
export type Verified =
  /** `sha256:<hex>` of the public key, and that key itself (SubjectPublicKeyInfo, DER), in base64. */
  | { readonly key: string; readonly publicKey: string }
  /** Whom the certificate names, and who vouched for that. */
  | { readonly identity: string; readonly issuer: string };

/** One installed plugin. */
export interface Receipt {
  readonly name: string;
  /** As pulled, canonical (reference.ts): registry, repository and tag or digest. */
  readonly reference: string;
  /** Of the manifest. */
  readonly manifestDigest: string;
  /** Of the index that the manifest was chosen from, where the reference names one: it may be what is signed. */
  readonly indexDigest?: string;
  /** Of the artifact's config; left out where it is not stored. */
  readonly config?: string;
  /** Of the WebAssembly blob. */
  readonly digest: string;
  /** Bytes of the blob. */
  readonly size: number;
  readonly kind: PluginKind;
  /** Version of the compiler that made the compiled form. */
  readonly bindgen: string;
  readonly compiled: readonly CompiledFile[];
  readonly grants: Grants;
  /** The artifact's `org.opencontainers.image.version` and `.description`, where it has them. */
  readonly version?: string;
  readonly description?: string;
  /** Of the signature; left out where none was asked for. */
  readonly verified?: Verified;
  /** How it completes its arguments, where its artifact says that it can. */
  readonly completion?: "cobra";
  /** RFC 3339, UTC. */
  readonly installedAt: string;
}

/**
 * The format that is written. 1, which is read too, is of a store of version 1. A krew-wasm that knows 1 only refuses 2,
 * as it would not hold a plugin to grants it does not know.
 */
const FORMAT = 2;
export { DIGEST };
const FILE = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** The receipt as JSON: keys in the order of the interface, `format` first. */
export function receiptToJson(receipt: Receipt): Record<string, unknown> {
  return { format: FORMAT, ...receipt, grants: grantsToJson(receipt.grants) };
}

/** The receipt as it is stored: its JSON, indented. */
export function formatReceipt(receipt: Receipt): string {
  return `${JSON.stringify(receiptToJson(receipt), null, 2)}\n`;
}

function receiptInvalid(name: string, what: string): never {
  throw new AppError("RECEIPT_INVALID", `The receipt of "${name}" is broken: ${what}`, {
    hint: `install it again: krew-wasm pull --force REF --name ${name}`,
  });
}

/**
 * A receipt from its text. `name` is the one in the file's name, with which the content must agree.
 *
 * @throws AppError RECEIPT_INVALID, its message holds the field's path
 */
export function parseReceipt(text: string, name: string): Receipt {
  const invalid = (what: string): never => receiptInvalid(name, what);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return invalid("it is not JSON");
  }
  return receiptFromJson(json, name);
}

/** {@linkcode parseReceipt}, from JSON that was parsed. @throws AppError RECEIPT_INVALID */
export function receiptFromJson(value: unknown, name: string): Receipt {
  const invalid = (what: string): never => receiptInvalid(name, what);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return invalid("it is not an object");
  }
  const json = value as Record<string, unknown>;
  if (json.format !== FORMAT && json.format !== 1) {
    return invalid(`format is ${JSON.stringify(json.format)}, this krew-wasm reads 1 and ${FORMAT}`);
  }
  const string = (field: string, pattern = /^[\s\S]+$/): string => {
    const value = json[field];
    return typeof value === "string" && pattern.test(value)
      ? value
      : invalid(`${field} is missing or malformed`);
  };
  const optional = (field: string) =>
    typeof json[field] === "string" ? { [field]: json[field] as string } : {};
  const size = (value: unknown, field: string): number =>
    Number.isSafeInteger(value) && (value as number) >= 0
      ? value as number
      : invalid(`${field} is missing or malformed`);
  if (string("name") !== name) return invalid(`name is "${json.name}"`);
  const kind = json.kind;
  if (kind !== "preview1" && kind !== "component") return invalid("kind is missing or malformed");
  if (!Array.isArray(json.compiled)) return invalid("compiled is missing or malformed");
  const compiled = json.compiled.map((entry: unknown, index): CompiledFile => {
    const { file, digest, size: bytes } = (entry ?? {}) as Record<string, unknown>;
    if (typeof file !== "string" || !FILE.test(file)) {
      return invalid(`compiled[${index}].file is missing or malformed`);
    }
    if (typeof digest !== "string" || !DIGEST.test(digest)) {
      return invalid(`compiled[${index}].digest is missing or malformed`);
    }
    return { file, digest, size: size(bytes, `compiled[${index}].size`) };
  });
  let grants: Grants;
  try {
    grants = grantsFromJson(json.grants);
  } catch (error) {
    return invalid((error as Error).message);
  }
  const spelled = string("reference");
  let reference: string;
  try {
    // One that an older krew-wasm wrote may be spelt otherwise.
    reference = formatReference(parseReference(spelled));
  } catch (error) {
    return invalid(`reference: ${(error as Error).message}`);
  }
  return {
    name,
    reference,
    manifestDigest: string("manifestDigest", DIGEST),
    ...(json.indexDigest === undefined ? {} : { indexDigest: string("indexDigest", DIGEST) }),
    ...(json.config === undefined ? {} : { config: string("config", DIGEST) }),
    digest: string("digest", DIGEST),
    size: size(json.size, "size"),
    kind,
    bindgen: string("bindgen", FILE),
    compiled,
    grants,
    ...optional("version"),
    ...optional("description"),
    ...(json.verified === undefined
      ? {}
      : { verified: parseVerified(json.verified) ?? invalid("verified is malformed") }),
    ...(json.completion === undefined
      ? {}
      : { completion: json.completion === "cobra" ? "cobra" : invalid("completion is malformed") }),
    installedAt: string("installedAt"),
  };
}

function parseVerified(value: unknown): Verified | undefined {
  const { key, publicKey, identity, issuer } = (value ?? {}) as Record<string, unknown>;
  if (typeof key === "string" && DIGEST.test(key) && typeof publicKey === "string" && publicKey !== "") {
    return { key, publicKey };
  }
  return typeof identity === "string" && identity !== "" && typeof issuer === "string" && issuer !== ""
    ? { identity, issuer }
    : undefined;
}
