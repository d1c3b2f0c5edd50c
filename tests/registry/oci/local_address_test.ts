/** A remote registry cannot redirect to this machine, under any name. */

import assert from "node:assert/strict";
import { isLocalAddress, isLocalIp } from "../../../registry/oci/mirrored_reference.ts";
import { Transport } from "../../../registry/oci/registry_transport.ts";
import { TestRegistry } from "../../../scripts/servers/oci_registry.ts";

Deno.test("isLocalIp() knows local, link-local and metadata addresses, also in IPv6", () => {
  for (
    const address of [
      ...["127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254", "100.100.100.200", "168.63.129.16"],
      ...["::1", "::", "fe80::1", "fe80::1%eth0", "febf::1", "fd00:ec2::254", "fd20:ce::254"],
      ...["FD20:00CE:0:0::254", "::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::a9fe:a9fe", "::7f00:1"],
    ]
  ) assert.ok(isLocalIp(address), address);
  for (
    const address of [
      ...["10.0.0.7", "192.168.1.1", "8.8.8.8", "100.100.100.201", "12.7.0.1"],
      ...["fd00::1", "fd20:ce::253", "2001:db8::1", "64:ff9b::808:808", "::ffff:8.8.8.8"],
    ]
  ) assert.ok(!isLocalIp(address), address);
  for (const host of ["[fd20:ce::254]", "168.63.129.16:80", "[::ffff:808:808]", "metadata"]) {
    assert.ok(isLocalAddress(host), host);
  }
  for (const host of ["0.pool.example", "127.example.org", "10.0.0.7:5000"]) {
    assert.ok(!isLocalAddress(host), host);
  }
});

/** Sends a request for a registry to another host, whose name resolves to `addresses`. */
async function send(registry: string, to: string, names: Record<string, readonly string[]>) {
  const asked: string[] = [];
  const transport = new Transport({
    lookUp(name) {
      asked.push(name);
      return names[name] ? Promise.resolve(names[name]) : Promise.reject(new Error("nobody knows it"));
    },
  });
  try {
    const answer = await transport.send(new URL(to), { registry: new URL(registry), headers: {} });
    await answer.discard();
    return { sent: true, asked };
  } finally {
    await transport.close();
  }
}

Deno.test("refuses a remote registry's redirect to a name of this machine", async () => {
  await using other = TestRegistry.start();
  const { port } = new URL(other.origin);
  for (
    const addresses of [["127.0.0.1"], ["::1"], ["10.0.0.7", "169.254.169.254"], ["fd20:ce::254"], [
      "0.0.0.0",
    ]]
  ) {
    await assert.rejects(
      send("https://r.example", `http://vm.example:${port}`, {
        "vm.example": addresses,
        "r.example": ["1.2.3.4"],
      }),
      {
        code: "REGISTRY_PROTOCOL",
        message: /The registry r\.example sends us to .*, an address of this machine/,
      },
    );
  }
  await assert.rejects(send("https://r.example", "http://169.254.169.254", {}), {
    code: "REGISTRY_PROTOCOL",
  });
  // Allowed: from this machine to this machine, and within one host on any port.
  const names = { localhost: ["127.0.0.1", "::1"], "r.example": ["127.0.0.1"] };
  for (const registry of ["http://127.0.0.1:1", "https://r.example"]) {
    assert.ok((await send(registry, `http://localhost:${port}`, names)).sent, registry);
  }
  await assert.rejects(
    send("https://r.example", "http://x.example", { ...names, "x.example": ["169.254.1.1"] }),
    {
      code: "REGISTRY_PROTOCOL",
    },
  );
  const same = await send("http://localhost:1", `http://localhost:${port}`, {});
  assert.deepEqual(same.asked, []);
  assert.equal(other.requests.length, 3);
});
