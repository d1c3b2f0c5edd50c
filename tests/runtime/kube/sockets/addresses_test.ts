import assert from "node:assert/strict";
import { connectToAny } from "../../../../runtime/kube/sockets/addresses.ts";

/** A network whose addresses accept, refuse, or stay silent. */
function network(places: Readonly<Record<string, "there" | "refused" | "silent">>) {
  const asked: string[] = [];
  const closed: string[] = [];
  const late = new Map<string, () => void>();
  return {
    asked,
    closed,
    late,
    connect(hostname: string) {
      asked.push(hostname);
      const connection = { hostname, close: () => void closed.push(hostname) };
      if (places[hostname] === "there") return Promise.resolve(connection);
      if (places[hostname] === "refused") return Promise.reject(new Error(`${hostname} refused`));
      return new Promise<typeof connection>((resolve) => late.set(hostname, () => resolve(connection)));
    },
  };
}

const lookup = (...addresses: string[]) => () => Promise.resolve(addresses);

Deno.test("connectToAny() resolves nothing if the first address answers", async () => {
  const it = network({ name: "there", "127.0.0.1": "refused", "::1": "refused" });
  assert.equal((await connectToAny("name", it.connect, () => assert.fail())).hostname, "name");
  for (const address of ["127.0.0.1", "::1"]) {
    await assert.rejects(connectToAny(address, it.connect, () => assert.fail()), {
      message: `${address} refused`,
    });
  }
});

Deno.test("connectToAny() tries the next address and closes late connections", async () => {
  const it = network({ name: "silent", "::1": "silent", "::2": "refused", "127.0.0.1": "there" });
  const connection = await connectToAny("name", it.connect, lookup("::1", "::2", "127.0.0.1"));
  assert.equal(connection.hostname, "127.0.0.1");
  assert.deepEqual(it.asked, ["name", "::2", "127.0.0.1"]);
  it.late.get("name")!();
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(it.closed, ["name"]);
});

Deno.test("connectToAny() throws the first failure if all fail", async () => {
  const it = network({ name: "refused", "127.0.0.1": "refused" });
  await assert.rejects(connectToAny("name", it.connect, lookup("::1", "127.0.0.1")), {
    message: "name refused",
  });
  await assert.rejects(connectToAny("name", it.connect, () => Promise.reject(new Error("no such name"))), {
    message: "name refused",
  });
});
