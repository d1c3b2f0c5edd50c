import assert from "node:assert/strict";
import { AppError } from "../../../../runtime/base/errors.ts";
import type { Endpoint } from "../../../../runtime/kube/allow/destination.ts";
import { openListener } from "../../../../runtime/sandbox/open_listener.ts";
import { IoError } from "../../../../runtime/wasi/p2/io.ts";
import { formatAddress, parseAddress } from "../../../../runtime/wasi/p2/ip_addresses.ts";
import { socketInterfaces } from "../../../../runtime/wasi/p2/sockets.ts";
import { refuses } from "../../../support/refused.ts";
import { FakeCluster, testSandbox } from "../../../support/components.ts";

type Open = ReturnType<typeof open>;
type Address = Parameters<InstanceType<Open["TcpSocket"]>["startConnect"]>[1];

function open(endpoint?: Endpoint, ports: readonly number[] = []) {
  const cluster = new FakeCluster(() => assert.fail());
  cluster.endpoint = endpoint;
  const refused: AppError[] = [];
  const traced: string[] = [];
  const sandbox = testSandbox({
    cluster,
    trace: (line) => traced.push(line),
    listen: (address, port) => openListener(address, port, (asked) => ports.includes(asked.port)),
  });
  const api = socketInterfaces(sandbox, (error) => void refused.push(error));
  return {
    cluster,
    refused,
    traced,
    network: api["wasi:sockets/instance-network"].instanceNetwork(),
    TcpSocket: api["wasi:sockets/tcp"].TcpSocket,
    createTcpSocket: api["wasi:sockets/tcp-create-socket"].createTcpSocket,
    createUdpSocket: api["wasi:sockets/udp-create-socket"].createUdpSocket,
    resolveAddresses: api["wasi:sockets/ip-name-lookup"].resolveAddresses,
    networkErrorCode: api["wasi:sockets/network"].networkErrorCode,
  };
}

/** A server that passes each connection to `serve`. */
function listen(serve: (connection: Deno.TcpConn) => Promise<void>) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) served.push(serve(connection).catch(() => {}));
  })();
  const { port } = listener.addr;
  return {
    port,
    endpoint: { host: "127.0.0.1", port, addresses: ["127.0.0.1"] },
    accepted: () => served.length,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      await Promise.all(served);
    },
  };
}

const v4 = (text: string, port: number): Address => ({
  tag: "ipv4",
  val: { port, address: text.split(".").map(Number) as [number, number, number, number] },
});
const v6 = (text: string, port: number): Address => {
  const address = parseAddress(text);
  assert.equal(address?.tag, "ipv6");
  return {
    tag: "ipv6",
    val: {
      port,
      flowInfo: 0,
      scopeId: 0,
      address: address.val as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ],
    },
  };
};

async function connect({ createTcpSocket, network }: Open, address: Address) {
  const socket = createTcpSocket(address.tag);
  socket.startConnect(network, address);
  await socket.subscribe().block();
  return { socket, finish: () => socket.finishConnect() };
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test(
  "a socket that begins with TLS carries both directions until each side ends",
  {
    // What the test's modules began to read may end in it.
    sanitizeOps: false,
  },
  async () => {
    await using server = listen(async (connection) => {
      const buffer = new Uint8Array(100);
      let heard = "";
      for (let count; (count = await connection.read(buffer)) !== null;) {
        heard += text(buffer.subarray(0, count));
      }
      await connection.write(bytes(`heard ${heard}`));
      connection.close();
    });
    const it = open(server.endpoint);
    const socket = it.createTcpSocket("ipv4");
    assert.throws(() => socket.finishConnect(), (error) => error === "not-in-progress");
    assert.throws(() => socket.remoteAddress(), (error) => error === "invalid-state");
    socket.startConnect(it.network, v4("127.0.0.1", server.port));
    assert.throws(() => socket.finishConnect(), (error) => error === "would-block");
    assert.throws(
      () => socket.startConnect(it.network, v4("127.0.0.1", server.port)),
      (error) => error === "concurrency-conflict",
    );
    await socket.subscribe().block();
    const [input, output] = socket.finishConnect();
    assert.deepEqual(socket.remoteAddress(), v4("127.0.0.1", server.port));
    assert.equal(socket.localAddress().tag, "ipv4");
    assert.notEqual(socket.localAddress().val.port, 0);
    assert.equal(text(input.read(10n)), "");
    await output.blockingWriteAndFlush(bytes("\x16hello"));
    socket.shutdown("send");
    socket.shutdown("send");
    assert.throws(() => output.checkWrite(), { tag: "closed" });
    assert.equal(text(await input.blockingRead(100n)), "heard \x16hello");
    await assert.rejects(async () => await input.blockingRead(1n), { tag: "closed" });
    assert.throws(
      () => socket.startConnect(it.network, v4("127.0.0.1", server.port)),
      (error) => error === "invalid-state",
    );
    input[Symbol.dispose]();
    output[Symbol.dispose]();
    socket[Symbol.dispose]();
    assert.match(it.traced.join("\n"), /^socket to 127\.0\.0\.1:\d+ open in \d+ ms$/);
  },
);

Deno.test("bytes written before a socket is dropped still arrive, and then the end", async () => {
  const heard = Promise.withResolvers<number>();
  await using server = listen(async (connection) => {
    let total = 0;
    const buffer = new Uint8Array(65536);
    for (let count; (count = await connection.read(buffer)) !== null;) total += count;
    heard.resolve(total);
    connection.close();
  });
  const it = open(server.endpoint);
  const { socket, finish } = await connect(it, v4("127.0.0.1", server.port));
  const [, output] = finish();
  const room = output.checkWrite();
  output.write(new Uint8Array(Number(room)).fill(0x16));
  assert.equal(output.checkWrite() < room, true);
  socket[Symbol.dispose]();
  assert.equal(await heard.promise, Number(room));
});

Deno.test("a server that reads nothing blocks the writer", async () => {
  const done = Promise.withResolvers<void>();
  await using server = listen(async (connection) => {
    await done.promise;
    connection.close();
  });
  const it = open(server.endpoint);
  const { socket, finish } = await connect(it, v4("127.0.0.1", server.port));
  const [, output] = finish();
  let sent = 0;
  // The kernel's buffers and ours are far smaller than this.
  for (let tries = 0; tries < 4096; tries++) {
    const room = Number(output.checkWrite());
    if (room === 0) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (output.checkWrite() === 0n) break;
      continue;
    }
    output.write(new Uint8Array(room).fill(0x16));
    sent += room;
  }
  assert.equal(output.checkWrite(), 0n);
  assert.ok(sent < 4096 * 65536);
  done.resolve();
  socket[Symbol.dispose]();
});

Deno.test("a stream's failure has a network error code", () => {
  const { networkErrorCode } = open();
  assert.equal(networkErrorCode(new IoError(new Deno.errors.ConnectionReset("reset"))), "connection-reset");
  assert.equal(networkErrorCode(new IoError(new Error("of another kind"))), undefined);
});

Deno.test("other hosts, ports and spellings are refused", async () => {
  await using server = listen(async (connection) => connection.close());
  await using other = listen(async (connection) => connection.close());
  const it = open(server.endpoint);
  const denied: Address[] = [
    v4("169.254.169.254", 80),
    v4("127.0.0.1", other.port),
    v4("127.0.0.2", server.port),
    v6("::1", server.port),
    v6("fe80::1", server.port),
    v6("64:ff9b::7f00:1", server.port),
  ];
  for (const address of denied) {
    const { finish, socket } = await connect(it, address);
    assert.throws(finish, (error) => error === "access-denied", JSON.stringify(address));
    assert.throws(() => socket.startConnect(it.network, address), (error) => error === "invalid-state");
    socket[Symbol.dispose]();
  }
  assert.deepEqual(new Set(it.refused.map(({ code }) => code)), new Set(["DESTINATION_REFUSED"]));
  assert.match(it.refused[0]!.message, /not 169\.254\.169\.254:80: the server is 127\.0\.0\.1:\d+/);
  const invalid: [Address, "ipv4" | "ipv6"][] = [
    [v6("::ffff:127.0.0.1", server.port), "ipv6"],
    [v4("127.0.0.1", server.port), "ipv6"],
    [v6("::1", server.port), "ipv4"],
    [v4("127.0.0.1", 0), "ipv4"],
    [v4("0.0.0.0", server.port), "ipv4"],
    [v4("224.0.0.1", server.port), "ipv4"],
    [v4("255.255.255.255", server.port), "ipv4"],
    [v6("ff02::1", server.port), "ipv6"],
    [v6("::", server.port), "ipv6"],
  ];
  for (const [address, family] of invalid) {
    const socket = it.createTcpSocket(family);
    assert.throws(() => socket.startConnect(it.network, address), (error) => error === "invalid-argument");
    socket[Symbol.dispose]();
  }
  assert.equal(server.accepted() + other.accepted(), 0);
});

Deno.test("only the server's name resolves, to the host's addresses", async () => {
  const it = open({ host: "api.test", port: 6443, addresses: ["10.1.2.3", "2001:db8::5"] });
  const resolve = async (name: string) => {
    const stream = it.resolveAddresses(it.network, name);
    await stream.subscribe().block();
    const found: string[] = [];
    for (let address; (address = stream.resolveNextAddress()) !== undefined;) {
      found.push(formatAddress(address));
    }
    return found;
  };
  assert.deepEqual(await resolve("api.test"), ["10.1.2.3", "2001:db8:0:0:0:0:0:5"]);
  assert.deepEqual(await resolve("API.Test"), ["10.1.2.3", "2001:db8:0:0:0:0:0:5"]);
  assert.deepEqual(await resolve("10.1.2.3"), ["10.1.2.3"]);
  assert.deepEqual(await resolve("2001:0db8::5"), ["2001:db8:0:0:0:0:0:5"]);
  for (
    const name of [
      "evil.test",
      "api.test.",
      "localhost",
      "metadata.google.internal",
      "127.0.0.1",
      "167838211",
    ]
  ) {
    await assert.rejects(resolve(name), (error) => error === "access-denied", name);
  }
  for (const name of ["", "a b", "a\0b", "a/b", "-a", "x".repeat(300)]) {
    assert.throws(() => it.resolveAddresses(it.network, name), (error) => error === "invalid-argument");
  }
});

Deno.test("a plugin without sockets gets access-denied and the user the reason", async () => {
  const cluster = new FakeCluster(() => assert.fail());
  cluster.sockets = () => Promise.reject(new AppError("CLUSTER_UNSUPPORTED", "a proxy stands between"));
  const refused: AppError[] = [];
  const api = socketInterfaces(testSandbox({ cluster }), (error) => void refused.push(error));
  const socket = api["wasi:sockets/tcp-create-socket"].createTcpSocket("ipv4");
  const network = api["wasi:sockets/instance-network"].instanceNetwork();
  socket.startConnect(network, v4("127.0.0.1", 1));
  await socket.subscribe().block();
  assert.throws(() => socket.finishConnect(), (error) => error === "access-denied");
  assert.equal(refused[0]?.message, "a proxy stands between");
});

Deno.test("nobody listens: TLS of the plugin's own fails with connection-refused", async () => {
  const port = 1;
  const it = open({ host: "127.0.0.1", port, addresses: ["127.0.0.1"] });
  const { finish } = await connect(it, v4("127.0.0.1", port));
  const [input, output] = finish();
  await output.blockingWriteAndFlush(bytes("\x16"));
  await assert.rejects(
    async () => await input.blockingRead(1n),
    (error: { tag: string; val: IoError }) => it.networkErrorCode(error.val) === "connection-refused",
  );
});

Deno.test("a socket whose first byte is another speaks HTTP with the host", async () => {
  const it = open({ host: "cluster.test", port: 6443, addresses: ["10.0.0.1"] });
  it.cluster.answer = () => ({
    status: 200,
    headers: [["content-length", "2"]],
    body: new Blob(["{}"]).stream(),
  });
  const { finish } = await connect(it, v4("10.0.0.1", 6443));
  const [input, output] = finish();
  await output.blockingWriteAndFlush(
    bytes("GET /api HTTP/1.1\r\nHost: cluster.test:6443\r\nConnection: close\r\n\r\n"),
  );
  let heard = "";
  await assert.rejects(async () => {
    for (;;) heard += text(await input.blockingRead(100n));
  }, { tag: "closed" });
  assert.equal(heard, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
  assert.equal(it.cluster.requests[0]!.url, "https://cluster.test:6443/api");
});

Deno.test("UDP and listening are denied, a wildcard bind is not", () => {
  const it = open();
  const udp = it.createUdpSocket("ipv4");
  assert.throws(() => udp.startBind(it.network, v4("0.0.0.0", 0)), (error) => error === "access-denied");
  assert.throws(() => udp.startBind(it.network, v6("::1", 0)), (error) => error === "invalid-argument");
  assert.throws(() => udp.stream(), (error) => error === "invalid-state");
  const tcp = it.createTcpSocket("ipv4");
  assert.throws(() => tcp.startListen(), (error) => error === "invalid-state");
  assert.throws(() => tcp.localAddress(), (error) => error === "invalid-state");
  assert.throws(() => tcp.startBind(it.network, v4("127.0.0.1", 8080)), (error) => error === "access-denied");
  tcp.startBind(it.network, v4("0.0.0.0", 0));
  tcp.finishBind();
  assert.deepEqual(tcp.localAddress(), v4("0.0.0.0", 0));
  assert.throws(() => tcp.startBind(it.network, v4("0.0.0.0", 0)), (error) => error === "invalid-state");
  assert.throws(() => tcp.startListen(), (error) => error === "access-denied");
  assert.throws(() => tcp.finishListen(), (error) => error === "not-in-progress");
  assert.throws(() => tcp.accept(), (error) => error === "invalid-state");
  assert.equal(tcp.isListening(), false);
});

Deno.test("options keep their values and refuse 0", () => {
  const it = open();
  const socket = it.createTcpSocket("ipv6");
  assert.equal(socket.addressFamily(), "ipv6");
  socket.setKeepAliveEnabled(true);
  socket.setKeepAliveIdleTime(5_000_000_000n);
  socket.setHopLimit(9);
  socket.setSendBufferSize(1n << 40n);
  assert.deepEqual(
    [socket.keepAliveEnabled(), socket.keepAliveIdleTime(), socket.hopLimit(), socket.sendBufferSize()],
    [true, 5_000_000_000n, 9, 1n << 40n],
  );
  for (
    const zero of [
      () => socket.setKeepAliveIdleTime(0n),
      () => socket.setKeepAliveCount(0),
      () => socket.setHopLimit(0),
      () => socket.setReceiveBufferSize(0n),
      () => socket.setListenBacklogSize(0n),
    ]
  ) assert.throws(zero, (error) => error === "invalid-argument");
});

Deno.test("a granted listener accepts connections from this machine", async () => {
  const it = open(undefined, [0]);
  const socket = it.createTcpSocket("ipv4");
  socket.startBind(it.network, v4("127.0.0.1", 0));
  assert.throws(() => socket.startListen(), (error) => error === "concurrency-conflict");
  socket.finishBind();
  assert.throws(() => socket.accept(), (error) => error === "invalid-state");
  assert.throws(
    () => socket.startConnect(it.network, v4("10.0.0.1", 80)),
    (error) => error === "invalid-state",
  );
  socket.startListen();
  socket.finishListen();
  const { val: { address, port } } = socket.localAddress();
  assert.deepEqual([address, socket.isListening()], [[127, 0, 0, 1], true]);
  assert.throws(() => socket.accept(), (error) => error === "would-block");
  const pollable = socket.subscribe();
  assert.equal(pollable.ready(), false);
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  await pollable.block();
  const [accepted, input, output] = socket.accept();
  assert.equal(accepted.remoteAddress().val.port, client.localAddr.port);
  assert.equal(accepted.localAddress().val.port, port);
  await client.write(new TextEncoder().encode("hello"));
  const heard = await input.blockingRead(10n);
  await output.blockingWriteAndFlush(heard);
  accepted[Symbol.dispose]();
  assert.equal(await new Response(client.readable).text(), "hello");
  socket[Symbol.dispose]();
  await refuses(port);
});

Deno.test("a listener's port must be granted, free, and on loopback", () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const it = open(undefined, [0, port]);
  for (
    const [address, expected] of [
      [v4("127.0.0.1", 8080), "access-denied"],
      [v4("0.0.0.0", port), "access-denied"],
      [v4("127.0.0.2", port), "access-denied"],
      [v4("192.0.2.1", port), "access-denied"],
      [v4("127.0.0.1", port), "address-in-use"],
    ] as const
  ) {
    const socket = it.createTcpSocket("ipv4");
    assert.throws(() => socket.startBind(it.network, address), (error) => error === expected);
  }
  assert.match(it.refused[0]!.hint!, /--allow-listen=8080/);
  const unspecified = it.createTcpSocket("ipv4");
  unspecified.startBind(it.network, v4("0.0.0.0", 0));
  unspecified.finishBind();
  assert.throws(() => unspecified.startListen(), (error) => error === "access-denied");
});

Deno.test("a plugin gets at most 256 sockets at once", () => {
  const it = open();
  const sockets = [];
  let refusedAt = 0;
  for (let count = 0; count < 10_000; count++) {
    try {
      sockets.push(it.createTcpSocket("ipv4"));
    } catch (error) {
      assert.equal(error, "new-socket-limit");
      refusedAt ||= count;
    }
  }
  assert.equal(refusedAt, 256);
  sockets[0]![Symbol.dispose]();
  sockets[0]![Symbol.dispose]();
  it.createTcpSocket("ipv4");
  assert.throws(() => it.createTcpSocket("ipv4"), (error) => error === "new-socket-limit");
});

Deno.test("a plugin has no more sockets than descriptors", () => {
  const sandbox = testSandbox({ limits: { ...testSandbox({}).limits, descriptors: 3 } });
  const api = socketInterfaces(sandbox, () => {});
  const { createTcpSocket } = api["wasi:sockets/tcp-create-socket"];
  for (let count = 0; count < 3; count++) createTcpSocket("ipv4");
  assert.throws(() => createTcpSocket("ipv4"), (error) => error === "new-socket-limit");
});
