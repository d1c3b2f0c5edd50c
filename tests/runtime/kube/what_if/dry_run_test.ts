import assert from "node:assert/strict";
import { parseQuery, parseRequest } from "../../../../runtime/kube/allow/request_info.ts";
import { dryOptions, dryQuery, whatIf } from "../../../../runtime/kube/what_if/dry_run.ts";

const decide = (method: string, url: string) => {
  const [path = "", query = ""] = url.split("?");
  return whatIf(method, parseRequest(method, path, query));
};

Deno.test("reads pass as they are", () => {
  for (
    const [method, url] of [
      ["GET", "/api/v1/pods"],
      ["HEAD", "/api/v1/namespaces/a/pods/b"],
      ["GET", "/api/v1/pods?watch=1"],
      ["GET", "/api/v1/namespaces/a/pods/b/log"],
      ["GET", "/version"],
      ["GET", "/apis/apps/v1/watch/deployments"],
      ["POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"],
      ["POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"],
      ["POST", "/apis/authorization.k8s.io/v1/namespaces/a/localsubjectaccessreviews"],
      ["POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews"],
      ["POST", "/apis/authentication.k8s.io/v1/tokenreviews"],
    ] as const
  ) assert.equal(decide(method, url).kind, "read", `${method} ${url}`);
});

Deno.test("writes become dry runs", () => {
  for (
    const [method, url, options] of [
      ["POST", "/api/v1/namespaces/a/pods", "none"],
      ["PUT", "/api/v1/namespaces/a/pods/b/status", "none"],
      ["PATCH", "/apis/apps/v1/namespaces/a/deployments/b/scale", "none"],
      ["DELETE", "/api/v1/namespaces/a/pods/b", "body"],
      ["DELETE", "/api/v1/namespaces/a/pods", "body"],
      ["POST", "/api/v1/namespaces/a/pods/b/eviction", "eviction"],
      ["POST", "/apis/example.com/v1/namespaces/a/widgets", "none"],
      ["POST", "/apis/authz.example.com/v1/subjectaccessreviews", "none"],
    ] as const
  ) assert.deepEqual(decide(method, url), { kind: "write", options }, `${method} ${url}`);
});

Deno.test("what cannot be tried is refused", () => {
  for (
    const [method, url] of [
      ["POST", "/api/v1/namespaces/a/pods/b/exec"],
      ["GET", "/api/v1/namespaces/a/pods/b/exec"],
      ["GET", "/api/v1/namespaces/a/pods/b/proxy/x"],
      ["GET", "/api/v1/namespaces/a/services/b/proxy"],
      ["GET", "/api/v1/nodes/n/proxy/run"],
      ["GET", "/api/v1/proxy/nodes/n"],
      ["GET", "/api/v1/namespaces/a/pods/b/portforward"],
      ["POST", "/api/v1/namespaces/a/pods/b/binding"],
      ["POST", "/api/v1/namespaces/a/bindings"],
      ["POST", "/api/v1/namespaces/a/serviceaccounts/b/token"],
      ["PUT", "/api/v1/namespaces/a/finalize"],
      ["POST", "/version"],
      ["DELETE", "/logs/x"],
      ["DELETE", "/api/v1/watch/pods"],
      ["OPTIONS", "/api/v1/pods"],
      ["LINK", "/api/v1/pods"],
    ] as const
  ) assert.equal(decide(method, url).kind, "refused", `${method} ${url}`);
});

Deno.test("the query has one dryRun, whatever the plugin asked for", () => {
  const dry = (query: string) => dryQuery(parseQuery(query));
  assert.equal(dry(""), "dryRun=All");
  assert.equal(
    dry("dryRun=&dryRun=None&fieldManager=a%20b&force=true"),
    "fieldManager=a+b&force=true&dryRun=All",
  );
  assert.equal(dry("dry%52un=x&a=1;b=2"), "dryRun=All");
});

Deno.test("options in a body get the field of a dry run", () => {
  assert.deepEqual(dryOptions("body", { dryRun: [], gracePeriodSeconds: 0 }), {
    dryRun: ["All"],
    gracePeriodSeconds: 0,
  });
  assert.deepEqual(dryOptions("eviction", { metadata: { name: "b" } }), {
    metadata: { name: "b" },
    deleteOptions: { dryRun: ["All"] },
  });
  assert.deepEqual(dryOptions("eviction", { deleteOptions: { dryRun: null, gracePeriodSeconds: 5 } }), {
    deleteOptions: { dryRun: ["All"], gracePeriodSeconds: 5 },
  });
  for (const value of [null, [], "x", 1]) assert.equal(dryOptions("body", value), undefined);
  assert.equal(dryOptions("eviction", { deleteOptions: "x" }), undefined);
});
