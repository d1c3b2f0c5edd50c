import assert from "node:assert/strict";
import { MeaninglessRequest, parseQuery, parseRequest } from "../../../../runtime/kube/allow/request_info.ts";
import { CORPUS, parseCorpus, target } from "../../../support/corpus.ts";

/** `verb resource.group/subresource[name]@namespace`, or verb and path of a non-resource URL. */
function read(method: string, url: string): string {
  const [path = "", query = ""] = url.split(/\?(.*)/s);
  const info = parseRequest(method, path, query);
  if (!info.isResource) return `${info.verb} ${info.path}`;
  const { verb, resource, apiGroup, subresource, name, namespace } = info;
  return `${verb} ${resource}${apiGroup && `.${apiGroup}`}${subresource && `/${subresource}`}${
    name && `[${name}]`
  }` +
    `${namespace && `@${namespace}`}`;
}

Deno.test("parseRequest() derives the verb from method, name and query", () => {
  const pods = "/api/v1/namespaces/demo/pods";
  assert.equal(read("GET", pods), "list pods@demo");
  assert.equal(read("GET", `${pods}/web`), "get pods[web]@demo");
  assert.equal(read("HEAD", `${pods}/web`), "get pods[web]@demo");
  assert.equal(read("GET", `${pods}?watch=true`), "watch pods@demo");
  assert.equal(read("GET", `${pods}/web?watch=true`), "get pods[web]@demo");
  assert.equal(read("POST", pods), "create pods@demo");
  assert.equal(read("PUT", `${pods}/web`), "update pods[web]@demo");
  assert.equal(read("PATCH", `${pods}/web`), "patch pods[web]@demo");
  assert.equal(read("DELETE", `${pods}/web`), "delete pods[web]@demo");
  assert.equal(read("DELETE", pods), "deletecollection pods@demo");
  assert.equal(read("OPTIONS", pods), " pods@demo");
  assert.equal(read("GET", `${pods}/web/log`), "get pods/log[web]@demo");
  assert.equal(read("GET", `${pods}/web/exec?command=ls`), "get pods/exec[web]@demo");
  assert.equal(read("POST", `${pods}/web/exec?command=ls`), "create pods/exec[web]@demo");
  assert.equal(read("GET", `${pods}/web/proxy/a/b`), "get pods/proxy[web]@demo");
  assert.equal(
    read("PUT", "/apis/apps/v1/namespaces/demo/deployments/web/scale"),
    "update deployments.apps/scale[web]@demo",
  );
});

Deno.test("parseRequest() distinguishes a namespace object from objects in a namespace", () => {
  assert.equal(read("GET", "/api/v1/namespaces"), "list namespaces");
  assert.equal(read("GET", "/api/v1/namespaces/demo"), "get namespaces[demo]@demo");
  assert.equal(read("PUT", "/api/v1/namespaces/demo/finalize"), "update namespaces/finalize[demo]@demo");
  assert.equal(read("GET", "/api/v1/namespaces/demo/status"), "get namespaces/status[demo]@demo");
  assert.equal(read("GET", "/api/v1/pods"), "list pods");
  assert.equal(read("DELETE", "/api/v1/nodes"), "deletecollection nodes");
});

Deno.test("parseRequest() supports the deprecated verbs in paths", () => {
  assert.equal(read("GET", "/api/v1/watch/namespaces/demo/pods/web"), "watch pods[web]@demo");
  assert.equal(read("GET", "/apis/apps/v1/watch/deployments"), "watch deployments.apps");
  assert.equal(read("GET", "/api/v1/proxy/namespaces/demo/pods/web/x"), "proxy pods[web]@demo");
  assert.throws(() => read("GET", "/api/v1/watch"), MeaninglessRequest);
});

Deno.test("parseRequest() decodes every spelling of a path", () => {
  for (
    const path of ["/api/v1/pods/", "/api/v1/%70ods", "/%61pi/v1/pods", "/api/v1/pods///"]
  ) assert.equal(read("GET", path), "list pods", path);
  assert.equal(
    read("GET", "/api/v1/Pods"),
    "list Pods",
    "the server has no such resource, and no rule covers it",
  );
  for (
    const path of ["/API/v1/pods", "/", "/api", "/api/v1", "/apis/apps/v1", "/version/", "/healthz/etcd"]
  ) {
    assert.equal(read("GET", path), `get ${path}`);
  }
  for (const path of ["/api/v1/%", "/api/v1/%zz", "/api/v1/%ff"]) {
    assert.throws(() => read("GET", path), MeaninglessRequest, path);
  }
});

Deno.test("parseRequest() parses watch as Go does", () => {
  const watches = (query: string) => read("GET", `/api/v1/pods?${query}`) === "watch pods";
  for (
    const query of [
      "watch",
      "watch=",
      "watch=1",
      "watch=yes",
      "w%61tch=1",
      "watch=1&watch=0",
      "a=1&watch=true",
    ]
  ) {
    assert.ok(watches(query), query);
  }
  for (
    const query of [
      "",
      "watch=0",
      "watch=False",
      "Watch=1",
      "watch=0&watch=1",
      "watch=1;",
      "a;watch=1",
      "watch=%zz",
    ]
  ) {
    assert.ok(!watches(query), query);
  }
  assert.deepEqual([...parseQuery("a+b=c+d&e=%41&&f")], [["a b", ["c d"]], ["e", ["A"]], ["f", [""]]]);
  assert.throws(() => parseQuery("a&".repeat(2000)), MeaninglessRequest);
});

Deno.test("parseRequest() finds the name in a field selector", () => {
  const name = (selector: string) =>
    parseRequest("GET", "/api/v1/pods", `fieldSelector=${encodeURIComponent(selector)}`).name;
  for (
    const selector of [
      "metadata.name=web",
      "metadata.name==web",
      "status.phase=Running,metadata.name=web",
      "metadata.name=web,",
    ]
  ) assert.equal(name(selector), "web", selector);
  for (
    const selector of [
      "",
      "metadata.name!=web",
      "metadata.name",
      "metadata.name=web,nonsense",
      "metadata.name=a/b",
      "metadata.name=..",
      "metadata.name=a=b",
      "metadata.name=a\\b",
      "metadata.namespace=web",
    ]
  ) assert.equal(name(selector), "", selector);
  assert.equal(name("metadata.name=a\\,b"), "a,b");
});

Deno.test("parseRequest() agrees with a kube-apiserver's audit log on the corpus", async () => {
  const entries = parseCorpus(await Deno.readTextFile(CORPUS));
  assert.ok(entries.length > 3000, `${entries.length} requests`);
  for (const { method, url, target: expected, verb } of entries) {
    const [path = "", query = ""] = url.split(/\?(.*)/s);
    const info = parseRequest(method, path, query);
    assert.deepEqual([info.verb, target(info)], [verb, expected], `${method} ${url}`);
  }
});
