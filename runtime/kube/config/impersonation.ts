/** The headers with which the user impersonates another. */

import { toBytes } from "../http/header_text.ts";
import { kubeconfigInvalid } from "./connection_files.ts";
import type { Sourced, UserEntry } from "./kubeconfig.ts";
import type { ConnectionFlags } from "./kubectl_flags.ts";

/** The impersonation headers. */
export function impersonationOf(
  flags: ConnectionFlags,
  user: Sourced<UserEntry> | undefined,
): [header: string, value: string][] {
  const person = user?.entry;
  const as = flags.as ?? person?.as;
  const uid = flags.asUid ?? person?.asUid;
  const groups = flags.asGroup ?? person?.asGroups ?? [];
  const extra = { ...person?.asUserExtra, ...parseExtra(flags.asUserExtra ?? []) };
  if (as === undefined) {
    if (groups.length > 0 || uid !== undefined || Object.keys(extra).length > 0) {
      kubeconfigInvalid(
        user ? `${user.where}.as` : "--as",
        "is missing: a group, uid or extra is impersonated with a user only",
      );
    }
    return [];
  }
  const value = (text: string): string =>
    headerBytes(text) ??
      kubeconfigInvalid(
        flags.as === undefined && user ? `${user.where}.as` : "--as",
        "and what is impersonated beside it hold a character that no header has",
      );
  return [
    ["impersonate-user", value(as)],
    ...(uid === undefined ? [] : [["impersonate-uid", value(uid)] as [string, string]]),
    ...groups.map((group): [string, string] => ["impersonate-group", value(group)]),
    ...Object.entries(extra).flatMap(([name, values]) =>
      values.map((one): [string, string] => [`impersonate-extra-${escapeHeaderName(name)}`, value(one)])
    ),
  ];
}

/** A text as a header value, one character for each byte; undefined if no header can hold it. */
export function headerBytes(text: string): string | undefined {
  return /[\u0000-\u0008\u000a-\u001f\u007f]/.test(text) ? undefined : toBytes(text);
}

/** Percent-encodes `%` and characters that a header's name can't contain. The API server decodes it. */
function escapeHeaderName(name: string): string {
  return Array.from(new TextEncoder().encode(name), (byte) => {
    const character = String.fromCharCode(byte);
    return /[!#$&'*+\-.^_`|~0-9A-Za-z]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

function parseExtra(flags: readonly string[]): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  for (const flag of flags) {
    const equals = flag.indexOf("=");
    if (equals >= 0) (extra[flag.slice(0, equals)] ??= []).push(flag.slice(equals + 1));
  }
  return extra;
}
