/** Reads a policy's file. */

import { accountHome, isOwn } from "../base/account_home.ts";
import { firstLineOf } from "../base/errors.ts";
import { whyNotRead } from "../base/file_error.ts";
import { realOrNamed } from "./bound_path.ts";
import { readOwned } from "./owned_file.ts";
import { parsePolicy, policyInvalid } from "./parse_policy.ts";
import type { Policy, PolicyOwner } from "./policy.ts";

/**
 * Reads the administrator's policy; undefined if there is none.
 *
 * @throws AppError POLICY_INVALID
 */
export async function readPolicy(
  path: string,
  home: string,
  owner: PolicyOwner = "administrator",
): Promise<Policy | undefined> {
  let text: string;
  try {
    const read = readOwned(path, path);
    if (read === undefined) return undefined;
    text = read;
  } catch (error) {
    throw policyInvalid(path, owner, whyNotRead(error));
  }
  let value: unknown;
  try {
    // Loading the YAML parser takes longer than the rest of a run's start, so JSON does without it.
    value = /^\s*\{/.test(text) ? JSON.parse(text) : (await import("yaml")).parse(text, { maxAliasCount: 0 });
  } catch (error) {
    throw policyInvalid(path, owner, `it is not YAML: ${firstLineOf(error)}`);
  }
  const account = owner === "user" ? undefined : await accountHome();
  // The user controls the environment: it must not name another user's directory as the home.
  const own = account === undefined || isOwn(home) ? realOrNamed(home) : account;
  return parsePolicy(value, path, own, owner, account === undefined ? [] : [account]);
}
