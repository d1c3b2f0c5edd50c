/** Why TLS with a registry failed, out of the words of Deno's own TLS (rustls). Pure. */

import { printable } from "../runtime/text.ts";
import { textOf } from "./connection_error.ts";

/** Words for a failure. */
export interface TlsFailure {
  readonly why: string;
  readonly hint?: string;
}

/** Whether a connection failed in TLS, so that the other side speaks it. */
export function isTlsFailure(error: unknown): boolean {
  return /invalid peer certificate|fatal alert|peer is incompatible|peer misbehaved/i.test(textOf(error));
}

/** Words for an error's text; undefined where it is not about certificates, or the handshake. */
export function tlsFailure(text: string, host: string): TlsFailure | undefined {
  const certificate = `the certificate of ${host}`;
  const anew = { hint: "make it anew as a server's: docs/registries.md says how" };
  const clock = { hint: "check this machine's clock, or have the certificate renewed" };
  if (/CaUsedAsEndEntity/.test(text)) {
    return {
      why:
        `${certificate} is an authority's own (basicConstraints CA:TRUE), which is not taken for a server's`,
      ...anew,
    };
  }
  if (/UnsupportedCertVersion/.test(text)) {
    return { why: `${certificate} is of X.509 version 1, which names no host`, ...anew };
  }
  if (/UnsupportedSignatureAlgorithm/.test(text)) {
    return { why: `${certificate} is signed with an algorithm that is not taken, as SHA-1 is not`, ...anew };
  }
  if (/BadSignature/.test(text)) {
    return {
      why: `${certificate} is not trusted: its signature does not hold`,
      hint:
        "its authority has another key (registries.yaml names one: registries.HOST.ca), or its own is shorter than 2048 bits",
    };
  }
  if (/certificate expired|CertExpired|: Expired/i.test(text)) {
    return { why: `${certificate} expired${dayOf(/not valid after (\d+)/.exec(text))}`, ...clock };
  }
  if (/not valid yet|NotValidYet/i.test(text)) {
    return {
      why: `${certificate} is not valid yet${
        dayOf(/not valid before (\d+)/.exec(text), ", but from", " on")
      }`,
      ...clock,
    };
  }
  if (/not valid for (any )?name|NotValidForName/i.test(text)) {
    const [address] = /^(\[.*\]|[\d.]+)(?=:\d+$|$)/.exec(host) ?? [];
    if (address !== undefined && text.includes(`DnsName("${address.replace(/[[\]]/g, "")}")`)) {
      return { why: `${certificate} has ${address} as a name (DNS), not as an address (IP)`, ...anew };
    }
    const names = [...text.matchAll(/(?:DnsName\("([^"]*)"\)|IpAddress\(([^)]*)\))/g)]
      .map(([, name, address]) => printable(name ?? address ?? "", 100));
    return names.length === 0
      ? { why: `${certificate} has no name that counts: its subjectAltName is missing` }
      : {
        why: `${certificate} is for ${names.slice(0, 5).join(", ")}`,
        hint: "ask for the registry by that name",
      };
  }
  if (/extended key usage/i.test(text)) {
    return { why: `${certificate} is not one for servers (extended key usage)` };
  }
  // Of TLS 1.2 a server that wants one and gets none says "bad certificate".
  if (/CertificateRequired|BadCertificate/.test(text)) {
    return {
      why: `${host} wants a client certificate that it knows`,
      hint: "registries.yaml names it: registries.HOST.cert and registries.HOST.key",
    };
  }
  if (/invalid peer certificate|UnknownIssuer/i.test(text)) {
    return {
      why: `${certificate} is not trusted`,
      hint: "a private authority is named in registries.yaml: registries.HOST.ca",
    };
  }
  if (/fatal alert: ProtocolVersion/i.test(text)) {
    return { why: `${host} speaks no version of TLS from 1.2 on` };
  }
  const [, alert] = /fatal alert: (\w+)/i.exec(text) ?? [];
  if (alert === undefined) return undefined;
  const why = `${host} refuses the TLS handshake: ${alert}`;
  // OpenSSL says so of TLS 1.2 where it wants a certificate and gets none.
  return alert === "HandshakeFailure"
    ? {
      why,
      hint:
        "if it wants a client certificate: registries.HOST.cert and registries.HOST.key in registries.yaml",
    }
    : { why };
}

/** A day, ` on 2026-11-28`, of seconds since 1970; nothing where there is none. */
function dayOf(found: RegExpExecArray | null, before = " on", behind = ""): string {
  const date = new Date(Number(found?.[1] ?? NaN) * 1000);
  if (Number.isNaN(date.getTime())) return "";
  return `${before} ${date.toISOString().slice(0, 10)}${behind}`;
}
