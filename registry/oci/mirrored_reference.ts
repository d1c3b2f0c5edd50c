/** Where a reference's registry is reached, and which hosts are this machine. Pure; references are runtime/base/reference.ts's. */

import { isLoopback } from "../../runtime/base/reference.ts";

export {
  formatReference,
  isLoopback,
  parseReference,
  parseRegistry,
  parseRepository,
  type Reference,
} from "../../runtime/base/reference.ts";

/**
 * Whether a host, port or not, is this machine or one of the link-local and metadata addresses that only this machine
 * reaches: what no registry elsewhere may point to.
 */
export function isLocalAddress(host: string): boolean {
  const name = host.replace(/:\d+$/, "").toLowerCase().replace(/\.$/, "");
  if (isLoopback(name) || name === "metadata.google.internal" || name === "metadata") return true;
  if (/^[\d.]+$/.test(name)) return isLocalIp(name);
  if (!name.startsWith("[")) return false;
  // IPv4 in IPv6 is no way to write a registry's address.
  return /^\[(::ffff:|64:ff9b:|::[0-9a-f]+:[0-9a-f]+\]$)/.test(name) || isLocalIp(name.slice(1, -1));
}

/**
 * Whether an IP address, as the system's resolver writes it, is of this machine, or a link-local or metadata address. Of an
 * IPv4 address in IPv6, NAT64's among them, the IPv4 address counts. Pure.
 */
export function isLocalIp(address: string): boolean {
  const ip = plainIp(address);
  if (!ip.includes(":")) {
    return /^(?:127|0)\.|^169\.254\./.test(ip) || METADATA.includes(ip);
  }
  // Unspecified, loopback, link-local, the metadata service of EC2.
  return /^(?:::1?$|fe[89ab]|fd00:ec2:)/.test(ip) || METADATA.includes(ip);
}

/** Whether an IP address is 127.0.0.0/8 or ::1, in IPv6 or not. Pure. */
export function isLoopbackIp(address: string): boolean {
  return /^127\.|^::1$/.test(plainIp(address));
}

/** Metadata services and the like of Alibaba, Azure, Oracle and Google, outside of the ranges that say what they are. */
const METADATA: readonly string[] = ["100.100.100.200", "168.63.129.16", "192.0.0.192", "fd20:ce::254"];

/** An IP address as URLs write it, without its zone; IPv4 in IPv6 as IPv4. */
function plainIp(address: string): string {
  const bare = address.replace(/%.*$/, "").toLowerCase();
  if (!bare.includes(":")) return bare;
  const host = URL.parse(`http://[${bare}]/`)?.hostname.slice(1, -1) ?? bare;
  const [, high, low] = /^(?:::ffff:|64:ff9b::|::)([0-9a-f]+):([0-9a-f]+)$/.exec(host) ?? [];
  if (high === undefined || low === undefined) return host;
  const [first, second] = [parseInt(high, 16), parseInt(low, 16)];
  return [first >> 8, first & 255, second >> 8, second & 255].join(".");
}

/** The origin of a registry's API. Plain HTTP for this machine, and where it is asked for. */
export function registryOrigin(registry: string, plainHttp: boolean): string {
  const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
  const http = plainHttp || isLoopback(registry);
  // The port by which a name without a dot is told from a repository is the scheme's own.
  return `${http ? "http" : "https"}://${http ? host.replace(/^([^.[]+):443$/, "$1") : host}`;
}
