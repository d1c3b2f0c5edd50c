/** Reads a certificate's fields (RFC 5280) from DER. Verifies nothing. */

/** The most useful fields. */
export interface Certificate {
  readonly subject: string;
  readonly issuer: string;
  /** DNS names and addresses (subjectAltName). */
  readonly names: string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
}

interface Value {
  readonly tag: number;
  readonly content: Uint8Array;
}

const SUBJECT_ALT_NAME = "2.5.29.17";
const ATTRIBUTES: Record<string, string> = {
  "2.5.4.3": "CN",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
};

/** The certificates of a PEM text. Skips unreadable ones. */
export function readCertificates(pem: string): Certificate[] {
  const blocks = pem.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g);
  return [...blocks].flatMap(([, base64 = ""]) => {
    try {
      return [
        readCertificate(
          Uint8Array.from(atob(base64.replace(/\s/g, "")), (character) => character.charCodeAt(0)),
        ),
      ];
    } catch {
      return [];
    }
  });
}

function children(bytes: Uint8Array): Value[] {
  const values: Value[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes[at++]!;
    let length = bytes[at++]!;
    if (length > 0x80) {
      const count = length & 0x7f;
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + bytes[at++]!;
    }
    if (!(at + length <= bytes.length)) throw new Error("cut off");
    values.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return values;
}

function oid(bytes: Uint8Array): string {
  const parts = [Math.floor(bytes[0]! / 40), bytes[0]! % 40];
  let value = 0;
  for (const byte of bytes.subarray(1)) {
    value = value * 128 + (byte & 0x7f);
    if ((byte & 0x80) === 0) {
      parts.push(value);
      value = 0;
    }
  }
  return parts.join(".");
}

function nameOf(bytes: Uint8Array): string {
  const parts = children(bytes).flatMap(({ content }) => children(content)).map(({ content }) => {
    const [type, value] = children(content);
    const id = oid(type!.content);
    return `${ATTRIBUTES[id] ?? id}=${new TextDecoder().decode(value!.content)}`;
  });
  return parts.reverse().join(", ") || "(nobody)";
}

function timeOf({ tag, content }: Value): Date {
  const text = new TextDecoder().decode(content);
  // UTCTime has a two-digit year. 50 and above mean 19xx.
  const full = tag === 0x17 ? `${Number(text.slice(0, 2)) >= 50 ? "19" : "20"}${text}` : text;
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(full)!;
  return new Date(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
}

function readCertificate(der: Uint8Array): Certificate {
  const [certificate] = children(der);
  const [signed] = children(certificate!.content);
  const fields = children(signed!.content);
  if (fields[0]!.tag === 0xa0) fields.shift(); // version
  const [, , issuer, validity, subject] = fields;
  const [notBefore, notAfter] = children(validity!.content);
  const extensions = fields.find(({ tag }) => tag === 0xa3);
  const names: string[] = [];
  for (const { content } of extensions ? children(children(extensions.content)[0]!.content) : []) {
    const parts = children(content);
    if (oid(parts[0]!.content) !== SUBJECT_ALT_NAME) continue;
    for (const { tag, content } of children(children(parts.at(-1)!.content)[0]!.content)) {
      if (tag === 0x82) names.push(new TextDecoder().decode(content));
      if (tag === 0x87 && content.length === 4) names.push([...content].join("."));
    }
  }
  return {
    subject: nameOf(subject!.content),
    issuer: nameOf(issuer!.content),
    names,
    notBefore: timeOf(notBefore!),
    notAfter: timeOf(notAfter!),
  };
}
