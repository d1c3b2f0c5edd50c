import assert from "node:assert/strict";
import type { Connection } from "../../../../runtime/kube/config/connection.ts";
import {
  canonicalAddress,
  checkName,
  checkSocket,
  endpointOf,
} from "../../../../runtime/kube/allow/destination.ts";
import { openSockets, resolveEndpoint } from "../../../../runtime/kube/sockets/raw_sockets.ts";

const connection = (server: string, proxyUrl?: string) => ({ server, proxyUrl }) as Connection;

Deno.test("endpointOf() uses the schemes' default ports", () => {
  assert.deepEqual(endpointOf("https://api.test/prefix"), { host: "api.test", port: 443 });
  assert.deepEqual(endpointOf("http://api.test"), { host: "api.test", port: 80 });
  assert.deepEqual(endpointOf("https://[::1]:6443"), { host: "::1", port: 6443 });
});

Deno.test("resolveEndpoint() resolves names but not addresses", async () => {
  const lookup = (name: string) => Promise.resolve([`10.0.0.${name.length}`, "2001:DB8:0::1"]);
  assert.deepEqual(await resolveEndpoint(connection("https://api.test:6443"), {}, lookup), {
    host: "api.test",
    port: 6443,
    addresses: ["10.0.0.8", "2001:db8::1"],
  });
  const never = () => Promise.reject(new Error("asked"));
  assert.deepEqual((await resolveEndpoint(connection("https://[2001:db8::1]"), {}, never)).addresses, [
    "2001:db8::1",
  ]);
  await assert.rejects(resolveEndpoint(connection("https://api.test"), {}, never), {
    code: "CLUSTER_UNREACHABLE",
  });
});

Deno.test("resolveEndpoint() resolves localhost with the operating system", async () => {
  const { addresses } = await resolveEndpoint(connection("https://localhost:6443"), {});
  assert.ok(addresses.includes("127.0.0.1") || addresses.includes("::1"), addresses.join());
});

Deno.test("behind a proxy a name has a made-up address, and a plugin's own TLS fails", async () => {
  for (
    const [server, env] of [
      [connection("https://api.test", "http://proxy.test:3128"), {}],
      [connection("https://api.test"), { HTTPS_PROXY: "proxy.test:3128" }],
    ] as const
  ) {
    const sockets = await openSockets(server, env);
    assert.deepEqual(sockets.resolve("api.test"), ["192.0.2.1"]);
    sockets.check("192.0.2.1", 443);
    await assert.rejects(sockets.connect("192.0.2.1", 443), { code: "CLUSTER_UNSUPPORTED" });
  }
});

Deno.test("without the right to the network, a name has a made-up address", async () => {
  const denied = () => Promise.reject(new Deno.errors.NotCapable("net"));
  const { addresses } = await resolveEndpoint(connection("https://api.test"), {}, denied);
  assert.deepEqual(addresses, ["192.0.2.1"]);
});

Deno.test("checkSocket() and checkName() accept only the server, in one spelling", () => {
  const endpoint = { host: "api.test", port: 6443, addresses: ["10.0.0.1", "2001:db8::1"] };
  checkSocket(endpoint, "10.0.0.1", 6443);
  checkSocket(endpoint, "2001:db8:0:0:0:0:0:1", 6443);
  for (
    const [address, port] of [
      ["10.0.0.1", 443],
      ["10.0.0.2", 6443],
      ["010.0.0.1", 6443],
      ["167772161", 6443],
      ["::ffff:10.0.0.1", 6443],
      ["api.test", 6443],
      ["", 6443],
    ] as const
  ) {
    assert.throws(() => checkSocket(endpoint, address, port), { code: "DESTINATION_REFUSED" }, address);
  }
  assert.deepEqual(checkName(endpoint, "API.test"), endpoint.addresses);
  for (const name of ["api.test.", "api.test.evil", "10.0.0.2", "10.1", "0x0a000001", "\u0430pi.test"]) {
    assert.throws(() => checkName(endpoint, name), { code: "DESTINATION_REFUSED" }, name);
  }
});

Deno.test("canonicalAddress() returns one spelling for each address", () => {
  assert.equal(canonicalAddress("2001:DB8:0:0::1"), "2001:db8::1");
  assert.equal(canonicalAddress("1.2.3.4"), "1.2.3.4");
  for (
    const text of ["01.2.3.4", "1.2.3", "0x1.2.3.4", "1.2.3.4.5", "1.2.3.256", "fe80::1%eth0", "::g", "a:b"]
  ) {
    assert.equal(canonicalAddress(text), undefined, text);
  }
});
