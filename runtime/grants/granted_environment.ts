/** Which environment variables a plugin gets. Pure. */

import type { Denials, EnvGrant } from "./grants.ts";

/**
 * Parts of variable names that suggest a credential: upper-case, compared with the name between underscores. A plugin gets
 * such a variable only if --allow-env names it. docs/security.md lists them. Every run checks every variable, and compiling
 * one large regular expression would take longer than all of these comparisons.
 */
const IN_CREDENTIALS = [
  ...["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "AUTHORIZATION", "COOKIE"],
  ...["API_KEY", "APIKEY", "ACCESS_KEY", "ACCESSKEY", "PRIVATE_KEY", "PRIVATEKEY"],
  ...["SESSION_ID", "SESSIONID", "SESSION_KEY", "SESSIONKEY"],
  ...["DATABASE_URL", "CONNECTION_STRING", "CONNECTIONSTRING"],
  ...["_PASS_", "_AUTH_", "_CRED_", "_CREDS_", "_JWT_", "SSHPASS"],
];
const END_OF_CREDENTIALS = ["_PWD_", "_DSN_", "_PAT_", "_SESSION_"];
/** OP_SESSION_account is 1Password's. */
const START_OF_CREDENTIALS = ["AZURE_", "GPG", "GNUPG", "OP_SESSION_"];
/** These names end like a credential's, but hold the current directory and the kind of desktop. */
const NO_CREDENTIALS: ReadonlySet<string> = new Set(["PWD", "DESKTOP_SESSION"]);
/** A cloud's prefix, and the parts of names with this prefix that hold credentials. */
const CLOUDS = [["_AWS_", "KEY", "ID"], ["_GOOGLE_", "KEY", "JSON"]] as const;
const CREDENTIALS: ReadonlySet<string> = new Set(
  ["SSH_AUTH_SOCK", "SSH_AGENT_PID", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NETRC"],
);

/** Whether a variable's name suggests a credential. A proxy's URL may hold a password. */
export function isCredentialVariable(name: string): boolean {
  const upper = name.toUpperCase();
  const text = `_${upper}_`;
  for (const part of IN_CREDENTIALS) if (text.includes(part)) return true;
  for (const [start, one, other] of CLOUDS) {
    const { length } = start;
    if (text.startsWith(start) && (text.includes(one, length) || text.includes(other, length))) return true;
  }
  for (const start of START_OF_CREDENTIALS) if (upper.startsWith(start)) return true;
  for (const end of END_OF_CREDENTIALS) if (text.endsWith(end) && !NO_CREDENTIALS.has(upper)) return true;
  return CREDENTIALS.has(upper);
}

/** Splits the environment into the variables that a plugin gets and the names that are withheld. Pure. */
export function grantedEnvironment(
  env: Readonly<Record<string, string>>,
  grant: EnvGrant,
  deny: Denials["env"] = [],
): { readonly given: [name: string, value: string][]; readonly withheld: string[] } {
  const allowed = typeof grant === "string" ? undefined : new Set(grant);
  const denied = typeof deny === "string" ? undefined : new Set(deny);
  const given: [string, string][] = [];
  const withheld: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    const give = denied !== undefined && !denied.has(name) &&
      (allowed ? allowed.has(name) : grant === "all" || !isCredentialVariable(name));
    if (give) given.push([name, value]);
    else withheld.push(name);
  }
  return { given, withheld };
}
