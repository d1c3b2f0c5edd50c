import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { pairProblem } from "../../../../runtime/kube/auth/certificate_pair.ts";
import { Authority, sec1Of } from "../../../../scripts/servers/certificates.ts";

const authority = await Authority.make("ca");
const pair = await authority.issue({ commonName: "me" });

/** An RSA key, PKCS#8. */
const rsa = (modulusLength: number) =>
  generateKeyPairSync("rsa", { modulusLength }).privateKey.export({ type: "pkcs8", format: "pem" }) as string;

Deno.test("pairProblem() accepts pairs that TLS accepts", async () => {
  const { cert, key } = pair;
  const sec1 = await sec1Of(key);
  const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  for (
    const good of [pair, authority, { cert, key: sec1 }, { cert, key: parameters + sec1 }, {
      cert: `Subject: me\r\n${cert.replaceAll("\n", "\r\n")}${authority.cert}`,
      key: key.replaceAll("\n", "\r\n"),
    }]
  ) assert.equal(await pairProblem(good), undefined);
});

Deno.test("pairProblem() says why TLS refuses a certificate or its key", async () => {
  const other = await authority.issue({ commonName: "other" });
  assert.equal(await pairProblem({ cert: pair.cert, key: other.key }), "its key is another's");
  assert.equal(await pairProblem({ cert: pair.cert, key: rsa(2048) }), "its key is another's");
  const old = await authority.issue({ commonName: "old", version1: true });
  assert.match((await pairProblem(old))!, /^it is an X\.509 certificate of version 1/);
  assert.match(
    (await pairProblem({ cert: pair.cert, key: rsa(1024) }))!,
    /^its RSA key has 1024 bits: TLS takes/,
  );
  assert.equal(
    await pairProblem(await authority.issue({ commonName: "new", unknownExtension: true })),
    "it has a critical extension that TLS does not know: 1.2.3.4",
  );
  const { cert, key } = pair;
  for (const bad of [{ cert, key: "x" }, { cert: "x", key }, { cert, key: cert }, { cert: key, key }]) {
    assert.ok(await pairProblem(bad));
  }
});
