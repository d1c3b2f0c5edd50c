/** A policy rule's `verify`, and whether the signatures in a receipt satisfy it. */

import { AppError, messageOf } from "../base/errors.ts";
import { whyNotRead } from "../base/file_error.ts";
import { anything, boolean, isObject, object, optional, text } from "../base/strict_json.ts";
import { readOwned } from "./owned_file.ts";
import type { Policy, PolicyRule } from "./policy.ts";
import { type Provenance, repositoryOf, type Signature } from "./provenance.ts";
import { isSigner, parseSigner, type Signer } from "./signers.ts";
import { printable } from "../base/text.ts";

/** A parsed `verify`. */
export interface VerifyRule {
  /** One of them is enough. */
  readonly signers: readonly Signer[];
  /** The text of the trusted root for identities; undefined for the root that krew-wasm carries. */
  readonly trustRoot: string | undefined;
  /** Accept signatures that name another repository, or none. */
  readonly copies: boolean;
}

/**
 * Parses `verify`: a signer as in `--verify`, a list of alternatives, or an object `{anyOf, trustRoot, copies}`. `false`
 * requires no signature. Reads keys and trust root now, because their present content counts.
 *
 * @param usualRoot the text of the trust root for a rule without one
 * @returns undefined if the rule requires no signature
 * @throws AppError POLICY_INVALID
 */
export function readVerifyRule(
  policy: Policy,
  rule: PolicyRule | undefined,
  usualRoot: () => string | undefined,
): VerifyRule | undefined {
  if (rule?.verify === undefined || rule.verify === false) return undefined;
  const fail = (what: string): never => {
    throw new AppError(
      "POLICY_INVALID",
      `The policy ${policy.path} can't be used: verify of the rule for ${
        printable(rule.match, 200)
      }: ${what}`,
    );
  };
  const read = (path: string): string => {
    if (!/^(\/|[A-Za-z]:[\\/])/.test(path)) fail(`"${printable(path, 200)}" is not an absolute path`);
    try {
      return readOwned(path, policy.path) ?? fail(`there is no ${printable(path, 200)}`);
    } catch (error) {
      return fail(`cannot read ${printable(path, 200)}: ${whyNotRead(error)}`);
    }
  };
  const signers = (value: unknown): Signer[] => {
    const list = Array.isArray(value) ? value : [value];
    if (list.length === 0) fail("nobody may have signed");
    return list.map((item) => {
      if (typeof item !== "string" || item === "") {
        return fail("a signer is a key's file, or IDENTITY@ISSUER");
      }
      try {
        return parseSigner(item, read);
      } catch (error) {
        if (error instanceof AppError && error.code === "POLICY_INVALID") throw error;
        return fail(messageOf(error));
      }
    });
  };
  const made = (anyOf: unknown, path?: string, copies = false): VerifyRule => {
    const signed = signers(anyOf);
    const needed = signed.some(({ kind }) => kind === "identity");
    const trustRoot = path !== undefined ? read(path) : needed ? usualRoot() : undefined;
    return { signers: signed, trustRoot, copies };
  };
  const { verify } = rule;
  if (typeof verify === "string" || Array.isArray(verify)) return made(verify);
  if (!isObject(verify)) return fail("it is neither a signer nor a list of them");
  let fields: VerifyFields;
  try {
    fields = VERIFY(verify, "");
  } catch (error) {
    return fail(messageOf(error));
  }
  return made(fields.anyOf, fields.trustRoot, fields.copies);
}

/** The long form of `verify`. */
interface VerifyFields {
  readonly anyOf?: unknown;
  readonly trustRoot?: string;
  readonly copies?: boolean;
}

const VERIFY = object<VerifyFields>({
  anyOf: optional(anything),
  trustRoot: optional(text(/^[^]*$/, "is not a path")),
  copies: optional(boolean),
});

/** The signatures of a plugin that satisfy a rule today. `byAnyRoot`: accept every trust root. */
export async function satisfying(
  rule: VerifyRule,
  plugin: Provenance,
  byAnyRoot = false,
): Promise<readonly Signature[]> {
  const repository = repositoryOf(plugin);
  let digest: string | undefined;
  const isByRoot = async (signature: Signature & { kind: "identity" }): Promise<boolean> => {
    const { of, digest: used } = signature.trustRoot;
    // krew-wasm updates bring new versions of this root.
    if (rule.trustRoot === undefined) return of === "carried";
    digest ??= await digestOfText(rule.trustRoot);
    return used === digest;
  };
  const found: Signature[] = [];
  for (const signature of plugin.signatures) {
    if (signature.repository !== repository) continue; // the receipt's reference has changed since
    if (signature.names !== undefined && signature.names !== repository && !rule.copies) continue;
    if (!rule.signers.some((signer) => isSigner(signer, signature))) continue;
    if (signature.kind === "key" || byAnyRoot || await isByRoot(signature)) found.push(signature);
  }
  return found;
}

/** Why no signature satisfies a rule. */
export function whyUnsatisfied({ signatures }: Provenance): string {
  if (signatures.length === 0) {
    return "it has to be signed, and no signature was verified when it was installed";
  }
  const by = signatures.map((signature) =>
    signature.kind === "key"
      ? `the key ${signature.key}`
      : `${printable(signature.identity, 200)} (${printable(signature.issuer, 100)}, by ${
        ROOTS[signature.trustRoot.of]
      })`
  );
  return `it has to be signed by a signer of its rule, but was signed by ${by.join(", and ")}`;
}

/** Trust roots in words, by owner. */
export const ROOTS = {
  carried: "the trust root that krew-wasm carries",
  administrator: "a trust root of the administrator's",
  user: "a trust root of the user's own",
  unknown: "a trust root that an older krew-wasm did not keep",
} as const;

/** `sha256:<hex>` of a text. */
async function digestOfText(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `sha256:${new Uint8Array(bytes).toHex()}`;
}
