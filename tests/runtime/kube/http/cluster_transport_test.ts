import assert from "node:assert/strict";
import { openCluster } from "../../../../runtime/kube/open_cluster.ts";
import { status, TestApiServer } from "../../../../scripts/servers/api_server.ts";
import { Authority } from "../../../../scripts/servers/certificates.ts";
import { connectionTest, lineReader, open } from "../../../support/connection.ts";
import { RawServer } from "../../../support/raw_server.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

const text = async (body: ReadableStream<Uint8Array> | null) =>
  await new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>).text();

connectionTest("a request goes out with the user's token and nothing of the guest's", async () => {
  await using api = await TestApiServer.start();
  const { cluster, traced } = await open(api.kubeconfig());
  const response = await (await cluster()).send({
    method: "get",
    url: "/version?x=1",
    headers: [
      ...[["Authorization", "Bearer guest"], ["Host", "evil.example"], ["Impersonate-User", "admin"], [
        "X-Remote-User",
        "admin",
      ]],
      ...[["Connection", "upgrade"], ["Transfer-Encoding", "chunked"], ["Proxy-Authorization", "x"], [
        "Cookie",
        "x",
      ], ["Kubectl-Command", "kubectl foo"]],
    ] as [string, string][],
  });
  assert.equal(response.status, 200);
  assert.equal(JSON.parse(await text(response.body)).major, "1");
  const [seen] = api.seen;
  assert.equal(`${seen?.method} ${seen?.path}`, "GET /version?x=1");
  assert.equal(seen?.headers.get("authorization"), `Bearer ${api.token}`);
  assert.equal(seen?.headers.get("kubectl-command"), "kubectl foo");
  assert.equal(seen?.headers.get("host"), new URL(api.server).host);
  for (const name of ["impersonate-user", "x-remote-user", "proxy-authorization", "cookie", "upgrade"]) {
    assert.equal(seen?.headers.get(name), null, name);
  }
  assert.match(traced[0]!, /^GET \/version\?x=1 200 in \d+ ms, 54 bytes$/);
  assert.ok(!traced.join().includes(api.token));
});

connectionTest("other destinations, methods and headers are refused before anything is sent", async () => {
  await using api = await TestApiServer.start();
  const cluster = await (await open(api.kubeconfig())).cluster();
  const send = (change: object) => cluster.send({ method: "GET", url: "/version", headers: [], ...change });
  await assert.rejects(send({ url: "https://evil.example/" }), { code: "DESTINATION_REFUSED" });
  for (const method of ["CONNECT", "TRACE", "GET / HTTP/1.1\r\n", ""]) {
    await assert.rejects(send({ method }), { code: "REQUEST_INVALID" });
  }
  for (const header of [["a\r\nb", "c"], ["a", "b\r\nc: d"], ["a", "b\0"], ["", "x"], ["a b", "x"]]) {
    await assert.rejects(send({ headers: [header] }), { code: "REQUEST_INVALID" }, JSON.stringify(header));
  }
  await assert.rejects(send({ body: new Uint8Array(1) }), { code: "REQUEST_INVALID" });
  assert.equal((await send({ body: new Uint8Array() })).status, 200);
  assert.equal(api.seen.length, 1);
});

connectionTest("a redirect is handed back, not followed", async () => {
  await using api = await TestApiServer.start();
  api.hook = () => new Response(null, { status: 302, headers: { location: "https://169.254.169.254/" } });
  const cluster = await (await open(api.kubeconfig())).cluster();
  const response = await cluster.send({ method: "GET", url: "/version", headers: [] });
  assert.equal(response.status, 302);
  await response.body?.cancel();
  assert.equal(api.seen.length, 1);
});

connectionTest("a watch's line arrives when it is sent, and a dropped body reaches the server", async () => {
  await using api = await TestApiServer.start();
  const cluster = await (await open(api.kubeconfig())).cluster();
  const response = await cluster.send({
    method: "GET",
    url: "/api/v1/namespaces/default/events?watch=1",
    headers: [],
  });
  const reader = lineReader(response.body!);
  for (const name of ["a", "b"]) {
    api.add("events", { apiVersion: "v1", kind: "Event", metadata: { name, namespace: "default" } });
    // The server sends the next part only after this one arrived.
    assert.match(await reader.read(), new RegExp(`"name":"${name}"`));
  }
  assert.equal(api.watches.size, 1);
  await reader.cancel();
  while (api.watches.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
});

connectionTest("a request's body is streamed up", async () => {
  await using api = await TestApiServer.start();
  const first = Promise.withResolvers<string>();
  api.hook = async (request) => {
    const reader = request.body!.pipeThrough(new TextDecoderStream()).getReader();
    first.resolve((await reader.read()).value!);
    let size = 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) size += part.value.length;
    return Response.json({ size });
  };
  const cluster = await (await open(api.kubeconfig())).cluster();
  let push!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => void (push = controller),
  });
  const response = cluster.send({ method: "POST", url: "/x", headers: [], body });
  push.enqueue(new TextEncoder().encode("first"));
  assert.equal(await first.promise, "first");
  for (let i = 0; i < 160; i++) push.enqueue(new Uint8Array(65536).fill(97));
  push.close();
  assert.equal(JSON.parse(await text((await response).body)).size, 160 * 65536);
});

connectionTest("errors of the connection have codes and words, and no secret", async () => {
  await using api = await TestApiServer.start();
  const other = await Authority.make("other-ca");
  const get = async (config: string) =>
    await (await (await open(config)).cluster()).send({ method: "GET", url: "/version", headers: [] });
  await assert.rejects(
    get(api.kubeconfig({ ca: other.cert })),
    (error: { code: string; message: string }) => {
      assert.equal(error.code, "CLUSTER_TLS");
      assert.ok(error.message.includes(api.server) && !error.message.includes(api.token));
      return true;
    },
  );
  await assert.rejects(get(api.kubeconfig({ server: "https://127.0.0.1:1" })), {
    code: "CLUSTER_UNREACHABLE",
  });
  await assert.rejects(get(api.kubeconfig({ server: "https://no-such-host.invalid" })), {
    code: "CLUSTER_UNREACHABLE",
  });
  await assert.rejects(
    get(api.kubeconfig({ server: api.server.replace("127.0.0.1", "127.0.0.2") })),
    (error: { code: string }) => ["CLUSTER_TLS", "CLUSTER_UNREACHABLE"].includes(error.code),
  );
  const refused = await get(api.kubeconfig({ token: "wrong" }));
  assert.equal(refused.status, 401);
  await refused.body?.cancel();
});

connectionTest("the error for a wrong tls-server-name lists the certificate's names", async () => {
  const authority = await Authority.make();
  const client = await authority.issue({ commonName: "jane" });
  for (
    const [hosts, told] of [
      [
        ["127.0.0.1", "kubernetes.example"],
        "is for 127.0.0.1, kubernetes.example, not for other.example",
      ],
      [
        Array.from({ length: 12 }, (_, index) => `n${index}.example`),
        "is for n0.example, n1.example, n2.example, n3.example, n4.example, 7 more, not for other.example",
      ],
    ] as const
  ) {
    const pair = await authority.issue({ commonName: "server", hosts: [...hosts] });
    using server = RawServer.start(() => Promise.resolve(), pair);
    for (
      const user of [
        { token: "t" },
        { "client-certificate-data": btoa(client.cert), "client-key-data": btoa(client.key) },
      ]
    ) {
      const config = server.kubeconfig({
        server: `https://127.0.0.1:${server.port}`,
        "certificate-authority-data": btoa(authority.cert),
        "tls-server-name": "other.example",
      }, user);
      await assert.rejects(
        (await (await open(config)).cluster()).send({ method: "GET", url: "/version", headers: [] }),
        {
          code: "CLUSTER_TLS",
          message: `Cannot reach the API server https://127.0.0.1:${server.port}: its certificate ${told}`,
        },
      );
    }
  }
});

connectionTest(
  "the error says that a server hung up before its answer",
  async () => {
    const authority = await Authority.make();
    const pair = await authority.issue({ commonName: "server", hosts: ["127.0.0.1"] });
    const client = await authority.issue({ commonName: "jane" });
    const certificate = { "client-certificate-data": btoa(client.cert), "client-key-data": btoa(client.key) };
    for (const head of ["", "HTTP/1.1 200 OK\r\nConte"]) {
      for (const [tls, user] of [[undefined, {}], [pair, {}], [pair, certificate]] as const) {
        using server = RawServer.start(async ({ send, reset }) => {
          await send(head);
          reset(); // without TLS's close_notify
        }, tls);
        const config = server.kubeconfig(
          tls
            ? {
              server: `https://127.0.0.1:${server.port}`,
              "certificate-authority-data": btoa(authority.cert),
            }
            : {},
          user,
        );
        await assert.rejects(
          (await (await open(config)).cluster()).send({ method: "GET", url: "/version", headers: [] }),
          {
            code: "CLUSTER_UNREACHABLE",
            message:
              /: the server (closed the connection (without an answer|in the middle of .*)|reset the connection)$/,
          },
        );
      }
    }
  },
);

connectionTest("a proxy's failures name the proxy", async () => {
  await using api = await TestApiServer.start();
  const other = await Authority.make("other");
  const pairs = {
    unknown: await other.issue({ commonName: "proxy", hosts: ["127.0.0.1"] }),
    misnamed: await api.authority.issue({ commonName: "proxy", hosts: ["proxy.example"] }),
  };
  const at = `Cannot reach the API server ${api.server} through its proxy: `;
  const fails = async (proxyUrl: string, code: string, why: string) => {
    const config = JSON.parse(api.kubeconfig());
    config.clusters[0].cluster["proxy-url"] = proxyUrl;
    await assert.rejects(
      (await (await open(JSON.stringify(config))).cluster()).send({
        method: "GET",
        url: "/version",
        headers: [],
      }),
      { code, message: at + why },
      why,
    );
  };
  for (
    const [answer, why] of [
      ["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "it answered 407"],
      ["SSH-2.0-x\r\n\r\n", 'the proxy does not speak HTTP: "SSH-2.0-x"'],
      ["", "the proxy closed the connection without an answer"],
    ] as const
  ) {
    using proxy = RawServer.start(async ({ send }) => {
      await send(answer);
      throw new Error("closed");
    });
    await fails(`http://jane@127.0.0.1:${proxy.port}`, "CLUSTER_UNREACHABLE", why);
  }
  for (
    const [pair, why] of [
      [pairs.unknown, "the proxy's certificate is not trusted"],
      [pairs.misnamed, "the proxy's certificate is for proxy.example"],
    ] as const
  ) {
    using proxy = RawServer.start(() => Promise.resolve(), pair);
    await fails(`https://jane@127.0.0.1:${proxy.port}`, "CLUSTER_TLS", why);
  }
  await fails("http://127.0.0.1:1", "CLUSTER_UNREACHABLE", "connection refused");
  await fails("socks5://no-such-host.invalid", "CLUSTER_UNREACHABLE", "the proxy's name can't be resolved");
});

connectionTest("--request-timeout ends a request that is not answered", async () => {
  await using api = await TestApiServer.start();
  const never = Promise.withResolvers<Response>();
  api.hook = () => never.promise;
  const { cluster } = await open(api.kubeconfig(), ["--request-timeout=100ms"]);
  await assert.rejects((await cluster()).send({ method: "GET", url: "/version", headers: [] }), {
    code: "CLUSTER_UNREACHABLE",
  });
  never.resolve(status(503, "x", "x"));
});

connectionTest("no kubeconfig is an error when the cluster is asked for, not before", async () => {
  const access = openCluster({
    env: {},
    args: [],
    home: "/none",
    cwd: "/",
    trace: () => {},
  });
  await assert.rejects(access.cluster(), { code: "NO_CLUSTER" });
  const named = openCluster({
    env: {},
    args: ["--kubeconfig=/none"],
    home: "/none",
    cwd: "/",
    trace: () => {},
  });
  await assert.rejects(named.cluster(), { code: "KUBECONFIG_UNREADABLE" });
});

connectionTest(
  "an exec plugin runs once for parallel requests, and again after a 401",
  async () => {
    await using api = await TestApiServer.start();
    const directory = temporaryDirectory();
    const script = `${directory}/login`;
    // The second call returns the valid token.
    await Deno.writeTextFile(
      script,
      `#!/bin/sh\necho x >> "${directory}/calls"\nif [ "$(wc -l < "${directory}/calls")" -gt 1 ]; then token=${api.token}; else token=stale; fi\n` +
        `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'$token'"}}'\n`,
      { mode: 0o755 },
    );
    const config = JSON.parse(api.kubeconfig());
    config.users[0].user = {
      exec: { apiVersion: "client.authentication.k8s.io/v1", command: script, interactiveMode: "Never" },
    };
    const cluster = await (await open(JSON.stringify(config))).cluster();
    const get = async () => {
      const response = await cluster.send({ method: "GET", url: "/version", headers: [] });
      await response.body?.cancel();
      return response.status;
    };
    assert.equal(await get(), 200);
    assert.deepEqual(await Promise.all([get(), get(), get()]), [200, 200, 200]);
    assert.equal((await Deno.readTextFile(`${directory}/calls`)).length, 4);
  },
);

connectionTest("a failing exec credential plugin has its own error", async () => {
  await using api = await TestApiServer.start();
  const get = async (command: string, args: string[] = []) => {
    const config = JSON.parse(api.kubeconfig());
    config.users[0].user = {
      exec: {
        apiVersion: "client.authentication.k8s.io/v1",
        command,
        args,
        installHint: "get it",
        interactiveMode: "Never",
      },
    };
    return await (await (await open(JSON.stringify(config))).cluster()).send({
      method: "GET",
      url: "/version",
      headers: [],
    });
  };
  for (
    const [command, args] of [["no-such-program", []], ["false", []], ["echo", ["garbage"]], ["echo", [
      '{"kind":"ExecCredential"}',
    ]]] as const
  ) {
    await assert.rejects(get(command, [...args]), { code: "CREDENTIALS_FAILED" }, command);
  }
});
