import assert from "node:assert/strict";
import { withPlace } from "../../../registry/oci/connection_error.ts";
import { connectionFailure } from "../../../registry/oci/registry_failure.ts";

const TASK = { failed: 'Cannot pull "ghcr.io/acme/foo:v1"', registry: "ghcr.io" };

Deno.test("explains why a registry is unreachable and how to fix it", () => {
  const cases: [thrown: string, why: RegExp, hint: RegExp | undefined][] = [
    ["tcp connect error: Connection refused (os error 111)", /ghcr\.io refused the connection$/, undefined],
    ["dns error: failed to lookup address", /the name ghcr\.io can't be resolved$/, /bundle load/],
    ["tcp connect error: Network is unreachable (os error 101)", /reached from this network$/, /bundle load/],
    ["tcp connect error: No route to host (os error 113)", /reached from this network$/, /bundle load/],
    [
      "invalid peer certificate: UnknownIssuer",
      /certificate of ghcr\.io is not trusted$/,
      /registries\.yaml/,
    ],
    ["received corrupt message of type InvalidContentType", /does not speak HTTPS$/, /--plain-http/],
  ];
  for (const [thrown, why, hint] of cases) {
    const failure = connectionFailure(
      TASK,
      new TypeError("error sending request", { cause: new Error(thrown) }),
    );
    assert.equal(failure.code, "REGISTRY_UNREACHABLE", thrown);
    assert.match(failure.message, why, thrown);
    assert.doesNotMatch(failure.message, /os error/, thrown);
    if (hint === undefined) assert.equal(failure.hint, undefined, thrown);
    else assert.match(failure.hint ?? "", hint, thrown);
  }
  const push = { ...TASK, failed: 'Cannot push "ghcr.io/acme/foo:v1"' };
  assert.doesNotMatch(connectionFailure(push, new Error("dns error")).hint ?? "", /bundle/);
});

const invalid = (what: string) =>
  new TypeError(
    `error sending request for url (https://ghcr.io/): client error (Connect): invalid peer ${what}`,
  );

Deno.test("distinguishes the problems of certificates", () => {
  const cases: [text: string, why: RegExp, hint: RegExp | undefined][] = [
    ["certificate: UnknownIssuer", /the certificate of ghcr\.io is not trusted$/, /registries\.HOST\.ca$/],
    [
      "certificate: BadSignature",
      /the certificate of ghcr\.io is not trusted: its signature does not hold$/,
      /registries\.HOST\.ca\), or .* 2048 bits$/,
    ],
    [
      "certificate: UnsupportedSignatureAlgorithm",
      /an algorithm that is not taken, as SHA-1 is not$/,
      /anew/,
    ],
    [
      "certificate: UnsupportedSignatureAlgorithmContext { signature_algorithm_id: [6, 9] }",
      /an algorithm that is not taken/,
      /anew/,
    ],
    ["certificate: Other(OtherError(UnsupportedCertVersion))", /of X\.509 version 1/, /anew/],
    [
      "certificate: certificate expired: verification time 1796068709 (UNIX), but certificate is not valid after 1795982309 (86400 seconds ago)",
      /the certificate of ghcr\.io expired on 2026-11-29$/,
      /clock/,
    ],
    [
      "certificate: certificate not valid yet: verification time 1796068709 (UNIX), but certificate is not valid before 1796155109 (86400 seconds in future)",
      /the certificate of ghcr\.io is not valid yet, but from 2026-12-01 on$/,
      /clock/,
    ],
    [
      'certificate: certificate not valid for name "ghcr.io"; certificate is only valid for DnsName("r.example") or IpAddress(10.0.0.1)',
      /the certificate of ghcr\.io is for r\.example, 10\.0\.0\.1$/,
      /by that name/,
    ],
    ["certificate: NotValidForName", /the certificate of ghcr\.io has no name that counts/, undefined],
    [
      "certificate: Other(OtherError(CaUsedAsEndEntity))",
      /an authority's own \(basicConstraints CA:TRUE\)/,
      /anew/,
    ],
    [
      "certificate: certificate does not allow extended key usage for server authentication",
      /for servers/,
      undefined,
    ],
  ];
  for (const [text, why, hint] of cases) {
    const failure = connectionFailure(TASK, invalid(text));
    assert.match(failure.message, why, text);
    if (hint === undefined) assert.equal(failure.hint, undefined, text);
    else assert.match(failure.hint ?? "", hint, text);
  }
  const names = Array.from({ length: 9 }, (_, index) => `DnsName("\x1b[2J${index}")`).join(" or ");
  const { message } = connectionFailure(
    TASK,
    invalid(`certificate: certificate not valid for name "x"; ${names}`),
  );
  assert.match(message, /is for [^\x1b]*4, 4 more$/);
  const alert = (name: string) => connectionFailure(TASK, new Error(`received fatal alert: ${name}`));
  assert.match(alert("CertificateRequired").message, /ghcr\.io wants a client certificate/);
  assert.match(alert("BadCertificate").message, /ghcr\.io wants a client certificate/);
  assert.match(alert("ProtocolVersion").message, /ghcr\.io speaks no version of TLS from 1\.2 on$/);
  assert.match(alert("HandshakeFailure").message, /ghcr\.io refuses the TLS handshake: HandshakeFailure$/);
  const byAddress = invalid(
    'certificate: certificate not valid for name "10.0.0.1"; certificate is only valid for DnsName("10.0.0.1")',
  );
  assert.match(
    connectionFailure({ ...TASK, registry: "10.0.0.1:5000" }, byAddress).message,
    /has 10\.0\.0\.1 as a name \(DNS\), not as an address \(IP\)$/,
  );
});

Deno.test("names a failing proxy without its password", () => {
  const proxy = (url: string) => ({ url: new URL(url), variable: "HTTPS_PROXY" });
  const told = (text: string, url = "http://me:s3cret@proxy.example:3128") => {
    const error = new TypeError(
      `error sending request for url (https://ghcr.io/): client error (Connect): ${text}`,
    );
    return connectionFailure(TASK, withPlace(error, { host: "ghcr.io", proxy: proxy(url), answered: false }));
  };
  const cases: [text: string, why: RegExp][] = [
    [
      "tcp connect error: Connection refused (os error 111)",
      /the proxy proxy\.example:3128 refused the connection$/,
    ],
    ["Proxy server unreachable", /the proxy proxy\.example:3128 refused the connection$/],
    ["dns error: failed to lookup address", /the name of the proxy proxy\.example:3128 can't be resolved$/],
    ["proxy authentication required", /wants a user name and a password that it knows \(407\)$/],
    [
      "Invalid auth values: password length should between 1 to 255",
      /can't be given its user name and password: SOCKS takes 1 to 255 bytes of each$/,
    ],
    ["unsuccessful tunnel", /the proxy proxy\.example:3128 opens no way to ghcr\.io$/],
    ["unexpected eof while tunneling", /opens no way to ghcr\.io$/],
    [
      "received corrupt message of type InvalidContentType",
      /ghcr\.io, behind the proxy \S+, does not speak HTTPS$/,
    ],
  ];
  for (const [text, why] of cases) {
    const { message, hint } = told(text);
    assert.match(message, why, text);
    assert.match(hint ?? "", /^HTTPS_PROXY names the proxy; NO_PROXY=ghcr\.io goes without it$/);
    assert.doesNotMatch(message + hint, /s3cret/);
  }
  for (const reply of ["Connection refused", "Host unreachable", "Network unreachable", "TTL expired"]) {
    const { message } = told(reply, "socks5://proxy.example:1080");
    assert.ok(
      message.endsWith(`the proxy proxy.example:1080 says of ghcr.io: ${reply.toLowerCase()}`),
      message,
    );
  }
  assert.match(
    told("tcp connect error: Connection refused (os error 111)", "socks5://proxy.example:1080").message,
    /the proxy proxy\.example:1080 refused the connection$/,
  );
  assert.match(
    told("received corrupt message", "https://p.example").message,
    /the proxy p\.example opens no way/,
  );
  assert.match(
    told("invalid peer certificate: UnknownIssuer").message,
    /the certificate of ghcr\.io is not trusted$/,
  );
});
