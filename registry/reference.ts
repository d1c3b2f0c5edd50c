/** Where a reference's registry is reached, and which hosts are this machine. Pure; references are runtime/reference.ts's. */

import { isLoopback } from "../runtime/reference.ts";

export {
  formatReference,
  isLoopback,
  parseReference,
  parseRegistry,
  parseRepository,
  type Reference,
} from "../runtime/reference.ts";

/**
 * Whether a host, port or not, is this machine or one of the link-local and metadata addresses that only this machine
 * reaches: what no registry elsewhere may point to.
 */
export function isLocalAddress(host: string): boolean {
  const name = host.replace(/:\d+$/, "").toLowerCase().replace(/\.$/, "");
  if (isLoopback(name) || name === "metadata.google.internal" || name === "metadata") return true;
  if (/^(127|0)\.|^169\.254\.|^100\.100\.100\.200$/.test(name)) return true;
  if (!name.startsWith("[")) return false;
  const address = name.slice(1, -1);
  // Unspecified, loopback, link-local, the metadata service of EC2; IPv4 in IPv6 may be any of the above.
  return /^(::1?$|fe[89ab]|fd00:ec2:|::ffff:|64:ff9b:|::[0-9a-f]+:[0-9a-f]+$)/.test(address);
}

/** The origin of a registry's API. Plain HTTP for this machine, and where it is asked for. */
export function registryOrigin(registry: string, plainHttp: boolean): string {
  const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
  const http = plainHttp || isLoopback(registry);
  // The port by which a name without a dot is told from a repository is the scheme's own.
  return `${http ? "http" : "https"}://${http ? host.replace(/^([^.[]+):443$/, "$1") : host}`;
}
