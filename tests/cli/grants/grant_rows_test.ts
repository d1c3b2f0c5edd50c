import type { ClusterRule } from "../../../runtime/kube/allow/rules.ts";
import assert from "node:assert/strict";
import { formatExplanation, formatGrants } from "../../../cli/commands/grants.ts";
import { effectiveRows, grantRows, moreRows } from "../../../cli/grants/grant_rows.ts";
import { explainGrants } from "../../../cli/grants/explain_grants.ts";
import { pathRisk } from "../../../cli/grants/path_risk.ts";
import { ruleInWords, ruleRisk } from "../../../cli/grants/rule_words.ts";
import { type GrantFlags, parseGrantFlags } from "../../../runtime/grants/parse_grant_flags.ts";
import { type Grants, LEAST } from "../../../runtime/grants/grants.ts";
import { mergeGrants } from "../../../runtime/grants/merge_grants.ts";
import { parseRuleWord } from "../../../runtime/kube/allow/rules.ts";

const HOME = "/home/jane";

const grantsOf = async (flags: GrantFlags): Promise<Grants> =>
  mergeGrants(
    LEAST,
    await parseGrantFlags(flags, {
      resolve: (path) => path,
      readRules: () => Promise.resolve({ rules: [] }),
    }),
  );

Deno.test("each grant has a row with a flag that grants exactly the same", async () => {
  const flags: GrantFlags = {
    allowRead: ["/data", "/etc/ssl::/ssl"],
    allowWrite: ["/out"],
    allowHome: true,
    allowEnv: ["A,GITHUB_TOKEN"],
    allowKubeconfig: true,
    allowListen: ["8080,0"],
    allowCluster: [
      "read-only",
      "delete:pods@demo",
      "create:pods/exec",
      "patch:deployments.apps/scale[web]",
      "get:/metrics",
    ],
    denyRead: ["/data/secret"],
    denyWrite: ["/out/x"],
    denyEnv: ["B"],
    denyCluster: ["*:secrets@kube-system,other"],
    maxMemory: "512Mi",
    denyTerminal: true,
  };
  const grants = await grantsOf(flags);
  const rows = grantRows(grants, HOME);
  const again: Record<string, unknown> = {};
  for (const { flag } of rows) {
    const [, name = "", value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(flag!) ?? [];
    const key = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    if (value === undefined) again[key] = true;
    else if (key === "maxMemory") again[key] = value;
    else again[key] = [...((again[key] ?? []) as string[]), value];
  }
  assert.deepEqual(await grantsOf(again as GrantFlags), grants);
  assert.ok(rows.every(({ what }) => what !== ""));
  assert.deepEqual(moreRows(rows, rows), []);
  assert.equal(moreRows(rows, grantRows(LEAST, HOME)).length, rows.length);
});

Deno.test("a rule without a short form has no flag, and its names are quoted", () => {
  const rowsOf = (rule: Partial<ClusterRule>) =>
    grantRows({
      ...LEAST,
      cluster: { rules: [{ verbs: ["get"], apiGroups: [""], resources: ["secrets"], ...rule }] },
    }, HOME);
  for (
    const rule of [
      { resourceNames: ["a],configmaps[b"] },
      { resourceNames: ["a,b"] },
      { namespaces: ["demo,kube-system"] },
      { verbs: ["get:secrets,list"] },
      { resources: ["secrets@demo"] },
      { resources: ["secrets,pods"] },
      { apiGroups: ["a/b"] },
      { resourceNames: ["x in the namespace demo"] },
    ]
  ) {
    const [row] = rowsOf(rule);
    assert.equal(
      row!.flag,
      "x in the namespace demo" === rule.resourceNames?.[0]
        ? "--allow-cluster=get:secrets[x in the namespace demo]"
        : undefined,
    );
    assert.deepEqual(row!.rule, { verbs: ["get"], apiGroups: [""], resources: ["secrets"], ...rule });
  }
  assert.equal(
    rowsOf({ resourceNames: ["x in the namespace demo"] })[0]!.what,
    'get secrets named "x in the namespace demo"',
  );
  const two = [...rowsOf({ resourceNames: ["a,b"] }), ...rowsOf({ resourceNames: ["a", "b"] })];
  assert.equal(moreRows(two.slice(1), two.slice(0, 1)).length, 1, "they are not taken for each other");
});

Deno.test("quotes a path with blanks", () => {
  const what = (host: string) =>
    grantRows({ ...LEAST, files: [{ host, guest: host, write: false }] }, HOME)[0]!.what;
  assert.equal(what("/srv/a"), "read /srv/a");
  assert.equal(what("/srv/my files"), 'read "/srv/my files"');
  assert.equal(what("/etc/shadow as /srv"), 'read "/etc/shadow as /srv"');
  assert.equal(what('/a"   -'), 'read "/a\\" \\x20\\x20-"');
  assert.equal(what("/srv/אב/1"), 'read "/srv/\\u{5d0}\\u{5d1}/1"', "a terminal may turn it round");
  const explained = explainGrants(
    {
      ...LEAST,
      files: [
        { host: "/a", guest: "/a", write: false },
        { host: "/b and /c", guest: "/d e", write: true, real: "/f) g" },
      ],
      deny: { ...LEAST.deny, read: ["/h and nothing else"], write: ["/i j"], env: ["K and L"] },
    },
    "/s",
    HOME,
  ).map(([, text]) => text).join("\n");
  for (const path of ["/b and /c", "/d e", "/f) g", "/h and nothing else", "/i j", "K and L"]) {
    assert.ok(explained.includes(`"${path}"`), explained);
  }
  const [env] = grantRows({ ...LEAST, env: ["A", "B, and no other   -", "MY TOKEN"] }, HOME);
  assert.equal(env!.what, 'see A, "B, and no other \\x20\\x20-", "MY TOKEN", and no other');
  assert.equal(env!.risk, '"MY TOKEN" looks like a credential');
});

Deno.test("marks risky grants", () => {
  for (
    const path of [
      "/",
      HOME,
      "/home",
      `${HOME}/.ssh`,
      `${HOME}/.aws/credentials`,
      `${HOME}/.bashrc`,
      `${HOME}/.config`,
      `${HOME}/.local`,
      `${HOME}/.CONFIG/gh/hosts.yml`,
      `${HOME}/Library/Keychains/login.keychain-db`,
      "/run/secrets",
      "/etc/shadow",
      "/root",
    ]
  ) {
    assert.notEqual(pathRisk(path, false, HOME), "", path);
  }
  for (const path of [`${HOME}/src`, `${HOME}/.sshx`, `${HOME}/.config/compare`, "/tmp/x", "/srv/data"]) {
    assert.equal(pathRisk(path, false, HOME), "", path);
    assert.notEqual(pathRisk(path, true, HOME), "", path);
  }
  const risk = (word: string) => ruleRisk(parseRuleWord(word)![0]!);
  for (
    const word of [
      "*:*",
      "get:secrets",
      "create:pods/exec",
      "delete:pods",
      "impersonate:users",
      "list:*",
      "get:nodes/proxy",
    ]
  ) {
    assert.notEqual(risk(word), "", word);
  }
  for (const word of ["get,list,watch:pods", "get:pods/log@demo", "get:/metrics"]) {
    assert.equal(risk(word), "", word);
  }
});

Deno.test("marks risky Windows paths in any case and on any drive", () => {
  const home = "C:/Users/me";
  for (
    const path of [
      ...[
        "C:/",
        "c:",
        "D:/",
        "//server/share",
        "C:/Users",
        "c:/USERS/ME",
        "C:/users/Me/.SSH/id",
        "C:/Users/me/AppData",
      ],
      ...["C:/Users/me/.kube", "C:/Windows/System32", "c:/program files/x", "C:/ProgramData/krew-wasm"],
    ]
  ) assert.notEqual(pathRisk(path, false, home, true), "", path);
  for (const path of ["C:/Users/me/src", "C:/Users/men", "D:/data", "C:/windowsill"]) {
    assert.equal(pathRisk(path, false, home, true), "", path);
  }
});

Deno.test("describes rules in words", () => {
  const words = (word: string) => ruleInWords(parseRuleWord(word)![0]!);
  assert.equal(words("get,list:pods@demo"), "get, list pods in the namespace demo");
  assert.equal(words("*:*"), "do anything with every resource of any group");
  assert.equal(
    words("patch:deployments.apps/scale[web]@a,b"),
    "patch deployments/scale of apps named web in the namespaces a, b",
  );
  assert.equal(words("get:/metrics"), "get the path /metrics");
});

Deno.test("names the core group beside other groups", () => {
  const rule = { verbs: ["delete"], apiGroups: ["widgets.example.com", ""], resources: ["pods"] };
  assert.equal(ruleInWords(rule), "delete pods of the core group and widgets.example.com");
  assert.equal(ruleInWords({ ...rule, apiGroups: [""] }), "delete pods");
});

Deno.test("names every risk of a rule", () => {
  const resources = ["widgets", "pods/exec", "clusterrolebindings", "secrets"];
  assert.equal(
    ruleRisk({ verbs: ["get", "create"], apiGroups: [""], resources }),
    "it can give itself more rights; it gets into containers and nodes, or makes tokens; Secrets are among it",
  );
});

Deno.test("formatGrants() shows a plugin without further grants", async () => {
  const table = formatGrants([
    { name: "a", grants: LEAST },
    { name: "b", grants: await grantsOf({ allowRead: ["/data"], allowCluster: ["none"], denyHome: true }) },
  ], HOME);
  assert.equal(
    table,
    "NAME   GRANT     MAY                             RISK\n" +
      "a      cluster   do all that you may do          ! it acts in your name\n" +
      "b      files     read /data                      -\n" +
      "b      cluster   nothing                         -\n" +
      "b      denied    never see your home directory   -\n",
  );
});

Deno.test("formatExplanation() explains grants in sentences", async () => {
  const text = (grants: Grants) =>
    formatExplanation({ name: "foo", reference: "example.com/foo:v1", grants }, "/s/data/foo", HOME, 78);
  const least = text(LEAST);
  assert.match(
    least,
    /^foo \(example\.com\/foo:v1\)\n {2}Files: It changes nothing but its private directory/,
  );
  assert.ok(least.split("\n").every((line) => line.length <= 80));
  assert.match(least.replace(/\s+/g, " "), /may do everything that you may do, in your name/);
  const narrow = text(await grantsOf({ allowCluster: ["list:pods@demo"], denyEnv: ["*"], denyHome: true }))
    .replace(/\s+/g, " ");
  assert.match(narrow, /It may list pods in the namespace demo\./);
  assert.match(narrow, /sees no environment variable/);
  assert.match(narrow, /never sees anything in \/home\/jane/);
  const none = text(await grantsOf({ denyAll: true, allowAll: true })).replace(/\s+/g, " ");
  assert.match(least.replace(/\s+/g, " "), /It accepts no connections\./);
  for (
    const [ports, words] of [
      ["8080", "port 8080"],
      ["0", "a port that the system chooses"],
      ["0,8080", "port 8080 and a port that the system chooses"],
      ["80,0,90", "ports 80, 90 and a port that the system chooses"],
      ["3,2,1", "ports 1, 2 and 3"],
      ["*", "any port"],
    ] as const
  ) {
    const listening = text(await grantsOf({ allowListen: [ports] })).replace(/\s+/g, " ");
    assert.ok(listening.includes(`It accepts connections from this machine at ${words}.`), ports);
  }
  assert.match(none, /can't reach the cluster.*reaches nothing on the network/);
  assert.doesNotMatch(none, /adds yours/);
  assert.equal(explainGrants(LEAST, "/s", HOME).length, 7);
});

Deno.test("does not claim safety for a plugin that may read credentials", async () => {
  const text = async (flags: GrantFlags) =>
    Object.fromEntries(explainGrants(await grantsOf(flags), "/s", HOME)).Credentials;
  for (const allowRead of [`${HOME}/src`, "/srv", `${HOME}/.sshx`]) {
    assert.match((await text({ allowRead: [allowRead] }))!, /^It never holds/, allowRead);
  }
  for (const allowRead of ["/", "/home", HOME, `${HOME}/.ssh/id_rsa`, `${HOME}/.kube`]) {
    assert.match((await text({ allowRead: [allowRead] }))!, /may be in the files it may read\.$/, allowRead);
  }
  assert.match(
    (await text({ allowHome: true, allowEnv: ["*"] }))!,
    /the files it may read and its environment\.$/,
  );
  assert.match((await text({ allowEnv: ["A,GH_TOKEN"] }))!, /may be in its environment\.$/);
  assert.match((await text({ allowHome: true, denyHome: true }))!, /^It never holds/);
});

Deno.test("does not show denied grants as granted", async () => {
  const grants = await grantsOf({ allowAll: true, denyAll: true });
  const rows = effectiveRows({ ...grants, env: "all", cluster: "full", home: true, kubeconfig: true }, HOME);
  assert.deepEqual([...new Set(rows.map(({ kind }) => kind))], ["denied"]);
});
