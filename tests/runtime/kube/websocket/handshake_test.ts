/** Upgrades with a server that serves exec as a kubelet does, and with one that breaks the protocol. */

import assert from "node:assert/strict";
import type { AppError } from "../../../../runtime/base/errors.ts";
import { fileURLToPath } from "node:url";
import type { UpgradeAnswer } from "../../../../runtime/kube/cluster.ts";
import type { UpgradedConnection } from "../../../../runtime/kube/websocket/channels.ts";
import { type ByteSink, type ByteSource, StreamClosed } from "../../../../runtime/wasi/streams/streams.ts";
import { TestApiServer } from "../../../../scripts/servers/api_server.ts";
import { Authority } from "../../../../scripts/servers/certificates.ts";
import { connectionTest, open } from "../../../support/connection.ts";
import { startProxy } from "../../../support/proxies.ts";
import { ExecServer } from "../../../support/exec_server.ts";

const POD = "/api/v1/namespaces/default/pods/web";
const PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

const exec = (...command: string[]) =>
  `${POD}/exec?stdin=true&stdout=true&stderr=true${
    command.map((word) => `&command=${encodeURIComponent(word)}`).join("")
  }`;

async function setUp(change?: (config: string) => string) {
  const api = await TestApiServer.start();
  const server = new ExecServer();
  api.hook = (request, url) =>
    request.headers.get("authorization") === `Bearer ${api.token}` || url.pathname.includes("anonymous")
      ? server.hook(request, url)
      : undefined;
  const { cluster, traced } = await open((change ?? ((config) => config))(api.kubeconfig()));
  return {
    api,
    server,
    traced,
    cluster: await cluster(),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

function upgraded(answer: UpgradeAnswer): UpgradedConnection {
  return "upgraded" in answer ? answer.upgraded : assert.fail(`refused with ${answer.refused.status}`);
}

async function readAll(source: ByteSource): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(1000);
  let text = "";
  for (let count; (count = await source.read(buffer)) > 0;) {
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  return text;
}

async function write(sink: ByteSink, text: string): Promise<void> {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(await sink.write(bytes));
}

connectionTest("exec: each channel is a stream, and closing stdin reaches the command", async () => {
  await using it = await setUp();
  const connection = upgraded(
    await it.cluster.upgrade({ url: exec("cat"), headers: [], protocols: PROTOCOLS }),
  );
  assert.equal(connection.protocol, "v5.channel.k8s.io");
  const [stdin, stdout, error] = [connection.output(0), connection.input(1), connection.input(3)];
  await write(stdin, "hello ");
  const buffer = new Uint8Array(100);
  const count = await stdout.read(buffer);
  assert.equal(new TextDecoder().decode(buffer.subarray(0, count)), "hello ");
  await write(stdin, "again");
  stdin.close();
  assert.throws(() => stdin.capacity(), StreamClosed);
  assert.equal(await readAll(stdout), "again");
  assert.equal(JSON.parse(await readAll(error)).status, "Success");
  assert.deepEqual(connection.closed, { code: 1000, reason: "" });
  const { headers, closed } = await it.server.closing();
  assert.equal(closed, 1000);
  assert.equal(headers.get("authorization"), `Bearer ${it.api.token}`);
  connection.drop();
  assert.match(
    it.traced[0]!,
    /^GET \/api\/v1\/namespaces\/default\/pods\/web\/exec\?\S+ 101 in \d+ ms, v5\.channel\.k8s\.io$/,
  );
  assert.match(it.traced[1]!, / closed with code 1000 after \d+ ms, \d+ bytes received, \d+ sent$/);
});

connectionTest("exec: stdout, stderr, exit code", async () => {
  await using it = await setUp();
  const connection = upgraded(
    await it.cluster.upgrade({ url: exec("echo", "a b"), headers: [], protocols: PROTOCOLS }),
  );
  assert.equal(await readAll(connection.input(2)), "to stderr\n");
  assert.equal(await readAll(connection.input(1)), "a b\n");
  connection.drop();
  const failing = upgraded(
    await it.cluster.upgrade({ url: exec("fail", "7"), headers: [], protocols: PROTOCOLS }),
  );
  const { details, status } = JSON.parse(await readAll(failing.input(3)));
  assert.equal(status, "Failure");
  assert.deepEqual(details.causes, [{ reason: "ExitCode", message: "7" }]);
});

connectionTest("attach: a terminal's size goes on its channel", async () => {
  await using it = await setUp();
  const url = `${POD}/attach?stdin=true&stdout=true&tty=true&command=size`;
  const connection = upgraded(await it.cluster.upgrade({ url, headers: [], protocols: PROTOCOLS }));
  await write(connection.output(4), `{"Width":80,"Height":24}`);
  assert.equal(await readAll(connection.input(1)), `{"Width":80,"Height":24}`);
});

connectionTest(
  "port-forward: the tunnel is one stream of bytes, the older protocol has channels",
  async () => {
    await using it = await setUp();
    const tunnel = upgraded(
      await it.cluster.upgrade({
        url: `${POD}/portforward`,
        headers: [],
        protocols: ["SPDY/3.1+portforward.k8s.io"],
      }),
    );
    assert.throws(() => tunnel.input(1), { code: "REQUEST_INVALID" });
    const [input, output] = [tunnel.inputBytes(), tunnel.outputBytes()];
    assert.throws(() => tunnel.receive(), { code: "REQUEST_INVALID" });
    const text = "0123456789".repeat(20_000);
    const [back] = await Promise.all([readAll(input), write(output, text).then(() => output.close())]);
    assert.equal(back, text);
    const channels = upgraded(
      await it.cluster.upgrade({
        url: `${POD}/portforward?ports=8080`,
        headers: [],
        protocols: ["v4.channel.k8s.io"],
      }),
    );
    const buffer = new Uint8Array(10);
    await channels.input(0).read(buffer);
    assert.equal(buffer[0]! + buffer[1]! * 256, 8080);
    await write(channels.output(0), "get");
    const count = await channels.input(0).read(buffer);
    assert.equal(new TextDecoder().decode(buffer.subarray(0, count)), "GET");
    channels.drop();
    await it.server.closing();
  },
);

connectionTest("messages: text and bytes, whole, in both directions, then the end", async () => {
  await using it = await setUp();
  const connection = upgraded(
    await it.cluster.upgrade({ url: `${POD}/proxy`, headers: [], protocols: ["plain.kubevirt.io"] }),
  );
  const large = new Uint8Array(1 << 20).fill(7);
  const receive = async () => {
    await connection.wait();
    return connection.receive();
  };
  assert.equal(connection.receive(), undefined);
  assert.equal(connection.send({ text: true, bytes: new TextEncoder().encode("grüße") }), true);
  const first = await receive();
  assert.ok(first !== undefined && first !== "ended");
  assert.deepEqual([first.text, new TextDecoder().decode(first.bytes)], [true, "grüße"]);
  connection.send({ text: false, bytes: large });
  const second = await receive();
  assert.ok(second !== undefined && second !== "ended");
  assert.deepEqual([second.text, second.bytes.length], [false, large.length]);
  connection.send({ text: false, bytes: new Uint8Array() });
  const third = await receive();
  assert.ok(third !== undefined && third !== "ended" && third.bytes.length === 0);
  connection.close(1000, "done");
  await connection.wait();
  assert.equal(connection.receive(), "ended");
  assert.equal((await it.server.closing()).closed, 1000);
});

connectionTest("a refusal comes with its status and its words", async () => {
  await using it = await setUp();
  const answer = await it.cluster.upgrade({
    url: "/api/v1/namespaces/default/pods/secret/exec?command=sh",
    headers: [],
    protocols: PROTOCOLS,
  });
  assert.ok("refused" in answer);
  assert.equal(answer.refused.status, 403);
  const body = await new Response(answer.refused.body).json();
  assert.match(body.message, /^pods "secret" is forbidden/);
  assert.match(it.traced.at(-1)!, / 403 in \d+ ms$/);
  const nothing = await it.cluster.upgrade({
    url: exec("cat"),
    headers: [],
    protocols: ["base64.binary.k8s.io"],
  });
  assert.equal("refused" in nothing && nothing.refused.status, 400);
  await using wrong = await setUp((config) => config.replace(/"token":"[^"]*"/, '"token":"wrong"'));
  const unauthorized = await wrong.cluster.upgrade({ url: exec("cat"), headers: [], protocols: PROTOCOLS });
  assert.equal("refused" in unauthorized && unauthorized.refused.status, 401);
});

connectionTest("the user's credentials go along, the plugin's do not", async () => {
  await using it = await setUp((config) => {
    const parsed = JSON.parse(config);
    parsed.users[0].user.as = "joe";
    return JSON.stringify(parsed);
  });
  const connection = upgraded(
    await it.cluster.upgrade({
      url: exec("cat"),
      headers: [
        ["Authorization", "Bearer guest"],
        ["Impersonate-User", "root"],
        ["Sec-WebSocket-Extensions", "permessage-deflate"],
        ["Sec-WebSocket-Protocol", "evil"],
        ["Host", "evil.test"],
        ["Kubectl-Command", "kubectl foo"],
      ],
      protocols: PROTOCOLS,
    }),
  );
  const { headers } = it.server.sockets[0]!;
  assert.equal(headers.get("authorization"), `Bearer ${it.api.token}`);
  assert.equal(headers.get("impersonate-user"), "joe");
  assert.equal(headers.get("sec-websocket-extensions"), null);
  assert.equal(headers.get("sec-websocket-protocol"), PROTOCOLS.join(", "));
  assert.equal(headers.get("host"), new URL(it.api.server).host);
  assert.equal(headers.get("kubectl-command"), "kubectl foo");
  connection.drop();
});

connectionTest(
  "upgrade() refuses other hosts and invalid headers before sending",
  async () => {
    await using it = await setUp();
    const ask = (url: string, headers: [string, string][] = [], protocols: string[] = []) =>
      it.cluster.upgrade({ url, headers, protocols });
    for (
      const url of [
        "wss://evil.test/exec",
        "https://evil.test/exec",
        it.api.server.replace("https", "wss") + POD,
        it.api.server.replace("https://", "https://evil@") + POD,
        "//evil.test/exec",
        "/api/../../etc",
        "/api/%2e%2e/x",
        "/api\r\nhost: evil.test\r\n",
      ]
    ) await assert.rejects(ask(url), { code: "DESTINATION_REFUSED" }, url);
    await assert.rejects(ask(exec("cat"), [["x", "a\r\nhost: evil"]]), { code: "REQUEST_INVALID" });
    await assert.rejects(ask(exec("cat"), [["x\r\ny", "a"]]), { code: "REQUEST_INVALID" });
    await assert.rejects(ask(exec("cat"), [], ["a\r\nhost: evil"]), { code: "REQUEST_INVALID" });
    await assert.rejects(ask(exec("cat"), [], ["a, b"]), { code: "REQUEST_INVALID" });
    const bearer = "base64url.bearer.authorization.k8s.io.c2VjcmV0";
    for (
      const protocol of [
        ...[bearer, bearer.toUpperCase(), `v5.channel.k8s.io,${bearer}`, `v4.channel.k8s.io\n${bearer}`],
        ...["V5.channel.k8s.io", "v6.channel.k8s.io", "channel.k8s.io.", "evil"],
      ]
    ) {
      await assert.rejects(ask(exec("cat"), [], [...PROTOCOLS, protocol]), (error: AppError) => {
        assert.equal(error.code, "REQUEST_INVALID", protocol);
        assert.doesNotMatch(error.message, /c2VjcmV0/);
        return true;
      });
    }
    assert.equal(it.api.seen.length, 0);
  },
);

connectionTest(
  "a read fails with the server's close code and reason",
  async () => {
    await using it = await setUp();
    const connection = upgraded(
      await it.cluster.upgrade({ url: exec("drop"), headers: [], protocols: PROTOCOLS }),
    );
    const stdout = connection.input(1);
    const buffer = new Uint8Array(100);
    assert.equal(new TextDecoder().decode(buffer.subarray(0, await stdout.read(buffer))), "half a li");
    await assert.rejects(async () => await stdout.read(buffer), /code 4000: the pod is gone/);
    assert.deepEqual(connection.closed, { code: 4000, reason: "the pod is gone" });
  },
);

connectionTest("messages without a channel, and for channels nobody reads, harm nobody", async () => {
  await using it = await setUp();
  const connection = upgraded(
    await it.cluster.upgrade({ url: exec("garbage"), headers: [], protocols: PROTOCOLS }),
  );
  assert.equal(await readAll(connection.input(1)), "still here\n");
});

connectionTest("unread data stays at the server, and memory stays flat", async () => {
  await using it = await setUp();
  const connection = upgraded(
    await it.cluster.upgrade({ url: exec("flood", String(64 << 20)), headers: [], protocols: PROTOCOLS }),
  );
  const stdout = connection.input(1);
  await stdout.wait();
  // Everything that the host reads ahead; the rest stays in the server.
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  const { received } = connection.traffic;
  assert.ok(received <= 262_144 + 65_536, `${received} bytes were taken`);
  let total = 0;
  const buffer = new Uint8Array(65536);
  for (let count; (count = await stdout.read(buffer)) > 0;) total += count;
  assert.equal(total, 64 << 20);
  assert.equal(connection.closed?.code, 1000);
});

connectionTest("a dropped connection is closed at the server", async () => {
  await using it = await setUp();
  const connection = upgraded(
    await it.cluster.upgrade({ url: exec("cat"), headers: [], protocols: PROTOCOLS }),
  );
  connection.input(1);
  connection.drop();
  connection.drop();
  assert.equal((await it.server.closing()).closed, 1000);
});

/** Runs in its own process, because Deno reads the roots once. */
async function probe(config: string): Promise<string> {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, config);
  const script = fileURLToPath(new URL("../../../support/upgrade_probe.ts", import.meta.url));
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", script, path, exec("echo", "hi")],
  }).output();
  await Deno.remove(path);
  return new TextDecoder().decode(stdout).trim() || new TextDecoder().decode(stderr);
}

connectionTest(
  "upgrades use the connection's TLS settings and report a wrong authority",
  async () => {
    await using it = await setUp();
    const authority = await Authority.make("other");
    const { cert, key } = await it.api.authority.issue({ commonName: "jane", hosts: ["jane"] });
    const pair = { "client-certificate-data": btoa(cert), "client-key-data": btoa(key) };
    const unchecked = { "certificate-authority-data": undefined, "insecure-skip-tls-verify": true };
    const outcomes: string[] = [];
    for (
      const [cluster, user] of [
        [{ "tls-server-name": "localhost" }],
        [{ "tls-server-name": "elsewhere.test" }],
        [unchecked],
        [{ ...unchecked, "tls-server-name": "x.test" }],
        [{ "certificate-authority-data": btoa(authority.cert) }],
        [{ server: "https://127.0.0.1:1" }],
        [{}, pair],
        [unchecked, pair],
      ]
    ) {
      const config = JSON.parse(it.api.kubeconfig());
      Object.assign(config.clusters[0].cluster, cluster);
      Object.assign(config.users[0].user, user);
      outcomes.push(await probe(JSON.stringify(config)));
    }
    assert.deepEqual(outcomes, [
      "hi",
      "CLUSTER_TLS",
      "hi",
      "hi",
      "CLUSTER_TLS",
      "CLUSTER_UNREACHABLE",
      "hi",
      "hi",
    ]);
  },
);

connectionTest(
  "an unanswered upgrade ends with --request-timeout or the plugin's signal",
  async () => {
    await using it = await setUp();
    it.api.hook = () => new Promise<Response>((resolve) => pending.push(resolve));
    const pending: ((response: Response) => void)[] = [];
    const abort = new AbortController();
    const asked = it.cluster.upgrade({
      url: exec("cat"),
      headers: [],
      protocols: PROTOCOLS,
      signal: abort.signal,
    });
    while (pending.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    abort.abort(new Error("no more"));
    await assert.rejects(asked, /no more/);
    for (const resolve of pending) resolve(new Response());
  },
);

connectionTest("through a proxy, with a client certificate, checked and unchecked", async () => {
  await using it = await setUp();
  const { cert, key } = await it.api.authority.issue({ commonName: "jane", hosts: ["jane"] });
  for (const kind of ["http", "socks5"] as const) {
    await using proxy = startProxy(kind);
    const outcomes: string[] = [];
    const wrong = proxy.url.replace("s3cret", "other");
    for (
      const cluster of [
        { "proxy-url": proxy.url },
        { "proxy-url": proxy.url, "certificate-authority-data": undefined, "insecure-skip-tls-verify": true },
        { "proxy-url": proxy.url, "tls-server-name": "localhost" },
        { "proxy-url": proxy.url, "tls-server-name": "elsewhere.test" },
        { "proxy-url": wrong },
      ]
    ) {
      const config = JSON.parse(it.api.kubeconfig());
      Object.assign(config.clusters[0].cluster, cluster);
      Object.assign(config.users[0].user, {
        "client-certificate-data": btoa(cert),
        "client-key-data": btoa(key),
      });
      outcomes.push(await probe(JSON.stringify(config)));
    }
    assert.deepEqual(outcomes, ["hi", "hi", "hi", "CLUSTER_TLS", "CLUSTER_UNREACHABLE"], kind);
    assert.deepEqual(proxy.asked, new Array(4).fill(new URL(it.api.server).host));
  }
});
