/** Go programs that accept connections, built by `krew-wasm build`: where they may, and what others see. */

import assert from "node:assert/strict";
import { canBuildGo } from "../../scripts/fixtures.ts";
import { hasIpv6, TestApiServer } from "../../scripts/servers/api_server.ts";
import { ExecServer } from "../support/exec_server.ts";
import { buildGoPlugin } from "../support/go_plugin.ts";
import { startKubelet } from "../support/kubelet.ts";
import { Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

/** A command that runs; its stdin is open. */
function start(product: Product, line: string) {
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", `exec ${line}`],
    clearEnv: true,
    env: product.env(),
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let told = "";
  return {
    /** The port in the first line that names one. */
    async port(): Promise<number> {
      for (;;) {
        const [, port] = /127\.0\.0\.1:(\d+).*\n/.exec(told) ?? [];
        if (port !== undefined) return Number(port);
        told += (await reader.read()).value ?? assert.fail(told);
      }
    },
    /** Ends its input, and returns all of its output and its exit code. */
    async end(): Promise<[code: number, stdout: string]> {
      await child.stdin.close();
      for (let next = await reader.read(); !next.done; next = await reader.read()) told += next.value;
      return [(await child.status).code, told];
    },
  };
}

async function exchange(port: number, text: string, hostname = "127.0.0.1"): Promise<string> {
  const connection = await Deno.connect({ hostname, port });
  await connection.write(new TextEncoder().encode(text));
  await connection.closeWrite();
  return await new Response(connection.readable).text();
}

/** A port that was free a moment ago. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

testBinary("build: a Go program accepts connections from this machine where a grant lets it", {
  ignore: !canBuildGo(),
}, async (step) => {
  await using kubelet = await startKubelet();
  await using api = await TestApiServer.start();
  const server = new ExecServer();
  server.kubelet = kubelet.port;
  api.hook = (request, url) =>
    request.headers.get("authorization") === `Bearer ${api.token}` ? server.hook(request, url) : undefined;
  using product = Product.make();
  const { native } = await buildGoPlugin(product);
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());
  const granting = (ports: string | number) => `krew-wasm run --allow-listen=${ports} plain --`;

  await step.step("an HTTP server, which ends as the native one does", async () => {
    for (const program of [`${granting(0)}`, native]) {
      const child = start(product, `${program} serve 127.0.0.1:0`);
      const port = await child.port();
      const response = await fetch(`http://127.0.0.1:${port}/a/b`);
      assert.equal(await response.text(), "GET /a/b true true\n");
      assert.deepEqual(await child.end(), [0, `127.0.0.1:${port}\nclosed\n`]);
    }
  });

  await step.step("port-forward of client-go", async () => {
    const port = freePort();
    const child = start(product, `${granting(port)} forward ${port}`);
    assert.equal(await child.port(), port);
    for (const text of ["select 1", "select 2"]) {
      assert.equal(await exchange(port, text), `port 5432: ${text.toUpperCase()}`);
    }
    if (hasIpv6()) assert.equal(await exchange(port, "six", "::1"), "port 5432: SIX");
    const large = "x".repeat(1_000_000);
    assert.equal((await exchange(port, large)).length, "port 5432: ".length + large.length);
    const [code, told] = await child.end();
    assert.equal(code, 0);
    assert.match(told, /^Forwarding from 127\.0\.0\.1:\d+ -> 5432\n/);
    assert.match(told, /Handling connection for \d+\n/);
  });

  await step.step("no grant, another port, another address: refused, and told", async () => {
    const port = freePort();
    const refused = (place: string, hint = `pass --allow-listen=${place.split(":").at(-1)}`) =>
      `true listen tcp ${place}: krew-wasm: The plugin was not allowed to accept connections at ${place} (${hint})\n`;
    const elsewhere = (place: string) =>
      `true listen tcp ${place}: krew-wasm: A plugin may accept connections from this machine only, not at ${place} (use 127.0.0.1 or ::1)\n`;
    const none = await product.shell(`krew-wasm run plain -- listen 127.0.0.1:${port} 127.0.0.1:0`);
    assert.equal(none.stdout, refused(`127.0.0.1:${port}`) + refused("127.0.0.1:0"));
    assert.match(
      none.stderr,
      new RegExp(
        `^krew-wasm: plain was not allowed to accept connections from this machine at 127\\.0\\.0\\.1:${port}; .*` +
          `; to allow it: krew-wasm grants plain --allow-listen=${port} --allow-listen=0\n$`,
      ),
    );
    const other = await product.shell(`${granting(port)} listen 127.0.0.1:0 127.0.0.1:1 127.0.0.1:${port}`);
    assert.equal(other.stdout, `${refused("127.0.0.1:0")}${refused("127.0.0.1:1")}false <nil>\n`);
    const wide = await product.shell(
      `krew-wasm run --allow-listen='*' plain -- listen 0.0.0.0:${port} [::]:${port} 192.0.2.1:${port} 127.0.0.2:${port}`,
    );
    assert.equal(
      wide.stdout,
      // Go takes the IPv4 form of the unspecified address.
      ["0.0.0.0", "0.0.0.0", "192.0.2.1", "127.0.0.2"].map((address) => elsewhere(`${address}:${port}`)).join(
        "",
      ),
    );
    const denied = await product.shell(
      `krew-wasm run --allow-listen='*' --deny-listen plain -- listen 127.0.0.1:${port}`,
    );
    assert.equal(denied.stdout, refused(`127.0.0.1:${port}`));
    assert.match(denied.stderr, /its grants, or the administrator of this machine, deny that\n$/);
  });

  await step.step("a port in use, as the native program words it", async () => {
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const place = `127.0.0.1:${taken.addr.port}`;
    const own = await product.shell(`${granting("'*'")} listen ${place}`);
    assert.deepEqual(own, await product.shell(`${native} listen ${place}`));
    assert.match(own.stdout, /address already in use/);
  });

  await step.step("a lasting grant is shown, and its use is recorded", async () => {
    const port = freePort();
    const changed = await product.run("grants", "plain", `--allow-listen=${port}`);
    assert.equal(changed.code, 0, changed.stderr);
    const shown = await product.run("grants", "plain");
    assert.match(
      shown.stdout,
      new RegExp(`listen +accept connections from this machine at port ${port} +! every`),
    );
    const allowed = await product.shell(`kubectl-plain listen 127.0.0.1:${port}`);
    assert.deepEqual(allowed, { code: 0, stdout: "false <nil>\n", stderr: "" });
    assert.match((await product.run("log")).stdout, /accept connections from this machine at 127\.0\.0\.1:1/);
  });
});
