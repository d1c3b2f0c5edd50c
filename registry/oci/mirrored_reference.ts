/**
 * The origin of a registry's API, and which hosts are this machine. Pure. runtime/base/reference.ts parses references.
 */

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
 * Whether a host, with or without a port, is this machine, a link-local address or a metadata service. A registry
 * elsewhere must not point there.
 */
export function isLocalAddress(host: string): boolean {
  const name = host.replace(/:\d+$/, "").toLowerCase().replace(/\.$/, "");
  if (isLoopback(name) || name === "metadata.google.internal" || name === "metadata") return true;
  if (/^[\d.]+$/.test(name)) return isLocalIp(name);
  if (!name.startsWith("[")) return false;
  // No registry's address is written as IPv4 in IPv6.
  return /^\[(::ffff:|64:ff9b:|::[0-9a-f]+:[0-9a-f]+\]$)/.test(name) || isLocalIp(name.slice(1, -1));
}

/**
 * Whether an IP address from the system's resolver belongs to this machine, is link-local, or is a metadata service.
 * For IPv4 in IPv6 (including NAT64), the IPv4 address counts. Pure.
 */
export function isLocalIp(address: string): boolean {
  const ip = plainIp(address);
  if (!ip.includes(":")) {
    return /^(?:127|0)\.|^169\.254\./.test(ip) || METADATA.includes(ip);
  }
  // Unspecified, loopback, link-local, EC2's metadata service.
  return /^(?:::1?$|fe[89ab]|fd00:ec2:)/.test(ip) || METADATA.includes(ip);
}

/** Whether an IP address is in 127.0.0.0/8 or is ::1, also as IPv4 in IPv6. Pure. */
export function isLoopbackIp(address: string): boolean {
  return /^127\.|^::1$/.test(plainIp(address));
}

/** Metadata services of Alibaba, Azure, Oracle and Google outside of the reserved ranges. */
const METADATA: readonly string[] = ["100.100.100.200", "168.63.129.16", "192.0.0.192", "fd20:ce::254"];

/** An IP address in URL form without its zone; IPv4 in IPv6 becomes IPv4. */
function plainIp(address: string): string {
  const bare = address.replace(/%.*$/, "").toLowerCase();
  if (!bare.includes(":")) return bare;
  const host = URL.parse(`http://[${bare}]/`)?.hostname.slice(1, -1) ?? bare;
  const [, high, low] = /^(?:::ffff:|64:ff9b::|::)([0-9a-f]+):([0-9a-f]+)$/.exec(host) ?? [];
  if (high === undefined || low === undefined) return host;
  const [first, second] = [parseInt(high, 16), parseInt(low, 16)];
  return [first >> 8, first & 255, second >> 8, second & 255].join(".");
}

/** The origin of a registry's API. It uses plain HTTP on this machine, and where `plainHttp` asks for it. */
export function registryOrigin(registry: string, plainHttp: boolean): string {
  const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
  const http = plainHttp || isLoopback(registry);
  // A reference writes `:443` to tell a host without a dot from a repository. For HTTP that port is dropped.
  return `${http ? "http" : "https"}://${http ? host.replace(/^([^.[]+):443$/, "$1") : host}`;
}
