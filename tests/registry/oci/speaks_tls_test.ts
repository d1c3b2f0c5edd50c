import assert from "node:assert/strict";
import { speaksTls } from "../../../registry/oci/speaks_tls.ts";
import { Authority } from "../../../scripts/servers/certificates.ts";
import { RawServer } from "../../support/raw_server.ts";
import { TestRegistry } from "../../../scripts/servers/oci_registry.ts";

Deno.test("speaksTls() distinguishes TLS from HTTP and from a closed port", async () => {
  const authority = await Authority.make("ca");
  await using secure = TestRegistry.start(
    undefined,
    await authority.issue({ commonName: "r", hosts: ["127.0.0.1"] }),
  );
  await using plain = TestRegistry.start();
  assert.equal(await speaksTls(secure.host), true);
  assert.equal(await speaksTls(secure.host.replace("127.0.0.1", "localhost")), true);
  assert.equal(await speaksTls(plain.host), false);
  assert.deepEqual([secure.requests, plain.requests], [[], []]);
  assert.equal(await speaksTls("127.0.0.1:1"), false);
});

Deno.test("speaksTls() does not wait for an HTTP server that reads a whole head first", async () => {
  using server = RawServer.start(async ({ send }) => await send("HTTP/1.1 400 Bad Request\r\n\r\n"));
  assert.equal(await speaksTls(`127.0.0.1:${server.port}`), false);
  using closing = RawServer.start(({ reset }) => Promise.resolve(reset()));
  assert.equal(await speaksTls(`127.0.0.1:${closing.port}`), false);
  using refusing = RawServer.start(async ({ send }) => await send(Uint8Array.of(21, 3, 3, 0, 2, 2, 70)));
  assert.equal(await speaksTls(`127.0.0.1:${refusing.port}`), true);
});
