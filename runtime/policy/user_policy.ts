/** The user's own `policy.yaml`. It can only require signers. */

import { AppError } from "../base/errors.ts";
import type { Policy } from "./policy.ts";
import { readPolicy } from "./read_policy.ts";
import type { Layout } from "../store/layout.ts";

/** Reads the user's policy; undefined if there is none. @throws AppError POLICY_INVALID */
export async function readUserPolicy(
  { policy: path }: Pick<Layout, "policy">,
  home: string,
): Promise<Policy | undefined> {
  const policy = await readPolicy(path, home, "user");
  if (!policy) return undefined;
  const other = policy.registries
    ? "registries"
    : !policy.prompts
    ? "prompts"
    : policy.walls
    ? "walls"
    : policy.record !== "denials"
    ? "record"
    : policy.rules.some(({ allow }) => !allow)
    ? "allow"
    : policy.rules.some(({ maximum }) => maximum)
    ? "maximum"
    : undefined;
  if (other === undefined) return policy;
  throw new AppError("POLICY_INVALID", `${path} can't be used: ${other} is the administrator's to say`, {
    hint: other === "walls"
      ? "the variable KREW_WASM_REQUIRE_WALLS=kernel asks for the same"
      : "a user's own policy has rules of match and verify only; krew-wasm grants says what a plugin may do",
  });
}
