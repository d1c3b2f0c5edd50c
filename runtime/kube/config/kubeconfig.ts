/**
 * kubeconfig files (client-go's `clientcmdapi/v1.Config`): parses and merges them, and chooses a context. Pure, but
 * loads the YAML parser for a file that is neither JSON nor plain YAML.
 */

import { isObject } from "../../base/strict_json.ts";
import { AppError, messageOf } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import type { ConnectionFlags } from "./kubectl_flags.ts";
import { parseGoYaml } from "./go_yaml.ts";
import { parsePlainYaml } from "./plain_yaml.ts";

/** `clusters[].cluster` */
export interface ClusterEntry {
  readonly server: string | undefined;
  readonly tlsServerName: string | undefined;
  readonly insecureSkipTlsVerify: boolean;
  readonly certificateAuthority: string | undefined;
  readonly certificateAuthorityData: string | undefined;
  readonly proxyUrl: string | undefined;
  readonly disableCompression: boolean;
  /** The extension `client.authentication.k8s.io/exec`: data about the cluster for a credential plugin. */
  readonly execConfig: unknown;
}

/** `users[].user.exec`. A missing string is empty; choosing the user finds that. */
export interface ExecEntry {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly provideClusterInfo: boolean;
  readonly interactiveMode: string;
  readonly installHint: string | undefined;
}

/** `users[].user` */
export interface UserEntry {
  readonly clientCertificate: string | undefined;
  readonly clientCertificateData: string | undefined;
  readonly clientKey: string | undefined;
  readonly clientKeyData: string | undefined;
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly as: string | undefined;
  readonly asUid: string | undefined;
  readonly asGroups: readonly string[];
  readonly asUserExtra: Readonly<Record<string, readonly string[]>>;
  readonly exec: ExecEntry | undefined;
  readonly authProvider: string | undefined;
}

/** `contexts[].context` */
export interface ContextEntry {
  readonly cluster: string | undefined;
  readonly user: string | undefined;
  readonly namespace: string | undefined;
}

/** An entry with its source: relative paths in it start at that file's directory. */
export interface Sourced<T> {
  readonly entry: T;
  /** `FILE: users[2]`, for errors. */
  readonly where: string;
  /** The directory of the file. */
  readonly directory: string;
}

/** One file, or several merged. */
export interface Kubeconfig {
  readonly currentContext: string | undefined;
  readonly clusters: ReadonlyMap<string, Sourced<ClusterEntry>>;
  readonly users: ReadonlyMap<string, Sourced<UserEntry>>;
  readonly contexts: ReadonlyMap<string, Sourced<ContextEntry>>;
}

type Json = Record<string, unknown>;

/** Reads fields and names the one that is wrong. */
class Fields {
  constructor(readonly json: Json, readonly where: string) {}

  #wrong(field: string, what: string): never {
    const at = this.where.endsWith(": ") ? `${this.where}${field}` : `${this.where}.${field}`;
    throw new AppError("KUBECONFIG_INVALID", `${at} ${what}`);
  }

  string(field: string): string | undefined {
    const value = this.json[field];
    if (value === undefined || value === null || value === "") return undefined;
    // YAML parses an unquoted name of digits as a number.
    if (typeof value === "bigint" || Number.isSafeInteger(value)) return String(value);
    return typeof value === "string" ? value : this.#wrong(field, "is not a string");
  }

  boolean(field: string): boolean {
    const value = this.json[field];
    if (value === undefined || value === null) return false;
    return typeof value === "boolean" ? value : this.#wrong(field, "is not true or false");
  }

  object(field: string): Fields | undefined {
    const value = this.json[field];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "object" || Array.isArray(value)) return this.#wrong(field, "is not a mapping");
    return new Fields(
      value as Json,
      this.where.endsWith(": ") ? `${this.where}${field}` : `${this.where}.${field}`,
    );
  }

  list(field: string): Fields[] {
    return this.items(field).map((item, index) => {
      const at = `${field}[${index}]`;
      if (!isObject(item)) {
        return this.#wrong(at, "is not a mapping");
      }
      return new Fields(
        item as Json,
        this.where.endsWith(": ") ? `${this.where}${at}` : `${this.where}.${at}`,
      );
    });
  }

  strings(field: string): string[] {
    return this.items(field).map((item, index) =>
      typeof item === "string" ? item : this.#wrong(`${field}[${index}]`, "is not a string")
    );
  }

  items(field: string): unknown[] {
    const value = this.json[field];
    if (value === undefined || value === null) return [];
    return Array.isArray(value) ? value : this.#wrong(field, "is not a list");
  }
}

/**
 * Parses one file. `path` is the base of relative names in it, and `shown` its name in errors. Missing fields are
 * allowed here, because the entry may never be chosen.
 *
 * @throws AppError KUBECONFIG_INVALID with the file and the field in its message
 */
export async function parseKubeconfig(text: string, path: string, shown = path): Promise<Kubeconfig> {
  const file = printable(shown);
  const json = await parseDocument(text, file);
  const fields = new Fields(json, `${file}: `);
  for (const [field, wanted] of [["kind", "Config"], ["apiVersion", "v1"]] as const) {
    const value = fields.string(field);
    if (value === undefined || value === wanted) continue;
    throw new AppError(
      "KUBECONFIG_INVALID",
      `${file}: ${field} is "${printable(value, 100)}", not ${wanted}`,
    );
  }
  const directory = path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"))) || "/";
  const named = <T>(list: string, field: string, read: (fields: Fields) => T) => {
    const entries = new Map<string, Sourced<T>>();
    for (const item of fields.list(list)) {
      const name = item.string("name") ?? "";
      if (entries.has(name)) {
        const shown = printable(name, 200);
        throw new AppError("KUBECONFIG_INVALID", `${item.where}.name "${shown}" is there twice`);
      }
      const body = new Fields(item.object(field)?.json ?? {}, item.where);
      entries.set(name, { entry: read(body), where: body.where, directory });
    }
    return entries;
  };
  return {
    currentContext: fields.string("current-context"),
    clusters: named("clusters", "cluster", readCluster),
    users: named("users", "user", readUser),
    contexts: named("contexts", "context", (context) => ({
      cluster: context.string("cluster"),
      user: context.string("user"),
      namespace: context.string("namespace"),
    })),
  };
}

async function parseDocument(text: string, file: string): Promise<Json> {
  let value: unknown;
  try {
    value = await parseText(text);
  } catch (error) {
    // The parser's message quotes the failing line, which may contain a credential.
    const line = /at line (\d+)/.exec(messageOf(error))?.[1];
    throw new AppError("KUBECONFIG_INVALID", `${file} is not YAML${line ? `, see line ${line}` : ""}`);
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new AppError("KUBECONFIG_INVALID", `${file} is not a kubeconfig: it is not a mapping`);
  }
  return value as Json;
}

/** Parses JSON or YAML. @throws the parser's error */
export async function parseText(text: string): Promise<unknown> {
  return (text.trimStart().startsWith("{") ? tryJson(text) : undefined) ?? parsePlainYaml(text) ??
    await parseGoYaml(text, { uniqueKeys: false, maxAliases: 1_000_000 });
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const EXEC_EXTENSION = "client.authentication.k8s.io/exec";

function readCluster(fields: Fields): ClusterEntry {
  return {
    server: fields.string("server"),
    tlsServerName: fields.string("tls-server-name"),
    insecureSkipTlsVerify: fields.boolean("insecure-skip-tls-verify"),
    certificateAuthority: fields.string("certificate-authority"),
    certificateAuthorityData: fields.string("certificate-authority-data"),
    proxyUrl: fields.string("proxy-url"),
    disableCompression: fields.boolean("disable-compression"),
    execConfig: fields.list("extensions").find(({ json }) => json.name === EXEC_EXTENSION)?.json.extension,
  };
}

function readUser(fields: Fields): UserEntry {
  const exec = fields.object("exec");
  const extra: Record<string, string[]> = {};
  const asUserExtra = fields.object("as-user-extra");
  for (const name of Object.keys(asUserExtra?.json ?? {})) extra[name] = asUserExtra!.strings(name);
  return {
    clientCertificate: fields.string("client-certificate"),
    clientCertificateData: fields.string("client-certificate-data"),
    clientKey: fields.string("client-key"),
    clientKeyData: fields.string("client-key-data"),
    token: fields.string("token"),
    tokenFile: fields.string("tokenFile"),
    username: fields.string("username"),
    password: fields.string("password"),
    as: fields.string("as"),
    asUid: fields.string("as-uid"),
    asGroups: fields.strings("as-groups"),
    asUserExtra: extra,
    exec: exec && {
      apiVersion: exec.string("apiVersion") ?? "",
      command: exec.string("command") ?? "",
      args: exec.strings("args"),
      env: exec.list("env").map((variable) => ({
        name: variable.string("name") ?? "",
        value: variable.string("value") ?? "",
      })),
      provideClusterInfo: exec.boolean("provideClusterInfo"),
      interactiveMode: exec.string("interactiveMode") ?? "",
      installHint: exec.string("installHint"),
    },
    authProvider: fields.object("auth-provider")?.string("name"),
  };
}

/** Merges files: for each name the first file wins; the first current-context that is set wins. */
export function mergeKubeconfigs(files: readonly Kubeconfig[]): Kubeconfig {
  const merge = <T>(pick: (file: Kubeconfig) => ReadonlyMap<string, T>) =>
    new Map([...files].reverse().flatMap((file) => [...pick(file)]));
  return {
    currentContext: files.map((file) => file.currentContext).find((name) => name !== undefined),
    clusters: merge((file) => file.clusters),
    users: merge((file) => file.users),
    contexts: merge((file) => file.contexts),
  };
}

/** A context with its cluster, user and namespace. */
export interface Chosen {
  readonly context: string;
  readonly namespace: string;
  readonly cluster: Sourced<ClusterEntry>;
  readonly user: Sourced<UserEntry> | undefined;
}

/** A cluster entry that comes from no file. */
export function clusterEntry(cluster: Record<string, string>): ClusterEntry {
  return readCluster(new Fields(cluster, ""));
}

/** A user entry that comes from no file. */
export function userEntry(user: Record<string, string>): UserEntry {
  return readUser(new Fields(user, ""));
}

/**
 * The context that flags or `current-context` name. The flags' own cluster, user and namespace replace the context's.
 *
 * @param fallbackNamespace if neither names a namespace
 * @throws AppError CONTEXT_NOT_FOUND, NO_CLUSTER, KUBECONFIG_INVALID
 */
export function chooseContext(
  config: Kubeconfig,
  flags: ConnectionFlags,
  fallbackNamespace = "default",
): Chosen {
  const name = flags.context ?? config.currentContext;
  const hint = "kubectl config get-contexts lists them, kubectl config use-context NAME chooses one";
  const context = name === undefined ? undefined : config.contexts.get(name);
  if (name !== undefined && !context) {
    throw new AppError("CONTEXT_NOT_FOUND", `The kubeconfig has no context "${printable(name, 200)}"`, {
      hint,
    });
  }
  const gone = (flag: string, field: "cluster" | "user", wanted: string): never => {
    const where = flags[field] === undefined ? `${context!.where}.${field}` : flag;
    throw new AppError(
      "KUBECONFIG_INVALID",
      `${where} names "${printable(wanted, 200)}", which the kubeconfig does not have`,
    );
  };
  const clusterName = flags.cluster ?? context?.entry.cluster;
  let cluster = clusterName === undefined ? undefined : config.clusters.get(clusterName);
  if (!cluster) {
    // --server replaces the cluster, unless the user named a cluster.
    if (flags.server === undefined || flags.cluster !== undefined) {
      if (clusterName !== undefined) gone("--cluster", "cluster", clusterName);
      if (context) throw new AppError("KUBECONFIG_INVALID", `${context.where}.cluster is missing`);
      throw new AppError("NO_CLUSTER", "The kubeconfig has no current context", { hint });
    }
    cluster = { entry: clusterEntry({}), where: "the cluster", directory: "/" };
  }
  const userName = flags.user ?? context?.entry.user;
  const user = userName === undefined ? undefined : config.users.get(userName);
  if (userName !== undefined && !user) gone("--user", "user", userName);
  return {
    context: name ?? "",
    namespace: flags.namespace ?? context?.entry.namespace ?? fallbackNamespace,
    cluster,
    user,
  };
}
