/** Messages with open files between processes. */

import assert from "node:assert/strict";
import { Channel, type Json } from "../../../../runtime/sandbox/broker/channel.ts";
import { loadLater } from "../../../../runtime/sandbox/broker/spawn_broker.ts";
import { Syscalls } from "../../../../runtime/sandbox/kernel/kernel_calls.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

const linux = { ignore: Deno.build.os !== "linux" };

/** Two ends in one process. */
function channels(): { system: Syscalls; one: Channel; other: Channel; [Symbol.dispose](): void } {
  const system = Syscalls.load()!;
  const made = system.call(system.numbers.socketpair, 1, 5 | 0o2000000, 0, system.address);
  assert.equal(made, 0n);
  const fds = [system.view.getInt32(0, true), system.view.getInt32(4, true)] as const;
  const [one, other] = fds.map((fd) => new Channel(system, fd, loadLater())) as [Channel, Channel];
  return {
    system,
    one,
    other,
    [Symbol.dispose]() {
      one.close();
      other.close();
    },
  };
}

Deno.test("messages arrive whole and in order", linux, () => {
  using ends = channels();
  const messages: Json[] = [null, "", "ü\0\n", [1, [true]], { a: { b: "c" } }, 1.5];
  for (const message of messages) assert.ok(ends.one.send(message));
  for (const message of messages) assert.deepEqual(ends.other.receive(), { message, files: [] });
});

Deno.test("a message of any size arrives", linux, () => {
  using ends = channels();
  for (const length of [32_000, 32_766, 32_767, 40_000, 3_000_000]) {
    assert.ok(ends.one.send("x".repeat(length)));
    assert.equal((ends.other.receive()!.message as string).length, length);
  }
});

Deno.test("open files come with a message and belong to the receiver", linux, () => {
  using ends = channels();
  const directory = temporaryDirectory();
  const files = ["a", "b"].map((name) => {
    Deno.writeTextFileSync(`${directory}/${name}`, name);
    return ends.system.open(`${directory}/${name}`, 0);
  });
  for (const size of [10, 100_000]) {
    assert.ok(ends.one.send("x".repeat(size), files));
    const { files: received } = ends.other.receive()!;
    assert.deepEqual(received.map((fd) => new TextDecoder().decode(ends.system.readAll(fd, 1000))), [
      "a",
      "b",
    ]);
    assert.ok(received.every((fd) => !files.includes(fd)));
    for (const fd of received) ends.system.close(fd);
  }
  for (const fd of files) ends.system.close(fd);
});

Deno.test("closing one end ends the other", linux, () => {
  using ends = channels();
  ends.one.send("last");
  ends.one.close();
  assert.equal(ends.other.receive()!.message, "last");
  assert.equal(ends.other.receive(), undefined);
  assert.equal(ends.other.send("more"), false);
});

Deno.test("receiveLater() does not block other work", linux, async () => {
  using ends = channels();
  const received = ends.other.receiveLater();
  await new Promise((resolve) => setTimeout(resolve, 1));
  ends.one.send({ late: true });
  assert.deepEqual(await received, { message: { late: true }, files: [] });
  const ended = ends.other.receiveLater();
  ends.one.close();
  assert.equal(await ended, undefined);
});

Deno.test("a file in memory cannot be changed", linux, () => {
  const system = Syscalls.load()!;
  const content = new Uint8Array(50_000).map((_, index) => index);
  const fd = system.temporaryFile(content)!;
  assert.deepEqual(system.readAll(fd, content.length), content);
  assert.throws(() => system.readAll(fd, content.length - 1), RangeError);
  assert.ok(system.call(system.numbers.write, fd, system.address, 1) < 0n);
  system.close(fd);
});
