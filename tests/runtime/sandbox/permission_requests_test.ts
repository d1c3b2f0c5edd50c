/** Permission requests: which ones are never asked, the grant of an answer, and the hint at exit. */

import assert from "node:assert/strict";
import {
  PermissionRequests,
  type PermissionRequestsContext,
} from "../../../runtime/sandbox/permission_requests.ts";
import { type Answer, type Question } from "../../../runtime/sandbox/permission_request_types.ts";
import { askedRequest, requestInWords } from "../../../runtime/kube/allow/asked_request.ts";
import { parseRequest } from "../../../runtime/kube/allow/request_info.ts";
import { changeGrants } from "../../../runtime/grants/merge_grants.ts";
import { type GrantChange, LEAST, NO_DENIALS } from "../../../runtime/grants/grants.ts";
import { parseReference } from "../../../runtime/base/reference.ts";
import { subjectOf } from "../../../runtime/policy/reference_pattern.ts";
import { parsePolicy } from "../../../runtime/policy/parse_policy.ts";
import { ruleFor } from "../../../runtime/policy/policy.ts";
import { administratorOf } from "../../../runtime/policy/verdict.ts";
import { RunRecord } from "../../../runtime/sandbox/run_record.ts";

const HOME = "/home/jane";

/** Permission requests of a person who gives these answers; `asked`: the questions. */
function requestsOf(
  answer: Answer | undefined,
  change: Partial<PermissionRequestsContext> = {},
  wider = false,
) {
  const asked: string[] = [];
  const questions: Question[] = [];
  const kept: string[] = [];
  const keptRules: string[] = [];
  const permissionRequests = new PermissionRequests({
    record: new RunRecord("/dev/null/none", "x", false),
    plugin: "foo",
    grants: LEAST,
    home: HOME,
    args: [],
    started: undefined,
    ask: (question) => {
      questions.push(question);
      asked.push(
        question.parts.filter(([label]) => /^(?:path|rule)$/.test(label)).map(([, value]) => value).join(),
      );
      return answer && { answer, wider };
    },
    keep: (change) => {
      kept.push(...change.files.map(({ host }) => host));
      keptRules.push(JSON.stringify(change.cluster ?? change.rules));
      return Promise.resolve();
    },
    administrator: undefined,
    ...change,
  });
  const file = (kind: "read" | "write") => (path: string, real = path) =>
    permissionRequests.askFile({ kind, path, real, directory: false });
  /** `METHOD PATH` */
  const request = (line: string) => {
    const [method = "", path = ""] = line.split(" ");
    const info = parseRequest(method, path, "");
    return permissionRequests.askCluster({
      what: requestInWords(info),
      rule: askedRequest(info)?.word,
      info,
      denied: false,
    });
  };
  return {
    permissionRequests,
    asked,
    questions,
    kept,
    keptRules,
    read: file("read"),
    write: file("write"),
    request,
  };
}

Deno.test("an answer grants once, for the run or always", async () => {
  const once = requestsOf("once");
  assert.equal(once.read("/srv/a"), "once");
  assert.deepEqual(once.permissionRequests.grants.files, []);
  const run = requestsOf("run");
  assert.equal(run.write("/srv/a"), "stay");
  assert.deepEqual(run.permissionRequests.grants.files, [
    { host: "/srv/a", guest: "/srv/a", write: true, directory: false, real: "/srv/a" },
  ]);
  assert.deepEqual(run.kept, []);
  const always = requestsOf("always");
  assert.equal(always.read("/srv/a"), "stay");
  await always.permissionRequests.settle();
  assert.deepEqual(always.kept, ["/srv/a"]);
});

Deno.test("never keeps a denial of exactly what was asked for", async () => {
  const kept: GrantChange[] = [];
  const it = requestsOf("never", { keep: (change) => Promise.resolve(void kept.push(change)) });
  assert.deepEqual([it.read("/srv/a"), it.write("/srv/b")], ["no", "no"]);
  await it.permissionRequests.settle();
  const nothing = { ...LEAST, files: [] };
  const grants = kept.reduce(changeGrants, nothing);
  assert.deepEqual([grants.files, grants.cluster], [[], "full"]);
  assert.deepEqual([grants.deny.read, grants.deny.write, grants.deny.cluster], [
    ["/srv/a"],
    ["/srv/b"],
    false,
  ]);
  assert.deepEqual(it.questions.map(({ deniable }) => deniable), [true, true]);

  const rules: GrantChange[] = [];
  const cluster = requestsOf("never", {
    grants: { ...LEAST, cluster: "read-only" },
    keep: (change) => Promise.resolve(void rules.push(change)),
  });
  assert.equal(cluster.request("DELETE /api/v1/namespaces/demo/pods/web"), false);
  await cluster.permissionRequests.settle();
  const { deny } = rules.reduce(changeGrants, LEAST);
  assert.deepEqual(deny.cluster, [
    { verbs: ["delete"], apiGroups: [""], resources: ["pods"], resourceNames: ["web"], namespaces: ["demo"] },
  ]);
  // No denial names a socket alone.
  const socket = requestsOf("no", { grants: { ...LEAST, cluster: "read-only" } });
  socket.permissionRequests.askCluster({ what: "a socket", rule: "full", info: undefined, denied: false });
  assert.deepEqual(socket.questions.map(({ deniable }) => deniable), [false]);
});

Deno.test("asks about a listener with its address and port", () => {
  const it = requestsOf("run");
  const listen = (port: number, address = "127.0.0.1") => it.permissionRequests.mayListen({ address, port });
  assert.deepEqual([listen(8080), listen(8080, "::1"), listen(0)], [true, true, true]);
  assert.deepEqual(
    it.questions.map(({ parts }) => parts.map(([, value]) => value).slice(0, 2)),
    [
      ["accept connections from this machine", "127.0.0.1:8080"],
      ["accept connections from this machine", "a port of 127.0.0.1 that the system chooses"],
    ],
  );
  assert.deepEqual(it.permissionRequests.grants.listen, [0, 8080]);
  const nobody = requestsOf(undefined);
  assert.equal(nobody.permissionRequests.mayListen({ address: "::1", port: 80 }), false);
  assert.match(
    nobody.permissionRequests.hint()!,
    /not allowed to accept connections from this machine at \[::1\]:80; .* grants foo --allow-listen=80$/,
  );
});

Deno.test("does not ask about a listener that is denied or above the administrator's bound", () => {
  const denied = requestsOf("always", { grants: { ...LEAST, deny: { ...NO_DENIALS, listen: true } } });
  assert.equal(denied.permissionRequests.mayListen({ address: "127.0.0.1", port: 80 }), false);
  const policy = parsePolicy({ rules: [{ match: "**", maximum: { listen: [80] } }] }, "p", HOME);
  const bounds = [ruleFor(policy, subjectOf(parseReference("a/b:c")))!.maximum!];
  const bounded = requestsOf("always", { administrator: administratorOf({ bounds }, HOME) });
  assert.equal(bounded.permissionRequests.mayListen({ address: "127.0.0.1", port: 90 }), false);
  assert.equal(bounded.permissionRequests.mayListen({ address: "127.0.0.1", port: 80 }), true);
  assert.deepEqual([denied.questions.length, bounded.questions.length], [0, 1]);
});

Deno.test("asks once after a refusal, and prints a hint if nobody could be asked", () => {
  const it = requestsOf("no");
  assert.deepEqual([it.read("/srv/a"), it.read("/srv/a"), it.write("/srv/b")], ["no", "no", "no"]);
  assert.deepEqual(it.asked, ["/srv/a", "/srv/b"]);
  assert.equal(it.permissionRequests.hint(), undefined);
  const nobody = requestsOf(undefined);
  nobody.write("/srv/it's");
  assert.match(
    nobody.permissionRequests.hint()!,
    /to allow it: krew-wasm grants foo '--allow-write=\/srv\/it'\\''s'$/,
  );
});

Deno.test("never asks about a denied path or a path that leads to it", () => {
  const deny = { ...NO_DENIALS, read: ["/srv/hidden"], write: ["/srv/kept"], home: true };
  const it = requestsOf("always", { grants: { ...LEAST, deny } });
  for (const path of ["/srv/hidden", "/srv/hidden/a", HOME, `${HOME}/.ssh/id`]) {
    assert.equal(it.read(path), "no", path);
    assert.equal(it.read("/srv/link", path), "no", `a link to ${path}`);
    assert.equal(it.write(path), "no", path);
  }
  assert.equal(it.write("/srv/kept/a"), "no");
  assert.equal(it.write("/srv/link", "/srv/kept/a"), "no");
  assert.equal(it.write("/srv/kept/link", "/srv/elsewhere"), "no", "nor by a link in it");
  assert.deepEqual(it.asked, []);
  assert.match(
    it.permissionRequests.hint()!,
    /: its grants, or the administrator of this machine, deny that$/,
  );
  assert.deepEqual([it.read("/srv/kept/a"), it.read("/srv/hidden2")], ["stay", "stay"]);
});

Deno.test("never asks about anything above the administrator's bound", () => {
  const policy = parsePolicy({ rules: [{ match: "**", maximum: { read: ["/srv"], write: [] } }] }, "p", HOME);
  const it = requestsOf("always", {
    administrator: administratorOf({
      bounds: [ruleFor(policy, subjectOf(parseReference("a/b:c")))!.maximum!],
    }, HOME),
  });
  assert.deepEqual([it.read("/data/a"), it.read("/srv/link", "/data/a"), it.write("/srv/a")], [
    "no",
    "no",
    "no",
  ]);
  assert.deepEqual(it.asked, []);
  assert.deepEqual([it.read("/srv/a"), it.read("/data/link", "/srv/b")], ["stay", "stay"]);
});

Deno.test("does not ask about system settings, and prints them if the run fails", () => {
  const it = requestsOf("always");
  assert.equal(it.read("/etc/resolv.conf"), "no");
  assert.deepEqual(it.asked, []);
  assert.equal(it.permissionRequests.hint(), undefined);
  assert.match(it.permissionRequests.hint(true)!, /--allow-read=\/etc\/resolv\.conf$/);
  const named = requestsOf("once", { args: ["-f", "/etc/motd"] });
  assert.equal(named.read("/etc/motd"), "once", "it is the user who names it");
  assert.equal(requestsOf("once").write("/etc/motd"), "once", "a change is asked for");
});

Deno.test("an answer adds the shown rule with its name, and no wildcard", async () => {
  const it = requestsOf("always", { grants: { ...LEAST, cluster: "read-only" } });
  assert.ok(it.request("DELETE /api/v1/namespaces/a/pods/web"));
  const rule = {
    verbs: ["delete"],
    apiGroups: [""],
    resources: ["pods"],
    resourceNames: ["web"],
    namespaces: ["a"],
  };
  assert.deepEqual(it.permissionRequests.grants.cluster, { rules: [rule], readOnly: true });
  await it.permissionRequests.settle();
  assert.deepEqual(it.keptRules, [JSON.stringify([rule])]);
  assert.deepEqual(it.questions[0]!.parts, [
    ["namespace", "a"],
    ["verb", "delete"],
    ["resource", "pods"],
    ["name", "web"],
    ["so far", "read-only"],
    ["rule", "delete:pods[web]@a"],
  ]);
  for (
    const line of [
      "DELETE /api/v1/namespaces/*/pods/web",
      "DELETE /api/v1/namespaces/a/*/web",
      "DELETE /apis/*/v1/namespaces/a/pods/web",
      "DELETE /api/v1/namespaces/a/pods/*",
      "DELETE /api/v1/namespaces/a/pods/web/*",
      "GET /metrics*",
      "GET /*",
      "OPTIONS /api/v1/namespaces/a/pods/web",
      "DELETE /api/v1/namespaces/a/pods/web%22%20in%20the%20namespace%20%22b",
      "DELETE /api/v1/namespaces/a%22/pods/web",
      "DELETE /api/v1/namespaces/kube-system%E2%A0%80/pods/web",
    ]
  ) {
    assert.ok(!it.request(line), line);
  }
  assert.deepEqual(it.asked, ["delete:pods[web]@a"], "no question");
  assert.match(
    it.permissionRequests.hint()!,
    /^krew-wasm: foo was not allowed to delete pods "web" in the namespace "\*"; [^:]*; and 8 more$/,
    "which is not said to be denied",
  );
});

Deno.test("the wider choice grants the rule that it showed", async () => {
  const it = requestsOf("always", { grants: { ...LEAST, cluster: "none" } }, true);
  assert.ok(it.request("GET /api/v1/namespaces/demo/secrets/db"));
  const rules = [{ verbs: ["get"], apiGroups: [""], resources: ["secrets"], namespaces: ["demo"] }];
  assert.deepEqual(it.questions[0]!.wider, {
    words: 'get secrets of any name in the namespace "demo"',
    word: "get:secrets@demo",
  });
  assert.deepEqual(it.permissionRequests.grants.cluster, { rules });
  await it.permissionRequests.settle();
  assert.deepEqual(it.keptRules, [JSON.stringify(rules)]);
  const list = requestsOf("run", { grants: { ...LEAST, cluster: "none" } }, true);
  assert.ok(list.request("GET /api/v1/namespaces/demo/secrets"));
  assert.equal(list.questions[0]!.wider, undefined, "there is nothing wider than all of them");
  assert.deepEqual(list.permissionRequests.grants.cluster, { rules: [{ ...rules[0], verbs: ["list"] }] });
});

Deno.test("asks about a raw socket as such, and saves no answer for once or the run", async () => {
  for (const answer of ["once", "run", "always"] as const) {
    const it = requestsOf(answer, { grants: { ...LEAST, cluster: "read-only" } });
    const what = "open a socket to the API server";
    assert.ok(it.permissionRequests.askCluster({ what, rule: "full", info: undefined, denied: false }));
    assert.deepEqual(it.questions[0]!.parts, [
      ["to", what],
      ["which is", "full access to the cluster, since nobody can check what goes through a socket"],
      ["so far", "read-only"],
      ["rule", "full"],
    ]);
    await it.permissionRequests.settle();
    assert.equal(it.permissionRequests.grants.cluster, answer === "once" ? "read-only" : "full");
    assert.deepEqual(it.keptRules, answer === "always" ? ['"full"'] : []);
  }
});

Deno.test("does not ask about denials and about requests that no rule can name", () => {
  const it = requestsOf("run", { grants: { ...LEAST, cluster: "read-only" } });
  const info = parseRequest("DELETE", "/api/v1/namespaces/a/pods/web", "");
  const what = requestInWords(info);
  assert.equal(it.permissionRequests.askCluster({ what, rule: "delete:pods", info, denied: true }), false);
  assert.equal(it.permissionRequests.askCluster({ what, rule: undefined, info, denied: false }), false);
  assert.deepEqual(it.asked, []);
});

Deno.test("a refusal covers its kind, and five refusals end the questions", () => {
  const it = requestsOf("no", { grants: { ...LEAST, cluster: "none" } });
  for (const name of ["a", "b", "c"]) assert.ok(!it.request(`GET /api/v1/namespaces/demo/secrets/${name}`));
  assert.deepEqual(it.asked, ["get:secrets[a]@demo"]);
  for (let index = 0; index < 20; index++) assert.equal(it.write(`/srv/${index}`), "no");
  assert.equal(it.asked.length, 5);
  assert.match(it.permissionRequests.hint()!, /change \/srv\/4; /);
});

Deno.test("a question shows a file's path and target, and a directory's content", () => {
  const it = requestsOf("once");
  it.read("/srv/link", "/data/a");
  it.permissionRequests.askFile({ kind: "write", path: "/srv/d", real: "/srv/d", directory: true });
  assert.deepEqual(it.questions.map(({ parts }) => parts), [
    [["to", "read a file"], ["path", "/srv/link"], ["leads to", "/data/a"]],
    [["to", "make, change or delete a directory and all in it"], ["path", "/srv/d"]],
  ]);
});

Deno.test("the hint suggests no command that shells would read differently", () => {
  const it = requestsOf(undefined);
  it.write("/srv/m\\'; touch P; #\u200b");
  assert.match(
    it.permissionRequests.hint()!,
    /to allow it: krew-wasm grants foo \$'--allow-write=\/srv\/m\\\\\\047; touch P; #\\342\\200\\213'$/,
  );
  const parted = requestsOf(undefined);
  parted.write("/::/srv/a");
  assert.doesNotMatch(parted.permissionRequests.hint()!, /to allow it/, "it would mean another file");
  const long = requestsOf(undefined);
  long.write(`/srv/${"x".repeat(2000)}`);
  assert.doesNotMatch(long.permissionRequests.hint()!, /to allow it/);
});

Deno.test("counts endless requests without keeping them", () => {
  const it = requestsOf(undefined);
  for (let index = 0; index < 1000; index++) it.write(`/srv/${index}`);
  const hint = it.permissionRequests.hint()!;
  assert.match(hint, /change \/srv\/2; and 997 more; to allow it/);
  assert.ok(hint.length < 1000);
});

Deno.test("a search along PATH asks nothing and leaves no hint, unless the user names the file", () => {
  const programs = ["/opt/tools/bin", `${HOME}/bin`];
  const it = requestsOf("once", { programs });
  for (const path of ["/opt/tools/bin", "/opt/tools/bin/kubectl-foo", `${HOME}/bin/vi`]) {
    assert.equal(it.read(path), "no");
  }
  assert.deepEqual(it.asked, []);
  assert.equal(it.permissionRequests.hint(true), undefined);
  assert.equal(it.read(`${HOME}/bin/deep/vi`), "once");
  assert.equal(it.write(`${HOME}/bin/vi`), "once");
  const named = requestsOf("once", { programs, args: [`${HOME}/bin/vi`] });
  assert.equal(named.read(`${HOME}/bin/vi`), "once");
});
