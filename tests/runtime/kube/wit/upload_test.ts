/** Requests whose body is sent while it is written: `start` of krew-wasm:kubernetes/cluster 0.1.2. */

import assert from "node:assert/strict";
import { AppError } from "../../../../runtime/base/errors.ts";
import { clusterInterfaces } from "../../../../runtime/kube/wit/cluster_interface.ts";
import type { Cluster } from "../../../../runtime/kube/cluster.ts";
import { authorizeCluster } from "../../../../runtime/kube/allow/authorize_request.ts";
import { FakeCluster, testSandbox } from "../../../support/components.ts";
import { connectionTest, open } from "../../../support/connection.ts";
import { RawServer } from "../../../support/raw_server.ts";

const post = { method: "POST", path: "/upload", headers: [] as [string, string][] };
const bytes = (text: string) => new TextEncoder().encode(text);

function interfaceTo(cluster: Cluster) {
  const refused: AppError[] = [];
  const api = clusterInterfaces(testSandbox({ cluster }), (error) => void refused.push(error));
  return { ...api["krew-wasm:kubernetes/cluster"], refused };
}

const answering = (server: RawServer) => open(server.kubeconfig()).then(({ cluster }) => cluster());

/** Reads until a text has arrived. */
async function until(read: () => Promise<Uint8Array | null>, text: string): Promise<string> {
  let seen = "";
  while (!seen.includes(text)) {
    const part = await read();
    if (part === null) return `${seen} END`;
    seen += new TextDecoder().decode(part);
  }
  return seen;
}

connectionTest(
  "an upload sends each part at once, and the answer may come early",
  async () => {
    const first = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    using server = RawServer.start(async ({ head, read, send }) => {
      assert.match(head, /^POST \/upload HTTP\/1\.1\r\n/);
      assert.match(head, /transfer-encoding: chunked/i);
      await until(read, "first");
      first.resolve();
      await send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nearly\r\n");
      await until(read, "second");
      await send("4\r\nlate\r\n0\r\n\r\n");
    });
    const { start } = interfaceTo(await answering(server));
    const upload = await start(post);
    const body = upload.body();
    assert.throws(() => upload.body(), (error) => error === undefined);
    await body.blockingWriteAndFlush(bytes("first"));
    await first.promise;
    const response = await upload.response();
    answered.resolve();
    await assert.rejects(upload.response(), { tag: "invalid" });
    assert.equal(response.status(), 200);
    const stream = response.body();
    assert.equal(new TextDecoder().decode(await stream.blockingRead(100n)), "early");
    await body.blockingWriteAndFlush(bytes("second"));
    body[Symbol.dispose]();
    upload.finish();
    upload[Symbol.dispose](); // the plugin owns the response, which goes on
    assert.equal(new TextDecoder().decode(await stream.blockingRead(100n)), "late");
  },
);

connectionTest("an upload waits for a slow server, and memory stays flat", async () => {
  const go = Promise.withResolvers<void>();
  let received = 0;
  using server = RawServer.start(async ({ read, send }) => {
    await go.promise;
    let tail = "";
    while (!tail.endsWith("0\r\n\r\n")) {
      const part = await read();
      if (part === null) return;
      received += part.length;
      tail = (tail + new TextDecoder("latin1").decode(part.subarray(-8))).slice(-8);
    }
    await send("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n");
  });
  const { start } = interfaceTo(await answering(server));
  const upload = await start(post);
  const body = upload.body();
  const part = new Uint8Array(65536).fill(120);
  let written = 0;
  const write = (room: bigint) => {
    const some = part.subarray(0, Number(room));
    body.write(some);
    written += some.length;
  };
  // Up to the size of the kernel's buffers.
  for (let silent = 0; silent < 20;) {
    const room = body.checkWrite();
    if (room > 0n) {
      assert.ok(room <= 65536n);
      write(room);
      silent = 0;
    } else {
      silent++;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.ok(written < 64 << 20, "nobody reads, and all is taken");
  }
  go.resolve();
  const target = written + (8 << 20);
  while (written < target) {
    await body.subscribe().block();
    write(body.checkWrite());
  }
  body[Symbol.dispose]();
  upload.finish();
  assert.equal((await upload.response()).status(), 201);
  assert.ok(received >= written);
});

connectionTest(
  "a flush waits until the client has taken the bytes, or the request ends",
  async () => {
    const stream = Promise.withResolvers<ReadableStream<Uint8Array>>();
    const { start } = interfaceTo(
      new FakeCluster(({ body }) => {
        stream.resolve(body as ReadableStream<Uint8Array>);
        return new Promise(() => {});
      }),
    );
    const upload = await start(post);
    const body = upload.body();
    let flushed = 0;
    const flushing = Promise.resolve(body.blockingWriteAndFlush(bytes("one"))).then(() => flushed++);
    const reader = (await stream.promise).getReader();
    await new Promise((resolve) => setTimeout(resolve));
    assert.equal(flushed, 0);
    assert.equal(new TextDecoder().decode((await reader.read()).value), "one");
    await flushing;
    const given = Promise.resolve(body.blockingWriteAndFlush(bytes("two"))).then(
      () => flushed++,
      () => flushed++,
    );
    await new Promise((resolve) => setTimeout(resolve));
    assert.equal(flushed, 1);
    upload[Symbol.dispose]();
    await given;
  },
);

connectionTest("an upload that is dropped, or whose body is not finished, ends the request", async () => {
  const ends: string[] = [];
  const begun: (() => void)[] = [];
  using server = RawServer.start(async ({ read }) => {
    await until(read, "part");
    begun.shift()!();
    ends.push(await until(read, "0\r\n\r\n"));
  });
  const { start } = interfaceTo(await answering(server));
  for (const when of ["while its body is written", "once it is whole, without the response"]) {
    const reached = new Promise<void>((resolve) => begun.push(resolve));
    const upload = await start(post);
    const body = upload.body();
    await body.blockingWriteAndFlush(bytes("part"));
    await reached;
    if (when.startsWith("once")) upload.finish();
    upload[Symbol.dispose]();
    upload[Symbol.dispose]();
    assert.throws(() => body.checkWrite(), { tag: "closed" }, when);
  }
  while (server.open.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.match(ends[0]!, / END$/); // never ended as if complete
});

connectionTest("a body of another length than its content-length fails the request", async () => {
  const ends: string[] = [];
  const begun: (() => void)[] = [];
  using server = RawServer.start(async ({ head, read, send }) => {
    assert.doesNotMatch(head, /content-length/i);
    await until(read, "four");
    begun.shift()!();
    const seen = await until(read, "0\r\n\r\n");
    ends.push(seen);
    if (!seen.endsWith("END")) await send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  });
  const { start } = interfaceTo(await answering(server));
  const begin = async (length: string) => {
    const reached = new Promise<void>((resolve) => begun.push(resolve));
    const upload = await start({ ...post, headers: [["Content-Length", length]] });
    const body = upload.body();
    await body.blockingWriteAndFlush(bytes("four"));
    await reached;
    body[Symbol.dispose]();
    return upload;
  };
  const fits = await begin("4");
  fits.finish();
  assert.equal((await fits.response()).status(), 200);
  for (const length of ["5", "3"]) {
    const upload = await begin(length);
    assert.throws(() => upload.finish(), {
      tag: "invalid",
      val: `The body has 4 bytes, its content-length says ${length}`,
    });
    await assert.rejects(upload.response(), { tag: "unreachable" });
  }
  while (ends.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(ends.slice(1).every((end) => end.endsWith("END")), ends.join("\n"));
});

connectionTest("a server that answers without the body, and hangs up, ends the writing", async () => {
  using server = RawServer.start(async ({ send, reset }) => {
    await send("HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig");
    reset();
  });
  const { start } = interfaceTo(await answering(server));
  const upload = await start(post);
  const body = upload.body();
  const written = (async () => {
    for (;;) await body.blockingWriteAndFlush(new Uint8Array(4096));
  })();
  const answered = upload.response();
  await assert.rejects(written, { tag: "closed" });
  // A reset may overtake the answer; either result is right.
  await answered.then((response) => assert.equal(response.status(), 413), (error) => {
    assert.equal(error.tag, "unreachable");
  });
});

Deno.test("start() refuses bodiless methods and bad paths, and says why", async () => {
  const { start, refused } = interfaceTo(
    new FakeCluster(() => {
      throw new AppError("DESTINATION_REFUSED", "because");
    }),
  );
  for (const method of ["GET", "get", "HEAD"]) {
    await assert.rejects(start({ ...post, method }), { tag: "invalid" });
  }
  await assert.rejects(start({ ...post, path: "https://evil.test/" }), { tag: "invalid" });
  const upload = await start(post);
  const body = upload.body();
  await assert.rejects(upload.response(), { tag: "denied", val: "because" });
  assert.throws(() => body.checkWrite(), { tag: "closed" });
  assert.equal(refused.at(-1)?.code, "DESTINATION_REFUSED");
});

Deno.test("a refused upload gets an answer, and its body is discarded", async () => {
  const cluster = authorizeCluster(
    new FakeCluster(() => assert.fail("it was sent")),
    "p",
    () => ({ grant: "read-only", deny: false }),
    () => false,
  );
  const { start } = interfaceTo(cluster);
  const upload = await start({ ...post, path: "/api/v1/namespaces/default/configmaps" });
  const response = await upload.response();
  assert.equal(response.status(), 403);
  const body = upload.body();
  // More than the buffer holds.
  for (let written = 0; written < 1 << 20; written += 4096) {
    await body.blockingWriteAndFlush(new Uint8Array(4096));
  }
  upload.finish();
});
