import assert from "node:assert/strict";
import { relayTo } from "../../../runtime/kube/dial.ts";

Deno.test("a relay closes what it relayed to when both sides have ended", async () => {
  const sent: number[] = [];
  const ended = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const relay = relayTo({
    // It ends once the other side has.
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
