import assert from "node:assert/strict";
import { certificateFaultOf } from "../../../runtime/base/certificate_fault.ts";

Deno.test("certificateFaultOf() recognizes each fault in rustls' messages", () => {
  const peer = "invalid peer certificate: ";
  for (
    const [text, kind, why] of [
      [`${peer}UnknownIssuer`, "issuer", "is not trusted"],
      [`${peer}BadSignature`, "signature", "is not trusted: its signature does not hold"],
      [
        `${peer}certificate not valid for name "x"; certificate is only valid for DnsName("a\x1b") or IpAddress(::1)`,
        "names",
        "is for a\\x1b, ::1",
      ],
      [
        `${peer}certificate not valid for name "x"; certificate is not valid for any names (according to its subjectAltName extension)`,
        "no-names",
        "has no name that counts: its subjectAltName is missing",
      ],
      [
        `${peer}certificate does not allow extended key usage for server authentication, allows 2, 5, 29, 37, 0, client authentication`,
        "usage",
        "is not one for servers (extended key usage): anyExtendedKeyUsage does not count",
      ],
      [
        `${peer}certificate does not allow extended key usage for server authentication, allows client authentication`,
        "usage",
        "is not one for servers (extended key usage)",
      ],
      [
        `${peer}Other(OtherError(NameConstraintViolation))`,
        "other",
        "has a name that its authority may not sign for (nameConstraints)",
      ],
      [
        `${peer}Other(OtherError(UnsupportedCriticalExtension))`,
        "other",
        "has a critical extension that TLS does not know",
      ],
      ["CERT_HAS_EXPIRED", "dates", "expired"],
      ["CERT_NOT_YET_VALID", "dates", "is not valid yet"],
    ] as const
  ) assert.deepEqual(certificateFaultOf(text), { kind, why }, text);
  for (const text of ["connection refused", "received fatal alert: HandshakeFailure", ""]) {
    assert.equal(certificateFaultOf(text), undefined);
  }
});
