/** Decides which files and network rights a run keeps when the kernel restricts it (restrict.ts). */

import { isAddress, type Place } from "../../kube/config/places.ts";
import type { ListenGrant } from "../../grants/listen_grant.ts";
import type { Mount } from "../types.ts";
import type { Access } from "./landlock.ts";
import type { KeptPath, Restriction } from "./restrict.ts";

/** What is known about a run. */
export interface RunFacts {
  /** Files and directories of krew-wasm to read: its program, the plugin's compiled form. */
  readonly read: readonly string[];
  /** Directories to change: the plugin's own. */
  readonly write: readonly string[];
  /** The directory of the record. */
  readonly log: string;
  /** Directories in which a private directory of this run is removed at the end. */
  readonly remove: readonly string[];
  /** The directories that the plugin sees; empty if it names no files. */
  readonly mounts: readonly Mount[];
  /** Open directories of the mounts, in order. */
  readonly descriptors: readonly number[] | undefined;
  /** Directories that a plugin must not see. krew-wasm lists them to find other names of a file. */
  readonly listed: readonly string[];
  /** Files that show other content. Nothing reads them. */
  readonly overlaid: readonly string[];
  /** The ports of loopback to accept connections at; undefined if there are none. */
  readonly listen: ListenGrant | undefined;
  /** undefined if the run has no network. */
  readonly network: NetworkFacts | undefined;
}

/** What is known about a run with a network. */
export interface NetworkFacts {
  readonly places: readonly Place[];
  /** Ports on this machine for connections of this process to itself. */
  readonly ownPorts: readonly number[];
  /** Files that are renewed, and their directories. */
  readonly renewed: readonly string[];
  /** The user's environment, which may name other certificates than the system's. */
  readonly env: Readonly<Record<string, string>>;
  /** The text of /etc/nsswitch.conf; undefined if there is none. */
  readonly services: string | undefined;
}

/** Files that the engine may read at any time: the time zone, random numbers. */
const ENGINE = ["/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom", "/dev/null"];

/** Files that the C library reads to resolve a name (nsswitch.conf(5), resolv.conf(5), gai.conf(5)). */
const NAMES = [
  ...["/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf"],
  "/etc/mdns.allow",
  // The targets of /etc/resolv.conf, which change with the network.
  ...["/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/run/connman"],
  // Libraries of name services.
  ...["/etc/ld.so.cache", "/lib", "/lib64", "/usr/lib", "/usr/lib64"],
];

/** Where distributions keep the certificates of authorities, without private keys. */
const CERTIFICATES = [
  ...["/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem", "/etc/ssl/certs/ca-certificates.crt"],
  ...["/etc/ssl/certs/ca-bundle.crt", "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem"],
  ...["/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted", "/etc/ca-certificates"],
  ...["/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/var/lib/ca-certificates"],
  ...["/usr/share/pki", "/usr/local/etc/openssl/cert.pem", "/opt/etc/ssl/certs"],
];

/** Services of /etc/nsswitch.conf that need no socket in the file system to resolve a name, or that are not needed. */
const WITHOUT_SOCKETS = /^(?:files|dns|myhostname|mymachines|resolve)$/;

/**
 * Whether a name may be resolvable only over a socket in the file system: by multicast DNS, or by an organization's
 * directory service.
 */
export function asksOverSockets(services: string | undefined, hostnames: readonly string[]): boolean {
  const [, line = "files dns"] = /^[ \t]*hosts:([^\n#]*)/m.exec(services ?? "") ?? [];
  const names = line.replace(/\[[^\]]*\]/g, " ").split(/\s+/).filter((name) => name !== "");
  return names.some((name) =>
    /^mdns/.test(name)
      ? hostnames.some((hostname) => /\.local\.?$/i.test(hostname))
      : name === "resolve"
      ? !names.includes("dns")
      : !WITHOUT_SOCKETS.test(name)
  );
}

/** The restriction for a run. */
export function restrictionOf(facts: RunFacts): Restriction {
  const kept = (access: Access, paths: readonly string[]) =>
    paths.map((path): KeptPath => ({ path, access }));
  const paths = [
    ...kept("read", [...facts.read, ...ENGINE]),
    ...kept("write", facts.write),
    ...kept("remove", facts.remove),
    ...kept("log", [facts.log]),
    ...kept("list", facts.listed),
    ...facts.mounts.flatMap((mount, index) =>
      pathsOfMount(mount, facts.descriptors?.[index], facts.overlaid)
    ),
  ];
  const { listen } = facts;
  if (!facts.network) return { paths, ports: [], listen, names: false, unix: false };
  const { places, ownPorts, renewed, env, services } = facts.network;
  const hostnames = places.map(({ hostname }) => hostname).filter((hostname) => !isAddress(hostname));
  const names = hostnames.length > 0;
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: directories } = env;
  const certificates = [
    ...CERTIFICATES,
    ...(file ? [file] : []),
    ...(directories ?? "").split(":").filter((path) => path !== ""),
  ];
  return {
    paths: [...paths, ...kept("read", [...certificates, ...(names ? NAMES : []), ...renewed])],
    listen,
    ports: [...new Set([...places.map(({ port }) => port), ...ownPorts])],
    names,
    unix: names && asksOverSockets(services, hostnames),
  };
}

/** Whether the broker must create a mount's files, because the kernel would allow others in the same directory too. */
export function isMadeOutside({ only, write }: Mount): boolean {
  return only !== undefined && write;
}

/** The paths of a mount, by its open directory: its name could lead elsewhere by now. */
function pathsOfMount(
  { host, write, only, names }: Mount,
  from: number | undefined,
  overlaid: readonly string[],
): KeptPath[] {
  const access = write ? "write" : "read";
  if (!only) return [{ path: from === undefined ? host : ".", access, from }];
  return only.flatMap((guest): KeptPath[] => {
    const name = names?.get(guest) ?? guest;
    const path = host === "/" ? `/${name}` : `${host}/${name}`;
    if (overlaid.includes(path)) return [];
    return [{ path: from === undefined ? path : name, access, from }];
  });
}
