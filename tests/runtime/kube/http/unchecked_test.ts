/**
 * Servers under another name, or without verification. Each runs in its own process, as a real run does: Deno reads
 * the roots once, and Deno 2.9 cannot skip verification after a list of roots was empty.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { TestApiServer } from "../../../../scripts/servers/api_server.ts";
import { Authority } from "../../../../scripts/servers/certificates.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

async function probe(config: string, ...args: string[]): Promise<string> {
  return await probeWith({}, config, ...args);
}

async function probeWith(env: Record<string, string>, config: string, ...args: string[]): Promise<string> {
  const path = `${temporaryDirectory()}/config`;
  await Deno.writeTextFile(path, config);
  const script = fileURLToPath(new URL("../../../support/probe.ts", import.meta.url));
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", script, path, ...args],
    env,
  }).output();
  await Deno.remove(path);
  return new TextDecoder().decode(stdout).trim() || new TextDecoder().decode(stderr);
}

Deno.test("--insecure-skip-tls-verify reaches a server with a self-signed certificate", async () => {
  await using api = await TestApiServer.start();
  const other = await Authority.make("other-ca");
  assert.equal(await probe(api.kubeconfig({ ca: other.cert }), "--insecure-skip-tls-verify"), "200 1");
  assert.equal(await probe(api.kubeconfig({ ca: other.cert })), "CLUSTER_TLS");
});

Deno.test("--tls-server-name verifies the certificate for that name", async () => {
  await using api = await TestApiServer.start();
  const mapped = api.kubeconfig({ server: api.server.replace("127.0.0.1", "[::ffff:127.0.0.1]") });
  assert.equal(await probe(mapped, "--tls-server-name=localhost"), "200 1");
  assert.equal(await probe(api.kubeconfig(), "--tls-server-name=other.example"), "CLUSTER_TLS");
});

Deno.test("only the cluster's authority counts, for any user and interface", async () => {
  const foreign = await Authority.make("foreign");
  await using api = await TestApiServer.start({ authority: foreign });
  const own = await Authority.make("own");
  const { cert, key } = await own.issue({ commonName: "jane" });
  const directory = temporaryDirectory();
  await Deno.writeTextFile(`${directory}/foreign.pem`, foreign.cert);
  const env = { DENO_CERT: `${directory}/foreign.pem`, NODE_EXTRA_CA_CERTS: `${directory}/foreign.pem` };
  const certified = JSON.parse(api.kubeconfig({ ca: own.cert }));
  Object.assign(certified.users[0].user, {
    "client-certificate-data": btoa(cert),
    "client-key-data": btoa(key),
  });
  for (const config of [api.kubeconfig({ ca: own.cert }), JSON.stringify(certified)]) {
    assert.equal(await probeWith(env, config), "CLUSTER_TLS");
    assert.equal(await probeWith(env, config, "--tls-server-name=localhost"), "CLUSTER_TLS");
    assert.equal(await probeWith({ ...env, UPGRADE: "1" }, config), "CLUSTER_TLS");
  }
  const trusted = JSON.stringify(certified).replace(btoa(own.cert), btoa(foreign.cert));
  assert.equal(await probeWith({}, trusted), "200 1");
});
