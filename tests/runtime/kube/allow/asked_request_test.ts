/** Permission requests for cluster requests. The rule of an answer allows exactly the request. */

import assert from "node:assert/strict";
import { askedRequest, requestInWords } from "../../../../runtime/kube/allow/asked_request.ts";
import {
  MeaninglessRequest,
  parseRequest,
  type RequestInfo,
} from "../../../../runtime/kube/allow/request_info.ts";
import { parseRuleWord, ruleCovers } from "../../../../runtime/kube/allow/rules.ts";
import { isVisible } from "../../../../runtime/base/invisible.ts";
import { fc, fuzz } from "../../../support/fuzz.ts";

/** `METHOD PATH?QUERY` */
function infoOf(line: string): RequestInfo {
  const [method = "", url = ""] = line.split(" ");
  const [path = "", query = ""] = url.split("?");
  return parseRequest(method, path, query);
}

Deno.test("askedRequest() lists a request's parts, the namespace first", () => {
  const parts = (line: string) =>
    askedRequest(infoOf(line))?.parts.map(([label, value]) => `${label} ${value}`);
  assert.deepEqual(parts("GET /api/v1/namespaces/kube-system/secrets/db"), [
    "namespace kube-system",
    "verb get",
    "resource secrets",
    "name db",
  ]);
  assert.deepEqual(parts("POST /apis/apps/v1/namespaces/demo/deployments"), [
    "namespace demo",
    "verb create",
    "resource deployments.apps",
    "name any",
  ]);
  assert.deepEqual(parts("GET /api/v1/nodes/a"), [
    "namespace every namespace, all of the cluster",
    "verb get",
    "resource nodes",
    "name a",
  ]);
  assert.deepEqual(parts("GET /metrics"), ["verb get", "path /metrics"]);
});

Deno.test("askedRequest() accepts every name that the API server accepts", () => {
  for (
    const line of [
      "GET /api/v1/namespaces/demo/pods/web-0.a",
      "POST /api/v1/namespaces/demo/pods/web/exec",
      "GET /api/v1/namespaces/demo/services/https:web:443/proxy/x",
      "GET /api/v1/nodes/https:a.example.com:10250/proxy/metrics",
      "GET /apis/rbac.authorization.k8s.io/v1/clusterroles/system:node",
      "GET /apis/networking.k8s.io/v1/ipaddresses/2001:db8::1",
      "GET /apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io",
      "GET /apis/image.openshift.io/v1/namespaces/demo/imagestreamtags/app:latest",
      "GET /apis/gateway.networking.k8s.io/v1/namespaces/demo/gateways/g",
    ]
  ) {
    const asked = askedRequest(infoOf(line));
    assert.ok(asked, line);
    assert.deepEqual(parseRuleWord(asked.word), [asked.rule], line);
  }
});

Deno.test("askedRequest() refuses names that the API server can't have", () => {
  const names = [
    "*",
    "ui-settings%22%20in%20the%20namespace%20%22demo%22",
    "%E2%A0%80",
    "%E3%85%A4",
    "db%E2%80%AE",
    "d%D0%B0tabase", // a Cyrillic а
    "Db",
    "db_x",
    "-db",
    "db.",
    "..%61",
    "a,b",
    "a%5D%2Csecrets%5Bb",
    "a@kube-system",
    "x".repeat(254),
  ];
  for (const name of names) {
    assert.equal(askedRequest(infoOf(`GET /api/v1/namespaces/demo/secrets/${name}`)), undefined, name);
    assert.equal(askedRequest(infoOf(`GET /api/v1/namespaces/${name}/secrets/db`)), undefined, name);
    assert.equal(askedRequest(infoOf(`GET /api/v1/namespaces/demo/${name}/db`)), undefined, name);
  }
  for (const path of ["/metrics*", "/a,/b", "/a@b", "/a%20b", "/%E2%80%AE", `/${"x".repeat(600)}`]) {
    assert.equal(askedRequest(infoOf(`GET ${path}`)), undefined, path);
  }
  const role = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
  assert.equal(
    askedRequest(infoOf(`GET ${role}/a%5D,clusterroles.rbac.authorization.k8s.io%5Bb`)),
    undefined,
  );
  assert.ok(
    askedRequest(infoOf(`GET ${role}/a%20role%20%E2%A0%80`)),
    "a role may be named anything: it is shown escaped",
  );
});

/** Whether two requests differ only in their names, and in the namespace if the first covers all. */
function areKin(one: RequestInfo, other: RequestInfo): boolean {
  if (one.isResource !== other.isResource || one.verb !== other.verb) return false;
  if (!one.isResource) return one.path === other.path;
  return one.apiGroup === other.apiGroup && one.resource === other.resource &&
    one.subresource === other.subresource &&
    (one.namespace === "" || one.namespace === other.namespace);
}

Deno.test("the offered rule allows exactly the request, the wider one also other names", async () => {
  const word = fc.constantFrom(
    "demo",
    "*",
    "secrets",
    "pods",
    "a",
    "..",
    "x]",
    "b[",
    "a,b",
    "c@d",
    "%2A",
    "%20",
    "namespaces",
    "watch",
    "proxy",
    "exec",
    "q:1",
    "Ä",
    "",
  );
  const path = fc.tuple(
    fc.constantFrom("/api/v1/", "/apis/apps/v1/", "/apis/*/v1/", "/apis/a.example.com/v1/", "/"),
    fc.array(word, { maxLength: 6 }),
  )
    .map(([start, words]) => start + words.join("/"));
  const request = fc.tuple(
    fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
    path,
    fc.constantFrom("", "?watch=1", "?fieldSelector=metadata.name=a", "?fieldSelector=metadata.name=*"),
  )
    .map((parts) => `${parts[0]} ${parts[1]}${parts[2]}`);
  const read = (line: string) => {
    try {
      return infoOf(line);
    } catch (error) {
      if (error instanceof MeaninglessRequest) return undefined;
      throw error;
    }
  };
  await fuzz(
    "rules of answers",
    fc.property(request, fc.array(request, { minLength: 5 }), (line, others) => {
      const info = read(line);
      const asked = info && askedRequest(info);
      if (!info || !asked) return;
      assert.deepEqual(parseRuleWord(asked.word), [asked.rule], line);
      assert.ok(ruleCovers(asked.rule, info), line);
      assert.ok(!JSON.stringify(asked.rule).includes("*"), line);
      for (const other of others) {
        const another: RequestInfo | undefined = read(other);
        if (!another) continue;
        const kin = areKin(info, another);
        // A request without a name, such as a list filtered by name, counts as one for any name.
        const named: boolean = kin && (info.name === "" || info.name === another.name);
        assert.equal(ruleCovers(asked.rule, another), named, `${asked.word} for ${other}`);
        if (asked.wider) {
          assert.equal(ruleCovers(asked.wider.rule, another), kin, `${asked.wider.word} for ${other}`);
        }
      }
    }),
  );
});

Deno.test("requestInWords() quotes, escapes and cuts each part by itself", () => {
  const words = (line: string) => requestInWords(infoOf(line));
  assert.equal(words("DELETE /api/v1/namespaces/demo/pods/web"), 'delete pods "web" in the namespace "demo"');
  assert.equal(words("GET /api/v1/nodes"), "list nodes in all of the cluster");
  assert.equal(words("GET /api/v1/namespaces/demo"), 'get namespaces "demo"');
  const forged = words(
    "GET /api/v1/namespaces/kube-system/secrets/a%22%20in%20the%20namespace%20%22demo%22%E2%A0%80%1b%5b2J",
  );
  assert.equal(
    forged,
    'get secrets "a\\" in the namespace \\"demo\\"\\u{2800}\\x1b[2J" in the namespace "kube-system"',
  );
  const long = words(`GET /api/v1/namespaces/kube-system/secrets/${"x".repeat(5000)}`);
  assert.ok(long.endsWith('x…" in the namespace "kube-system"') && isVisible(long));
});
