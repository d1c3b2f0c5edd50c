/** Explains TLS failures with a registry from the messages of Deno's TLS (rustls). Pure. */

import { type CertificateFault, certificateFaultOf } from "../../runtime/base/certificate_fault.ts";
import { textOf } from "./connection_error.ts";

/** The message and hint for a failure. */
export interface TlsFailure {
  readonly why: string;
  readonly hint?: string;
}

/** Whether a connection failed in TLS, so that the other side speaks TLS. */
export function isTlsFailure(error: unknown): boolean {
  return /invalid peer certificate|fatal alert|peer is incompatible|peer misbehaved/i.test(textOf(error));
}

const ANEW = "make it anew as a server's: krew-wasm help registries says how";

const HINTS: Readonly<Partial<Record<CertificateFault["kind"], string>>> = {
  authority: ANEW,
  version: ANEW,
  algorithm: ANEW,
  signature:
    "its authority has another key (registries.yaml names one: registries.HOST.ca), or its own is shorter than 2048 bits",
  dates: "check this machine's clock, or have the certificate renewed",
  names: "ask for the registry by that name",
  issuer: "a private authority is named in registries.yaml: registries.HOST.ca",
};

/** The message and hint for an error's text; undefined if it is not about certificates or the handshake. */
export function tlsFailure(text: string, host: string): TlsFailure | undefined {
  const fault = certificateFaultOf(text);
  if (fault) {
    const hint = HINTS[fault.kind];
    return { why: `the certificate of ${host} ${fault.why}`, ...(hint === undefined ? {} : { hint }) };
  }
  // A TLS 1.2 server that requires a client certificate and gets none answers "bad certificate".
  if (/CertificateRequired|BadCertificate/.test(text)) {
    return {
      why: `${host} wants a client certificate that it knows`,
      hint: "registries.yaml names it: registries.HOST.cert and registries.HOST.key",
    };
  }
  if (/fatal alert: ProtocolVersion/i.test(text)) {
    return { why: `${host} speaks no version of TLS from 1.2 on` };
  }
  const [, alert] = /fatal alert: (\w+)/i.exec(text) ?? [];
  if (alert === undefined) return undefined;
  const why = `${host} refuses the TLS handshake: ${alert}`;
  // OpenSSL's answer in TLS 1.2 to a missing client certificate.
  return alert === "HandshakeFailure"
    ? {
      why,
      hint:
        "if it wants a client certificate: registries.HOST.cert and registries.HOST.key in registries.yaml",
    }
    : { why };
}
