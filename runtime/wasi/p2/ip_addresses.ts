/** Addresses of wasi:sockets/network, as text and as records. Pure. */

// deno-lint-ignore-file no-throw-literal -- jco passes a thrown value other than an Error to the guest as the error
// value

import type * as Wit from "../../../wit/generated/interfaces/wasi-sockets-network.d.ts";

type SocketAddress = Wit.IpSocketAddress;

/** An address as text. */
export function formatAddress({ tag, val }: Wit.IpAddress): string {
  return tag === "ipv4" ? val.join(".") : val.map((part) => part.toString(16)).join(":");
}

/** A socket's address as text, without the port. */
export function addressText({ tag, val: { address } }: SocketAddress): string {
  return formatAddress({ tag, val: address } as Wit.IpAddress);
}

/** Parses an address in the form that operating systems and URLs give it; undefined for other text. */
export function parseAddress(text: string): Wit.IpAddress | undefined {
  if (!text.includes(":")) {
    const parts = text.split(".").map(Number);
    const valid = parts.length === 4 && parts.every((part) => part >= 0 && part <= 255);
    return valid ? { tag: "ipv4", val: parts as Wit.Ipv4Address } : undefined;
  }
  const bare = text.replace(/%.*$/, "").replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a, b, c, d) =>
      `${(Number(a) * 256 + Number(b)).toString(16)}:${(Number(c) * 256 + Number(d)).toString(16)}`,
  );
  const [head = "", tail] = bare.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  const [front, back] = [groups(head), groups(tail ?? "")];
  const gap = tail === undefined ? 0 : 8 - front.length - back.length;
  const all = gap < 0 ? [] : [...front, ...new Array<number>(gap).fill(0), ...back];
  const valid = all.length === 8 && all.every((group) => group >= 0 && group <= 0xffff);
  return valid ? { tag: "ipv6", val: all as Wit.Ipv6Address } : undefined;
}

/** Whether an address is unspecified: all zeros. */
export function isWildcard({ val: { address } }: SocketAddress): boolean {
  return address.every((part) => part === 0);
}

/** Whether an address is of one host. */
export function isUnicast({ tag, val: { address } }: SocketAddress): boolean {
  const [first = 0] = address;
  return tag === "ipv4" ? first < 224 : first < 0xff00;
}

/** Whether it is an IPv4 address in the form of IPv6. */
export function isMapped({ tag, val: { address } }: SocketAddress): boolean {
  return tag === "ipv6" && address.slice(0, 5).every((part) => part === 0) && address[5] === 0xffff;
}

/** An address with its port. Throws `unknown` for other text than an address. */
export function socketAddress({ hostname, port }: { hostname: string; port: number }): SocketAddress {
  const address = parseAddress(hostname);
  if (address === undefined) throw "unknown";
  return address.tag === "ipv4"
    ? { tag: "ipv4", val: { port, address: address.val } }
    : { tag: "ipv6", val: { port, flowInfo: 0, address: address.val, scopeId: 0 } };
}
