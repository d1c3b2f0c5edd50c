/** The process permissions that a run gives up take nothing from a user: every form of a kubeconfig still works. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { clangMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

interface Config {
  "current-context": string;
  clusters: { name: string; cluster: Record<string, unknown> }[];
  users: { name: string; user: Record<string, unknown> }[];
}

testBinary(
  "a plugin reaches its cluster with every form of kubeconfig",
  {
    ignore: clangMissing() || Deno.build.os === "windows",
  },
  async (t) => {
    await using api = await TestApiServer.start();
    using product = Product.make();
    const { home } = product;
    const plugin = await buildFixture("outbound");
    Deno.mkdirSync(`${home}/.kube`);
    Deno.writeTextFileSync(`${home}/ca.crt`, api.authority.cert);
    Deno.writeTextFileSync(`${home}/token`, api.token);
    const pair = await api.authority.issue({ commonName: "jane" });
    Deno.writeTextFileSync(`${home}/crt`, pair.cert);
    Deno.writeTextFileSync(`${home}/key`, pair.key);
    const apiVersion = "client.authentication.k8s.io/v1";
    const credential = JSON.stringify({ apiVersion, kind: "ExecCredential", status: { token: api.token } });
    Deno.writeTextFileSync(
      `${home}/credential`,
      `#!/bin/sh\necho "SECRET_OF_MINE=$SECRET_OF_MINE" >&2\necho '${credential}'\n`,
      { mode: 0o755 },
    );
    const exec = { apiVersion, command: `${home}/credential`, interactiveMode: "Never" };
    const cluster = (config: Config) => config.clusters[0]!.cluster;
    const caFile = (config: Config) => {
      delete cluster(config)["certificate-authority-data"];
      cluster(config)["certificate-authority"] = "../ca.crt";
    };
    const forms: Record<string, (config: Config) => void> = {
      "data and a token": () => {},
      "a file for the authority, relative": caFile,
      "a file for the token": (config) => config.users[0]!.user = { tokenFile: "../token" },
      "files for a client certificate": (config) => {
        config.users[0]!.user = {
          token: api.token,
          "client-certificate": `${home}/crt`,
          "client-key": "../key",
        };
      },
      "a credential plugin, with all of the user's environment": (config) => config.users[0]!.user = { exec },
      "another user's credential plugin": (config) => config.users.push({ name: "other", user: { exec } }),
      "no verification": (config) => {
        config.clusters[0]!.cluster = { server: api.server, "insecure-skip-tls-verify": true };
      },
      "another server name": (config) => cluster(config)["tls-server-name"] = "localhost",
    };
    const run = (line: string) => product.shell(line, { env: { SECRET_OF_MINE: "kept" } });
    for (const [form, change] of Object.entries(forms)) {
      await t.step(form, async () => {
        const config = JSON.parse(api.kubeconfig()) as Config;
        change(config);
        Deno.writeTextFileSync(`${home}/.kube/config`, JSON.stringify(config));
        const { code, stdout, stderr } = await run(`krew-wasm run ${plugin} ${api.server}/version`);
        assert.equal(code, 0, stderr);
        assert.match(stdout, /^200\n[^]*"gitVersion"/);
        assert.equal(stderr, form.startsWith("a credential plugin") ? "SECRET_OF_MINE=kept\n" : "");
      });
    }
    await t.step("a kubeconfig from a pipe", async () => {
      const line = `krew-wasm run ${plugin} ${api.server}/version --kubeconfig /dev/fd/3`;
      const { code, stderr } = await run(`cat ${home}/.kube/config | { exec 3<&0 </dev/null; ${line}; }`);
      assert.equal(code, 0, stderr);
    });
  },
);
