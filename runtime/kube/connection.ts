/** From a chosen context to what a transport needs: files read, data decoded, flags applied, contradictions found. */

import { AppError, messageOf } from "../errors.ts";
import { printable } from "../text.ts";
import { absolute, type ConnectionFlags } from "./flags.ts";
import type { Chosen, ExecEntry, Sourced } from "./kubeconfig.ts";

/** A client certificate, PEM. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Where and as whom to connect. Holds secrets: it never leaves the host's side. */
export interface Connection {
  readonly context: string;
  readonly namespace: string;
  /** Without a trailing slash. */
  readonly server: string;
  /** PEM; the only roots where it is given, the system's where not. */
  readonly ca: string | undefined;
  readonly tlsServerName: string | undefined;
  readonly insecureSkipTlsVerify: boolean;
  readonly proxyUrl: string | undefined;
  readonly disableCompression: boolean;
  readonly certificate: ClientCertificate | undefined;
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  readonly basic: { readonly username: string; readonly password: string } | undefined;
  readonly exec: Sourced<ExecEntry> | undefined;
  readonly impersonate: readonly (readonly [header: string, value: string])[];
  /** Milliseconds for a whole request; undefined for no limit. */
  readonly requestTimeout: number | undefined;
}

/**
 * @param cwd for the paths among the flags
 * @throws AppError KUBECONFIG_INVALID, KUBECONFIG_UNREADABLE, CLUSTER_UNSUPPORTED
 */
export function connectionOf(
  { context, namespace, cluster, user }: Chosen,
  flags: ConnectionFlags,
  cwd: string,
  readFile: (path: string) => string = Deno.readTextFileSync,
): Connection {
  const invalid = (where: string, what: string): never => {
    throw new AppError("KUBECONFIG_INVALID", `${where} ${what}`);
  };
  const read = (path: string, where: string): string => {
    try {
      return readFile(path);
    } catch (error) {
      throw new AppError(
        "KUBECONFIG_UNREADABLE",
        `${where} names "${printable(path)}", which can't be read: ${printable(messageOf(error))}`,
      );
    }
  };
  /** `-data` wins over the file, a flag over both, as in client-go. */
  const pem = (
    source: Sourced<unknown> | undefined,
    field: string,
    flag: string | undefined,
    data: string | undefined,
    file: string | undefined,
  ): string | undefined => {
    const where = flag === undefined
      ? `${source?.where}.${data === undefined ? field : `${field}-data`}`
      : `--${field}`;
    const path = flag !== undefined
      ? absolute(flag, cwd)
      : data === undefined && file !== undefined && source
      ? absolute(file, source.directory)
      : undefined;
    const text = path !== undefined
      ? read(path, where)
      : data === undefined
      ? undefined
      : decodeBase64(data) ?? invalid(where, "is not base64");
    if (text === undefined) return undefined;
    return text.includes("-----BEGIN ") ? text : invalid(where, "holds no PEM");
  };
  const { entry } = cluster;
  const server = serverUrl(
    flags.server ?? entry.server ?? invalid(`${cluster.where}.server`, "is missing"),
    () =>
      invalid(
        flags.server === undefined ? `${cluster.where}.server` : "--server",
        "is not an http or https URL",
      ),
  );
  const insecure = flags.insecureSkipTlsVerify ?? entry.insecureSkipTlsVerify;
  const ca = pem(
    cluster,
    "certificate-authority",
    flags.certificateAuthority,
    entry.certificateAuthorityData,
    entry.certificateAuthority,
  );
  if (insecure && ca !== undefined && flags.insecureSkipTlsVerify === undefined) {
    invalid(cluster.where, "has both a certificate-authority and insecure-skip-tls-verify");
  }
  const person = user?.entry;
  if (person?.authProvider !== undefined) {
    throw new AppError(
      "CLUSTER_UNSUPPORTED",
      `${user!.where}.auth-provider "${
        printable(person.authProvider, 100)
      }" is no longer supported, by kubectl neither`,
      {
        hint:
          "exec credential plugins replaced it (gke-gcloud-auth-plugin, kubelogin): see your provider's guide",
      },
    );
  }
  const cert = pem(
    user,
    "client-certificate",
    flags.clientCertificate,
    person?.clientCertificateData,
    person?.clientCertificate,
  );
  const key = pem(user, "client-key", flags.clientKey, person?.clientKeyData, person?.clientKey);
  if ((cert === undefined) !== (key === undefined)) {
    invalid(
      `${user?.where ?? "--client-certificate"}`,
      `has a client-${cert === undefined ? "key without its certificate" : "certificate without its key"}`,
    );
  }
  const username = flags.username ?? person?.username;
  const asGroups = flags.asGroup ?? person?.asGroups ?? [];
  const as = flags.as ?? person?.as;
  const asUid = flags.asUid ?? person?.asUid;
  const extra = flags.asUserExtra ? parseExtra(flags.asUserExtra) : person?.asUserExtra ?? {};
  if (as === undefined && (asGroups.length > 0 || asUid !== undefined || Object.keys(extra).length > 0)) {
    invalid(user?.where ?? "--as-group", "impersonates a group, uid or extra without a user (as)");
  }
  const tokenFile = flags.token === undefined ? person?.tokenFile : undefined;
  return {
    context,
    namespace,
    server,
    ca: insecure ? undefined : ca,
    tlsServerName: flags.tlsServerName ?? entry.tlsServerName,
    insecureSkipTlsVerify: insecure,
    proxyUrl: entry.proxyUrl,
    disableCompression: flags.disableCompression ?? entry.disableCompression,
    certificate: cert === undefined ? undefined : { cert, key: key! },
    token: flags.token ?? (tokenFile === undefined ? person?.token : undefined),
    tokenFile: tokenFile === undefined ? undefined : absolute(tokenFile, user!.directory),
    basic: username === undefined
      ? undefined
      : { username, password: flags.password ?? person?.password ?? "" },
    exec: person?.exec === undefined ? undefined : { ...user!, entry: person.exec },
    impersonate: as === undefined ? [] : [
      ["impersonate-user", as],
      ...(asUid === undefined ? [] : [["impersonate-uid", asUid] as const]),
      ...asGroups.map((group) => ["impersonate-group", group] as const),
      ...Object.entries(extra).flatMap(([name, values]) =>
        values.map((value) => [`impersonate-extra-${encodeURIComponent(name.toLowerCase())}`, value] as const)
      ),
    ],
    requestTimeout: parseTimeout(flags.requestTimeout),
  };
}

function serverUrl(text: string, invalid: () => never): string {
  // client-go takes a bare host for https.
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`);
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:") || url.username || url.password) {
    return invalid();
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

function parseExtra(flags: readonly string[]): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  for (const flag of flags) {
    const [name = "", value = ""] = flag.split(/=(.*)/s);
    (extra[name] ??= []).push(value);
  }
  return extra;
}

/** `--request-timeout`: seconds, or Go's durations (`1m30s`, `500ms`); 0 for none. @throws AppError USAGE */
export function parseTimeout(text: string | undefined): number | undefined {
  if (text === undefined || text === "0" || text === "") return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const units: Record<string, number> = {
    h: 3_600_000,
    m: 60_000,
    s: 1000,
    ms: 1,
    us: 0.001,
    "µs": 0.001,
    ns: 1e-6,
  };
  let total = 0;
  if (!/^(\d+(\.\d+)?(h|ms|m|s|us|µs|ns))+$/.test(text)) {
    throw new AppError(
      "USAGE",
      `--request-timeout="${printable(text, 50)}" is not a duration such as 30s or 1m`,
    );
  }
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)) {
    total += Number(amount) * units[unit!]!;
  }
  return total || undefined;
}

function decodeBase64(text: string): string | undefined {
  try {
    const binary = atob(text.replace(/\s/g, ""));
    return new TextDecoder().decode(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
  } catch {
    return undefined;
  }
}
