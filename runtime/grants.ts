/**
 * What a plugin may do beyond the least: data, parsed once, from flags or a receipt. What is not granted here is
 * not given anywhere; `openSandbox` in sandbox.ts is the one place that turns it into a sandbox.
 */

import { AppError } from "./errors.ts";
import { printable } from "./text.ts";

/** A file or directory of the host that a plugin may reach. */
export interface FileGrant {
  /** Absolute host path. */
  readonly host: string;
  /** Where the plugin sees it: an absolute path, the host's own unless the grant maps it. */
  readonly guest: string;
  readonly write: boolean;
}

/** A plugin's grants. */
export interface Grants {
  readonly files: readonly FileGrant[];
  /** All of $HOME, read and write. */
  readonly home: boolean;
  /** `default`: all but what a name says is a credential; `all`; or these names only. */
  readonly env: "default" | "all" | readonly string[];
  /** The real kubeconfig in place of the stand-in. */
  readonly kubeconfig: boolean;
}

/** What every plugin has. */
export const LEAST: Grants = { files: [], home: false, env: "default", kubeconfig: false };

/** The flags of `pull` and `run`, as the command line's parser hands them over. */
export interface GrantFlags {
  readonly allowRead?: readonly string[] | undefined;
  readonly allowWrite?: readonly string[] | undefined;
  readonly allowHome?: boolean | undefined;
  readonly allowEnv?: readonly string[] | undefined;
  readonly allowKubeconfig?: boolean | undefined;
}

/**
 * The grants that flags ask for. `resolve` makes a path absolute against the current directory and expands a
 * leading `~`.
 *
 * `--allow-read=PATH` and `--allow-write=PATH` take `HOST::GUEST` too; `--allow-env` takes names parted by commas,
 * or `*`, and nothing for none.
 *
 * @throws AppError GRANT_INVALID
 */
export function parseGrantFlags(flags: GrantFlags, resolve: (path: string) => string): Grants {
  const files = [
    ...(flags.allowRead ?? []).map((text) => parseFileGrant(text, false, resolve)),
    ...(flags.allowWrite ?? []).map((text) => parseFileGrant(text, true, resolve)),
  ];
  return {
    files,
    home: flags.allowHome ?? false,
    env: flags.allowEnv === undefined ? "default" : parseEnvGrant(flags.allowEnv),
    kubeconfig: flags.allowKubeconfig ?? false,
  };
}

/** Both together: what either grants. An explicit list of variables wins over the default. */
export function mergeGrants(base: Grants, more: Grants): Grants {
  const env = base.env === "all" || more.env === "all"
    ? "all"
    : base.env === "default"
    ? more.env
    : more.env === "default"
    ? base.env
    : [...new Set([...base.env, ...more.env])];
  return {
    files: [...base.files, ...more.files],
    home: base.home || more.home,
    env,
    kubeconfig: base.kubeconfig || more.kubeconfig,
  };
}

function parseFileGrant(text: string, write: boolean, resolve: (path: string) => string): FileGrant {
  const flag = write ? "--allow-write" : "--allow-read";
  const parts = text.split("::");
  const [host = "", guest] = parts;
  if (parts.length > 2 || host === "" || guest === "" || text.includes("\0")) {
    throw new AppError("GRANT_INVALID", `${flag}="${printable(text, 200)}" is neither PATH nor HOST::GUEST`);
  }
  const absolute = resolve(host);
  return { host: absolute, guest: guest ?? absolute, write };
}

function parseEnvGrant(texts: readonly string[]): "all" | readonly string[] {
  const names = texts.flatMap((text) => text.split(",")).map((name) => name.trim()).filter((name) =>
    name !== ""
  );
  if (names.includes("*")) return "all";
  for (const name of names) {
    if (/[=\u0000-\u001f\u007f*]/.test(name)) {
      throw new AppError(
        "GRANT_INVALID",
        `--allow-env: "${printable(name, 80)}" is not the name of a variable`,
      );
    }
  }
  return names;
}

/**
 * Names of variables that hold credentials, over the upper-cased name: words anywhere, words between underscores, and
 * prefixes. A plugin sees none of these unless --allow-env names it. docs/security.md lists them. One expression, as every
 * run asks it about every variable.
 */
const CREDENTIAL_VARIABLE =
  /TOKEN|SECRET|PASSW(?:OR)?D|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|AUTHORIZATION|COOKIE|SESSION_?(?:ID|KEY)|DATABASE_URL|CONNECTION_?STRING|(?:^|_)(?:PASS|AUTH|CREDS?)(?:_|$)|_PWD$|(?:^|_)DSN$|^AWS_.*(?:KEY|ID)|^AZURE_|^GOOGLE_.*(?:KEY|JSON)|^SSH_(?:AUTH_SOCK|AGENT_PID)$|^(?:GPG|GNUPG)|^(?:HTTPS?|ALL|FTP)_PROXY$|^NETRC$/;

/** Whether a variable's name says that its value is a credential. A proxy's URL may hold a password. */
export function isCredentialVariable(name: string): boolean {
  return CREDENTIAL_VARIABLE.test(name.toUpperCase());
}

/** The environment a plugin gets, and the names that were held back. Pure. */
export function grantedEnvironment(
  env: Readonly<Record<string, string>>,
  grant: Grants["env"],
): { readonly given: [name: string, value: string][]; readonly withheld: string[] } {
  const allowed = typeof grant === "string" ? undefined : new Set(grant);
  const given: [string, string][] = [];
  const withheld: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    const give = allowed ? allowed.has(name) : grant === "all" || !isCredentialVariable(name);
    if (give) given.push([name, value]);
    else withheld.push(name);
  }
  return { given, withheld };
}

/** Grants as a receipt and `-o json` hold them. */
export function grantsToJson(grants: Grants): Record<string, unknown> {
  return { files: grants.files, home: grants.home, env: grants.env, kubeconfig: grants.kubeconfig };
}

/** The reverse of {@linkcode grantsToJson}. @throws Error with the field's path */
export function grantsFromJson(json: unknown): Grants {
  if (typeof json !== "object" || json === null) throw new Error("grants is missing or malformed");
  const { files, home, env, kubeconfig } = json as Record<string, unknown>;
  if (!Array.isArray(files)) throw new Error("grants.files is missing or malformed");
  if (typeof home !== "boolean") throw new Error("grants.home is missing or malformed");
  if (typeof kubeconfig !== "boolean") throw new Error("grants.kubeconfig is missing or malformed");
  if (
    env !== "default" && env !== "all" &&
    !(Array.isArray(env) && env.every((name) => typeof name === "string"))
  ) {
    throw new Error("grants.env is missing or malformed");
  }
  return {
    files: files.map((file: unknown, index) => {
      const { host, guest, write } = (file ?? {}) as Record<string, unknown>;
      if (typeof host !== "string" || typeof guest !== "string" || typeof write !== "boolean") {
        throw new Error(`grants.files[${index}] is malformed`);
      }
      return { host, guest, write };
    }),
    home,
    env: env as Grants["env"],
    kubeconfig,
  };
}
