import assert from "node:assert/strict";
import type { Cluster, ClusterRequest, ClusterResponse } from "../../../../runtime/kube/cluster.ts";
import {
  authorizeCluster,
  type ClusterLimits,
  type DeniedRequest,
} from "../../../../runtime/kube/allow/authorize_request.ts";
import {
  type ClusterGrant,
  type ClusterRule,
  parseRules,
  parseRuleWord,
} from "../../../../runtime/kube/allow/rules.ts";
import { askedRequest } from "../../../../runtime/kube/allow/asked_request.ts";
import { parseRequest } from "../../../../runtime/kube/allow/request_info.ts";
import { socketsTo } from "../../../../runtime/kube/sockets/raw_sockets.ts";

/** A cluster that records the requests that pass authorizeCluster(). */
function authorized(grant: ClusterGrant, deny: ClusterLimits["deny"] = false, server = "https://api:6443") {
  const sent: ClusterRequest[] = [];
  const asked: DeniedRequest[] = [];
  const behind: Cluster = {
    context: "c",
    server,
    namespace: "default",
    send(request) {
      sent.push(request);
      return Promise.resolve({ status: 200, headers: [], body: null });
    },
    sockets: () =>
      Promise.resolve({
        ...socketsTo({ host: "api.test", port: 443, addresses: ["10.0.0.1"] }),
        connect: () => Promise.reject(new Error("sockets")),
      }),
    tunnel: ({ method, url }) => Promise.reject(new Error(["tunnel", method, url].join(" "))),
    upgrade: ({ url, headers }) =>
      Promise.reject(new Error(["upgrade", url, ...headers.map(([name]) => name)].join(" "))),
  };
  const state: { limits: ClusterLimits; answer: boolean } = { limits: { grant, deny }, answer: false };
  const cluster = authorizeCluster(behind, "foo", () => state.limits, (denied) => {
    asked.push(denied);
    return state.answer;
  });
  const ask = (method: string, url: string, more: Partial<ClusterRequest> = {}): Promise<ClusterResponse> =>
    cluster.send({ method, url, headers: [], ...more });
  /** `METHOD URL` */
  const passes = async (line: string): Promise<boolean> => {
    const [method = "", url = ""] = line.split(" ");
    const { status, body } = await ask(method, url);
    await body?.cancel();
    return status === 200;
  };
  return { cluster, sent, asked, ask, passes, state };
}

async function check(
  { passes }: { passes: (line: string) => Promise<boolean> },
  allowed: readonly string[],
  refused: readonly string[],
) {
  for (const line of allowed) assert.ok(await passes(line), `${line} passes`);
  for (const line of refused) assert.ok(!await passes(line), `${line} is refused`);
}

const rule = (word: string): ClusterRule[] => parseRuleWord(word) ?? assert.fail(word);

Deno.test("none allows nothing, full allows everything", async () => {
  const lines = [
    "GET /version",
    "GET /api/v1/pods",
    "POST /api/v1/namespaces/a/pods",
    "DELETE /api/v1/nodes",
  ];
  await check(authorized("none"), [], lines);
  await check(authorized("full"), lines, []);
});

Deno.test("read-only allows reads and reviews of one's own rights", async () => {
  await check(authorized("read-only"), [
    "GET /version",
    "GET /metrics",
    "GET /api/v1/pods",
    "HEAD /api/v1/pods",
    "GET /api/v1/pods?watch=1",
    "GET /api/v1/namespaces/a/pods/b",
    "GET /api/v1/namespaces/a/pods/b/log?follow=1",
    "GET /api/v1/watch/pods",
    "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    "POST /apis/authentication.k8s.io/v1/selfsubjectreviews",
  ], [
    "POST /api/v1/namespaces/a/pods",
    "PUT /api/v1/namespaces/a/pods/b",
    "PATCH /api/v1/namespaces/a/pods/b",
    "DELETE /api/v1/namespaces/a/pods/b",
    "DELETE /api/v1/namespaces/a/pods",
    "OPTIONS /api/v1/pods",
    "POST /healthz",
    // requests that only look like reads
    "GET /api/v1/namespaces/a/pods/b/exec?command=sh",
    "GET /api/v1/namespaces/a/pods/b/attach",
    "GET /api/v1/namespaces/a/pods/b/portforward",
    "GET /api/v1/namespaces/a/pods/b/proxy/admin",
    "GET /api/v1/namespaces/a/services/b/proxy",
    "GET /api/v1/nodes/n/proxy/run/a/b/c",
    "GET /api/v1/proxy/namespaces/a/pods/b",
    "POST /api/v1/namespaces/a/serviceaccounts/b/token",
    "POST /apis/authorization.k8s.io/v1/subjectaccessreviews",
    "POST /apis/example.com/v1/selfsubjectaccessreviews",
    "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x",
    "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x/status",
  ]);
});

Deno.test("a dry run does not count as a write", async () => {
  const it = authorized("read-only");
  await check(it, [
    "POST /api/v1/namespaces/a/pods?dryRun=All",
    "PATCH /apis/apps/v1/namespaces/a/deployments/b?dryRun=All",
    "PUT /api/v1/namespaces/a/pods/b/status?dryRun=All",
    "DELETE /api/v1/namespaces/a/pods/b?dryRun=All",
    "DELETE /apis/networking.k8s.io/v1/namespaces/a/ingresses?dryRun=All",
  ], [
    "POST /api/v1/namespaces/a/pods?dryRun=",
    "POST /api/v1/namespaces/a/pods?dryRun=None",
    "POST /api/v1/namespaces/a/pods?dryRun=All&dryRun=None",
    "POST /api/v1/namespaces/a/pods?dryrun=All",
    "POST /api/v1/namespaces/a/pods?dryRun=All;",
    "POST /api/v1/namespaces/a/serviceaccounts/b/token?dryRun=All",
    "POST /api/v1/namespaces/a/pods/b/eviction?dryRun=All",
    "POST /api/v1/namespaces/a/pods/b/exec?dryRun=All",
    "POST /apis/aggregated.example.com/v1/things?dryRun=All",
  ]);
  await check(authorized({ rules: [] }), [], ["POST /api/v1/namespaces/a/pods?dryRun=All"]);
});

Deno.test("a DELETE's body overrides its query, as in the server", async () => {
  const it = authorized("read-only");
  const bytes = (text: string) => new TextEncoder().encode(text);
  const stream = (text: string) => new Blob([text]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>;
  const remove = async (
    query: string,
    body: ClusterRequest["body"],
    type = "application/json",
  ) =>
    (await it.ask("DELETE", `/api/v1/namespaces/a/pods/b${query}`, {
      ...(body === undefined ? {} : { body }),
      headers: [["Content-Type", type]],
    })).status;
  assert.equal(await remove("?dryRun=All", bytes("{}")), 403);
  assert.equal(await remove("?dryRun=All", stream("{}")), 403);
  assert.equal(await remove("?dryRun=All", bytes("dryRun: []"), "application/yaml"), 403);
  assert.equal(await remove("?dryRun=All", bytes('{"dryRun":["All"],"dryRun":[]}')), 400);
  assert.equal(await remove("?dryRun=All", bytes("k8s\0")), 400);
  assert.equal(await remove("?dryRun=All", bytes("k8s\0"), "application/vnd.kubernetes.protobuf"), 415);
  assert.equal(it.sent.length, 0);
  const { limits } = it.state;
  for (const each of [limits, { grant: "full", deny: false, bound: "read-only" } as const]) {
    it.state.limits = each;
    it.sent.length = 0;
    assert.equal(await remove("", bytes('{"dryRun":["All"]}')), 200);
    assert.equal(await remove("", stream('{"dryRun":["All"]}')), 200);
    assert.equal(await remove("", bytes("dryRun: [All]"), "application/yaml"), 200);
    assert.deepEqual(
      it.sent.map(({ body }) => new TextDecoder().decode(body as Uint8Array)),
      ['{"dryRun":["All"]}', '{"dryRun":["All"]}', '{"dryRun":["All"]}'],
      "what was understood is sent",
    );
  }
});

Deno.test("a refused request's body is read to its end", async () => {
  let chunks = 0;
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (++chunks < 100) return controller.enqueue(new Uint8Array(1000));
      controller.close();
      resolve();
    },
  });
  const { status } = await authorized("read-only").ask("POST", "/api/v1/namespaces/a/pods", { body });
  assert.equal(status, 403);
  await ended;
});

Deno.test("rules cover the requests that RBAC covers, and discovery", async () => {
  const rules = parseRules({
    rules: [
      { verbs: ["get", "list"], apiGroups: [""], resources: ["pods", "pods/log"], namespaces: ["a"] },
      { verbs: ["*"], apiGroups: ["apps"], resources: ["*/scale"] },
      { verbs: ["get", "watch"], apiGroups: [""], resources: ["secrets"], resourceNames: ["db"] },
      { verbs: ["get"], nonResourceURLs: ["/metrics", "/logs/*"] },
      { verbs: ["patch"], apiGroups: ["*"], resources: ["*"], namespaces: ["b"] },
    ],
  });
  await check(authorized({ rules }), [
    "GET /api",
    "GET /apis/apps/v1",
    "GET /openapi/v3",
    "GET /version",
    "GET /readyz",
    "GET /version/",
    "GET /api/v1/namespaces/a/pods",
    "GET /api/v1/namespaces/a/pods/x/log",
    "PUT /apis/apps/v1/namespaces/c/deployments/d/scale",
    "GET /api/v1/namespaces/c/secrets/db",
    "GET /api/v1/secrets?watch=1&fieldSelector=metadata.name%3Ddb",
    "GET /metrics",
    "GET /logs/kube.log",
    "PATCH /apis/any.thing/v1/namespaces/b/widgets/w/status",
  ], [
    "GET /api/v1/pods",
    "GET /api/v1/namespaces/b/pods",
    "GET /api/v1/namespaces/a/pods?watch=1",
    "DELETE /api/v1/namespaces/a/pods/x",
    "GET /api/v1/namespaces/a/pods/x/status",
    "GET /apis/metrics.k8s.io/v1/namespaces/a/pods",
    "PUT /apis/apps/v1/namespaces/c/deployments/d",
    "GET /api/v1/namespaces/c/secrets/other",
    "GET /api/v1/secrets?watch=1",
    "GET /api/v1/secrets?fieldSelector=metadata.name%3Ddb",
    "GET /logs",
    "POST /metrics",
    "PATCH /api/v1/nodes/n",
    "POST /api",
    // RBAC gives these to nobody: system:discovery allows only GET, and no part of a health check.
    "HEAD /version",
    "GET /healthz/etcd",
    "GET /livez/ping",
    "GET /apiserver",
  ]);
});

Deno.test("a rule with namespaces covers no cluster-wide request", async () => {
  await check(authorized({ rules: rule("get,list:*@*") }), ["GET /api/v1/namespaces/a/pods"], [
    "GET /api/v1/nodes/n",
    "GET /api/v1/pods",
    "GET /apis/rbac.authorization.k8s.io/v1/clusterroles",
  ]);
});

Deno.test("exec requires create, and get as well for a GET", async () => {
  const exec = [
    "GET /api/v1/namespaces/a/pods/b/exec?command=sh",
    "POST /api/v1/namespaces/a/pods/b/exec?command=sh",
  ];
  await check(authorized({ rules: rule("get,create:pods/exec") }), exec, []);
  await check(authorized({ rules: rule("create:pods/exec") }), [exec[1]!], [exec[0]!]);
  await check(authorized({ rules: rule("get:pods/exec") }), [], exec);
  await check(authorized({ rules: rule("get:*") }), ["GET /api/v1/namespaces/a/pods/b"], exec);
});

Deno.test("a denial wins, also over a broader request that would reveal its objects", async () => {
  await check(authorized("full", rule("get,list,watch:secrets@kube-system")), [
    "GET /api/v1/namespaces/a/secrets",
  ], [
    "GET /api/v1/namespaces/kube-system/secrets",
    "GET /api/v1/secrets",
    "GET /api/v1/secrets?watch=1",
  ]);
  await check(authorized("full", rule("*:secrets[db]")), ["GET /api/v1/namespaces/a/secrets/other"], [
    "GET /api/v1/namespaces/a/secrets/db",
    "GET /api/v1/namespaces/a/secrets",
    "DELETE /api/v1/namespaces/a/secrets",
  ]);
  await check(authorized("full", true), [], ["GET /version"]);
  const it = authorized("full", rule("delete:*"));
  it.state.answer = true;
  assert.ok(await it.passes("GET /api/v1/nodes/n"));
  await it.passes("DELETE /api/v1/nodes/n");
  assert.deepEqual(it.asked.map(({ denied }) => denied), [true]);
});

Deno.test("no spelling of a path gets around the rules", async () => {
  const it = authorized({ rules: rule("get,list:pods@a") });
  await check(it, ["GET /api/v1/namespaces/a/pods/", "GET /api/v1/namespaces/%61/pods"], [
    "GET /api/v1/namespaces/b/pods/",
    "GET /api/v1/namespaces/%62/pods",
    "GET /api/v1/n%61mespaces/b/pods",
    "GET /api/v1/namespaces/A/pods",
    "GET /api/v1/Namespaces/a/pods",
  ]);
  for (
    const path of [
      "/api/v1/namespaces/a/../b/pods",
      "/api/v1/namespaces/a/%2e%2e/b/pods",
      "/api/v1/namespaces/a%2f..%2fb/pods",
      "//api/v1/namespaces/b/pods",
      "/api/v1//namespaces/b/pods",
      "/api/v1/namespaces/a/pods/..%2f..%2fb",
      "/api/v1\\namespaces/b/pods",
      "https://evil:6443/api/v1/namespaces/a/pods",
    ]
  ) await assert.rejects(it.ask("GET", path), { code: "DESTINATION_REFUSED" }, path);
  for (const path of ["/api/v1/namespaces/%ff/pods", "/api/v1/watch"]) {
    await assert.rejects(it.ask("GET", path), { code: "REQUEST_INVALID" }, path);
  }
  await assert.rejects(it.ask("DELETE", "/api/v1/watch/namespaces/a/pods/b"), { code: "REQUEST_INVALID" });
  // The server has one verb for this path, whatever the method. A rule for reading through the proxy does not allow
  // POST.
  const proxy = authorized({ rules: rule("proxy:pods") });
  assert.ok(await proxy.passes("GET /api/v1/proxy/namespaces/a/pods/b"));
  await assert.rejects(proxy.ask("POST", "/api/v1/proxy/namespaces/a/pods/b"), { code: "REQUEST_INVALID" });
});

Deno.test("rules do not see the server's own path", async () => {
  const it = authorized({ rules: rule("list:pods@a") }, false, "https://rancher/k8s/clusters/c1");
  await check(it, [
    "GET /api/v1/namespaces/a/pods",
    "GET https://rancher/k8s/clusters/c1/api/v1/namespaces/a/pods",
  ], [
    "GET /api/v1/namespaces/b/pods",
  ]);
});

Deno.test("a refused request gets the API server's Status in krew-wasm's name", async () => {
  const it = authorized("read-only");
  const { status, headers, body } = await it.ask("DELETE", "/apis/apps/v1/namespaces/a/deployments/web");
  assert.equal(status, 403);
  assert.equal(new Map(headers).get("content-type"), "application/json");
  assert.deepEqual(await new Response(body).json(), {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message:
      `deployments.apps "web" is forbidden: krew-wasm does not let the plugin "foo" delete deployments.apps "web" in the namespace "a": it is not granted (krew-wasm grants foo '--allow-cluster=delete:deployments.apps[web]@a' allows it)`,
    reason: "Forbidden",
    details: { name: "web", group: "apps", kind: "deployments" },
    code: 403,
  });
  const head = await authorized("none").ask("HEAD", "/api/v1/pods");
  assert.deepEqual([head.status, head.body], [403, null]);
  const evil = await it.ask("DELETE", "/api/v1/namespaces/a/pods/%1b%5b2J%e2%80%ae");
  const text = await new Response(evil.body).text();
  assert.match(JSON.parse(text).message, /\\x1b\[2J/);
});

Deno.test("a new grant applies from the next request on", async () => {
  const it = authorized("none");
  assert.ok(!await it.passes("GET /api/v1/pods"));
  it.state.answer = true;
  assert.ok(await it.passes("GET /api/v1/pods"), "once");
  it.state.answer = false;
  it.state.limits = { grant: "full", deny: false };
  assert.ok(await it.passes("GET /api/v1/pods"));
});

Deno.test("sockets require the full grant", async () => {
  await assert.rejects(
    authorized("full").cluster.sockets().then((sockets) => sockets.connect("10.0.0.1", 443)),
    { message: "sockets" },
  );
  for (const grant of ["none", "read-only", { rules: rule("*:*") }] as const) {
    await assert.rejects(
      authorized(grant).cluster.sockets().then((sockets) => sockets.connect("10.0.0.1", 443)),
      { code: "DESTINATION_REFUSED" },
    );
  }
  const none = authorized("none");
  await assert.rejects(none.cluster.sockets().then((sockets) => sockets.connect("10.0.0.1", 443)));
  assert.deepEqual(none.asked.map(({ rule, denied }) => [rule, denied]), [["full", false]]);
  none.state.answer = true;
  await assert.rejects(none.cluster.sockets().then((sockets) => sockets.connect("10.0.0.1", 443)), {
    message: "sockets",
  });
  const denied = authorized("full", rule("get:secrets"));
  await assert.rejects(denied.cluster.sockets().then((sockets) => sockets.connect("10.0.0.1", 443)), {
    code: "DESTINATION_REFUSED",
  });
  denied.state.limits = { grant: "full", deny: false, bound: "read-only" };
  await assert.rejects(denied.cluster.sockets().then((sockets) => sockets.connect("10.0.0.1", 443)), {
    code: "DESTINATION_REFUSED",
  });
  // Nobody can grant what a denial or the administrator's bound forbids.
  assert.deepEqual(denied.asked.map(({ rule, denied }) => [rule, denied]), [[undefined, true], [
    undefined,
    true,
  ]]);
});

Deno.test("parseRuleWord() parses askedRequest()'s text as the missing rule", async () => {
  for (
    const line of [
      "DELETE /api/v1/namespaces/a/pods/b",
      "GET /apis/apps/v1/deployments",
      "PUT /apis/apps/v1/namespaces/a/deployments/b/scale",
      "GET /metrics",
      "GET /apis/metrics.k8s.io/v1beta1/nodes",
    ]
  ) {
    const [method = "", path = ""] = line.split(" ");
    const word = askedRequest(parseRequest(method, path, ""))!.word;
    const it = authorized({ rules: rule(word) });
    assert.ok(await it.passes(line), `${word} for ${line}`);
  }
  for (
    const text of [
      "",
      "get",
      "get:",
      ":pods",
      "get:po ds",
      "c:/rules.yaml",
      "get:pods@",
      "get:pods,",
      "GET:pods",
    ]
  ) {
    assert.equal(parseRuleWord(text), undefined, text);
  }
});

Deno.test("parseRules() names the invalid field", () => {
  for (
    const [rules, message] of [
      [undefined, "rules is missing"],
      [[{}], "rules[0].verbs is missing"],
      [[{ verbs: ["get"] }], "rules[0].apiGroups is missing"],
      [[{ verbs: ["get"], apiGroups: [""] }], "rules[0].resources is missing"],
      [
        [{ verbs: ["get"], apiGroups: [""], resources: ["pods"], namespaces: [] }],
        "rules[0].namespaces is empty",
      ],
      [
        [{ verbs: ["get"], apiGroups: [""], resources: ["pods"], namespace: ["a"] }],
        "rules[0].namespace is not a field",
      ],
      [[{ verbs: ["get"], nonResourceURLs: ["/a*b"] }], "rules[0].nonResourceURLs"],
      [
        [{ verbs: ["get"], nonResourceURLs: ["/a"], resources: ["pods"] }],
        "rules[0] has nonResourceURLs beside",
      ],
      [[{ verbs: "get" }], "rules[0].verbs is not a list"],
      [[null], "rules[0] is no object"],
    ] as const
  ) {
    assert.throws(() => parseRules({ rules }), (error: Error) => error.message.includes(message), message);
  }
});

Deno.test("an upgrade into a container requires create", async () => {
  const url = "/api/v1/namespaces/default/pods/web/exec?command=sh";
  const request = { url, headers: [], protocols: ["v5.channel.k8s.io"] };
  await assert.rejects(authorized("full").cluster.upgrade(request), { message: `upgrade ${url}` });
  for (const grant of ["none", "read-only"] as const) {
    const answer = await authorized(grant).cluster.upgrade(request);
    assert.equal("refused" in answer && answer.refused.status, 403);
  }
  const denied = await authorized("full", rule("create:pods/exec")).cluster.upgrade(request);
  assert.equal("refused" in denied && denied.refused.status, 403);
});

Deno.test("read-only allows no upgrade", async () => {
  const request = { url: "/api/v1/namespaces/a/pods/b/log", headers: [], protocols: [] };
  const looking = await authorized("read-only").cluster.upgrade(request);
  assert.equal("refused" in looking && looking.refused.status, 403);
  const it = authorized({ rules: rule("get:pods/log"), readOnly: true });
  await assert.rejects(it.cluster.upgrade(request), { message: `upgrade ${request.url}` });
});

Deno.test("the administrator's bound wins over grants, without a question", async () => {
  const it = authorized("full");
  it.state.limits = { grant: "full", deny: false, bound: { rules: rule("get,list:pods@a") } };
  it.state.answer = true;
  await check(it, ["GET /version", "GET /api/v1/namespaces/a/pods"], []);
  it.state.answer = false;
  await check(it, [], ["GET /api/v1/namespaces/b/pods", "DELETE /api/v1/namespaces/a/pods/x"]);
  assert.ok(it.asked.every(({ denied, policy }) => denied && policy));
  it.state.limits = { grant: "none", deny: false, bound: "read-only" };
  await check(it, [], ["GET /api/v1/namespaces/a/pods"]);
  await assert.rejects(it.cluster.sockets().then((sockets) => sockets.connect("10.0.0.1", 443)), {
    code: "DESTINATION_REFUSED",
  });
});
