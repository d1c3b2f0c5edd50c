/** Under what-if nothing changes on a real API server, whatever a plugin sends. */

import assert from "node:assert/strict";
import { openCluster } from "../../runtime/kube/open_cluster.ts";
import type { ClusterRequest } from "../../runtime/kube/cluster.ts";
import { whatIfCluster, type WhatIfRecord } from "../../runtime/kube/what_if/what_if_cluster.ts";
import { corpusUrls, METHODS } from "../support/corpus.ts";
import { ControlPlane, controlPlaneMissing } from "../support/envtest.ts";

const DEPLOYMENT = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web", namespace: "demo" },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: "web" } },
    template: {
      metadata: { labels: { app: "web" } },
      spec: { containers: [{ name: "web", image: "web:1" }] },
    },
  },
};
const POD = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", namespace: "demo" },
  spec: { containers: [{ name: "web", image: "web:1" }] },
};
const CRD = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.example.com" },
  spec: {
    group: "example.com",
    names: { plural: "widgets", singular: "widget", kind: "Widget" },
    scope: "Namespaced",
    versions: [{
      name: "v1",
      served: true,
      storage: true,
      schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
    }],
  },
};
const WIDGET = {
  apiVersion: "example.com/v1",
  kind: "Widget",
  metadata: { name: "w", namespace: "demo" },
  size: 1,
};
const OTHERS = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "demo" } },
  { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace: "demo" } },
  { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "web", namespace: "demo" }, data: { a: "1" } },
  { apiVersion: "v1", kind: "Secret", metadata: { name: "web", namespace: "demo" }, stringData: { a: "1" } },
  // An aggregated server that nobody serves: its requests are never tried.
  {
    apiVersion: "apiregistration.k8s.io/v1",
    kind: "APIService",
    metadata: { name: "v1.metrics.example.com" },
    spec: {
      group: "metrics.example.com",
      version: "v1",
      groupPriorityMinimum: 100,
      versionPriority: 100,
      insecureSkipTLSVerify: true,
      service: { name: "metrics", namespace: "demo" },
    },
  },
];

/** All objects that a person could change. The server itself writes leases and events. */
async function snapshot(plane: ControlPlane): Promise<string> {
  const kinds = (await plane.run("api-resources", "--verbs=list", "-o", "name")).trim().split("\n")
    .filter((name) => !/^(?:events|leases)\b|^componentstatuses|metrics\.example\.com/.test(name));
  const text = await plane.run("get", kinds.join(","), "-A", "-o", "json");
  const { items } = JSON.parse(text);
  // Whether an aggregated server answers changes by itself.
  return JSON.stringify(items.filter(({ kind }: { kind: string }) => kind !== "APIService"), null, 1);
}

Deno.test("under what-if nothing changes on the API server", {
  ignore: controlPlaneMissing(),
  sanitizeResources: false,
}, async (t) => {
  await using plane = await ControlPlane.start({ audit: true });
  const home = await Deno.makeTempDir();
  const access = openCluster({
    env: { KUBECONFIG: plane.kubeconfig },
    args: [],
    home,
    cwd: home,
    trace: () => {},
  });
  const real = await access.cluster();
  const record: WhatIfRecord = { tried: [], refused: [] };
  const cluster = whatIfCluster(real, record);
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const post = async (path: string, value: unknown) => {
    const response = await real.send({
      method: "POST",
      url: path,
      headers: [["content-type", "application/json"]],
      body: json(value),
    });
    const text = await new Response(response.body).text();
    assert.ok(response.status < 300 || response.status === 409, text);
  };
  const urlOf = ({ apiVersion, kind, metadata }: { apiVersion: string; kind: string; metadata: object }) => {
    const base = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const { namespace } = metadata as { namespace?: string };
    return `${base}/${namespace === undefined ? "" : `namespaces/${namespace}/`}${kind.toLowerCase()}s`;
  };
  for (const each of [...OTHERS, POD, DEPLOYMENT, CRD]) await post(urlOf(each), each);
  await plane.run("wait", "--for=condition=Established", "crd/widgets.example.com");
  await post(urlOf(WIDGET), WIDGET);
  const before = await snapshot(plane);
  const started = new Date().toISOString();

  const send = async (
    method: string,
    url: string,
    value?: unknown,
    headers: ClusterRequest["headers"] = [],
  ) => {
    const type = headers.some(([name]) => name === "content-type")
      ? []
      : [["content-type", "application/json"]] as const;
    const response = await cluster.send({
      method,
      url,
      headers: [...headers, ...type],
      ...(value === undefined ? {} : { body: value instanceof Uint8Array ? value.slice() : json(value) }),
    });
    return { status: response.status, text: await new Response(response.body).text() };
  };

  await t.step("writes are answered as if they had happened", async () => {
    const web = "/apis/apps/v1/namespaces/demo/deployments/web";
    const merge = [["content-type", "application/merge-patch+json"]] as const;
    const patched = await send("PATCH", web, { spec: { replicas: 5 } }, merge);
    assert.equal(JSON.parse(patched.text).spec.replicas, 5, patched.text);
    assert.equal(
      (await send("PUT", `${web}?dryRun=`, { ...DEPLOYMENT, spec: { ...DEPLOYMENT.spec, replicas: 3 } }))
        .status,
      200,
    );
    const scale = {
      apiVersion: "autoscaling/v1",
      kind: "Scale",
      metadata: { name: "web", namespace: "demo" },
      spec: { replicas: 9 },
    };
    assert.equal((await send("PUT", `${web}/scale`, scale)).status, 200);
    assert.equal((await send("DELETE", web)).status, 200);
    // The options in the body say that it is no dry run.
    const options = { kind: "DeleteOptions", apiVersion: "v1", dryRun: [], propagationPolicy: "Background" };
    assert.equal((await send("DELETE", `${web}?dryRun=`, options)).status, 200);
    assert.equal((await send("DELETE", "/api/v1/namespaces/demo/configmaps", options)).status, 200);
    assert.equal((await send("DELETE", "/api/v1/namespaces/demo")).status, 200);
    const made = await send("POST", "/api/v1/namespaces/demo/configmaps", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { generateName: "new-" },
    });
    assert.equal(made.status, 201, made.text);
    const apply = [["content-type", "application/apply-patch+yaml"]] as const;
    const yaml = new TextEncoder().encode("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\n");
    const url = "/api/v1/namespaces/demo/configmaps/applied?fieldManager=x&force=true";
    assert.equal((await send("PATCH", url, yaml, apply)).status, 201);
    const eviction = {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name: "web", namespace: "demo" },
    };
    for (
      const more of [{}, { deleteOptions: { dryRun: [] } }, { deleteOptions: { gracePeriodSeconds: 0 } }]
    ) {
      const evicted = await send("POST", "/api/v1/namespaces/demo/pods/web/eviction", {
        ...eviction,
        ...more,
      });
      assert.equal(evicted.status, 201, evicted.text);
    }
    const widget = "/apis/example.com/v1/namespaces/demo/widgets/w";
    assert.equal((await send("PATCH", widget, { size: 2 }, merge)).status, 200);
    assert.equal((await send("DELETE", widget)).status, 200);
    // A client that speaks protobuf gets it, and the record has the object.
    const accept = [["accept", "application/vnd.kubernetes.protobuf"], ...merge] as const;
    const packed = await send(
      "PATCH",
      "/api/v1/namespaces/demo/configmaps/web",
      { data: { a: "2" } },
      accept,
    );
    assert.match(packed.text, /^k8s\0/);
    assert.deepEqual(record.tried.at(-1)!.after!.data, { a: "2" });
    assert.deepEqual(record.tried.at(-1)!.before!.data, { a: "1" });
    const metadata = [
      ["accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"],
      ...merge,
    ] as const;
    assert.equal((await send("PATCH", web, { spec: { replicas: 0 } }, metadata)).status, 200);
    assert.equal((record.tried.at(-1)!.after!.spec as { replicas: number }).replicas, 0);
    // The plugin gives up as soon as it has sent the write.
    const abort = new AbortController();
    const given = cluster.send({ method: "DELETE", url: web, headers: [], signal: abort.signal });
    await new Promise((done) => setTimeout(done, 0));
    abort.abort();
    await given.then(({ body }) => body?.cancel(), () => {});
    assert.equal(record.tried.at(-1)!.verb, "delete");
    const missing = await send("PATCH", "/api/v1/namespaces/none/configmaps/x", {}, merge);
    assert.equal(missing.status, 404);
    assert.match(record.refused.at(-1)!.why, /the API server answered 404/);
    const [first] = record.tried;
    assert.equal((first!.before!.spec as { replicas: number }).replicas, 1);
    assert.equal((first!.after!.spec as { replicas: number }).replicas, 5);
  });

  await t.step("what cannot be tried is refused", async () => {
    for (
      const [method, url] of [
        ["POST", "/apis/metrics.example.com/v1/nodes"],
        ["POST", "/apis/nowhere.example.com/v1/things"],
        ["POST", "/api/v1/namespaces/demo/serviceaccounts/default/token"],
        ["POST", "/api/v1/namespaces/demo/pods/web/exec?command=rm"],
        ["GET", "/api/v1/namespaces/demo/pods/web/proxy/"],
        ["PUT", "/api/v1/namespaces/demo/finalize"],
      ] as const
    ) assert.equal((await send(method, url, method === "GET" ? undefined : {})).status, 403, url);
    assert.equal(
      (await send("DELETE", "/api/v1/namespaces/demo/pods/web", new Uint8Array([107, 56, 115, 0]), [[
        "content-type",
        "application/vnd.kubernetes.protobuf",
      ]])).status,
      403,
    );
    const url = "/api/v1/namespaces/demo/pods/web/exec";
    assert.ok("refused" in await cluster.upgrade({ url, headers: [], protocols: [] }));
    assert.ok("refused" in await cluster.tunnel({ method: "POST", url, headers: [], protocol: "spdy/3.1" }));
  });

  await t.step("every resource and method of the API server's OpenAPI", async () => {
    const openapi = JSON.parse(await plane.run("get", "--raw", "/openapi/v2"));
    const requests = corpusUrls(openapi).filter((url) => !/[?&](?:watch|follow)=/.test(url))
      .flatMap((url) =>
        METHODS.filter((method) => !/GET|HEAD|OPTIONS/.test(method)).map((method) => ({ method, url }))
      );
    assert.ok(requests.length > 1000);
    const types: Readonly<Record<string, string>> = { PATCH: "application/merge-patch+json" };
    await Promise.all(Array.from({ length: 8 }, async () => {
      for (let next = requests.pop(); next; next = requests.pop()) {
        const { method, url } = next;
        const value = method === "PATCH"
          ? { metadata: { labels: { changed: "yes" } } }
          : method === "DELETE"
          ? undefined
          : {};
        try {
          await send(method, url, value, [["content-type", types[method] ?? "application/json"]]);
        } catch (error) {
          assert.match(String((error as { code?: string }).code), /REQUEST_INVALID|DESTINATION_REFUSED/, url);
        }
      }
    }));
  });

  assert.equal(await snapshot(plane), before);
  const log = await Deno.readTextFile(`${plane.directory}/audit.log`);
  let writes = 0;
  for (const line of log.slice(0, log.lastIndexOf("\n")).split("\n")) {
    const { verb, requestURI, user, requestReceivedTimestamp, objectRef } = JSON.parse(line);
    if (user.username.startsWith("system:") || requestReceivedTimestamp < started) continue;
    if (["get", "list", "watch", "head", "options"].includes(verb)) continue;
    if (/reviews$/.test(objectRef?.resource ?? "")) continue; // questions
    writes++;
    assert.deepEqual(
      new URL(requestURI, "http://x").searchParams.getAll("dryRun"),
      ["All"],
      `${verb} ${requestURI}`,
    );
  }
  assert.ok(writes > 500, String(writes));
  access.close();
});
