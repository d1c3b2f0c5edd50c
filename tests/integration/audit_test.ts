/** Our parsing of requests agrees with a real API server. */

import assert from "node:assert/strict";
import { authorizeCluster } from "../../runtime/kube/allow/authorize_request.ts";
import { parseRequest } from "../../runtime/kube/allow/request_info.ts";
import {
  CORPUS,
  corpusUrls,
  type Entry,
  formatCorpus,
  METHODS,
  parseCorpus,
  target,
} from "../support/corpus.ts";
import { ControlPlane, controlPlaneMissing } from "../support/envtest.ts";

interface AuditEvent {
  readonly auditID: string;
  readonly verb: string;
  readonly objectRef?: {
    readonly resource?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly apiGroup?: string;
    readonly apiVersion?: string;
    readonly subresource?: string;
  };
}

Deno.test("parseRequest() agrees with the API server's audit log", {
  ignore: controlPlaneMissing(),
  sanitizeResources: false,
}, async () => {
  await using plane = await ControlPlane.start({ audit: true });
  const client = Deno.createHttpClient({ caCerts: [plane.authority.cert], http2: false });
  // The reader has no rights, so each request is audited, refused and without effect.
  const ask = (method: string, url: string, id: string) =>
    fetch(plane.server + url, {
      method,
      client,
      headers: { authorization: "Bearer reader-token", "audit-id": id },
    } as RequestInit).then((response) => response.body?.cancel());
  const openapi = JSON.parse(await plane.run("get", "--raw", "/openapi/v2"));
  const requests = corpusUrls(openapi).flatMap((url) => METHODS.map((method) => ({ method, url })));
  const waiting = requests.map((request, index) => ({ ...request, id: `corpus-${index}` })).reverse();
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let next = waiting.pop(); next; next = waiting.pop()) await ask(next.method, next.url, next.id);
  }));
  // Our Status for a refusal equals the server's own, except for the words that name krew-wasm.
  for (
    const [method, path] of [["DELETE", "/apis/apps/v1/namespaces/demo/deployments/web"], [
      "GET",
      "/api/v1/secrets",
    ], ["GET", "/metrics"]] as const
  ) {
    const theirs = await fetch(plane.server + path, {
      method,
      client,
      headers: { authorization: "Bearer reader-token" },
    } as RequestInit);
    const guarded = authorizeCluster(
      {
        context: "",
        server: plane.server,
        namespace: "",
        send: () => Promise.reject(new Error("sent")),
        upgrade: () => Promise.reject(new Error("sent")),
        tunnel: () => Promise.reject(new Error("sent")),
        sockets: () => Promise.reject(new Error("sent")),
      },
      "foo",
      () => ({ grant: "none", deny: false }),
      () => false,
    );
    const ours = await guarded.send({ method, url: path, headers: [] });
    assert.equal(ours.status, theirs.status);
    const header = (name: string) => ours.headers.find(([each]) => each === name)?.[1];
    for (const name of ["content-type", "cache-control", "x-content-type-options"]) {
      assert.equal(header(name), theirs.headers.get(name), name);
    }
    const [their, our] = [await theirs.json(), await new Response(ours.body).json()];
    const start = /^(.*?forbidden: )/.exec(their.message)![1]!;
    assert.ok(our.message.startsWith(start), `${our.message} begins with ${start}`);
    assert.deepEqual({ ...our, message: "" }, { ...their, message: "" });
  }
  client.close();
  const audited = new Map<string, AuditEvent>();
  const log = await Deno.readTextFile(`${plane.directory}/audit.log`);
  // The server logs its own requests, too, and a line may be incomplete.
  for (const line of log.slice(0, log.lastIndexOf("\n")).split("\n")) {
    const event = JSON.parse(line) as AuditEvent;
    audited.set(event.auditID, event);
  }
  const entries = requests.flatMap(({ method, url }, index): Entry[] => {
    const event = audited.get(`corpus-${index}`);
    if (!event) return []; // refused before it was parsed
    const ref = event.objectRef;
    const info = {
      isResource: ref !== undefined,
      apiVersion: ref?.apiVersion ?? "",
      apiGroup: ref?.apiGroup ?? "",
      resource: ref?.resource ?? "",
      subresource: ref?.subresource ?? "",
      name: ref?.name ?? "",
      namespace: ref?.namespace ?? "",
    };
    return [{ method, url, target: target(info), verb: event.verb }];
  });
  assert.ok(
    entries.length > 3000 && entries.length > requests.length * 0.99,
    `${entries.length} of ${requests.length}`,
  );
  for (const { method, url, target: expected, verb } of entries) {
    const [path = "", query = ""] = url.split(/\?(.*)/s);
    const info = parseRequest(method, path, query);
    assert.deepEqual([info.verb, target(info)], [verb, expected], `${method} ${url}`);
  }
  if (Deno.env.get("RECORD")) await Deno.writeTextFile(CORPUS, formatCorpus(entries));
  const recorded = parseCorpus(await Deno.readTextFile(CORPUS));
  assert.ok(recorded.length > 3000, "the recorded corpus is whole");
});
