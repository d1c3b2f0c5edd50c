import assert from "node:assert/strict";
import { relayTo, shareRelays } from "../../../../runtime/kube/sockets/relay.ts";

Deno.test("a relay closes its tunnel when both sides have ended", async () => {
  const sent: number[] = [];
  const ended = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const relay = relayTo({
    // Ends after the other side.
    read: () => ended.promise.then(() => null),
    write(bytes) {
      sent.push(...bytes);
      return Promise.resolve(bytes.length);
    },
    closeWrite() {
      ended.resolve();
      return Promise.resolve();
    },
    close: closed.resolve,
  });
  using connection = await Deno.connect({ ...relay.place });
  relay.expect((connection.localAddr as Deno.NetAddr).port);
  await connection.write(new Uint8Array([1, 2, 3]));
  await connection.closeWrite();
  assert.equal(await connection.read(new Uint8Array(1)), null);
  await closed.promise;
  assert.deepEqual(sent, [1, 2, 3]);
});

/** A tunnel that records the bytes written to it. */
function keeping(): { readonly sent: number[]; readonly tunnel: Parameters<typeof relayTo>[0] } {
  const sent: number[] = [];
  const closed = Promise.withResolvers<null>();
  return {
    sent,
    tunnel: {
      read: () => closed.promise,
      write(bytes) {
        sent.push(...bytes);
        return Promise.resolve(bytes.length);
      },
      closeWrite: () => Promise.resolve(closed.resolve(null)),
      close: () => closed.resolve(null),
    },
  };
}

Deno.test("relays with one listener connect each client to its own tunnel", async () => {
  using shared = shareRelays();
  const ends = [keeping(), keeping()];
  const relays = ends.map(({ tunnel }) => relayTo(tunnel));
  for (const { place } of relays) assert.equal(place.port, shared.port);
  const connections = await Promise.all(relays.map(({ place }) => Deno.connect({ ...place })));
  const stranger = await Deno.connect({ ...relays[0]!.place });
  connections.toReversed().forEach((connection, index) => {
    relays.toReversed()[index]!.expect((connection.localAddr as Deno.NetAddr).port);
  });
  for (const [index, connection] of connections.entries()) {
    await connection.write(new Uint8Array([index]));
    await connection.closeWrite();
    assert.equal(await connection.read(new Uint8Array(1)), null);
    connection.close();
  }
  assert.deepEqual(ends.map(({ sent }) => sent), [[0], [1]]);
  // No relay expects it.
  assert.equal(await stranger.read(new Uint8Array(1)).catch(() => null), null);
  stranger.close();
});

Deno.test("a relay without a client can be closed", async () => {
  const relay = relayTo(keeping().tunnel);
  relay.close();
  relay.close();
  await assert.rejects(Deno.connect({ ...relay.place })); // refused, or reset
});
