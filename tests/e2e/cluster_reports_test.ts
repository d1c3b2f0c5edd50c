/**
 * Public bug reports of other Kubernetes clients, tried with the binary and kubectl:
 * docs/maintainers/public-reports.md.
 */

import assert from "node:assert/strict";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { Authority, sec1Of } from "../../scripts/servers/certificates.ts";
import { controlPlaneMissing } from "../support/envtest.ts";
import { clangMissing } from "../support/product.ts";
import { TestProxy } from "../support/proxy.ts";
import { RawServer } from "../support/raw_server.ts";
import { type Result, SideBySide, type Situation } from "../support/side_by_side.ts";
import { testBinary } from "../support/test_binary.ts";

const EXEC = "client.authentication.k8s.io/v1";

testBinary("reports of other clients' users", {
  ignore: clangMissing() || controlPlaneMissing(),
}, async (t) => {
  await using api = await TestApiServer.start();
  api.hook = () => Response.json({ major: "1" });
  await using named = await TestApiServer.start({ hosts: ["localhost"] });
  using it = await SideBySide.start(api);
  using http = TestProxy.start("http");
  const other = await Authority.make("other");
  const leaf = await other.issue({ commonName: "kube-apiserver", hosts: ["127.0.0.1"] });
  using leafServer = RawServer.start(
    ({ send }) => send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
    leaf,
  );
  const client = await api.authority.issue({ commonName: "jane" });
  const ca = btoa(api.authority.cert);
  const config = (
    user: object = { token: "t0ken" },
    cluster: object = {},
    more: Record<string, unknown> = {},
  ): Record<string, unknown> => ({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "x",
    clusters: [{ name: "c", cluster: { server: api.server, "certificate-authority-data": ca, ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    ...more,
  });
  const json = JSON.stringify;
  const yaml = (config: Record<string, unknown>) =>
    Object.entries(config).map(([name, value]) => `${name}: ${json(value)}\n`).join("");
  const exec = (fields: object = {}, user: object = {}): Situation => ({
    config: config({
      exec: { apiVersion: EXEC, command: "./login", interactiveMode: "Never", ...fields },
      ...user,
    }),
    files: {
      ".kube/login": `#!/bin/sh\necho '${
        json({ apiVersion: EXEC, kind: "ExecCredential", status: { token: "of-exec" } })
      }'\n`,
    },
  });
  const wrapped = (text: string) => text.match(/.{1,76}/g)!.join("\n      ");
  const second = config({ token: "second" }, {}, { "current-context": "x" });
  const sec1 = await sec1Of(client.key);
  const cases: [
    report: string,
    result: Result,
    situation: Situation,
    proxied?: TestProxy,
    differs?: Result,
  ][] = [
    ["kubernetes/kubernetes#52919", "reached", {
      config: config({ tokenFile: "token" }),
      files: { ".kube/token": "t0ken\r\n\n" },
    }],
    ["kubernetes/kubernetes#87369", "reached", exec({}, { token: "stale" })],
    ["turkenh/KubeContext#3", "reached", exec({ env: null, args: null, installHint: null })],
    ["kube-rs/kube#2037", "reached", {
      ...exec({ command: "../.kube/./login" }),
      by: ["sh", "-c", 'cd / && exec "$@"', "sh"],
    }],
    [
      "kubernetes-client/python#1862",
      "reached",
      { config: config(undefined, { "proxy-url": http.url() }) },
      http,
    ],
    ["kubernetes-client/python#2180", "reached", {
      config: config(undefined, {}, { "current-context": "" }),
      files: { second: json(second) },
      env: { KUBECONFIG: "~/.kube/config:~/second" },
    }],
    ["fabric8io/kubernetes-client#6240", "reached", {
      config: config(),
      files: { second: json(second) },
      env: { KUBECONFIG: "~/gone:~/.kube/config:~/second" },
    }],
    ["hjacobs/kube-ops-view#133", "reached", {
      config: config(undefined, {}, { "current-context": undefined }),
      args: ["--context", "x"],
    }],
    ["janosmiko/lfk#23", "reached", {
      config: config(undefined, { "certificate-authority-data": "", "insecure-skip-tls-verify": true }),
    }],
    ["kubernetes/kubernetes#60464", "kubeconfig", {
      config: config(undefined, {}, {
        users: [{ name: "u", user: { token: "first" } }, { name: "u", user: { token: "last" } }],
      }),
    }],
    ["kubernetes-client/python#388", "reached", { config: config(undefined, { server: `${api.server}/` }) }],
    ["linkerd/linkerd2#2305", "reached", {
      config: config(undefined, { server: `${api.server}/k8s/clusters/c-1/` }),
      server: `${api.server}/k8s/clusters/c-1`,
    }],
    ["kr8s-org/kr8s#484", "reached", {
      config: yaml(config()).replace(json(ca), "CA").replace(
        /clusters: .*\n/,
        `clusters:\n- name: c\n  cluster:\n    server: ${api.server}\n    certificate-authority-data: |\n      ${
          wrapped(ca)
        }\n`,
      ),
    }],
    ["nklmilojevic/sofka#635", "reached", {
      config: yaml(config()).replace(
        /clusters: .*\n/,
        `clusters:\n- name: c\n  cluster:\n    server: ${api.server}\n    certificate-authority-data: !!binary |\n      ${
          wrapped(btoa(ca.match(/.{1,76}/g)!.join("\n")))
        }\n`,
      ),
    }],
    ["kube-rs/kube#542", "reached", {
      config: config({ "client-certificate-data": btoa(client.cert), "client-key-data": btoa(sec1) }),
    }],
    ["fabric8io/kubernetes-client#7956", "tls", {
      config: config(undefined, { "tls-server-name": "kubernetes.example" }),
    }],
    ["godaddy/kubernetes-client#274", "tls", {
      config: config(undefined, {
        server: named.server,
        "certificate-authority-data": btoa(named.authority.cert),
      }),
      server: named.server,
    }],
    [
      "kube-rs/kube#1767",
      "reached",
      {
        config: config(undefined, {
          server: `https://127.0.0.1:${leafServer.port}`,
          "certificate-authority-data": btoa(leaf.cert),
        }),
        server: `https://127.0.0.1:${leafServer.port}`,
      },
      undefined,
      "tls",
    ],
  ];
  for (const [report, result, situation, proxied, differs] of cases) {
    await t.step(report, async () => {
      http.seen.length = 0;
      const { kubectl, plugin, said } = await it.compare(situation);
      assert.equal(kubectl.result, result, said);
      if (differs) assert.equal(plugin.result, differs, said);
      else assert.deepEqual(plugin, kubectl, said);
      assert.equal(http.seen.length, proxied ? 2 : 0, "both go through the proxy");
    });
  }
});
