import assert from "node:assert/strict";
import { BodySink, BodySource } from "../../../../runtime/wasi/streams/body.ts";
import { ConnectionSource } from "../../../../runtime/wasi/streams/connection_streams.ts";
import { clockInterfaces } from "../../../../runtime/wasi/p2/clocks.ts";
import { InputStream, OutputStream } from "../../../../runtime/wasi/p2/io.ts";
import { poll, Pollable } from "../../../../runtime/wasi/p2/pollables.ts";
import { ClosedPipe, StdinSource, StdoutSink } from "../../../../runtime/wasi/streams/stdio.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

function pipe() {
  let push!: ReadableStreamDefaultController<Uint8Array>;
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => void (push = controller),
    cancel: () => void (cancelled = true),
  });
  return {
    stream,
    push: (data: string) => push.enqueue(bytes(data)),
    end: () => push.close(),
    fail: () => push.error(new Error("broken")),
    cancelled: () => cancelled,
  };
}

Deno.test("a body can be read in pieces of any size to its end", async () => {
  const { stream, push, end } = pipe();
  const input = new InputStream(new BodySource(stream));
  assert.equal(input.read(10n).length, 0);
  push("hello");
  await input.subscribe().block();
  assert.equal(text(input.read(2n)), "he");
  assert.equal(text(await input.blockingRead(100n)), "llo");
  push("");
  push("x");
  assert.equal(text(await input.blockingRead(100n)), "x");
  end();
  await assert.rejects(async () => await input.blockingRead(1n), { tag: "closed" });
  assert.throws(() => input.read(1n), { tag: "closed" });
});

Deno.test("a broken body is an error; a dropped one is cancelled", async () => {
  const broken = pipe();
  const input = new InputStream(new BodySource(broken.stream));
  broken.fail();
  await assert.rejects(async () => await input.blockingRead(1n), { tag: "last-operation-failed" });
  const dropped = pipe();
  new InputStream(new BodySource(dropped.stream))[Symbol.dispose]();
  await Promise.resolve();
  assert.ok(dropped.cancelled());
});

Deno.test("a wait stays valid if another reader takes the data first", async () => {
  let between = 0;
  for (let steps = 0; steps < 16; steps++) {
    const pieces = [1, 2];
    const source = new BodySource(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          const piece = pieces.shift();
          if (piece) controller.enqueue(Uint8Array.of(piece));
          else controller.close();
        },
      }),
    );
    const into = new Uint8Array(1);
    assert.equal(source.readAvailable(into), 0); // starts reading the first piece
    for (let step = 0; step < steps; step++) await Promise.resolve();
    if (source.readAvailable(into) === 1) between++;
    await source.wait();
    assert.ok(source.ready(), `not ready after a wait, ${steps} steps on`);
    source.close();
  }
  assert.ok(between > 0, "no piece had come");
});

Deno.test("a request's body has back-pressure", async () => {
  const sink = new BodySink();
  const output = new OutputStream(sink);
  const chunk = new Uint8Array(1000);
  let written = 0;
  for (let permit = output.checkWrite(); permit > 0n; permit = output.checkWrite()) {
    const part = chunk.subarray(0, Number(permit < 1000n ? permit : 1000n));
    output.write(part);
    written += part.length;
  }
  assert.equal(written, 65536);
  const waiting = output.subscribe();
  assert.equal(waiting.ready(), false);
  const reader = sink.stream.getReader();
  await reader.read();
  await waiting.block();
  assert.ok(output.checkWrite() > 0n);
  assert.throws(() => output.write(new Uint8Array(70000)));
  await reader.cancel();
  assert.throws(() => output.checkWrite(), { tag: "closed" });
});

Deno.test("poll returns all ready streams and waits for the first", async () => {
  const never = new Pollable({ ready: () => false, wait: () => new Promise(() => {}) });
  let done = false;
  const soon = Promise.withResolvers<void>();
  const later = new Pollable({ ready: () => done, wait: () => soon.promise });
  const polled = poll([never, later]);
  done = true;
  soon.resolve();
  assert.deepEqual([...await polled], [1]);
  assert.deepEqual([...await poll([later, never, later])], [0, 2]);
  assert.throws(() => poll([]));
});

Deno.test("stdin reads directly, or one buffer ahead after a wait", async () => {
  let asked = 0;
  const chunks = ["ab", "cd"];
  const next = (into: Uint8Array) => {
    asked++;
    const chunk = chunks.shift();
    if (chunk === undefined) return null;
    into.set(bytes(chunk));
    return chunk.length;
  };
  const source = new StdinSource({ readSync: next, read: (into) => Promise.resolve(next(into)) });
  const buffer = new Uint8Array(1);
  assert.equal(source.readAvailable(buffer), 0);
  await source.wait();
  assert.equal(asked, 1);
  assert.equal(source.read(buffer), 1);
  assert.equal(source.readAvailable(buffer), 1);
  assert.equal(text(buffer), "b");
  const large = new Uint8Array(10);
  assert.equal(source.read(large), 2);
  assert.equal(source.read(large), 0);
  assert.equal(asked, 3);
});

Deno.test("a closed stdout differs from every other failure", () => {
  const fails = (error: Error) =>
    new StdoutSink({
      writeSync: () => {
        throw error;
      },
    });
  assert.throws(() => fails(new Deno.errors.BrokenPipe("x")).write(bytes("x")), ClosedPipe);
  assert.throws(() => fails(new Error("disk full")).write(bytes("x")), /disk full/);
});

/** A connection end to which the test gives bytes, one read at a time, as for stdin or a socket. */
function given() {
  const waiting: ((data: string) => void)[] = [];
  return {
    async read(into: Uint8Array): Promise<number> {
      const data = await new Promise<string>((resolve) => waiting.push(resolve));
      into.set(bytes(data));
      return data.length;
    },
    give: (data: string) => waiting.shift()!(data),
  };
}

Deno.test("a poll of stdin, a socket, a body and a clock wakes for the first", async () => {
  const stdin = given();
  const socket = given();
  const body = pipe();
  const { "wasi:clocks/monotonic-clock": clock } = clockInterfaces();
  const stdinStream = new InputStream(
    new StdinSource({
      readSync: () => {
        throw new Error("a poll reads without blocking");
      },
      read: stdin.read,
    }),
  );
  const socketStream = new InputStream(
    new ConnectionSource({
      read: socket.read,
      write: (data) => Promise.resolve(data.length),
      closeWrite: () => Promise.resolve(),
      close: () => {},
    }),
  );
  const bodyStream = new InputStream(new BodySource(body.stream));
  const streams = [stdinStream, socketStream, bodyStream];
  const pollables = streams.map((stream) => stream.subscribe());
  const hour = clock.subscribeDuration(3_600_000_000_000n);
  const wake = async (event: () => void, expected: number) => {
    const answer = poll([...pollables, hour]);
    assert.ok(answer instanceof Promise);
    event();
    assert.deepEqual([...await answer], [expected]);
  };
  for (let round = 0; round < 3; round++) {
    for (
      const [index, event] of [
        () => body.push("body"),
        () => stdin.give("stdin"),
        () => socket.give("socket"),
      ].entries()
    ) {
      const stream = [2, 0, 1][index]!;
      await wake(event, stream);
      assert.equal(text(streams[stream]!.read(100n)), ["stdin", "socket", "body"][stream]);
    }
    const soon = clock.subscribeDuration(1_000_000n);
    assert.deepEqual([...await poll([...pollables, hour, soon])], [4]);
    soon[Symbol.dispose]();
  }
  hour[Symbol.dispose]();
  stdin.give("left");
  socket.give("left");
  body.end();
  for (const stream of streams) stream[Symbol.dispose]();
});

Deno.test("a shared StdinSource does not block other work, and loses nothing", async () => {
  const chunks = ["one", "two", ""].map((text) => new TextEncoder().encode(text));
  const next = (into: Uint8Array): number | null => {
    const chunk = chunks.shift()!;
    into.set(chunk);
    return chunk.length || null;
  };
  let turns = 0;
  const source = new StdinSource({
    readSync: next,
    read: (into) => new Promise((resolve) => setTimeout(() => (turns++, resolve(next(into))))),
  });
  const into = new Uint8Array(64);
  assert.equal(source.read(into), 3);
  source.share();
  for (const [count, turn] of [[3, 1], [0, 2]]) {
    const read = source.read(into);
    assert.ok(read instanceof Promise);
    assert.deepEqual([await read, turns], [count, turn]);
  }
});
