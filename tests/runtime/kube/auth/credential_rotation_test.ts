/** Certificates and authorities in files are reread as they rotate, as in client-go. */

import assert from "node:assert/strict";
import type { Connection } from "../../../../runtime/kube/config/connection.ts";
import { CredentialSource } from "../../../../runtime/kube/auth/user_credentials.ts";
import { RotatingFiles } from "../../../../runtime/kube/auth/credential_rotation.ts";
import { TestApiServer } from "../../../../scripts/servers/api_server.ts";
import { Authority, type Pair } from "../../../../scripts/servers/certificates.ts";
import { connectionTest, lineReader, open } from "../../../support/connection.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

function rotating(pair: Pair, ca: string) {
  const directory = temporaryDirectory();
  const write = ({ cert, key, ca }: Partial<Pair & { ca: string }>) => {
    if (cert !== undefined) Deno.writeTextFileSync(`${directory}/crt`, cert);
    if (key !== undefined) Deno.writeTextFileSync(`${directory}/key`, key);
    if (ca !== undefined) Deno.writeTextFileSync(`${directory}/ca`, ca);
  };
  write({ ...pair, ca });
  const connection = {
    server: "https://c.test",
    certificate: pair,
    certificateFiles: { cert: `${directory}/crt`, key: `${directory}/key` },
    ca,
    caFile: `${directory}/ca`,
  } as unknown as Connection;
  const clock = { now: 0 };
  return { directory, write, clock, connection, files: new RotatingFiles(connection, () => clock.now) };
}

Deno.test("RotatingFiles rereads pairs and authorities at most once a second", async () => {
  const authority = await Authority.make();
  const [one, two] = await Promise.all(["one", "two"].map((commonName) => authority.issue({ commonName })));
  const { write, clock, files } = rotating(one!, authority.cert);
  const first = await files.current();
  assert.deepEqual(first, { certificate: one, ca: authority.cert });
  write(two!);
  assert.equal(await files.current(), first);
  clock.now = 1000;
  assert.deepEqual((await files.current()).certificate, two);
  const other = await Authority.make("other");
  write({ ca: other.cert });
  files.expire();
  const last = await files.current();
  assert.deepEqual(last, { certificate: two, ca: other.cert });
  files.expire();
  assert.equal(await files.current(), last); // nothing has changed
});

Deno.test("concurrent refused requests all get the new files", async () => {
  const authority = await Authority.make();
  const [one, two] = await Promise.all(["one", "two"].map((commonName) => authority.issue({ commonName })));
  const { write, connection, files } = rotating(one!, authority.cert);
  const source = new CredentialSource(connection, files);
  const refused = await source.get();
  write(two!);
  const renewed = await Promise.all([1, 2, 3].map(async () => {
    await source.renew(refused);
    return (await source.get()).certificate;
  }));
  assert.deepEqual(renewed, [two, two, two]);
});

Deno.test("RotatingFiles keeps the old content during a rotation", async () => {
  const authority = await Authority.make();
  const [one, two] = await Promise.all(["one", "two"].map((commonName) => authority.issue({ commonName })));
  const { directory, write, files } = rotating(one!, authority.cert);
  const looks = async () => {
    files.expire();
    return (await files.current()).certificate;
  };
  write({ cert: two!.cert }); // the key file is still the old one
  assert.deepEqual(await looks(), one);
  write({ key: "" });
  assert.deepEqual(await looks(), one);
  write({ key: two!.key.slice(0, 60) });
  assert.deepEqual(await looks(), one);
  Deno.removeSync(`${directory}/key`);
  Deno.removeSync(`${directory}/ca`);
  assert.deepEqual(await looks(), one);
  assert.equal((await files.current()).ca, authority.cert);
  write(two!);
  assert.deepEqual(await looks(), two);
});

Deno.test("credentials stay the same object until the certificate rotates", async () => {
  const authority = await Authority.make();
  const [one, two] = await Promise.all(["one", "two"].map((commonName) => authority.issue({ commonName })));
  const { directory, write, connection, files } = rotating(one!, authority.cert);
  Deno.writeTextFileSync(`${directory}/token`, "t");
  for (const more of [{}, { token: "t" }, { tokenFile: `${directory}/token` }]) {
    write(one!);
    files.expire();
    const source = new CredentialSource({ ...connection, ...more }, files);
    assert.ok(source.renewable);
    const before = await source.get();
    assert.equal(await source.get(), before);
    assert.deepEqual(before.certificate, one);
    write(two!);
    await source.renew(before);
    const after = await source.get();
    assert.notEqual(after, before);
    assert.deepEqual(after, { ...before, certificate: two });
    assert.equal(await source.get(), after);
  }
});

connectionTest("new requests use the file's new authority; open ones go on", async () => {
  await using before = await TestApiServer.start();
  await using after = await TestApiServer.start();
  const directory = temporaryDirectory();
  Deno.writeTextFileSync(`${directory}/ca`, before.authority.cert);
  // One address, whose server restarts with a certificate of another authority.
  let port = before.port;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const relay = async () => {
    for await (const inner of listener) {
      const outer = await Deno.connect({ hostname: "127.0.0.1", port });
      inner.readable.pipeTo(outer.writable).catch(() => {});
      outer.readable.pipeTo(inner.writable).catch(() => {});
    }
  };
  relay().catch(() => {});
  try {
    const config = JSON.parse(before.kubeconfig({ server: `https://127.0.0.1:${listener.addr.port}` }));
    delete config.clusters[0].cluster["certificate-authority-data"];
    config.clusters[0].cluster["certificate-authority"] = `${directory}/ca`;
    const cluster = await (await open(JSON.stringify(config))).cluster();
    const send = (url: string) => cluster.send({ method: "GET", url, headers: [] });
    const watch = await send("/api/v1/namespaces/default/events?watch=1");
    const lines = lineReader(watch.body!);
    port = after.port;
    // The file still contains the old authority.
    await assert.rejects(send("/version"), { code: "CLUSTER_TLS" });
    Deno.writeTextFileSync(`${directory}/ca`, after.authority.cert);
    let status = 0;
    while (status === 0) {
      status = await send("/version").then(async (response) => {
        await response.body?.cancel();
        return response.status;
      }, (error) => {
        assert.equal(error.code, "CLUSTER_TLS"); // not reread yet
        return new Promise((resolve) => setTimeout(() => resolve(0), 100));
      });
    }
    assert.equal(status, 401); // the server expects another token
    before.add("events", {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: "late", namespace: "default" },
    });
    assert.match(await lines.read(), /"late"/);
    await lines.cancel();
  } finally {
    listener.close();
  }
});
