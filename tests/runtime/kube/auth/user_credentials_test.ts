import assert from "node:assert/strict";
import { openCluster } from "../../../../runtime/kube/open_cluster.ts";
import type { Connection } from "../../../../runtime/kube/config/connection.ts";
import { CredentialSource } from "../../../../runtime/kube/auth/user_credentials.ts";
import { parseExecCredential, runExecPlugin } from "../../../../runtime/kube/auth/credential_plugin.ts";
import { TestApiServer } from "../../../../scripts/servers/api_server.ts";
import { connectionTest, open } from "../../../support/connection.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

const V1 = "client.authentication.k8s.io/v1";

/** A connection with a shell script as credential plugin. */
function execConnection(script: string, fields: object = {}) {
  const directory = temporaryDirectory();
  Deno.writeTextFileSync(`${directory}/login`, `#!/bin/sh\ncd "${directory}"\n${script}\n`, { mode: 0o755 });
  const entry = {
    apiVersion: V1,
    command: "./login",
    args: [],
    env: [],
    provideClusterInfo: false,
    interactiveMode: "Never",
    installHint: undefined,
    ...fields,
  };
  const exec = { entry, where: "/k: users[0].exec", directory, config: undefined };
  return { exec, directory, connection: { server: "https://c.test", exec } as unknown as Connection };
}

const prints = (status: object) =>
  `echo '${JSON.stringify({ apiVersion: V1, kind: "ExecCredential", status })}'`;
const calls = (directory: string) => Deno.readTextFileSync(`${directory}/calls`).length / 2;

connectionTest(
  "a credential plugin runs once for concurrent callers until expiry",
  async () => {
    const { connection, directory } = execConnection(`echo x >> calls; sleep 0.1; ${prints({ token: "t" })}`);
    const source = new CredentialSource(connection);
    const all = await Promise.all(Array.from({ length: 50 }, () => source.get()));
    assert.deepEqual(new Set(all.map(({ authorization }) => authorization)), new Set(["Bearer t"]));
    await source.get();
    assert.equal(calls(directory), 1);
  },
);

connectionTest("refused credentials are renewed once for concurrent requests", async () => {
  const { connection, directory } = execConnection(`echo x >> calls; ${prints({ token: "t" })}`);
  const source = new CredentialSource(connection);
  const refused = await source.get();
  await Promise.all(Array.from({ length: 20 }, async () => {
    await source.renew(refused);
    await source.get();
  }));
  assert.equal(calls(directory), 2);
});

connectionTest(
  "an expired credential is renewed, and an already expired one used briefly",
  async () => {
    const clock = { now: Date.parse("2026-01-01T00:00:00Z") };
    const at = (milliseconds: number) => new Date(clock.now + milliseconds).toISOString();
    const sourceOf = (expirationTimestamp: string) => {
      const { connection, directory } = execConnection(
        `echo x >> calls; ${prints({ token: "t", expirationTimestamp })}`,
      );
      return { source: new CredentialSource(connection, undefined, () => clock.now), directory };
    };
    const expired = sourceOf(at(-60_000));
    const living = sourceOf(at(2000));
    const start = clock.now;
    // An already expired credential is used for one second.
    for (const [{ source, directory }, life] of [[expired, 1000], [living, 2000]] as const) {
      for (const [age, runs] of [[0, 1], [life - 1, 1], [life, 2]] as const) {
        clock.now = start + age;
        await source.get();
        assert.equal(calls(directory), runs, `living ${life} ms, after ${age}`);
      }
    }
  },
);

connectionTest(
  "a hanging credential plugin is killed when its last caller gives up",
  async () => {
    // A child process keeps the output open.
    const { connection, directory } = execConnection("echo $$ > pid; sleep 30 & wait");
    const source = new CredentialSource(connection);
    const [first, second] = [new AbortController(), new AbortController()];
    const waiting = [source.get(first.signal), source.get(second.signal)];
    for (const each of waiting) each.catch(() => {});
    let pid = "";
    while (pid === "") {
      await new Promise((resolve) => setTimeout(resolve, 10));
      pid = await Deno.readTextFile(`${directory}/pid`).catch(() => "");
    }
    const runs = () => Deno.statSync(`/proc/${pid.trim()}`).isDirectory;
    first.abort(new DOMException("over", "TimeoutError"));
    await assert.rejects(waiting[0]!, {
      code: "CREDENTIALS_FAILED",
      message: /did not answer within --request-timeout/,
    });
    assert.ok(runs(), "another request waits for it");
    second.abort(new Error("given up"));
    await assert.rejects(waiting[1]!, { message: "given up" });
    for (;;) {
      try {
        runs();
      } catch {
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  },
);

connectionTest(
  "endless or invalid output of a credential plugin is an error without it",
  async () => {
    const failing: [script: string, words: RegExp, fields?: object][] = [
      ["yes S3CR3T", /printed more than 1048576 bytes/],
      ["echo S3CR3T", /did not print an ExecCredential/],
      ["exit 3", /failed with exit code 3/],
      ["kill -9 $$", /failed with exit code 137/],
      [prints({ token: "S3CR3T x" }), /a token with characters that no token has/],
      [prints({ token: "S3CR3T", expirationTimestamp: "soon" }), /expirationTimestamp that is not a time/],
      [prints({ token: 5 }), /status.token that is not a string/],
      [prints({ clientKeyData: "S3CR3T" }), /a certificate or its key, but not both/],
      [prints({}), /neither a token nor a certificate/],
      [":", /needs a terminal/, { interactiveMode: "Always" }],
      [":", /was not found/, { command: "./gone" }],
      [":", /could not be started/, { command: "/" }],
    ];
    for (const [script, words, fields] of failing) {
      const { exec, connection } = execConnection(script, fields);
      await assert.rejects(
        runExecPlugin(exec, connection, new AbortController().signal, () => false),
        (error: Error & { code: string }) => {
          assert.equal(error.code, "CREDENTIALS_FAILED");
          assert.match(error.message, words);
          assert.ok(!error.message.includes("S3CR3T"));
          return true;
        },
      );
    }
  },
);

Deno.test("parseExecCredential() returns token, certificate and expiry", () => {
  const failed = (what: string) => new Error(what);
  const parse = (status: unknown, kind = "ExecCredential", apiVersion = V1) =>
    parseExecCredential(JSON.stringify({ kind, apiVersion, status }), V1, failed);
  assert.deepEqual(parse({ token: "t", expirationTimestamp: "2030-01-02T03:04:05Z" }), {
    token: "t",
    certificate: undefined,
    expires: Date.UTC(2030, 0, 2, 3, 4, 5),
  });
  assert.deepEqual(parse({ clientCertificateData: "c", clientKeyData: "k", token: "" }), {
    token: undefined,
    certificate: { cert: "c", key: "k" },
    expires: Infinity,
  });
  for (const status of [null, [], "x", 1]) assert.throws(() => parse(status));
  assert.throws(() => parse({ token: "t" }, "Other"));
  assert.throws(() => parse({ token: "t" }, "ExecCredential", `${V1}beta1`));
  assert.throws(() => parseExecCredential("[]", V1, failed));
});

connectionTest(
  "a credential plugin's mismatched pair is an error, not a crash",
  async () => {
    await using api = await TestApiServer.start();
    const [one, other] = await Promise.all(
      ["a", "b"].map((commonName) => api.authority.issue({ commonName })),
    );
    const directory = temporaryDirectory();
    const print = async (name: string, cert: string, key: string) => {
      const status = { clientCertificateData: cert, clientKeyData: key };
      const text = JSON.stringify({ apiVersion: V1, kind: "ExecCredential", status });
      await Deno.writeTextFile(`${directory}/${name}`, `#!/bin/sh\ncat <<'END'\n${text}\nEND\n`, {
        mode: 0o755,
      });
      const config = JSON.parse(api.kubeconfig());
      config.users[0].user = {
        exec: { apiVersion: V1, command: `${directory}/${name}`, interactiveMode: "Never" },
      };
      return (await (await open(JSON.stringify(config))).cluster()).send({
        method: "GET",
        url: "/version",
        headers: [],
      });
    };
    const fine = await print("fine", one!.cert, one!.key);
    assert.equal(fine.status, 401); // the server accepts tokens only
    await fine.body?.cancel();
    await assert.rejects(print("mismatch", one!.cert, other!.key), { code: "CREDENTIALS_FAILED" });
    await assert.rejects(
      print("garbage", one!.cert, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
      {
        code: "CREDENTIALS_FAILED",
      },
    );
  },
);

connectionTest(
  "a token file is reread, and its last token used while it is missing",
  async () => {
    await using api = await TestApiServer.start();
    const path = await Deno.makeTempFile();
    const config = JSON.parse(api.kubeconfig());
    config.users[0].user = { tokenFile: path };
    await Deno.writeTextFile(path, "old\n");
    const cluster = await (await open(JSON.stringify(config))).cluster();
    const status = async () => {
      const response = await cluster.send({ method: "GET", url: "/version", headers: [] });
      await response.body?.cancel();
      return response.status;
    };
    assert.equal(await status(), 401);
    await Deno.writeTextFile(path, `${api.token}\n`);
    assert.equal(await status(), 200);
    await Deno.remove(path);
    assert.equal(await status(), 200);
    assert.equal(api.seen.at(-1)?.headers.get("authorization"), `Bearer ${api.token}`);
  },
);

connectionTest(
  "inside of a Pod its service account is used, where no kubeconfig says otherwise",
  async () => {
    await using api = await TestApiServer.start();
    const serviceAccount = temporaryDirectory();
    const { hostname, port } = new URL(api.server);
    const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
    const access = (args: string[] = [], more: Record<string, string> = {}, home = "/none") =>
      openCluster({
        env: { ...env, ...more },
        args,
        home,
        cwd: "/",
        trace: () => {},
        serviceAccount,
      });
    await assert.rejects(access().cluster(), { code: "NO_CLUSTER" }); // the token is missing
    await Deno.writeTextFile(`${serviceAccount}/token`, `${api.token}\n`);
    await Deno.writeTextFile(`${serviceAccount}/ca.crt`, api.authority.cert);
    await Deno.writeTextFile(`${serviceAccount}/namespace`, "shop\n");
    const cluster = await access().cluster();
    assert.deepEqual([cluster.context, cluster.namespace, cluster.server], ["", "shop", api.server]);
    const response = await cluster.send({ method: "GET", url: "/version", headers: [] });
    assert.equal(response.status, 200);
    await response.body?.cancel();
    assert.equal((await access(["-n", "other"]).cluster()).namespace, "other");
    assert.equal((await access([], { POD_NAMESPACE: "pod" }).cluster()).namespace, "pod");
    const asOther = await access(["--as=eve"]).cluster();
    await (await asOther.send({ method: "GET", url: "/version", headers: [] })).body?.cancel();
    assert.equal(api.seen.at(-1)?.headers.get("impersonate-user"), "eve");
    assert.equal(
      (await access([], { KUBERNETES_SERVICE_HOST: "::1" }).cluster()).server,
      `https://[::1]:${port}`,
    );
    // A kubeconfig wins over the Pod's cluster and uses its namespace only. An empty one does not count.
    const home = temporaryDirectory();
    await Deno.mkdir(`${home}/.kube`);
    const config = JSON.parse(api.kubeconfig());
    delete config.contexts[0].context.namespace;
    await Deno.writeTextFile(`${home}/.kube/config`, JSON.stringify(config));
    const outside = await access([], {}, home).cluster();
    assert.deepEqual([outside.context, outside.namespace], ["demo", "shop"]);
    await Deno.writeTextFile(`${home}/.kube/config`, "");
    assert.equal((await access([], {}, home).cluster()).context, "");
  },
);
