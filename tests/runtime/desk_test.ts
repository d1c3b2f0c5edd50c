/** Where a run's doors ask: what is never asked, what an answer grants, and what is said at exit. */

import assert from "node:assert/strict";
import { type Answer, Desk, type DeskContext } from "../../runtime/desk.ts";
import { LEAST, NO_DENIALS } from "../../runtime/grants.ts";
import { parseReference } from "../../runtime/reference.ts";
import { subjectOf } from "../../runtime/reference_pattern.ts";
import { parsePolicy, ruleFor } from "../../runtime/policy.ts";
import { administratorOf } from "../../runtime/verdict.ts";
import { RunRecord } from "../../runtime/record.ts";

const HOME = "/home/jane";

/** A desk at which a person answers so; `asked`: what they were asked. */
function deskOf(answer: Answer | undefined, change: Partial<DeskContext> = {}) {
  const asked: string[] = [];
  const kept: string[] = [];
  const desk = new Desk({
    record: new RunRecord("/dev/null/none", "x", false),
    plugin: "foo",
    grants: LEAST,
    home: HOME,
    args: [],
    started: undefined,
    ask: ({ flag }) => {
      asked.push(flag);
      return answer;
    },
    keep: (change) => {
      kept.push(...change.files.map(({ host }) => host));
      return Promise.resolve();
    },
    administrator: undefined,
    ...change,
  });
  const read = (path: string, real = path) => desk.askFile({ kind: "read", path, real });
  const write = (path: string, real = path) => desk.askFile({ kind: "write", path, real });
  return { desk, asked, kept, read, write };
}

Deno.test("an answer grants once, for the run or for good", async () => {
  const once = deskOf("once");
  assert.equal(once.read("/srv/a"), "once");
  assert.deepEqual(once.desk.grants.files, []);
  const run = deskOf("run");
  assert.equal(run.write("/srv/a"), "stay");
  assert.deepEqual(run.desk.grants.files, [{ host: "/srv/a", guest: "/srv/a", write: true }]);
  assert.deepEqual(run.kept, []);
  const always = deskOf("always");
  assert.equal(always.read("/srv/a"), "stay");
  await always.desk.settle();
  assert.deepEqual(always.kept, ["/srv/a"]);
});

Deno.test("who said no is not asked again, nor told at exit; where nobody could be asked, exit tells how to allow it", () => {
  const it = deskOf("no");
  assert.deepEqual([it.read("/srv/a"), it.read("/srv/a"), it.write("/srv/b")], ["no", "no", "no"]);
  assert.deepEqual(it.asked, ["--allow-read=/srv/a", "--allow-write=/srv/b"]);
  assert.equal(it.desk.hint(), undefined);
  const nobody = deskOf(undefined);
  nobody.write("/srv/it's");
  assert.match(nobody.desk.hint()!, /to allow it: krew-wasm grants foo '--allow-write=\/srv\/it'\\''s'$/);
});

Deno.test("what is denied is never asked, by its own path or where it leads", () => {
  const deny = { ...NO_DENIALS, read: ["/srv/hidden"], write: ["/srv/kept"], home: true };
  const it = deskOf("always", { grants: { ...LEAST, deny } });
  for (const path of ["/srv/hidden", "/srv/hidden/a", HOME, `${HOME}/.ssh/id`]) {
    assert.equal(it.read(path), "no", path);
    assert.equal(it.read("/srv/link", path), "no", `a link to ${path}`);
    assert.equal(it.write(path), "no", path);
  }
  assert.equal(it.write("/srv/kept/a"), "no");
  assert.equal(it.write("/srv/link", "/srv/kept/a"), "no");
  assert.equal(it.write("/srv/kept/link", "/srv/elsewhere"), "no", "nor by a link in it");
  assert.deepEqual(it.asked, []);
  assert.match(it.desk.hint()!, /: its grants, or the administrator of this machine, deny that$/);
  assert.deepEqual([it.read("/srv/kept/a"), it.read("/srv/hidden2")], ["stay", "stay"]);
});

Deno.test("what is above the administrator's bound is never asked, wherever its path seems to lie", () => {
  const policy = parsePolicy({ rules: [{ match: "**", maximum: { read: ["/srv"], write: [] } }] }, "p", HOME);
  const it = deskOf("always", {
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

Deno.test("settings of the system are looked for in vain: told if the run fails, not asked", () => {
  const it = deskOf("always");
  assert.equal(it.read("/etc/resolv.conf"), "no");
  assert.deepEqual(it.asked, []);
  assert.equal(it.desk.hint(), undefined);
  assert.match(it.desk.hint(true)!, /--allow-read=\/etc\/resolv\.conf$/);
  const named = deskOf("once", { args: ["-f", "/etc/motd"] });
  assert.equal(named.read("/etc/motd"), "once", "it is the user who names it");
  assert.equal(deskOf("once").write("/etc/motd"), "once", "a change is asked for");
});

Deno.test("the cluster: a denial and what no rule can say are not asked, an answer adds just that rule", () => {
  const it = deskOf("run", { grants: { ...LEAST, cluster: "read-only" } });
  const what = "delete pods";
  assert.equal(it.desk.askCluster({ what, rule: "delete:pods", info: undefined, denied: true }), false);
  assert.equal(it.desk.askCluster({ what, rule: undefined, info: undefined, denied: false }), false);
  assert.deepEqual(it.asked, []);
  assert.ok(it.desk.askCluster({ what, rule: "delete:pods@a", info: undefined, denied: false }));
  assert.deepEqual(it.desk.grants.cluster, {
    rules: [{ verbs: ["delete"], apiGroups: [""], resources: ["pods"], namespaces: ["a"] }],
    readOnly: true,
  });
});

Deno.test("what a plugin asks without end is counted, not kept", () => {
  const it = deskOf(undefined);
  for (let index = 0; index < 1000; index++) it.write(`/srv/${index}`);
  const hint = it.desk.hint()!;
  assert.match(hint, /change \/srv\/2; and 997 more; to allow it/);
  assert.ok(hint.length < 1000);
});
