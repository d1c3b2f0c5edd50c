/**
 * What fetch lacks. Each in a process of its own, as a run is: Deno reads the roots once, and 2.9 does not leave a server
 * unchecked any more once it has been told to trust nobody.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { TestApiServer } from "../../support/api_server.ts";
import { Authority } from "../../support/certificates.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

async function probe(config: string, ...args: string[]): Promise<string> {
  const path = `${temporaryDirectory()}/config`;
  await Deno.writeTextFile(path, config);
  const script = fileURLToPath(new URL("../../support/probe.ts", import.meta.url));
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", script, path, ...args],
  }).output();
  await Deno.remove(path);
  return new TextDecoder().decode(stdout).trim() || new TextDecoder().decode(stderr);
}

Deno.test("--insecure-skip-tls-verify reaches a server whose certificate nobody signed", async () => {
  await using api = await TestApiServer.start();
  const other = await Authority.make("other-ca");
  assert.equal(await probe(api.kubeconfig({ ca: other.cert }), "--insecure-skip-tls-verify"), "200 1");
  assert.equal(await probe(api.kubeconfig({ ca: other.cert })), "CLUSTER_TLS");
});

Deno.test("--tls-server-name checks the certificate for that name", async () => {
  await using api = await TestApiServer.start();
  const mapped = api.kubeconfig({ server: api.server.replace("127.0.0.1", "[::ffff:127.0.0.1]") });
  assert.equal(await probe(mapped, "--tls-server-name=localhost"), "200 1");
  assert.equal(await probe(api.kubeconfig(), "--tls-server-name=other.example"), "CLUSTER_TLS");
});
