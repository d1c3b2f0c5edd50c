/** The receipt of an installed plugin. Parsing is pure and checks every field. */

import { AppError } from "../base/errors.ts";
import type { Grants } from "../grants/grants.ts";
import { grantsFromJson, grantsToJson } from "../grants/grants_json.ts";
import {
  digestProblem,
  type Provenance,
  type Signature,
  signatureFromJson,
  signatureToJson,
  type Source,
  sourceFromJson,
} from "../policy/provenance.ts";
import { DIGEST, formatReference, parseReference } from "../base/reference.ts";
import {
  integer,
  list,
  nullable,
  object,
  optional,
  parsed,
  type Reader,
  text,
  word,
} from "../base/strict_json.ts";
import { formerProvenance } from "./former_receipt.ts";

/** The form of a plugin: a preview1 core module runs directly, a component through jco's JavaScript. */
export type PluginKind = "preview1" | "component";

/** A file of the compiled form, with the digest that loading requires. */
export interface CompiledFile {
  readonly file: string;
  /** `sha256:<hex>`. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

/** One installed plugin. */
export interface Receipt extends Provenance {
  readonly name: string;
  /** As pulled, canonical (reference.ts): registry, repository, and tag or digest. */
  readonly reference: string;
  /** How krew-wasm got the manifest. */
  readonly source: Source;
  /** The manifest's digest. */
  readonly manifestDigest: string;
  /** The digest of the index that lists the manifest, if the reference names an index. Signatures may cover the index. */
  readonly indexDigest?: string;
  /** The digest of the artifact's config; absent if it is not stored. */
  readonly config?: string;
  /** The digest of the WebAssembly blob. */
  readonly digest: string;
  /** Size of the blob in bytes. */
  readonly size: number;
  readonly kind: PluginKind;
  /** The version of the compiler that made the compiled form. */
  readonly bindgen: string;
  readonly compiled: readonly CompiledFile[];
  readonly grants: Grants;
  /** The grants of the installation, if the user changed them since. */
  readonly installedGrants?: Grants;
  /** The artifact's `org.opencontainers.image.version` and `.description`, if present. */
  readonly version?: string;
  readonly description?: string;
  /** The required signatures, each verified, the most specific last. */
  readonly signatures: readonly Signature[];
  /** How the plugin completes its arguments, if its artifact declares it. */
  readonly completion?: "cobra";
  /** RFC 3339, UTC. */
  readonly installedAt: string;
}

/** The format that krew-wasm writes. former_receipt.ts reads older formats. A newer one is an error. */
const FORMAT = 3;
export { DIGEST };
const FILE = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** Optional fields. The JSON has `null` for an absent one, so that a missing field is an error. */
const MAY_BE_NONE = ["indexDigest", "config", "version", "description", "completion"] as const;

/** The receipt after the user changed its grants. It keeps those of the installation. */
export function withChangedGrants(receipt: Receipt, grants: Grants): Receipt {
  return { ...receipt, grants, installedGrants: receipt.installedGrants ?? receipt.grants };
}

/** The receipt with grants that count as those of the installation. */
export function withInstalledGrants({ installedGrants: _, ...receipt }: Receipt, grants: Grants): Receipt {
  return { ...receipt, grants };
}

/** The receipt as JSON, with `format` first and every field. */
export function receiptToJson(receipt: Receipt): Record<string, unknown> {
  const none = Object.fromEntries(MAY_BE_NONE.map((field) => [field, receipt[field] ?? null]));
  const { name, reference, source, manifestDigest, digest, size, kind, bindgen, compiled } = receipt;
  return {
    format: FORMAT,
    name,
    reference,
    source,
    manifestDigest,
    indexDigest: none.indexDigest,
    config: none.config,
    digest,
    size,
    kind,
    bindgen,
    compiled,
    grants: grantsToJson(receipt.grants),
    ...(receipt.installedGrants ? { installedGrants: grantsToJson(receipt.installedGrants) } : {}),
    version: none.version,
    description: none.description,
    signatures: receipt.signatures.map(signatureToJson),
    completion: none.completion,
    installedAt: receipt.installedAt,
  };
}

/** The receipt as indented JSON, for the store. */
export function formatReceipt(receipt: Receipt): string {
  return `${JSON.stringify(receiptToJson(receipt), null, 2)}\n`;
}

/** Reads the files of a compiled form. Their names contain no separator. */
export const compiledFiles: Reader<CompiledFile[]> = list(
  object<CompiledFile>({
    file: text(FILE, "is malformed"),
    digest: text(DIGEST, "is not a digest"),
    size: integer(0),
  }),
);

/** The fields that all formats share, with the reader for grants. */
function commonFields(grants: Reader<Grants>) {
  const digest = text(DIGEST, "is not a digest");
  return {
    name: text(),
    manifestDigest: digest,
    digest,
    size: integer(0),
    kind: word("preview1", "component"),
    bindgen: text(FILE, "is malformed"),
    compiled: compiledFiles,
    grants,
    installedAt: text(),
  } as const;
}

type None<T> = Reader<Exclude<T, undefined>>;
const none = <T>(reader: Reader<T>) => nullable(reader) as None<T>;

const PRESENT = object<Receipt & { format: number }>({
  format: integer(FORMAT),
  ...commonFields((value, path) => grantsFromJson(value, "present", path)),
  installedGrants: optional((value, path) => grantsFromJson(value, "present", path)),
  reference: parsed((value) => {
    const canonical = formatReference(parseReference(value));
    if (canonical !== value) throw new Error(`it is not in its canonical form, ${canonical}`);
    return value;
  }),
  source: sourceFromJson,
  signatures: list(signatureFromJson),
  indexDigest: none(text(DIGEST, "is not a digest")),
  config: none(text(DIGEST, "is not a digest")),
  version: none(text(/^[^]*$/)),
  description: none(text(/^[^]*$/)),
  completion: none(word("cobra")),
});

const FORMER = object<
  Omit<Receipt, "source" | "signatures" | "installedGrants"> & { format: number; verified?: unknown }
>({
  format: integer(1),
  ...commonFields((value, path) => grantsFromJson(value, "former", path)),
  // An older krew-wasm may have written another spelling.
  reference: parsed((value) => formatReference(parseReference(value))),
  indexDigest: optional(text(DIGEST, "is not a digest")),
  config: optional(text(DIGEST, "is not a digest")),
  version: optional(text(/^[^]*$/)),
  description: optional(text(/^[^]*$/)),
  verified: optional((value) => value),
  completion: optional(word("cobra")),
});

/**
 * Parses a receipt. Its content must agree with `name`, from the file's name.
 *
 * @throws AppError RECEIPT_INVALID with the field's path in the message
 */
export function parseReceipt(content: string, name: string): Receipt {
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    throw receiptInvalid(name, "it is not JSON", undefined);
  }
  return receiptFromJson(json, name);
}

/** {@linkcode parseReceipt}, from JSON that was parsed. @throws AppError RECEIPT_INVALID */
export function receiptFromJson(value: unknown, name: string): Receipt {
  const format = (value as { format?: unknown } | null)?.format;
  if (Number.isSafeInteger(format) && (format as number) > FORMAT) {
    throw new AppError(
      "RECEIPT_INVALID",
      `The receipt of "${name}" has the format ${format}, this krew-wasm reads ${FORMAT} and older`,
      { hint: "use the krew-wasm that wrote it, or a newer one" },
    );
  }
  try {
    if (format === FORMAT) {
      const { format: _, ...receipt } = PRESENT(value, "");
      checkName(receipt.name, name);
      const problem = digestProblem(parseReference(receipt.reference), receipt);
      if (problem !== undefined) throw new Error(problem);
      if (receipt.installedGrants === undefined) delete receipt.installedGrants;
      for (const field of MAY_BE_NONE) if (receipt[field] === undefined) delete receipt[field];
      return receipt;
    }
    if (format !== 1 && format !== 2) throw new Error(`format is ${JSON.stringify(format)}, not ${FORMAT}`);
    const { format: _, verified, ...former } = FORMER(value, "");
    checkName(former.name, name);
    return { ...former, ...formerProvenance(former.reference, verified) };
  } catch (error) {
    throw receiptInvalid(name, (error as Error).message, value);
  }
}

function checkName(found: string, name: string): void {
  if (found !== name) throw new Error(`name is "${found}"`);
}

/** `value`: the parsed content. It may still say where to get the plugin. */
function receiptInvalid(name: string, what: string, value: unknown): AppError {
  const { reference, manifestDigest } = (value ?? {}) as Record<string, unknown>;
  let place = "REF";
  try {
    if (typeof reference !== "string") throw new Error("it is lost");
    const known = parseReference(reference);
    const digest = DIGEST.test(String(manifestDigest)) ? String(manifestDigest) : undefined;
    place = formatReference({ ...known, digest: known.digest ?? digest });
  } catch { /* it is lost */ }
  return new AppError("RECEIPT_INVALID", `The receipt of "${name}" is broken: ${what}`, {
    hint: `install it again: krew-wasm pull --force ${place} --name ${name}`,
  });
}
