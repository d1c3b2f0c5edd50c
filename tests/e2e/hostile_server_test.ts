/**
 * Misbehaving servers, through each interface of the binary and through kubectl. The plugin gets an error or an
 * answer, without words that the server made up. It can send the next request, and no other host is reached.
 */

import assert from "node:assert/strict";
import { Authority } from "../../scripts/servers/certificates.ts";
import { controlPlaneMissing, findAssets } from "../support/envtest.ts";
import { installFixture } from "../support/install.ts";
import { clangMissing, Product } from "../support/product.ts";
import { type RawExchange, RawServer } from "../support/raw_server.ts";
import { testBinary } from "../support/test_binary.ts";

/** The plugin's result: the status of an answer, or an error. */
type Sees = number | "error";

interface Behaviour {
  readonly sees: Sees;
  /** Whether kubectl fails. */
  readonly kubectl: "fails" | "succeeds";
  answer(exchange: RawExchange, decoy: string): Promise<void>;
}

const HEAD = "HTTP/1.1 200 OK\r\n";

/** Reads a request's body, if it has one. */
async function readBody({ head, read }: RawExchange): Promise<void> {
  if (!/^transfer-encoding: chunked/im.test(head)) return;
  for (let body = ""; !body.endsWith("0\r\n\r\n");) {
    const part = await read();
    if (part === null) return;
    body += new TextDecoder().decode(part);
  }
}

const redirect = (status: string, location: string) =>
  `HTTP/1.1 ${status}\r\nlocation: ${location}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`;

/** By the last part of the requested path. */
const BEHAVIOURS: Readonly<Record<string, Behaviour>> = {
  "a-redirect": {
    sees: 302,
    kubectl: "succeeds", // it goes there
    answer: ({ send }, decoy) => send(redirect("302 Found", decoy)),
  },
  "a-redirect-to-another-scheme": {
    sees: 307,
    kubectl: "fails",
    answer: ({ send }, decoy) => send(redirect("307 Temporary Redirect", decoy.replace("http:", ""))),
  },
  "an-end-without-a-head": { sees: "error", kubectl: "fails", answer: () => Promise.resolve() },
  "an-end-in-the-head": {
    sees: "error",
    kubectl: "fails",
    answer: ({ send }) => send(`${HEAD}content-len`),
  },
  "an-end-in-the-body": {
    sees: "error",
    kubectl: "fails",
    answer: ({ send }) => send(`${HEAD}content-length: 1000\r\n\r\nnot all`),
  },
  "an-end-in-a-chunk": {
    sees: "error",
    kubectl: "fails",
    answer: ({ send }) => send(`${HEAD}transfer-encoding: chunked\r\n\r\n64\r\nnot all`),
  },
  "a-chunk-of-no-length": {
    sees: "error",
    kubectl: "fails",
    answer: ({ send }) => send(`${HEAD}transfer-encoding: chunked\r\n\r\nzz\r\nwhat\r\n0\r\n\r\n`),
  },
  "two-lengths": {
    sees: "error",
    kubectl: "fails",
    answer: ({ send }) => send(`${HEAD}content-length: 2\r\ncontent-length: 3\r\n\r\nabc`),
  },
  "a-length-that-is-none": {
    sees: "error",
    kubectl: "fails",
    answer: ({ send }) => send(`${HEAD}content-length: -1\r\n\r\nabc`),
  },
  "no-http": {
    sees: "error",
    kubectl: "fails",
    answer: ({ send }) => send("SSH-2.0-\x1b[31mOpenSSH\r\n\r\n"),
  },
  "many-headers": {
    sees: 200,
    kubectl: "succeeds",
    async answer({ send }) {
      for (let at = 0; at < 300; at++) {
        await send(`${at === 0 ? HEAD : ""}warning: 299 - "unknown field ${at}"\r\n`);
      }
      await send("content-length: 2\r\n\r\nok");
    },
  },
  "a-long-header": {
    sees: 200,
    kubectl: "succeeds",
    answer: ({ send }) => send(`${HEAD}x-long: ${"y".repeat(500_000)}\r\ncontent-length: 2\r\n\r\nok`),
  },
  "continue-unasked": {
    sees: 200,
    kubectl: "succeeds",
    answer: ({ send }) => send(`HTTP/1.1 100 Continue\r\n\r\n${HEAD}content-length: 2\r\n\r\nok`),
  },
  "gzip-of-nothing": {
    sees: 200,
    kubectl: "succeeds",
    answer: ({ send }) =>
      send(`${HEAD}content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`),
  },
  "gzip-twice": {
    sees: 200,
    kubectl: "succeeds",
    answer: ({ send }) => send(`${HEAD}content-encoding: gzip, gzip\r\ncontent-length: 2\r\n\r\nok`),
  },
  "garbage-for-gzip": {
    sees: "error",
    kubectl: "fails",
    answer: ({ send }) => send(`${HEAD}content-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd`),
  },
  "gzip-cut-off": {
    sees: "error",
    kubectl: "fails",
    async answer({ send }) {
      await send(`${HEAD}content-encoding: gzip\r\ncontent-length: 11\r\n\r\n`);
      await send(Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b));
    },
  },
  "a-chunk-size-with-zeros": {
    sees: 200,
    kubectl: "succeeds",
    answer: ({ send }) =>
      send(`${HEAD}transfer-encoding: chunked\r\n\r\n0000000000000002\r\nok\r\n00000000\r\n\r\n`),
  },
  "a-later-version-of-http": {
    sees: 200,
    kubectl: "succeeds",
    answer: ({ send }) => send("HTTP/1.9  200 OK\r\ncontent-length: 2\r\n\r\nok"),
  },
  "a-blank-before-a-colon": {
    sees: 200,
    kubectl: "succeeds",
    answer: ({ send }) => send(`${HEAD}x-a : b\r\ncontent-length: 2\r\n\r\nok`),
  },
  "a-control-character": {
    sees: "error",
    kubectl: "fails",
    answer: ({ send }) => send(`${HEAD}x-a: b\x01c\r\ncontent-length: 2\r\n\r\nok`),
  },
  "headers-without-end": {
    sees: "error",
    kubectl: "fails",
    async answer({ send }) {
      await send(HEAD);
      // More than any client keeps. The client hangs up before the end.
      for (let at = 0; at < 4000; at++) await send(`x-${at}: ${"y".repeat(8000)}\r\n`);
    },
  },
};

testBinary("misbehaving servers, through every interface and kubectl", {
  ignore: clangMissing() || controlPlaneMissing(),
}, async (t) => {
  const authority = await Authority.make();
  const pair = await authority.issue({ commonName: "kube-apiserver", hosts: ["127.0.0.1"] });
  let elsewhere = 0;
  const decoy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
    elsewhere++;
    return new Response();
  });
  const heads: string[] = [];
  using server = RawServer.start(async (exchange) => {
    heads.push(exchange.head);
    await readBody(exchange);
    const name = /^\S+ \/(?:api\/)?([a-z-]*)/.exec(exchange.head)?.[1] ?? "";
    const behaviour = BEHAVIOURS[name];
    if (behaviour) {
      await behaviour.answer(exchange, `http://127.0.0.1:${decoy.addr.port}/stolen`);
      exchange.reset();
    } else await exchange.send(`${HEAD}content-length: 2\r\n\r\nok`);
  }, pair);
  const origin = `https://127.0.0.1:${server.port}`;
  using product = Product.make();
  Deno.mkdirSync(`${product.home}/.kube`);
  const token = `S3CR3T-${crypto.randomUUID()}`;
  Deno.writeTextFileSync(
    `${product.home}/.kube/config`,
    server.kubeconfig({ server: origin, "certificate-authority-data": btoa(authority.cert) }, { token }),
  );
  for (const fixture of ["attack-interfaces", "attack-network", "kubernetes"]) {
    await installFixture(product, fixture, "--allow-cluster=full");
  }
  const bin = `${product.store}/bin`;
  const names = Object.keys(BEHAVIOURS);
  /** One line for each name, and one for a normal request. */
  const interfaces: Record<string, () => Promise<{ lines: string[]; said: string }>> = {};
  const component = (via: string, url: string) => async () => {
    const words = [...names, "fine"].flatMap((
      name,
    ) => [
      via,
      via === "upload" ? "post" : "get",
      url + name,
      ...(via === "upload" ? ["body"] : [""]),
      ",",
    ]);
    const { code, stdout, stderr } = await product.exec(`${bin}/kubectl-attack_interfaces`, words);
    assert.equal(code, 0, stderr);
    return { lines: stdout.trimEnd().split("\n"), said: stdout + stderr };
  };
  interfaces["wasi:http"] = component("fetch", `${origin}/`);
  interfaces["krew-wasm:kubernetes, send"] = component("send", "/");
  interfaces["krew-wasm:kubernetes, upload"] = component("upload", "/");
  interfaces["wasi-outbound-http"] = async () => {
    const words = [...names, "fine"].flatMap((name) => ["request", "get", `${origin}/${name}`, "", ","]);
    const { stdout, stderr } = await product.exec(`${bin}/kubectl-attack_network`, words);
    return { lines: stdout.trimEnd().split("\n"), said: stdout + stderr };
  };
  interfaces["krew_wasm_kubernetes"] = async () => {
    const lines: string[] = [];
    let said = "";
    for (const name of [...names, "fine"]) {
      const { code, stdout, stderr } = await product.exec(`${bin}/kubectl-kubernetes`, ["get", `/${name}`]);
      assert.ok(code === 0 || code === 1, `${name}: ${code}`);
      lines.push(code === 0 ? stdout.split("\n", 1)[0]! : "error");
      said += stdout + stderr;
    }
    return { lines, said };
  };
  for (const [via, run] of Object.entries(interfaces)) {
    await t.step(via, async () => {
      heads.length = 0;
      const { lines, said } = await run();
      assert.equal(lines.length, names.length + 1, said);
      for (const [index, name] of names.entries()) {
        const { sees } = BEHAVIOURS[name]!;
        const line = lines[index]!;
        // A plugin that reads no body sees only the head.
        const headOnly = via.endsWith("send") && line === "200";
        if (sees === "error") assert.ok(/error/.test(line) || headOnly, `${name}: ${line}`);
        else assert.match(line, new RegExp(`^${sees}\\b`), `${name}: ${line}`);
      }
      assert.match(lines.at(-1)!, /^200/);
      assert.ok(!said.includes(token) && !said.includes("\x1b"), said);
      for (const head of heads) assert.match(head, new RegExp(`^authorization: Bearer ${token}\r$`, "im"));
      assert.equal(elsewhere, 0, "somebody else was reached");
    });
  }
  await t.step("the user sees why a body broke off", async () => {
    for (const [via, method, url] of [["fetch", "get", `${origin}/`], ["upload", "post", "/"]] as const) {
      const { code, stderr } = await product.exec(`${bin}/kubectl-attack_interfaces`, [
        ...[via, method, `${url}an-end-in-the-body`, method === "post" ? "body" : "", ",", "fail"],
      ]);
      assert.equal(code, 1);
      assert.equal(
        stderr,
        `krew-wasm: The answer of the API server ${origin} broke off: the server closed the connection in the middle of it\n`,
      );
    }
  });
  await t.step("kubectl", async () => {
    const { kubectl } = findAssets()!;
    for (const name of [...names, "fine"]) {
      const { code, stderr } = await product.exec(kubectl, ["get", "--raw", `/${name}`]);
      const expected = BEHAVIOURS[name]?.kubectl ?? "succeeds";
      assert.equal(code === 0 ? "succeeds" : "fails", expected, `${name}: ${stderr}`);
    }
  });
  await decoy.shutdown();
});

testBinary("no interface lets a plugin name another user to the server", {
  ignore: clangMissing(),
}, async (t) => {
  const authority = await Authority.make();
  const pair = await authority.issue({ commonName: "kube-apiserver", hosts: ["127.0.0.1"] });
  const heads: string[] = [];
  using server = RawServer.start(async (exchange) => {
    heads.push(exchange.head);
    await readBody(exchange);
    await exchange.send(`${HEAD}content-length: 2\r\n\r\nok`);
  }, pair);
  const origin = `https://127.0.0.1:${server.port}`;
  using product = Product.make();
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(
    `${product.home}/.kube/config`,
    server.kubeconfig({ server: origin, "certificate-authority-data": btoa(authority.cert) }, {
      token: "the-users",
      as: "the-users-own",
    }),
  );
  for (const fixture of ["attack-interfaces", "attack-network", "kubernetes"]) {
    await installFixture(product, fixture, "--allow-cluster=full");
  }
  const headers: [string, string][] = [
    ["Authorization", "Bearer guest"],
    ["Impersonate-User", "guest"],
    ["Impersonate-Group", "system:masters"],
    ["impersonate-extra-scopes", "guest"],
    ["X-Remote-User", "guest"],
    ["X-Forwarded-For", "guest"],
    ["x_remote_user", "guest"],
    ["IMPERSONATE_USER", "guest"],
    ["X-Original-URL", "guest"],
    ["X-Rewrite-URL", "guest"],
    ["x_http_method_override", "guest"],
    ["X-Mine", "guest"],
    ["Cookie", "guest"],
    ["Proxy-Authorization", "guest"],
    ["Accept-Encoding", "guest"],
    ["Expect", "guest"],
    ["Kubectl-Command", "yes"],
  ];
  // wasi:http and fetch refuse these in the plugin, or drop them.
  const forbidden: [string, string][] = [
    ["Host", "guest"],
    ["Connection", "guest"],
    [
      "Transfer-Encoding",
      "guest",
    ],
    ["Upgrade", "guest"],
    ["TE", "guest"],
  ];
  const bin = `${product.store}/bin`;
  const flat = [...headers, ...forbidden].flat();
  const lines = [...headers, ...forbidden].map(([name, value]) => `${name}: ${value}\n`).join("");
  const runs: [via: string, program: string, args: string[]][] = [
    ["wasi:http", "attack_interfaces", ["fetch", "get", `${origin}/x`, "", ...headers.flat()]],
    ["krew-wasm:kubernetes, send", "attack_interfaces", ["send", "get", "/x", "", ...flat]],
    ["krew-wasm:kubernetes, upload", "attack_interfaces", ["upload", "post", "/x", "body", ...flat]],
    ["wasi-outbound-http", "attack_network", ["request", "get", `${origin}/x`, "", ...flat]],
    ["krew_wasm_kubernetes", "kubernetes", ["get", "/x", lines]],
  ];
  for (const [via, program, args] of runs) {
    await t.step(via, async () => {
      heads.length = 0;
      const { code, stdout, stderr } = await product.exec(`${bin}/kubectl-${program}`, args);
      assert.equal(code, 0, stdout + stderr);
      const [head = ""] = heads;
      assert.equal(heads.length, 1, `${stdout}${stderr}`);
      assert.match(head, /^authorization: Bearer the-users\r$/im);
      assert.match(head, /^impersonate-user: the-users-own\r$/im);
      assert.match(head, new RegExp(`^host: 127\\.0\\.0\\.1:${server.port}\r$`, "im"));
      assert.match(head, /^kubectl-command: yes\r$/im);
      assert.doesNotMatch(head, /guest|system:masters/);
    });
  }
  await t.step("line breaks", async () => {
    heads.length = 0;
    for (const broken of ["a\r\nx-injected: 1", "a\nx-injected: 1", "a\rx-injected: 1"]) {
      await product.exec(`${bin}/kubectl-attack_interfaces`, [
        ...["send", "get", "/x", "", "kubectl-command", broken, ","],
        ...["send", "get", "/x", "", `x-${broken}`, "1", ","],
        ...["send", `GET /y HTTP/1.1\r\nx-injected: 1\r\n\r\nGET`, "/x", "", ","],
        ...["send", "get", `/x?${broken}`, "", ","],
        ...["upload", "post", "/x", "body", "kubectl-command", broken, ","],
        ...["fetch", "get", `${origin}/x`, "", "kubectl-command", broken],
      ]);
      await product.exec(`${bin}/kubectl-attack_network`, [
        "request",
        "get",
        `${origin}/x`,
        "",
        "kubectl-command",
        broken,
      ]);
    }
    for (const head of heads) assert.doesNotMatch(head, /^x-injected/im);
  });
});

testBinary("a hanging credential plugin ends with the request's timeout", {
  ignore: clangMissing(),
}, async () => {
  using product = Product.make();
  await installFixture(product, "raw", "--allow-cluster=read-only");
  Deno.mkdirSync(`${product.home}/.kube`);
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: "./login",
    interactiveMode: "Never",
    installHint: "get it",
  };
  Deno.writeTextFileSync(
    `${product.home}/.kube/config`,
    JSON.stringify({
      "current-context": "x",
      clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:9" } }],
      users: [{ name: "u", user: { exec } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    }),
  );
  Deno.writeTextFileSync(
    `${product.home}/.kube/login`,
    `#!/bin/sh\necho $$ > ~/pid\necho S3CR3T\nexec sleep 600\n`,
    { mode: 0o755 },
  );
  const { code, stdout, stderr } = await product.shell("kubectl-raw /version --request-timeout=2s");
  assert.deepEqual([code, stdout], [1, ""], stderr);
  assert.doesNotMatch(stderr, /S3CR3T/);
  const runs = () => {
    try {
      // On a busy machine it may have ended before it could write the file.
      const pid = Deno.readTextFileSync(`${product.home}/pid`).trim();
      return Deno.readTextFileSync(`/proc/${pid}/cmdline`) !== "";
    } catch {
      return false;
    }
  };
  while (runs()) await new Promise((resolve) => setTimeout(resolve, 20));
});
