/** The socket functions of preview1, as WasmEdge has them, in both versions. */

import assert from "node:assert/strict";
import { Failures } from "../../../../runtime/run/request_failures.ts";
import { ERRNO } from "../../../../runtime/wasi/errno.ts";
import { Descriptors } from "../../../../runtime/wasi/p1/descriptors.ts";
import type { Guest } from "../../../../runtime/wasi/p1/memory.ts";
import { Preview1 } from "../../../../runtime/wasi/p1/preview1.ts";
import { socketImports } from "../../../../runtime/wasi/p1/sockets.ts";
import { VERSIONS } from "../../../../runtime/wasi/p1/abi.ts";
import { coversPort, type ListenGrant } from "../../../../runtime/grants/listen_grant.ts";
import { openListener } from "../../../../runtime/sandbox/open_listener.ts";
import { connectionTest } from "../../../support/connection.ts";
import { refuses } from "../../../support/refused.ts";
import { FakeCluster, testSandbox } from "../../../support/components.ts";

/** A module's memory and the functions over it. */
function open(addresses = ["10.0.0.1", "2001:db8::1"], ports: ListenGrant = []) {
  const cluster = new FakeCluster(() => ({
    status: 200,
    headers: [["content-length", "2"]],
    body: new Blob(["{}"]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>,
  }));
  cluster.endpoint = { host: "cluster.test", port: 6443, addresses };
  const sandbox = testSandbox({
    cluster,
    listen: (address, port) => openListener(address, port, (asked) => coversPort(ports, asked.port)),
  });
  const memory = new Uint8Array(4096);
  const view = new DataView(memory.buffer);
  const guest: Guest = { bytes: () => memory, view: () => view, exports: {} };
  const host = new Preview1(sandbox, guest, undefined, true, true);
  const imports = socketImports(sandbox, new Failures(sandbox));
  const functions = imports.functions(guest, host.descriptors) as Record<
    string,
    (...args: number[]) => Promise<number> | number
  >;
  const all = { ...host.imports(VERSIONS.wasi_snapshot_preview1!), ...functions } as Record<
    string,
    (...args: (number | bigint)[]) => Promise<number> | number
  >;
  const put = (at: number, bytes: readonly number[]) => memory.set(bytes, at);
  const text = (at: number, text: string) => put(at, [...new TextEncoder().encode(text)]);
  return {
    cluster,
    all,
    memory,
    view,
    put,
    text,
    descriptors: host.descriptors as Descriptors,
    /** A buffer's pointer and length, at 8. */
    buffer(at: number, pointer: number, length: number) {
      view.setUint32(at, pointer, true);
      view.setUint32(at + 4, length, true);
    },
    /** Opens a socket and returns its number. */
    async socket(family = 1) {
      assert.equal(await all.sock_open!(family, 2, 0), 0);
      return view.getUint32(0, true);
    },
    /** Connects one. */
    async connected() {
      const fd = await this.socket();
      put(100, [10, 0, 0, 1]);
      this.buffer(8, 100, 4);
      assert.equal(await all.sock_connect!(fd, 8, 6443), 0);
      return fd;
    },
  };
}

Deno.test("a socket connects, sends, peeks and receives", async () => {
  const it = open();
  const fd = await it.connected();
  const request = "GET /api HTTP/1.1\r\nHost: cluster.test:6443\r\nConnection: close\r\n\r\n";
  it.text(200, request);
  it.buffer(8, 200, request.length);
  assert.equal(await it.all.sock_send!(fd, 8, 1, 0, 16), 0);
  assert.equal(it.view.getUint32(16, true), request.length);
  it.buffer(8, 1000, 8);
  for (const flags of [1, 1, 2]) {
    assert.equal(await it.all.sock_recv!(fd, 8, 1, flags, 16, 20), 0);
    assert.equal(
      new TextDecoder().decode(it.memory.subarray(1000, 1000 + it.view.getUint32(16, true))),
      "HTTP/1.1",
    );
  }
  it.buffer(8, 1000, 500);
  let heard = "";
  for (;;) {
    assert.equal(await it.all.fd_read!(fd, 8, 1, 16), 0);
    const count = it.view.getUint32(16, true);
    if (count === 0) break;
    heard += new TextDecoder().decode(it.memory.subarray(1000, 1000 + count));
  }
  assert.match(heard, /^ 200 OK\r\n[^]*\r\n\r\n\{\}$/);
  assert.equal(await it.all.fd_close!(fd), 0);
  assert.equal(await it.all.sock_send!(fd, 8, 1, 0, 16), ERRNO["bad-descriptor"]);
});

Deno.test("addresses are told in the version that is asked by", async () => {
  const it = open();
  const fd = await it.connected();
  it.buffer(8, 1000, 128);
  assert.equal(await it.all.sock_getpeeraddr!(fd, 8, 16), 0);
  assert.deepEqual([...it.memory.subarray(1000, 1006), it.view.getUint32(16, true)], [
    1,
    0,
    10,
    0,
    0,
    1,
    6443,
  ]);
  it.buffer(8, 1000, 16);
  assert.equal(await it.all.sock_getpeeraddr!(fd, 8, 20, 16), 0);
  assert.deepEqual([...it.memory.subarray(1000, 1004)], [10, 0, 0, 1]);
  assert.deepEqual([it.view.getUint32(20, true), it.view.getUint32(16, true)], [4, 6443]);
  assert.equal(await it.all.sock_getlocaladdr!(fd, 8, 20, 16), 0);
  assert.deepEqual([...it.memory.subarray(1000, 1004)], [127, 0, 0, 1]);
  it.buffer(8, 1000, 2);
  assert.equal(await it.all.sock_getpeeraddr!(fd, 8, 16), ERRNO.invalid);
  it.buffer(8, 4090, 16);
  assert.equal(await it.all.sock_getpeeraddr!(fd, 8, 16), ERRNO.fault);
  assert.equal(await it.all.sock_getpeeraddr!(await it.socket(), 8, 16), ERRNO["not-connected"]);
});

Deno.test("an address with its family connects as one without", async () => {
  const it = open();
  const fd = await it.socket(2);
  it.put(1000, [2, 0, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  it.buffer(8, 1000, 128);
  assert.equal(await it.all.sock_connect_v2!(fd, 8, 6443), 0);
  assert.equal(await it.all.sock_connect!(fd, 8, 6443), ERRNO["is-connected"]);
  it.put(1000, [3, 0]);
  assert.equal(
    await it.all.sock_connect!(await it.socket(2), 8, 6443),
    ERRNO["address-family-not-supported"],
  );
});

Deno.test("other addresses, names, protocols and listening are refused", async () => {
  const it = open();
  for (
    const [address, port] of [[[10, 0, 0, 2], 6443], [[10, 0, 0, 1], 80], [[169, 254, 169, 254], 80]] as const
  ) {
    it.put(100, address);
    it.buffer(8, 100, 4);
    assert.equal(await it.all.sock_connect!(await it.socket(), 8, port), ERRNO.access, `${address}:${port}`);
  }
  assert.equal(await it.all.sock_open!(1, 1, 0), ERRNO["protocol-not-supported"]);
  assert.equal(await it.all.sock_open!(3, 2, 0), ERRNO["address-family-not-supported"]);
  const fd = await it.socket();
  it.put(100, [127, 0, 0, 1]);
  assert.equal(await it.all.sock_bind!(fd, 8, 0), ERRNO.access);
  it.put(100, [0, 0, 0, 0]);
  assert.equal(await it.all.sock_bind!(fd, 8, 8080), ERRNO.access);
  assert.equal(await it.all.sock_bind!(fd, 8, 0), 0);
  assert.equal(await it.all.sock_listen!(fd, 5), ERRNO.access);
  assert.equal(await it.all.sock_accept!(fd, 0, 16), ERRNO.invalid);
  assert.equal(await it.all.sock_send!(fd, 8, 1, 0, 16), ERRNO["not-connected"]);
  assert.equal(await it.all.sock_shutdown!(fd, 2), ERRNO["not-connected"]);
  assert.equal(await it.all.sock_listen!(1, 5), ERRNO["not-socket"]);
  assert.equal(await it.all.sock_listen!(77, 5), ERRNO["bad-descriptor"]);
  assert.deepEqual(it.cluster.requests, []);
});

/** Listens on loopback and returns the socket's number and its port. */
async function listening(it: ReturnType<typeof open>): Promise<[fd: number, port: number]> {
  const fd = await it.socket();
  it.put(100, [127, 0, 0, 1]);
  it.buffer(8, 100, 4);
  assert.equal(await it.all.sock_bind!(fd, 8, 0), 0);
  assert.equal(await it.all.sock_listen!(fd, 5), 0);
  it.buffer(8, 1000, 128);
  assert.equal(await it.all.sock_getlocaladdr!(fd, 8, 16), 0);
  assert.deepEqual([...it.memory.subarray(1000, 1006)], [1, 0, 127, 0, 0, 1]);
  return [fd, it.view.getUint32(16, true)];
}

connectionTest("a granted listener accepts, waits, and tells both ends", async () => {
  const it = open([], "all");
  const [fd, port] = await listening(it);
  assert.equal(await it.all.sock_connect!(fd, 8, 6443), ERRNO.invalid);
  const accepting = it.all.sock_accept!(fd, 0, 16);
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  assert.equal(await accepting, 0);
  const accepted = it.view.getUint32(16, true);
  it.buffer(8, 1000, 128);
  assert.equal(await it.all.sock_getpeeraddr!(accepted, 8, 16), 0);
  assert.equal(it.view.getUint32(16, true), client.localAddr.port);
  assert.equal(await it.all.sock_getlocaladdr!(accepted, 8, 16), 0);
  assert.equal(it.view.getUint32(16, true), port);
  await client.write(new TextEncoder().encode("hello"));
  it.buffer(8, 1000, 100);
  assert.equal(await it.all.fd_read!(accepted, 8, 1, 16), 0);
  it.buffer(8, 1000, it.view.getUint32(16, true));
  assert.equal(await it.all.fd_write!(accepted, 8, 1, 16), 0);
  assert.equal(await it.all.fd_close!(accepted), 0);
  assert.equal(await new Response(client.readable).text(), "hello");
  assert.equal(await it.all.fd_close!(fd), 0);
  const again = await it.socket();
  it.put(100, [127, 0, 0, 1]);
  it.buffer(8, 100, 4);
  assert.equal(await it.all.sock_bind!(again, 8, port), 0, "at once");
  assert.equal(await it.all.fd_close!(again), 0);
  await refuses(port);
});

connectionTest("a listener that does not wait says so, and is waited for", async () => {
  const it = open([], [0]);
  const [fd, port] = await listening(it);
  assert.equal(await it.all.fd_fdstat_set_flags!(fd, 4), 0);
  assert.equal(await it.all.sock_accept_v2!(fd, 4, 16), ERRNO["would-block"]);
  it.memory.fill(0, 200, 300);
  it.view.setUint8(208, 1); // wait until fd can be read
  it.view.setUint32(216, fd, true);
  const polling = it.all.poll_oneoff!(200, 400, 1, 16);
  using client = await Deno.connect({ hostname: "127.0.0.1", port });
  assert.equal(await polling, 0);
  assert.equal(await it.all.sock_accept!(fd, 16), 0, "the first version has no flags");
  const accepted = it.view.getUint32(16, true);
  assert.equal(await it.all.fd_close!(accepted), 0);
  assert.equal(await client.read(new Uint8Array(1)), null);
  assert.equal(await it.all.fd_close!(fd), 0);
});

connectionTest("a listener's port must be granted, free, and on loopback", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const it = open([], [0, port]);
  for (
    const [address, wanted, errno] of [
      [[127, 0, 0, 1], 8080, "access"],
      [[0, 0, 0, 0], port, "access"],
      [[127, 0, 0, 2], port, "access"],
      [[192, 0, 2, 1], port, "access"],
      [[127, 0, 0, 1], 65536, "invalid"],
      [[127, 0, 0, 1], port, "address-in-use"],
    ] as const
  ) {
    it.put(100, address);
    it.buffer(8, 100, 4);
    const fd = await it.socket();
    assert.equal(await it.all.sock_bind!(fd, 8, wanted), ERRNO[errno], `${address}:${wanted}`);
    assert.equal(await it.all.sock_listen!(fd, 5), ERRNO.invalid);
  }
  const unspecified = await it.socket(2);
  it.put(100, Array<number>(16).fill(0));
  it.buffer(8, 100, 16);
  assert.equal(await it.all.sock_bind!(unspecified, 8, 0), 0);
  assert.equal(await it.all.sock_listen!(unspecified, 5), ERRNO.access);
});

Deno.test("a non-blocking socket reports that it is connecting, and a poll waits for it", async () => {
  const it = open();
  const fd = await it.socket();
  assert.equal(await it.all.fd_fdstat_set_flags!(fd, 4), 0);
  assert.equal(await it.all.fd_fdstat_get!(fd, 300), 0);
  assert.deepEqual(
    [it.memory[300], it.view.getUint16(302, true)],
    [6, 4],
    "a stream's socket, which does not wait",
  );
  it.put(100, [10, 0, 0, 1]);
  it.buffer(8, 100, 4);
  assert.equal(await it.all.sock_connect!(fd, 8, 6443), ERRNO["in-progress"]);
  assert.equal(await it.all.sock_getpeeraddr!(fd, 8, 16), ERRNO["not-connected"]);
  it.put(400, new Array(48).fill(0));
  it.memory[408] = 2; // can it be written to?
  it.view.setUint32(416, fd, true);
  assert.equal(await it.all.poll_oneoff!(400, 500, 1, 600), 0);
  assert.deepEqual([it.view.getUint32(600, true), it.view.getUint16(508, true)], [1, 0]);
  assert.equal(await it.all.sock_getsockopt!(fd, 0, 2, 16, 4), 0);
  assert.equal(it.view.getUint32(16, true), 0);
  it.buffer(8, 1000, 8);
  assert.equal(await it.all.sock_recv!(fd, 8, 1, 0, 16, 20), ERRNO["would-block"]);
  assert.equal(await it.all.fd_read!(fd, 8, 1, 16), ERRNO["would-block"]);
  // One that fails says so by its option, once.
  const other = await it.socket();
  await it.all.fd_fdstat_set_flags!(other, 4);
  it.buffer(8, 100, 4);
  assert.equal(await it.all.sock_connect!(other, 8, 80), ERRNO["in-progress"]);
  it.view.setUint32(416, other, true);
  assert.equal(await it.all.poll_oneoff!(400, 500, 1, 600), 0);
  it.view.setUint32(40, 4, true);
  for (const expected of [ERRNO.access, 0]) {
    assert.equal(await it.all.sock_getsockopt!(other, 0, 2, 16, 40), 0);
    assert.equal(it.view.getUint32(16, true), expected);
  }
});

Deno.test("the server's name is looked up, into as much room as there is", async () => {
  const it = open();
  it.text(1000, "cluster.test\0");
  it.text(1100, "6443\0");
  const [hints, list, most, found] = [1200, 1300, 2, 1304];
  for (const [index, at] of [1400, 1500].entries()) {
    it.view.setUint32(at + 12, at + 40, true);
    it.view.setUint32(at + 24, index === 0 ? 1500 : 0, true);
    it.view.setUint32(at + 44, 26, true);
    it.view.setUint32(at + 48, at + 60, true);
  }
  it.view.setUint32(list, 1400, true);
  const lookUp = () => it.all.sock_getaddrinfo!(1000, 13, 1100, 5, hints, list, most, found);
  assert.equal(await lookUp(), 0);
  assert.equal(it.view.getUint32(found, true), 2);
  assert.deepEqual([...it.memory.subarray(1460, 1466)], [6443 >> 8, 6443 & 255, 10, 0, 0, 1]);
  assert.deepEqual([it.memory[1440], it.memory[1540], it.memory[1402], it.memory[1502]], [1, 2, 1, 2]);
  it.memory[hints + 2] = 2; // of the family IPv6
  assert.equal(await lookUp(), 0);
  assert.equal(it.view.getUint32(found, true), 1);
  assert.deepEqual([...it.memory.subarray(1462, 1466)], [0x20, 0x01, 0x0d, 0xb8]);
  it.text(1000, "evil.test\0\0\0\0");
  assert.equal(await lookUp(), ERRNO.access);
  it.text(1100, "x");
  assert.equal(await lookUp(), ERRNO.invalid);
});

Deno.test("a module has no more than 256 sockets, and more as it closes some", async () => {
  const it = open();
  const opened: number[] = [];
  for (let count = 0; count < 300; count++) {
    const errno = await it.all.sock_open!(1, 2, 0);
    if (errno !== 0) {
      assert.equal(errno, ERRNO["too-many-open"]);
      break;
    }
    opened.push(it.view.getUint32(0, true));
  }
  assert.equal(opened.length, 256);
  await it.all.fd_close!(opened[7]!);
  await Promise.resolve();
  assert.equal(await it.socket(), opened[7]);
});

Deno.test("no function fails as JavaScript does, whatever it is called with", async () => {
  const it = open();
  const fd = await it.connected();
  const values = [0, -1, 1, 8, 4090, 0x7fffffff, -0x80000000, fd];
  let seed = 1;
  const next = () => values[(seed = seed * 48271 % 2147483647) % values.length]!;
  for (const name of Object.keys(it.all).filter((name) => name.startsWith("sock_"))) {
    for (let round = 0; round < 200; round++) {
      const args = Array.from({ length: 9 }, next);
      // Not what waits for bytes that never come.
      if (/recv/.test(name) && args[0] === fd) continue;
      const errno = await it.all[name]!(...args);
      assert.ok(Number.isInteger(errno) && errno >= 0 && errno < 77, `${name}(${args}): ${errno}`);
    }
  }
});

Deno.test("a module that reads again and again, without a poll, gets the answer", async () => {
  const it = open();
  const fd = await it.connected();
  await it.all.fd_fdstat_set_flags!(fd, 4);
  const request = "GET / HTTP/1.1\r\nHost: cluster.test\r\n\r\n";
  it.text(200, request);
  it.buffer(8, 200, request.length);
  assert.equal(await it.all.fd_write!(fd, 8, 1, 16), 0);
  it.buffer(8, 1000, 8);
  for (const ask of [() => it.all.fd_read!(fd, 8, 1, 16), () => it.all.sock_recv!(fd, 8, 1, 0, 16, 20)]) {
    // As the engine calls it: what answers at once gives nobody a turn.
    for (;;) {
      const errno = ask();
      if ((errno instanceof Promise ? await errno : errno) === 0) break;
    }
    assert.equal(it.view.getUint32(16, true), 8);
  }
});
