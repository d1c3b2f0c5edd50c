/**
 * The annotations of our own that a bundle's `index.json` has beside the image layout. They carry a version. Other
 * tools' bundles have none, and then a bundle grants nothing. Pure.
 */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import type { Grants } from "../../runtime/grants/grants.ts";
import { DIGEST, type Receipt } from "../../runtime/store/receipt.ts";
import { printable } from "../../runtime/base/text.ts";
import { duplicateName } from "../oci/json_text.ts";
import { grantsFromPortable, portableGrants } from "./portable_grants.ts";

/** image-spec, annotations.md: the name of an image in a layout. */
const REF_NAME = "org.opencontainers.image.ref.name";
const OURS = "krew-wasm.dev/";
/** The version of these annotations. Version 1 had no such annotation, and omitted empty values. */
const VERSION = "krew-wasm.dev/bundle";
const PRESENT = 2;
/** The plugin's name, and its grants for `bundle load --with-grants`. */
const NAME = "krew-wasm.dev/name";
const GRANTED = "krew-wasm.dev/granted";
/** The digest of the blob with the manifest's signatures. This and the next two are empty for none. */
const SIGNATURES = "krew-wasm.dev/signatures";
/**
 * The digest of the index that the manifest was chosen from (a blob, too), and of the blob with the index's signatures.
 */
const INDEX = "krew-wasm.dev/index";
const INDEX_SIGNATURES = "krew-wasm.dev/index-signatures";
const ALL = [VERSION, NAME, GRANTED, SIGNATURES, INDEX, INDEX_SIGNATURES];

/** The blobs beside a manifest; empty strings for missing ones. */
export interface BundledBlobs {
  readonly signatures: string;
  readonly index: string;
  readonly indexSignatures: string;
}

/** A bundle's information about a plugin. */
export interface Bundled {
  readonly refName: string | undefined;
  readonly name: string | undefined;
  readonly grants: Grants | undefined;
  readonly signatures: string | undefined;
  readonly index: string | undefined;
  readonly indexSignatures: string | undefined;
}

/** Makes the annotations of a saved plugin. */
export function bundledAnnotations(
  receipt: Receipt,
  { signatures, index, indexSignatures }: BundledBlobs,
  home: string,
): Record<string, string> {
  return {
    [REF_NAME]: receipt.reference,
    [VERSION]: String(PRESENT),
    [NAME]: receipt.name,
    [GRANTED]: JSON.stringify(portableGrants(receipt.grants, home)),
    [SIGNATURES]: signatures,
    [INDEX]: index,
    [INDEX_SIGNATURES]: indexSignatures,
  };
}

/** Reads them, strictly. `path`: the annotations' place in the file, for errors. @throws AppError BUNDLE_INVALID */
export function readBundled(annotations: unknown, home: string, path: string): Bundled {
  const invalid = (what: string): never => {
    throw new AppError("BUNDLE_INVALID", `The bundle's ${path}${what}`);
  };
  if (annotations !== undefined && (typeof annotations !== "object" || annotations === null)) {
    return invalid(" is not an object");
  }
  const notes = (annotations ?? {}) as Record<string, unknown>;
  const at = (key: string) => `["${printable(key, 100)}"]`;
  const ours = Object.keys(notes).filter((key) => key.startsWith(OURS));
  for (const key of [REF_NAME, ...ours]) {
    if (Object.hasOwn(notes, key) && typeof notes[key] !== "string") invalid(`${at(key)} is not a text`);
  }
  const note = (key: string) => Object.hasOwn(notes, key) ? notes[key] as string : undefined;
  const version = note(VERSION);
  if (version !== undefined && version !== String(PRESENT)) {
    return invalid(
      /^\d+$/.test(version) && Number(version) > PRESENT
        ? `${at(VERSION)} is ${version}, this krew-wasm reads ${PRESENT} and older`
        : `${at(VERSION)} is not ${PRESENT}`,
    );
  }
  for (const key of ours) if (!ALL.includes(key)) invalid(`${at(key)} is not known`);
  if (version !== undefined) {
    for (const key of ALL) if (note(key) === undefined) invalid(`${at(key)} is missing`);
  }
  const blob = (key: string): string | undefined => {
    const digest = note(key);
    if (digest === undefined || digest === "" && version !== undefined) return undefined;
    return DIGEST.test(digest) ? digest : invalid(`${at(key)} is not a digest`);
  };
  const granted = note(GRANTED);
  let grants: Grants | undefined;
  if (granted !== undefined) {
    try {
      const twice = duplicateNameIn(granted);
      if (twice !== undefined) throw new Error(`it has "${printable(twice, 100)}" twice in one place`);
      grants = grantsFromPortable(JSON.parse(granted), home, version === undefined ? "former" : "present");
    } catch (error) {
      return invalid(`${at(GRANTED)}: ${printable(messageOf(error), 300)}`);
    }
  }
  return {
    refName: note(REF_NAME),
    name: note(NAME),
    grants,
    signatures: blob(SIGNATURES),
    index: blob(INDEX),
    indexSignatures: blob(INDEX_SIGNATURES),
  };
}

function duplicateNameIn(text: string): string | undefined {
  JSON.parse(text); // throws for text that is not JSON
  return duplicateName(text);
}
