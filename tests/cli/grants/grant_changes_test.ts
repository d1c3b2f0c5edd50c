/** grantChanges() reports every new right. */

import assert from "node:assert/strict";
import { changesInWords, grantChanges } from "../../../cli/grants/grant_changes.ts";
import { grantedEnvironment } from "../../../runtime/grants/granted_environment.ts";
import { type Grants, LEAST } from "../../../runtime/grants/grants.ts";
import type { ClusterRule } from "../../../runtime/kube/allow/rules.ts";
import { grants, HOME } from "../../support/arbitrary_grants.ts";
import { fc, fuzz } from "../../support/fuzz.ts";

const changes = (before: Partial<Grants>, after: Partial<Grants>) =>
  grantChanges({ ...LEAST, ...before }, { ...LEAST, ...after }, HOME);
const words = (before: Partial<Grants>, after: Partial<Grants>) => changesInWords(changes(before, after));
const file = (host: string, write = false, guest = host) => ({ host, guest, write });
const deny = (more: Partial<Grants["deny"]>) => ({ deny: { ...LEAST.deny, ...more } });

Deno.test("reports no change for the same grants in another order", () => {
  fc.assert(fc.property(grants, (value) => {
    const again = { ...value, files: [...value.files].reverse() };
    assert.deepEqual(grantChanges(value, again, HOME), { given: [], held: [], taken: [] });
  }));
});

Deno.test("distinguishes new rights, restrictions and removed rights", () => {
  for (
    const [before, after, text] of [
      [{}, { home: true }, ", grant: read and change all of your home directory"],
      [{ home: true }, {}, ", take back: read and change all of your home directory"],
      [{}, { files: [file("/a")] }, ", grant: read /a"],
      [
        { files: [file("/a")] },
        { files: [file("/a", true)] },
        ", grant: read and change /a, take back: read /a",
      ],
      [
        { files: [file("/a", true)] },
        { files: [file("/a")] },
        ", hold to: read /a, take back: read and change /a",
      ],
      [
        { files: [file("/a")] },
        { files: [file("/a", false, "/b")] },
        ", grant: read /a as /b, take back: read /a",
      ],
      [{}, { cluster: "read-only" }, ", hold to: look at everything, take back: do all that you may do"],
      [{ cluster: "read-only" }, {}, ", grant: do all that you may do"],
      [{ cluster: "none" }, { cluster: "read-only" }, ", grant: look at everything"],
      [{ cluster: "read-only" }, { cluster: "none" }, ", hold to: nothing, take back: look at everything"],
      [{}, { env: "all" }, ", grant: see all variables"],
      [{}, { env: ["HOME"] }, ", hold to: see HOME, and no other"],
      [{}, { env: ["GH_TOKEN"] }, ", grant: see GH_TOKEN, and no other"],
      [{ env: ["HOME"] }, {}, ", grant: see all variables but those whose name says credential"],
      [{ env: ["HOME"] }, { env: ["HOME", "LANG"] }, ", grant: see HOME, LANG, and no other"],
      [{ env: ["HOME", "LANG"] }, { env: ["HOME"] }, ", hold to: see HOME, and no other"],
      [{}, deny({ read: ["/a"] }), ", hold to: never see /a"],
      [deny({ read: ["/a/b"] }), deny({ read: ["/a"] }), ", hold to: never see /a"],
      [deny({ read: ["/a"] }), {}, ", grant: see /a"],
      [deny({ write: ["/a"] }), deny({ read: ["/a"] }), ", hold to: never see /a"],
      [deny({ env: ["A"] }), deny({ env: ["A", "B"] }), ", hold to: never see B"],
      [deny({ env: ["A", "B"] }), deny({ env: ["B"] }), ", grant: see A"],
      [deny({ home: true }), {}, ", grant: see your home directory"],
      [deny({ cluster: true }), {}, ", grant: reach the cluster"],
      [{}, { listen: [80] }, ", grant: accept connections from this machine at port 80"],
      [
        { listen: [80, 90] },
        { listen: [90] },
        ", take back: accept connections from this machine at port 80",
      ],
      [
        { listen: "all" },
        { listen: [90] },
        ", hold to: accept connections from this machine at port 90, take back: accept connections from this machine at any port",
      ],
      [{ listen: [90] }, { listen: "all" }, ", grant: accept connections from this machine at any port"],
      [deny({ listen: true }), {}, ", grant: accept connections"],
      [{ terminal: false }, {}, ", grant: use the terminal as such"],
      [{}, { terminal: false }, ", hold to: not use the terminal as such"],
      [{ completion: false }, {}, ", grant: complete its arguments"],
      [{}, { completion: false }, ", hold to: not complete its arguments"],
      [deny({ completion: true }), {}, ", grant: complete its arguments"],
      [
        {},
        { limits: { maxMemory: 65536, descriptors: 1 } },
        ", hold to: use up to 64 KiB; have up to 1 files open",
      ],
      [
        { limits: { maxMemory: 65536, descriptors: 1 } },
        {},
        ", grant: use up to 4 GiB; have up to 16384 files open",
      ],
    ] as readonly [Partial<Grants>, Partial<Grants>, string][]
  ) assert.equal(words(before, after), text, JSON.stringify([before, after]));
});

Deno.test("compares the content of rules, not their words", () => {
  const rule = (more: Partial<ClusterRule>): ClusterRule => ({
    verbs: ["get"],
    apiGroups: [""],
    resources: ["secrets"],
    ...more,
  });
  for (
    const [before, after] of [
      [rule({ namespaces: ["a,b"] }), rule({ namespaces: ["a", "b"] })],
      [rule({ resources: ["secrets[x]"] }), rule({ resourceNames: ["x"] })],
      [rule({ verbs: ["get,list"] }), rule({ verbs: ["get", "list"] })],
      [
        rule({ namespaces: ["a"], resourceNames: ["x]@b"] }),
        rule({ namespaces: ["a"], resourceNames: ["x"] }),
      ],
    ] as const
  ) {
    assert.equal(changes({ cluster: { rules: [before] } }, { cluster: { rules: [after] } }).given.length, 1);
    const denied = changes(deny({ cluster: [before] }), deny({ cluster: [after] }));
    assert.equal(denied.given.length, 1);
  }
});

/** Whether `after` allows something that `before` does not, computed independently. */
function mayMore(before: Grants, after: Grants): boolean {
  const env = (each: Grants) =>
    grantedEnvironment({ A: "", B: "", GH_TOKEN: "", LANG: "" }, each.env, each.deny.env).given.map((
      [name],
    ) => name);
  const rules = ({ cluster }: Grants) =>
    typeof cluster === "object" ? cluster.rules.map((rule) => JSON.stringify(rule)) : [];
  const looks = ({ cluster }: Grants) =>
    cluster === "full" || cluster === "read-only" || typeof cluster === "object" && cluster.readOnly === true;
  return after.home && !before.home || after.kubeconfig && !before.kubeconfig ||
    env(after).some((name) => !env(before).includes(name)) ||
    after.files.some((one) =>
      !before.files.some((old) =>
        old.host === one.host && old.guest === one.guest && (old.write || !one.write)
      )
    ) ||
    after.cluster === "full" && before.cluster !== "full" ||
    before.cluster !== "full" &&
      (looks(after) && !looks(before) || rules(after).some((rule) => !rules(before).includes(rule))) ||
    before.deny.home && !after.deny.home || before.deny.kubeconfig && !after.deny.kubeconfig ||
    before.deny.terminal && !after.deny.terminal || after.terminal && !before.terminal ||
    before.deny.completion && !after.deny.completion || after.completion && !before.completion ||
    before.deny.cluster === true && after.deny.cluster !== true ||
    before.deny.read.some((path) =>
      !after.deny.read.some((root) => path === root || path.startsWith(root))
    ) ||
    after.limits.maxMemory > before.limits.maxMemory;
}

Deno.test("reports new rights for every pair of grants with more rights", () =>
  fuzz(
    "grant changes",
    fc.property(grants, grants, (before, after) => {
      if (mayMore(before, after)) assert.ok(grantChanges(before, after, HOME).given.length > 0);
    }),
  ));
