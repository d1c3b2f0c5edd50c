/** What is known of an installed plugin. Parsing is pure; nothing in the file is taken on trust. */

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

/** One installed plugin. */
export interface Receipt extends Provenance {
  readonly name: string;
  /** As pulled, canonical (reference.ts): registry, repository and tag or digest. */
  readonly reference: string;
  /** How the manifest came here. */
  readonly source: Source;
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
  /** Those that were asked for, each verified; the narrowest last. */
  readonly signatures: readonly Signature[];
  /** How it completes its arguments, where its artifact says that it can. */
  readonly completion?: "cobra";
  /** RFC 3339, UTC. */
  readonly installedAt: string;
}

/** The format that is written. Older ones are read as former_receipt.ts has them; a newer one is refused. */
const FORMAT = 3;
export { DIGEST };
const FILE = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** What only some plugins have: `null` where one has none, so that a field that is missing is an error. */
const MAY_BE_NONE = ["indexDigest", "config", "version", "description", "completion"] as const;

/** The receipt as JSON: `format` first, and every field. */
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
    version: none.version,
    description: none.description,
    signatures: receipt.signatures.map(signatureToJson),
    completion: none.completion,
    installedAt: receipt.installedAt,
  };
}

/** The receipt as it is stored: its JSON, indented. */
export function formatReceipt(receipt: Receipt): string {
  return `${JSON.stringify(receiptToJson(receipt), null, 2)}\n`;
}

/** What is read in every format, given how grants are. */
function commonFields(grants: Reader<Grants>) {
  const digest = text(DIGEST, "is not a digest");
  return {
    name: text(),
    manifestDigest: digest,
    digest,
    size: integer(0),
    kind: word("preview1", "component"),
    bindgen: text(FILE, "is malformed"),
    compiled: list(object<CompiledFile>({ file: text(FILE, "is malformed"), digest, size: integer(0) })),
    grants,
    installedAt: text(),
  } as const;
}

type None<T> = Reader<Exclude<T, undefined>>;
const none = <T>(reader: Reader<T>) => nullable(reader) as None<T>;

const PRESENT = object<Receipt & { format: number }>({
  format: integer(FORMAT),
  ...commonFields((value, path) => grantsFromJson(value, "present", path)),
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

const FORMER = object<Omit<Receipt, "source" | "signatures"> & { format: number; verified?: unknown }>({
  format: integer(1),
  ...commonFields((value, path) => grantsFromJson(value, "former", path)),
  // One that an older krew-wasm wrote may be spelt otherwise.
  reference: parsed((value) => formatReference(parseReference(value))),
  indexDigest: optional(text(DIGEST, "is not a digest")),
  config: optional(text(DIGEST, "is not a digest")),
  version: optional(text(/^[^]*$/)),
  description: optional(text(/^[^]*$/)),
  verified: optional((value) => value),
  completion: optional(word("cobra")),
});

/**
 * A receipt from its text. `name` is the one in the file's name, with which the content must agree.
 *
 * @throws AppError RECEIPT_INVALID, its message holds the field's path
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

/** `value`: what was read, which may still tell where the plugin is to be had. */
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
