/** HTTP/1.1 on a plugin's socket, all the way to a server: framing, and what becomes of an upgraded connection. */

import assert from "node:assert/strict";
import { authorizeCluster } from "../../../../runtime/kube/allow/authorize_request.ts";
import type { ClusterGrant } from "../../../../runtime/kube/allow/rules.ts";
import { acceptOf } from "../../../../runtime/kube/websocket/frames.ts";
import { Authority } from "../../../../scripts/servers/certificates.ts";
import { connectionTest, open } from "../../../support/connection.ts";
import { openClient } from "../../../support/socket_client.ts";
import { type RawExchange, RawServer } from "../../../support/raw_server.ts";

async function clientTo(answer: (exchange: RawExchange) => Promise<void>, grant: ClusterGrant = "full") {
  const heads: string[] = [];
  const authority = await Authority.make();
  const server = RawServer.start(async (exchange) => {
    heads.push(exchange.head);
    await answer(exchange);
  }, await authority.issue({ commonName: "api", hosts: ["127.0.0.1"] }));
  const entry = {
    server: `https://127.0.0.1:${server.port}`,
    "certificate-authority-data": btoa(authority.cert),
  };
  const it = await open(server.kubeconfig(entry, { token: "the-users-token" }));
  const cluster = authorizeCluster(await it.cluster(), "foo", () => ({ grant, deny: false }), () => false);
  return {
    ...openClient(cluster),
    another: () => openClient(cluster),
    host: `Host: 127.0.0.1:${server.port}\r\n`,
    heads,
    server,
    traced: it.traced,
    [Symbol.dispose]() {
      it.access.close();
      server[Symbol.dispose]();
    },
  };
}

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const EXEC = "/api/v1/namespaces/a/pods/b/exec?command=sh";
const websocket = (host: string, more = "", path = EXEC) =>
  `GET ${path} HTTP/1.1\r\n${host}Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n` +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n${more}\r\n`;
const spdy = (host: string, more = "") =>
  `POST ${EXEC} HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n` +
  `X-Stream-Protocol-Version: v4.channel.k8s.io\r\n${more}\r\n`;
const accepts = async () =>
  `HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${await acceptOf(
    KEY,
  )}\r\n`;

connectionTest(
  "a request is sent with the host's head and the user's credentials",
  async () => {
    using it = await clientTo((exchange) => exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"));
    await it.say(
      `GET /api?a=b HTTP/1.1\r\n${it.host}Authorization: Bearer mine\r\nImpersonate-User: root\r\n` +
        "X-Remote-User: root\r\nCookie: a\r\nAccept-Encoding: br\r\nAccept: x/y\r\nConnection: close\r\n\r\n",
    );
    assert.match(await it.hearAll(), /\r\n\r\n\{\}$/);
    const [head = ""] = it.heads;
    assert.match(head, /^GET \/api\?a=b HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\n/);
    assert.match(head, /\r\nauthorization: Bearer the-users-token\r\n/);
    assert.match(head, /\r\naccept: x\/y\r\n/);
    assert.doesNotMatch(head, /mine|root|cookie|br\r\n/i);
  },
);

connectionTest(
  "an answer with two framings is framed again; the host drops 1xx answers",
  async () => {
    using it = await clientTo((exchange) =>
      exchange.send(
        "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" +
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n",
      )
    );
    await it.say(`GET / HTTP/1.1\r\n${it.host}Connection: close\r\n\r\n`);
    const heard = await it.hearAll();
    assert.match(heard, /^HTTP\/1\.1 200 OK\r\n/);
    assert.equal(heard.split("abc").length, 2);
    // A length that does not hold what came by chunks breaks the connection.
    using liar = await clientTo((exchange) =>
      exchange.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      )
    );
    await liar.say(`GET / HTTP/1.1\r\n${liar.host}\r\n`);
    await assert.rejects(liar.hearAll(), Deno.errors.ConnectionReset);
  },
);

connectionTest("a body goes to the server as it comes, framed by the host", async () => {
  using it = await clientTo(async (exchange) => {
    let body = "";
    while (!body.endsWith("0\r\n\r\n")) {
      body += new TextDecoder().decode(await exchange.read() ?? new Uint8Array());
    }
    await exchange.send(`HTTP/1.1 201 Created\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
  await it.say(
    `POST /api/v1/namespaces/a/pods HTTP/1.1\r\n${it.host}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n` +
      "1;x=y\r\na\r\n",
  );
  await it.say("2\r\nbc\r\n0\r\nX: y\r\n\r\n");
  assert.match(await it.hearAll(), /\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n$/);
  assert.match(it.heads[0]!, /^POST [^]*transfer-encoding: chunked\r\n\r\n$/);
  assert.doesNotMatch(it.heads[0]!, /content-length/);
});

connectionTest("a request without a grant gets the same Status as by every interface", async () => {
  using it = await clientTo(
    (exchange) => exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "read-only",
  );
  await it.say(`DELETE /api/v1/namespaces/a/pods/b HTTP/1.1\r\n${it.host}\r\n`);
  assert.match(await it.hear("\r\n\r\n"), /^HTTP\/1\.1 403 Forbidden\r\n/);
  const status = await it.hear("}\n");
  assert.match(status, /krew-wasm does not let the plugin \\"foo\\" delete pods/);
  await it.say(`GET http://evil.test/ HTTP/1.1\r\n${it.host}\r\n`);
  assert.match(await it.hear("}\n"), /^HTTP\/1\.1 403 [^]*may reach the cluster's API server only/);
  for (const request of [websocket(it.host), spdy(it.host)]) {
    const other = it.another();
    await other.say(`${request}GET / HTTP/1.1\r\n${it.host}\r\n`);
    const heard = await other.hearAll();
    assert.match(heard, /^HTTP\/1\.1 403 Forbidden\r\n[^]*exec/);
    assert.equal(heard.split(/^HTTP\/1\.1 \d/m).length, 2, "what follows is not read as a request");
  }
  const tls = it.another();
  await tls.say("\x16\x03\x01");
  await assert.rejects(tls.hearAll(), { code: "DESTINATION_REFUSED" });
  assert.deepEqual(it.heads, []);
});

for (const protocol of ["websocket", "spdy"] as const) {
  connectionTest(
    `after an upgrade to ${protocol} all bytes pass, requests too, and neither side's end is lost`,
    async () => {
      const heard = Promise.withResolvers<string>();
      using it = await clientTo(async (exchange) => {
        const head = protocol === "spdy"
          ? "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
          : await accepts();
        await exchange.send(`${head}X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\nearly`);
        let text = "";
        for (let more = await exchange.read(); more !== null; more = await exchange.read()) {
          text += new TextDecoder().decode(more);
        }
        await exchange.send("last");
        heard.resolve(text);
      });
      const second = `GET /smuggled HTTP/1.1\r\n${it.host}\r\n`;
      await it.say(`${protocol === "spdy" ? spdy(it.host) : websocket(it.host)}${second}`);
      const head = await it.hear("\r\n\r\n");
      assert.match(
        head,
        /^HTTP\/1\.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: (?:websocket|SPDY\/3\.1)\r\n/,
      );
      assert.match(head, /x-stream-protocol-version: v4\.channel\.k8s\.io\r\n/);
      await it.hear("early");
      await it.say("more");
      await it.socket.closeWrite();
      assert.equal(await heard.promise, `${second}more`);
      assert.equal(await it.hearAll(), "last");
      assert.equal(it.heads.length, 1, "no request but the first");
      assert.match(it.heads[0]!, /authorization: Bearer the-users-token\r\n/);
      assert.match(it.heads[0]!, protocol === "spdy" ? /^POST / : /sec-websocket-key: dGhl/);
      assert.match(it.traced.join("\n"), /exec\?command=sh closed after \d+ ms, 9 bytes received, \d+ sent/);
    },
  );
}

for (
  const [name, answer] of [
    ["another protocol", "Upgrade: h2c\r\nConnection: Upgrade\r\n"],
    ["no protocol", ""],
    ["a key that is not the client's", "Upgrade: websocket\r\nSec-WebSocket-Accept: AAAA\r\n"],
    ["an extension", "EXTENSION"],
  ] as const
) {
  connectionTest(`a 101 to ${name} opens nothing`, async () => {
    using it = await clientTo(async (exchange) => {
      const head = answer === "EXTENSION"
        ? `${await accepts()}Sec-WebSocket-Extensions: permessage-deflate\r\n`
        : `HTTP/1.1 101 x\r\n${answer}`;
      await exchange.send(`${head}\r\n`);
      await exchange.closed;
    });
    await it.say(websocket(it.host));
    assert.match(await it.hearAll(), /^HTTP\/1\.1 502 Bad Gateway\r\n/);
  });
}

connectionTest("a server that refuses an upgrade is heard, and the connection ends with that", async () => {
  using it = await clientTo((exchange) =>
    exchange.send("HTTP/1.1 426 x\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\nno.\n")
  );
  await it.say(`${websocket(it.host)}GET / HTTP/1.1\r\n${it.host}\r\n`);
  const heard = await it.hearAll();
  assert.match(heard, /^HTTP\/1\.1 426 Upgrade Required\r\n[^]*connection: close\r\n\r\n[^]*no\.\n/);
  assert.equal(it.heads.length, 1);
});

for (
  const [name, more] of [
    ["a second key", `Sec-WebSocket-Key: ${KEY}\r\n`],
    ["another version", "Sec-WebSocket-Version: 8\r\n"],
    [
      "a token among the protocols",
      "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.dG9rZW4\r\n",
    ],
  ] as const
) {
  connectionTest(`refuses the handshake of a WebSocket with ${name}`, async () => {
    using it = await clientTo(() => Promise.resolve());
    await it.say(websocket(it.host, more));
    const heard = await it.hearAll();
    assert.match(heard, /^HTTP\/1\.1 400 /);
    assert.doesNotMatch(heard, /dG9rZW4/);
    assert.deepEqual(it.heads, []);
  });
}

connectionTest("a plugin that closes an upgraded connection closes it at the server", async () => {
  const closed = Promise.withResolvers<void>();
  using it = await clientTo(async (exchange) => {
    await exchange.send(`${await accepts()}\r\n`);
    await exchange.closed;
    closed.resolve();
  });
  await it.say(websocket(it.host));
  await it.hear("\r\n\r\n");
  it.socket.close();
  await closed.promise;
});
