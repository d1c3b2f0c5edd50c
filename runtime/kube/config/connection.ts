/**
 * Turns a chosen context into what a transport needs, as client-go's clientcmd and rest packages do: applies flags,
 * finds contradictions, reads files and decodes data.
 */

import { AppError, messageOf } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { absolute, type ConnectionFlags } from "./kubectl_flags.ts";
import type { Chosen, ClusterEntry, ExecEntry, Sourced, UserEntry } from "./kubeconfig.ts";
import { toBytes } from "../http/header_text.ts";
import { isProxyUrl } from "../http/cluster_proxy.ts";
import { hasZone, serverOf } from "./server_url.ts";
import { shownUrl } from "./shown_url.ts";

/** A client certificate, PEM. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

/** An exec credential plugin. */
export interface ExecPlugin {
  readonly entry: ExecEntry;
  /** `FILE: users[2].exec`, for errors. */
  readonly where: string;
  /** The kubeconfig's directory: a command with a slash is relative to it. */
  readonly directory: string;
  /** The value of the cluster's extension `client.authentication.k8s.io/exec`. */
  readonly config: unknown;
  /** Returns the program to start if kuberc allows the command. @throws AppError CREDENTIALS_FAILED */
  readonly allowed?: (command: string) => string;
}

/** Where and as whom to connect. Contains secrets: it never leaves the host's side. */
export interface Connection {
  readonly context: string;
  readonly namespace: string;
  /** Without a trailing slash, and without credentials. */
  readonly server: string;
  /** PEM. If set, these are the only roots; otherwise the system's roots count. */
  readonly ca: string | undefined;
  /** Absolute path, if it comes from a file. */
  readonly caFile?: string | undefined;
  readonly tlsServerName: string | undefined;
  readonly insecureSkipTlsVerify: boolean;
  /** The cluster's own proxy: http, https or socks5. It may contain a user name and a password. */
  readonly proxyUrl: string | undefined;
  readonly disableCompression: boolean;
  readonly certificate: ClientCertificate | undefined;
  /** Absolute paths, if both come from files, which may rotate. */
  readonly certificateFiles?: ClientCertificate | undefined;
  readonly token: string | undefined;
  /** Wins over the token if it can be read. */
  readonly tokenFile: string | undefined;
  readonly basic: { readonly username: string; readonly password: string } | undefined;
  /** Set only if the user has no other credentials. */
  readonly exec: ExecPlugin | undefined;
  readonly impersonate: readonly (readonly [header: string, value: string])[];
  /** Milliseconds for a whole request; undefined for no limit. */
  readonly requestTimeout: number | undefined;
  /** The prefix of a field's name in errors: `FILE: clusters[0].`, or `--` of a flag. */
  readonly where?: { readonly cluster: string; readonly user: string };
}

const NO_CREDENTIALS = {
  certificate: undefined,
  certificateFiles: undefined,
  token: undefined,
  tokenFile: undefined,
  basic: undefined,
  exec: undefined,
} as const;

/**
 * @param cwd for the paths among the flags
 * @throws AppError KUBECONFIG_INVALID, KUBECONFIG_UNREADABLE, CLUSTER_UNSUPPORTED, USAGE
 */
export function connectionOf(
  { context, namespace, cluster, user }: Chosen,
  flags: ConnectionFlags,
  cwd: string,
  readFile: (path: string) => string = Deno.readTextFileSync,
): Connection {
  const files: Reader = { flags, cwd, readFile };
  const { entry } = cluster;
  const where = flags.server === undefined ? `${cluster.where}.server` : "--server";
  const { server, userinfo } = serverOf(
    flags.server ?? entry.server ?? invalid(where, "is missing"),
    (what) => invalid(where, what),
  );
  const proxyUrl = flags.proxyUrl ?? entry.proxyUrl;
  if (proxyUrl !== undefined && !isProxyUrl(proxyUrl)) {
    const where = flags.proxyUrl === undefined ? `${cluster.where}.proxy-url` : "--proxy-url";
    invalid(
      where,
      hasZone(proxyUrl)
        ? "has an IPv6 zone, which krew-wasm can't connect to: name the host"
        : `"${shownUrl(proxyUrl)}" is not an http, https or socks5 URL`,
    );
  }
  const { ca, caFile, insecure } = rootsOf(files, cluster);
  const credentials = user || hasUserFlags(flags)
    ? credentialsOf(files, user, entry.execConfig)
    : NO_CREDENTIALS;
  return {
    context,
    namespace,
    server,
    ca,
    caFile,
    // --server replaces the server's name, too.
    tlsServerName: flags.tlsServerName ?? (flags.server === undefined ? entry.tlsServerName : undefined),
    insecureSkipTlsVerify: insecure,
    proxyUrl,
    disableCompression: flags.disableCompression === true || entry.disableCompression,
    ...usedCredentials(server, userinfo, credentials),
    impersonate: impersonationOf(flags, user),
    requestTimeout: parseTimeout(flags.requestTimeout),
    where: {
      cluster: flags.certificateAuthority === undefined ? `${cluster.where}.` : "--",
      user: flags.clientCertificate === undefined ? `${user?.where}.` : "--",
    },
  };
}

/**
 * Without TLS client-go sends no credentials, because anybody on the way could read them. Credentials in the server's
 * URL are different: net/http sends them first, and with any scheme.
 */
function usedCredentials(
  server: string,
  userinfo: Connection["basic"],
  credentials: ReturnType<typeof credentialsOf>,
): ReturnType<typeof credentialsOf> {
  const { certificate, certificateFiles } = server.startsWith("https:") ? credentials : NO_CREDENTIALS;
  if (userinfo) return { ...NO_CREDENTIALS, certificate, certificateFiles, basic: userinfo };
  return server.startsWith("https:") ? credentials : NO_CREDENTIALS;
}

function invalid(where: string, what: string): never {
  throw new AppError("KUBECONFIG_INVALID", `${where} ${what}`);
}

/** Reads a connection's files. Relative paths of flags start at `cwd`. */
interface Reader {
  readonly flags: ConnectionFlags;
  readonly cwd: string;
  readonly readFile: (path: string) => string;
}

/** A PEM text and its file. */
interface Pem {
  readonly text: string;
  /** Absolute. */
  readonly path: string | undefined;
}

/** PEM from a flag's file, a field's data or a field's file. Data and file together are an error, as in client-go. */
function pemOf(
  { cwd, readFile }: Reader,
  source: Sourced<unknown> | undefined,
  field: "certificate-authority" | "client-certificate" | "client-key",
  flag: string | undefined,
  data: string | undefined,
  file: string | undefined,
): Pem | undefined {
  if (flag === undefined && data !== undefined && file !== undefined) {
    invalid(`${source!.where}.${field}`, `and ${field}-data are both given`);
  }
  const where = flag !== undefined
    ? `--${field}`
    : `${source?.where}.${data === undefined ? field : `${field}-data`}`;
  const path = flag !== undefined
    ? absolute(flag, cwd)
    : file !== undefined
    ? absolute(file, source!.directory)
    : undefined;
  let text: string | undefined;
  if (path !== undefined) {
    try {
      text = readFile(path);
    } catch (error) {
      throw new AppError(
        "KUBECONFIG_UNREADABLE",
        `${where} names "${printable(path)}", which can't be read: ${printable(messageOf(error))}`,
      );
    }
  } else if (data !== undefined) text = decodeBase64(data) ?? invalid(where, "is not base64");
  if (text === undefined) return undefined;
  const kind = field === "client-key" ? "-----BEGIN " : "-----BEGIN CERTIFICATE-----";
  if (text.includes(kind)) return { text, path };
  return invalid(where, text.includes("-----BEGIN ") ? "holds no certificate" : "holds no PEM");
}

/**
 * The authorities that may sign the server's certificate. `--insecure-…` overrides the kubeconfig's CA;
 * `--certificate-authority` overrides its skip.
 */
function rootsOf(
  files: Reader,
  cluster: Sourced<ClusterEntry>,
): { ca: string | undefined; caFile: string | undefined; insecure: boolean } {
  const { flags } = files;
  const { entry } = cluster;
  const override = flags.insecureSkipTlsVerify === true || flags.certificateAuthority !== undefined;
  const ca = pemOf(
    files,
    cluster,
    "certificate-authority",
    flags.certificateAuthority,
    override ? undefined : entry.certificateAuthorityData,
    override ? undefined : entry.certificateAuthority,
  );
  const insecure = override ? flags.insecureSkipTlsVerify === true : entry.insecureSkipTlsVerify;
  if (insecure && ca !== undefined) {
    invalid(
      override ? "--certificate-authority" : `${cluster.where}.certificate-authority`,
      "and insecure-skip-tls-verify are both given",
    );
  }
  return { ca: ca?.text, caFile: ca?.path, insecure };
}

function hasUserFlags(flags: ConnectionFlags): boolean {
  return [flags.token, flags.username, flags.password, flags.clientCertificate, flags.clientKey]
    .some((flag) => flag !== undefined);
}

/** The user's credentials, of one kind only. */
function credentialsOf(
  files: Reader,
  user: Sourced<UserEntry> | undefined,
  execConfig: unknown,
): Pick<Connection, "certificate" | "certificateFiles" | "token" | "tokenFile" | "basic" | "exec"> {
  const { flags } = files;
  const person = user?.entry;
  const where = user?.where ?? "--user";
  if (person?.authProvider !== undefined) throw authProviderGone(where, person.authProvider);
  const cert = pemOf(
    files,
    user,
    "client-certificate",
    flags.clientCertificate,
    person?.clientCertificateData,
    person?.clientCertificate,
  );
  // A key alone is ignored, as in client-go.
  const key = cert === undefined
    ? undefined
    : pemOf(files, user, "client-key", flags.clientKey, person?.clientKeyData, person?.clientKey);
  if (cert !== undefined && key === undefined) {
    if (flags.clientCertificate === undefined) {
      invalid(`${where}.client-key`, "is missing: there is a client-certificate");
    } else invalid("--client-certificate", "has no --client-key");
  }
  const certificate = cert === undefined ? undefined : { cert: cert.text, key: key!.text };
  const certificateFiles = cert?.path === undefined || key?.path === undefined
    ? undefined
    : { cert: cert.path, key: key.path };
  const token = flags.token ?? person?.token;
  const tokenFile = person?.tokenFile === undefined ? undefined : absolute(person.tokenFile, user!.directory);
  const username = flags.username ?? person?.username;
  const password = flags.password ?? person?.password;
  const basic = username === undefined && password === undefined
    ? undefined
    : { username: username ?? "", password: password ?? "" };
  if (basic && (token !== undefined || tokenFile !== undefined)) {
    invalid(where, "has both a token and a username: only one can be sent");
  }
  const other = certificate !== undefined || token !== undefined || tokenFile !== undefined ||
    basic !== undefined;
  const exec = person?.exec && {
    entry: checkedExec(person.exec, `${where}.exec`),
    where: `${where}.exec`,
    directory: user!.directory,
    config: execConfig,
  };
  return {
    certificate,
    certificateFiles,
    token,
    tokenFile: flags.token === undefined ? tokenFile : undefined,
    basic,
    exec: other ? undefined : exec,
  };
}

/** Replacements for client-go's built-in providers (Kubernetes 1.26 removed the last vendors' ones). */
const REPLACEMENTS: Readonly<Record<string, string>> = {
  gcp:
    "gke-gcloud-auth-plugin replaced it: gcloud container clusters get-credentials writes a user with exec",
  azure: "kubelogin replaced it: kubelogin convert-kubeconfig writes a user with exec",
  oidc:
    "an exec credential plugin replaced it: kubectl oidc-login setup (kubelogin) shows the user with exec to write",
  openstack: "client-keystone-auth replaced it, as an exec credential plugin",
};

function authProviderGone(where: string, name: string): AppError {
  return new AppError(
    "CLUSTER_UNSUPPORTED",
    `${where}.auth-provider "${
      printable(name, 100)
    }" is not supported: exec credential plugins replaced auth-provider`,
    {
      hint: (Object.hasOwn(REPLACEMENTS, name) ? REPLACEMENTS[name] : undefined) ??
        "your provider's guide names its exec credential plugin",
    },
  );
}

const EXEC_VERSIONS = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
const INTERACTIVE_MODES = ["Never", "IfAvailable", "Always"];

/** @throws AppError KUBECONFIG_INVALID with the field that is missing or wrong */
function checkedExec(entry: ExecEntry, where: string): ExecEntry {
  if (entry.command === "") invalid(`${where}.command`, "is missing");
  if (entry.apiVersion === "") invalid(`${where}.apiVersion`, "is missing");
  if (!EXEC_VERSIONS.includes(entry.apiVersion)) {
    invalid(
      `${where}.apiVersion`,
      `"${printable(entry.apiVersion, 100)}" is not one of ${EXEC_VERSIONS.join(", ")}`,
    );
  }
  entry.env.forEach(({ name }, index) => {
    if (name === "") invalid(`${where}.env[${index}].name`, "is missing");
  });
  if (entry.interactiveMode === "") {
    if (entry.apiVersion !== EXEC_VERSIONS[1]) {
      invalid(`${where}.interactiveMode`, `is missing: one of ${INTERACTIVE_MODES.join(", ")}`);
    }
    return { ...entry, interactiveMode: "IfAvailable" };
  }
  if (!INTERACTIVE_MODES.includes(entry.interactiveMode)) {
    const shown = printable(entry.interactiveMode, 100);
    invalid(`${where}.interactiveMode`, `"${shown}" is not one of ${INTERACTIVE_MODES.join(", ")}`);
  }
  return entry;
}

/** The impersonation headers. */
function impersonationOf(
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
      invalid(
        user ? `${user.where}.as` : "--as",
        "is missing: a group, uid or extra is impersonated with a user only",
      );
    }
    return [];
  }
  const value = (text: string): string =>
    headerBytes(text) ??
      invalid(
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

/** Go's units in milliseconds. */
const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 0.001,
  "µs": 0.001,
  "μs": 0.001,
  ns: 1e-6,
};

/**
 * `--request-timeout` in milliseconds: seconds, or a Go duration (`1m30s`, `500ms`). Returns undefined for 0 and
 * less: no limit.
 *
 * @throws AppError USAGE
 */
export function parseTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\+?\d+$/.test(text)) return Number(text) * 1000 || undefined;
  const amount = String.raw`(\d+\.?\d*|\.\d+)(h|ms|m|s|us|µs|μs|ns)`;
  if (!new RegExp(`^[+-]?((${amount})+|0)$`).test(text)) {
    throw new AppError(
      "USAGE",
      `--request-timeout="${
        printable(text, 50)
      }" is not a number of seconds, nor a duration such as 30s or 1m`,
    );
  }
  let total = 0;
  for (const [, count, unit] of text.matchAll(new RegExp(amount, "g"))) {
    total += Number(count) * UNITS[unit!]!;
  }
  // Go counts nanoseconds in 64 bits: at most 292 years.
  if (total >= 2 ** 63 / 1e6) {
    throw new AppError("USAGE", `--request-timeout="${printable(text, 50)}" is more than 292 years`);
  }
  return text.startsWith("-") ? undefined : total || undefined;
}

/** Strict as Go's decoder, which ignores only line breaks. */
function decodeBase64(text: string): string | undefined {
  const base64 = text.replace(/[\r\n]/g, "");
  if (base64.length % 4 !== 0 || /\s/.test(base64)) return undefined;
  try {
    const binary = atob(base64);
    return new TextDecoder().decode(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
  } catch {
    return undefined;
  }
}
