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
  const clock = { hint: "check this machine's clock, or have the certificate renewed" };
  if (/CaUsedAsEndEntity/.test(text)) {
    return {
      why:
        `${certificate} is an authority's own (basicConstraints CA:TRUE), which is not taken for a server's`,
      hint: "make it anew as a server's: docs/registries.md says how",
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
  const [, alert] = /fatal alert: (\w+)/i.exec(text) ?? [];
  return alert === undefined ? undefined : { why: `${host} refuses the TLS handshake: ${alert}` };
}

/** A day, ` on 2026-11-28`, of seconds since 1970; nothing where there is none. */
function dayOf(found: RegExpExecArray | null, before = " on", behind = ""): string {
  const date = new Date(Number(found?.[1] ?? NaN) * 1000);
  if (Number.isNaN(date.getTime())) return "";
  return `${before} ${date.toISOString().slice(0, 10)}${behind}`;
}
