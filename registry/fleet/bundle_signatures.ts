/** Signatures in a bundle: one JSON list for each manifest. Pure. */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { type FoundSignature, MAX_SIGNATURES } from "../signing/find_signatures.ts";

/** Serializes signatures for a bundle. Pure. */
export function formatSignatures(signatures: readonly FoundSignature[]): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    JSON.stringify(
      signatures.map((signature) =>
        signature.kind === "bundle" ? signature : { ...signature, payload: signature.payload.toBase64() }
      ),
    ),
  );
}

/** Parses serialized signatures, without verifying them. Pure. @throws AppError BUNDLE_INVALID */
export function parseSignatures(text: string): FoundSignature[] {
  try {
    const json: unknown = JSON.parse(text);
    if (!Array.isArray(json)) throw new Error("it is not a list");
    if (json.length > MAX_SIGNATURES) throw new Error(`there are more than ${MAX_SIGNATURES}`);
    return json.map((value: unknown): FoundSignature => {
      const { kind, json, payload, annotations } = (value ?? {}) as Record<string, unknown>;
      if (kind === "bundle" && typeof json === "string") return { kind, json };
      if (
        kind !== "simple" || typeof payload !== "string" || typeof annotations !== "object" || !annotations
      ) {
        throw new Error("it is of an unknown kind");
      }
      return {
        kind,
        payload: Uint8Array.fromBase64(payload),
        annotations: annotations as Record<string, unknown>,
      };
    });
  } catch (error) {
    throw new AppError(
      "BUNDLE_INVALID",
      `The bundle's signatures can't be read: ${printable(messageOf(error), 200)}`,
    );
  }
}
