/** What a run keeps of the file system and the network when the kernel restricts it (restrict.ts), from what it is for. */

import { isAddress, type Place } from "../../kube/config/places.ts";
import type { Mount } from "../types.ts";
import type { Access } from "./landlock.ts";
import type { KeptPath, Restriction } from "./restrict.ts";

/** The facts of a run. */
export interface RunFacts {
  /** Files and directories of krew-wasm's own that are read: its program, the plugin's compiled form. */
  readonly read: readonly string[];
  /** Directories that are changed: the plugin's own. */
  readonly write: readonly string[];
  /** The record of what was denied. */
  readonly log: string;
  /** Directories from which one that is of this run goes at its end. */
  readonly remove: readonly string[];
  /** What the plugin sees; empty where it names no files. */
  readonly mounts: readonly Mount[];
  /** Open directories of the mounts, in their order. */
  readonly descriptors: readonly number[] | undefined;
  /** What a plugin must not see: whether a file has a further name there is looked up. */
  readonly listed: readonly string[];
  /** Files that show as something else: nothing reads them. */
  readonly overlaid: readonly string[];
  /** undefined: the run has no network. */
  readonly network: NetworkFacts | undefined;
}

/** The facts of a run with a network. */
export interface NetworkFacts {
  readonly places: readonly Place[];
  /** Ports on this machine that it connects to itself by. */
  readonly ownPorts: readonly number[];
  /** Files that are renewed, and directories in which they are. */
  readonly renewed: readonly string[];
  /** The user's environment, for other certificates than the system's. */
  readonly env: Readonly<Record<string, string>>;
  /** /etc/nsswitch.conf; undefined where there is none. */
  readonly services: string | undefined;
}

/** What the engine may read at any time: the time zone, random numbers. */
const ENGINE = ["/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom", "/dev/null"];

/** What the C library reads to find the address of a name (nsswitch.conf(5), resolv.conf(5), gai.conf(5)). */
const NAMES = [
  ...["/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf"],
  "/etc/mdns.allow",
  // Where what /etc/resolv.conf leads to is replaced as networks come and go.
  ...["/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/run/connman"],
  // Libraries that services are in.
  ...["/etc/ld.so.cache", "/lib", "/lib64", "/usr/lib", "/usr/lib64"],
];

/** Where distributions keep the certificates of authorities. No private keys are there. */
const CERTIFICATES = [
  ...["/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem", "/etc/ssl/certs/ca-certificates.crt"],
  ...["/etc/ssl/certs/ca-bundle.crt", "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem"],
  ...["/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted", "/etc/ca-certificates"],
  ...["/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/var/lib/ca-certificates"],
  ...["/usr/share/pki", "/usr/local/etc/openssl/cert.pem", "/opt/etc/ssl/certs"],
];

/** Services of /etc/nsswitch.conf that find a host's name without a socket of the file system, or need not be asked. */
const WITHOUT_SOCKETS = /^(?:files|dns|myhostname|mymachines|resolve)$/;

/**
 * Whether a name may be found over a socket of the file system only: by multicast DNS, whose service answers over one, or by
 * a directory of the organization's.
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

/** What the kernel leaves to the run. */
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
  if (!facts.network) return { paths, ports: [], names: false, unix: false };
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
    ports: [...new Set([...places.map(({ port }) => port), ...ownPorts])],
    names,
    unix: names && asksOverSockets(services, hostnames),
  };
}

/** Whether files of a mount are made where the process may not make any: the kernel would let it make others beside them. */
export function isMadeOutside({ only, write }: Mount): boolean {
  return only !== undefined && write;
}

/** A mount by its open directory, as a name could lead elsewhere by now. */
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
