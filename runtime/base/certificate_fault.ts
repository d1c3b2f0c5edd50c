/** Recognizes faults of a server's certificate in the error texts of Deno's TLS (rustls and webpki). Pure. */

import { printable } from "./text.ts";

/** A fault by its kind. Callers add their own hints. */
export interface CertificateFault {
  readonly kind:
    | "authority"
    | "version"
    | "algorithm"
    | "signature"
    | "dates"
    | "names"
    | "no-names"
    | "usage"
    | "other"
    | "issuer";
  /** Follows "its certificate": `is for localhost`. */
  readonly why: string;
}

/** A message shows at most this many names of a certificate. */
const MOST_NAMES = 5;

/** The fault in an error's text; undefined if the text is not about a certificate. */
export function certificateFaultOf(text: string): CertificateFault | undefined {
  if (/CaUsedAsEndEntity/.test(text)) {
    return {
      kind: "authority",
      why: "is an authority's own (basicConstraints CA:TRUE), which is not taken for a server's",
    };
  }
  if (/UnsupportedCertVersion/.test(text)) {
    return { kind: "version", why: "is of X.509 version 1, which names no host" };
  }
  if (/UnsupportedSignatureAlgorithm/.test(text)) {
    return { kind: "algorithm", why: "is signed with an algorithm that is not taken, as SHA-1 is not" };
  }
  if (/BadSignature/.test(text)) {
    return { kind: "signature", why: "is not trusted: its signature does not hold" };
  }
  if (/certificate expired|CertExpired|: Expired|CERT_HAS_EXPIRED/i.test(text)) {
    return { kind: "dates", why: `expired${dayOf(/not valid after (\d+)/.exec(text))}` };
  }
  if (/not valid yet|NOT_?(?:VALID_?)?YET/i.test(text)) {
    const from = dayOf(/not valid before (\d+)/.exec(text), ", but from", " on");
    return { kind: "dates", why: `is not valid yet${from}` };
  }
  if (/NameConstraintViolation/.test(text)) {
    return { kind: "other", why: "has a name that its authority may not sign for (nameConstraints)" };
  }
  if (/not valid for (?:any )?name|NotValidForName|ALTNAME_INVALID/i.test(text)) return namesFault(text);
  if (/extended key usage/i.test(text)) {
    const any = /allows [^:]*\b2, 5, 29, 37, 0\b/.test(text) ? ": anyExtendedKeyUsage does not count" : "";
    return { kind: "usage", why: `is not one for servers (extended key usage)${any}` };
  }
  if (/UnsupportedCriticalExtension/.test(text)) {
    return { kind: "other", why: "has a critical extension that TLS does not know" };
  }
  return /invalid peer certificate|UnknownIssuer/i.test(text)
    ? { kind: "issuer", why: "is not trusted" }
    : undefined;
}

function namesFault(text: string): CertificateFault {
  const [, asked = ""] = /not valid for name "([^"]*)"/.exec(text) ?? [];
  if (/^[\d.]+$|:/.test(asked) && text.includes(`DnsName("${asked}")`)) {
    return { kind: "version", why: `has ${printable(asked, 100)} as a name (DNS), not as an address (IP)` };
  }
  const names = [...text.matchAll(/(?:DnsName\("([^"]*)"\)|IpAddress\(([^)]*)\))/g)]
    .map(([, name, address]) => printable(name ?? address ?? "", 100));
  if (names.length === 0) {
    return { kind: "no-names", why: "has no name that counts: its subjectAltName is missing" };
  }
  const shown = names.slice(0, MOST_NAMES);
  if (names.length > MOST_NAMES) shown.push(`${names.length - MOST_NAMES} more`);
  return { kind: "names", why: `is for ${shown.join(", ")}` };
}

/** A day from seconds since 1970, for example ` on 2026-11-28`; empty if nothing was found. */
function dayOf(found: RegExpExecArray | null, before = " on", behind = ""): string {
  const date = new Date(Number(found?.[1] ?? NaN) * 1000);
  if (Number.isNaN(date.getTime())) return "";
  return `${before} ${date.toISOString().slice(0, 10)}${behind}`;
}
