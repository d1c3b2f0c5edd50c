/** An upgraded connection against a small model: in any order of events, no byte is lost. */

import assert from "node:assert/strict";
import { UpgradedConnection } from "../../../../runtime/kube/websocket/channels.ts";
import { WebSocketConnection } from "../../../../runtime/kube/websocket/frames.ts";
import type { ByteSink, ByteSource } from "../../../../runtime/wasi/streams/streams.ts";
import { fc, fuzz } from "../../../support/fuzz.ts";
import { FakePeer, serverFrame } from "../../../support/websocket_peer.ts";

const CHANNELS = [0, 1, 2, 3];
const channel = fc.constantFrom(...CHANNELS);
const size = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom(4095, 4096, 4097, 70_000, 300_000));

/** Events on either side. */
const events = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant("send" as const),
      channel,
      size,
      cuts: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 3 }),
    }),
    fc.record({ do: fc.constant("end" as const), channel, size, cuts: fc.constant([]) }),
    fc.record({ do: fc.constant("read" as const), channel, size, cuts: fc.constant([]) }),
    fc.record({ do: fc.constant("wait" as const), channel, size, cuts: fc.constant([]) }),
    fc.record({ do: fc.constant("drop" as const), channel, size, cuts: fc.constant([]) }),
    fc.record({ do: fc.constant("write" as const), channel, size, cuts: fc.constant([]) }),
    fc.record({ do: fc.constant("close" as const), channel, size, cuts: fc.constant([]) }),
    fc.record({ do: fc.constantFrom("stop" as const, "go" as const), channel, size, cuts: fc.constant([]) }),
    fc.record({ do: fc.constant("turn" as const), channel, size, cuts: fc.constant([]) }),
  ),
  { maxLength: 40 },
);

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

/** Sends a message in frames of these sizes. */
function sendMessage(peer: FakePeer, bytes: Uint8Array, cuts: readonly number[]): void {
  const parts: Uint8Array[] = [];
  let rest = bytes;
  for (const cut of cuts) {
    parts.push(rest.subarray(0, cut));
    rest = rest.subarray(cut);
  }
  parts.push(rest);
  parts.forEach((part, index) =>
    peer.send(serverFrame(index === 0 ? 2 : 0, part, index === parts.length - 1))
  );
}

/** The nth byte of one direction of a channel. */
const byteAt = (channel: number, index: number) => (index * 7 + channel * 31 + (index >> 8)) & 0xff;

Deno.test("channels deliver every byte once and in order", async () => {
  await fuzz(
    "channels",
    fc.asyncProperty(events, async (events) => {
      const peer = new FakePeer();
      const connection = new UpgradedConnection(
        new WebSocketConnection(peer, new Uint8Array()),
        "v5.channel.k8s.io",
        [],
        () => {},
      );
      const state = CHANNELS.map(() => ({
        sent: 0,
        ended: false,
        got: 0,
        dropped: false,
        written: 0,
        closed: false,
        input: undefined as ByteSource | undefined,
        output: undefined as ByteSink | undefined,
      }));
      const take = (channel: number, into: Uint8Array): number => {
        const its = state[channel]!;
        const input = its.input ??= connection.input(channel);
        const ready = input.ready();
        const count = input.readAvailable(into);
        if (ready && into.length > 0) assert.notEqual(count, 0, "ready, and nothing there");
        if (count < 0) {
          assert.ok(
            its.dropped || its.got === its.sent && (its.ended || connection.closed),
            "the end too early",
          );
          return count;
        }
        assert.ok(its.got + count <= its.sent, "more than was sent");
        for (let index = 0; index < count; index++) {
          if (into[index] !== byteAt(channel, its.got + index)) {
            assert.fail(`byte ${its.got + index} is another`);
          }
        }
        its.got += count;
        return count;
      };
      for (const { do: what, channel, size, cuts } of events) {
        const its = state[channel]!;
        if (what === "send" && !its.ended) {
          const message = new Uint8Array(size + 1);
          message[0] = channel;
          for (let index = 0; index < size; index++) message[index + 1] = byteAt(channel, its.sent + index);
          its.sent += size;
          sendMessage(peer, message, cuts);
        } else if (what === "end" && !its.ended) {
          its.ended = true;
          sendMessage(peer, new Uint8Array([255, channel]), []);
        } else if (what === "read") take(channel, new Uint8Array(Math.max(1, size)));
        else if (what === "wait") {
          const input = its.input ??= connection.input(channel);
          // Another read may consume its data first.
          input.wait();
        } else if (what === "drop" && its.input) {
          its.dropped = true;
          its.input.close();
        } else if (what === "write" && !its.closed) {
          const output = its.output ??= connection.output(channel);
          const room = Math.min(output.capacity(), size);
          const bytes = new Uint8Array(room);
          for (let index = 0; index < room; index++) bytes[index] = byteAt(channel, its.written + index);
          if (room > 0) its.written += output.write(bytes) as number;
        } else if (what === "close" && !its.closed) {
          its.closed = true;
          (its.output ??= connection.output(channel)).close();
        } else if (what === "stop" || what === "go") peer.takes = what === "go";
        else if (what === "turn") await turn();
      }
      peer.takes = true;
      peer.send(serverFrame(8, new Uint8Array([3, 232])));
      // Afterwards the rest arrives.
      for (let turns = 0; connection.closed === undefined; turns++) {
        assert.ok(turns < 1000, "the end does not come");
        for (const channel of CHANNELS) while (take(channel, new Uint8Array(65_536)) > 0);
        await turn();
      }
      for (const channel of CHANNELS) {
        while (take(channel, new Uint8Array(65_536)) > 0);
        const its = state[channel]!;
        assert.ok(its.dropped || its.got === its.sent, "bytes are missing");
      }
      await peer.taken();
      const arrived = CHANNELS.map(() => ({ count: 0, closed: false }));
      for (const { opcode, payload } of peer.messages()) {
        if (opcode === 8) continue;
        const [first = 0, second = 0] = payload;
        if (first === 255) arrived[second]!.closed = true;
        else {
          const its = arrived[first]!;
          assert.equal(its.closed, false, "bytes behind the channel's end");
          payload.subarray(1).forEach((byte, index) => {
            if (byte !== byteAt(first, its.count + index)) {
              assert.fail(`byte ${its.count + index} is another`);
            }
          });
          its.count += payload.length - 1;
        }
      }
      for (const channel of CHANNELS) {
        const { written, closed } = state[channel]!;
        assert.deepEqual(arrived[channel], { count: written, closed });
      }
    }),
  );
});

Deno.test("messages arrive once and complete, whenever the plugin asks", async () => {
  await fuzz(
    "messages",
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.record({
            do: fc.constant("send" as const),
            size,
            cuts: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 3 }),
          }),
          fc.record({
            do: fc.constantFrom("receive" as const, "wait" as const, "turn" as const),
            size,
            cuts: fc.constant([]),
          }),
        ),
        { maxLength: 30 },
      ),
      async (events) => {
        const peer = new FakePeer();
        const connection = new UpgradedConnection(
          new WebSocketConnection(peer, new Uint8Array()),
          "x",
          [],
          () => {},
        );
        const sent: number[] = [];
        let got = 0;
        const receive = (): boolean => {
          const message = connection.receive();
          if (message === undefined) return false;
          if (message === "ended") {
            assert.equal(got, sent.length, "the end too early");
            return false;
          }
          assert.equal(message.bytes.length, sent[got]);
          assert.ok(message.bytes.every((byte) => byte === (got & 0xff)));
          got++;
          return true;
        };
        for (const { do: what, size, cuts } of events) {
          if (what === "send") {
            sendMessage(peer, new Uint8Array(size).fill(sent.length & 0xff), cuts);
            sent.push(size);
          } else if (what === "receive") receive();
          else if (what === "turn") await turn();
          else if (got < sent.length) {
            await connection.wait();
            assert.ok(connection.ready(), "not ready after a wait");
          }
        }
        peer.send(serverFrame(8, new Uint8Array([3, 232])));
        while (got < sent.length || connection.closed === undefined) {
          if (!receive()) await connection.wait();
        }
        assert.equal(connection.receive(), "ended");
      },
    ),
  );
});
