import assert from "node:assert/strict";
import { changeGrants, effectiveGrants, mergeGrants } from "../../../runtime/grants/merge_grants.ts";
import { type GrantChange, type Grants, LEAST, NO_DENIALS } from "../../../runtime/grants/grants.ts";
import { grantedEnvironment, isCredentialVariable } from "../../../runtime/grants/granted_environment.ts";
import { type GrantFlags, parseGrantFlags } from "../../../runtime/grants/parse_grant_flags.ts";
import { parseSize } from "../../../runtime/grants/size.ts";
import { grantsFromJson, grantsToJson } from "../../../runtime/grants/grants_json.ts";
import { formerGrants } from "../../support/former.ts";

const RULES = { rules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }] };

const parse = (flags: GrantFlags): Promise<GrantChange> =>
  parseGrantFlags(flags, {
    resolve: (path) => path.startsWith("/") ? path : `/cwd/${path}`,
    readRules: (path) => Promise.resolve(path.includes("bad") ? { rules: [{ verbs: [] }] } : RULES),
  });

const grantsOf = async (flags: GrantFlags): Promise<Grants> => mergeGrants(LEAST, await parse(flags));

Deno.test("without flags a plugin has the defaults", async () => {
  assert.deepEqual(await grantsOf({}), LEAST);
});

Deno.test("parseGrantFlags() makes host paths absolute and maps HOST::GUEST", async () => {
  const { files } = await parse({ allowRead: ["data", "/etc/ssl::/ssl"], allowWrite: ["out"] });
  assert.deepEqual(files, [
    { host: "/cwd/data", guest: "/cwd/data", write: false },
    { host: "/etc/ssl", guest: "/ssl", write: false },
    { host: "/cwd/out", guest: "/cwd/out", write: true },
  ]);
});

Deno.test("parseGrantFlags() refuses malformed paths, names, words and sizes", async () => {
  const refuses = (flags: GrantFlags) =>
    assert.rejects(parse(flags), { code: "GRANT_INVALID" }, JSON.stringify(flags));
  for (const path of ["", "::", "a::", "::b", "a::b::c", "a\0b"]) await refuses({ allowRead: [path] });
  for (const path of ["", "a::b", "a\0b"]) await refuses({ denyRead: [path] });
  for (const path of ["", "a::b", "a\0b"]) await refuses({ denyWrite: [path] });
  for (const names of ["A=B", "A,B*", "A\nB"]) {
    await refuses({ allowEnv: [names] });
    await refuses({ denyEnv: [names] });
  }
  for (const what of ["", "readonly", "FULL", "some", "bad.yaml"]) await refuses({ allowCluster: [what] });
  for (const what of ["", "none", "read-only", "bad.yaml"]) await refuses({ denyCluster: [what] });
  for (const ports of ["", "http", "80-90", "65536", "-1", "1.5", "80,,90"]) {
    await refuses({ allowListen: [ports] });
  }
  for (const size of ["", "-1", "0", "12", "1Ti", "lots", "1e9", "17Gi", "NaN"]) {
    await refuses({ maxMemory: size });
  }
});

Deno.test("parseGrantFlags() reads --allow-listen as sorted ports, or all", async () => {
  assert.deepEqual((await grantsOf({ allowListen: ["8080, 80", "0,80"] })).listen, [0, 80, 8080]);
  assert.equal((await grantsOf({ allowListen: ["80", "*"] })).listen, "all");
  assert.equal((await grantsOf({ allowAll: true })).listen, "all");
  assert.deepEqual((await grantsOf({ allowAll: true, allowListen: ["80"] })).listen, [80]);
  assert.deepEqual(effectiveGrants(await grantsOf({ allowListen: ["80"], denyListen: true })).listen, []);
  assert.deepEqual(effectiveGrants(await grantsOf({ allowListen: ["80"], denyAll: true })).listen, []);
});

Deno.test("changeGrants() adds ports, and lets the later of a grant and a denial win", async () => {
  const first = changeGrants(LEAST, await parse({ allowListen: ["80"] }));
  assert.deepEqual(changeGrants(first, await parse({ allowListen: ["90"] })).listen, [80, 90]);
  const denied = changeGrants(first, await parse({ denyListen: true }));
  assert.deepEqual([denied.listen, denied.deny.listen], [[], true]);
  const again = changeGrants(denied, await parse({ allowListen: ["90"] }));
  assert.deepEqual([again.listen, again.deny.listen], [[90], false]);
});

Deno.test("grantsFromJson() reads grants of before there were listeners", () => {
  const json = JSON.parse(JSON.stringify(grantsToJson({ ...LEAST, listen: [80] })));
  assert.deepEqual(grantsFromJson(json).listen, [80]);
  delete json.listen;
  delete json.deny.listen;
  assert.deepEqual(grantsFromJson(json), LEAST);
  for (const listen of [null, "*", [70000], ["80"]]) assert.throws(() => grantsFromJson({ ...json, listen }));
});

Deno.test("parseGrantFlags() reads --allow-env as a list, all, or nothing", async () => {
  assert.deepEqual((await parse({ allowEnv: ["A,B", "C"] })).env, ["A", "B", "C"]);
  assert.equal((await parse({ allowEnv: ["*"] })).env, "all");
  assert.deepEqual((await parse({ allowEnv: [""] })).env, []);
});

Deno.test("parseGrantFlags() reads --allow-cluster as a word or a file of rules", async () => {
  for (const word of ["none", "read-only", "full"]) {
    assert.equal((await parse({ allowCluster: [word] })).cluster, word);
  }
  assert.deepEqual((await parse({ allowCluster: ["rules.yaml"] })).cluster, RULES);
  assert.deepEqual((await parse({ denyCluster: ["./rules"] })).deny.cluster, RULES.rules);
  assert.equal((await parse({ denyCluster: ["all"] })).deny.cluster, true);
  assert.equal((await parse({ denyCluster: ["get:secrets", "all"] })).deny.cluster, true);
});

Deno.test("a rule adds to earlier rules, and replaces full access", async () => {
  const rule = { verbs: ["delete"], apiGroups: [""], resources: ["pods"], namespaces: ["default"] };
  const word = { allowCluster: ["delete:pods@default"] };
  assert.deepEqual((await grantsOf(word)).cluster, { rules: [rule] });
  const after = async (cluster: Grants["cluster"]) =>
    mergeGrants({ ...LEAST, cluster }, await parse(word)).cluster;
  assert.deepEqual(await after("none"), { rules: [rule] });
  assert.deepEqual(await after("read-only"), { rules: [rule], readOnly: true });
  assert.deepEqual(await after({ rules: [rule] }), { rules: [rule] });
  assert.deepEqual(await after(RULES), { rules: [...RULES.rules, rule] });
  assert.deepEqual(
    (await grantsOf({ allowCluster: ["read-only", "create:pods/exec"] })).cluster,
    { rules: [{ verbs: ["create"], apiGroups: [""], resources: ["pods/exec"] }], readOnly: true },
  );
});

Deno.test("--allow-all grants everything, --deny-all takes precedence", async () => {
  const all = await grantsOf({ allowAll: true, allowCluster: ["read-only"] });
  assert.deepEqual(
    { files: all.files, home: all.home, env: all.env, kubeconfig: all.kubeconfig, cluster: all.cluster },
    {
      files: [{ host: "/", guest: "/", write: true }],
      home: true,
      env: "all",
      kubeconfig: true,
      cluster: "read-only",
    },
  );
  const left = effectiveGrants(await grantsOf({ allowAll: true, denyAll: true }));
  assert.deepEqual(
    { files: left.files, home: left.home, env: left.env, kubeconfig: left.kubeconfig, cluster: left.cluster },
    { files: [], home: false, env: [], kubeconfig: false, cluster: "none" },
  );
  assert.deepEqual([left.terminal, left.completion], [false, false]);
});

Deno.test("each --deny-… takes precedence over its --allow-…", async () => {
  const effective = async (flags: GrantFlags) => effectiveGrants(await grantsOf(flags));
  assert.deepEqual(
    (await effective({ allowRead: ["/a/b", "/c"], denyRead: ["/a"] })).files.map(({ host }) => host),
    ["/c"],
  );
  assert.deepEqual((await effective({ allowWrite: ["/a/b"], denyWrite: ["/a"] })).files, [
    { host: "/a/b", guest: "/a/b", write: false },
  ]);
  assert.equal((await effective({ allowHome: true, denyHome: true })).home, false);
  assert.deepEqual((await effective({ allowEnv: ["A,B"], denyEnv: ["A"] })).env, ["B"]);
  assert.deepEqual((await effective({ allowEnv: ["*"], denyEnv: ["*"] })).env, []);
  assert.equal((await effective({ allowKubeconfig: true, denyKubeconfig: true })).kubeconfig, false);
  assert.equal((await effective({ allowCluster: ["full"], denyCluster: ["all"] })).cluster, "none");
  assert.equal((await effective({ allowTerminal: true, denyTerminal: true })).terminal, false);
  assert.equal((await effective({ allowCompletion: true, denyCompletion: true })).completion, false);
  assert.equal((await effective({ denyCompletion: true })).terminal, true);
  assert.deepEqual(grantedEnvironment({ A: "1", B: "2" }, "all", ["A"]), {
    given: [["B", "2"]],
    withheld: ["A"],
  });
});

Deno.test("parseSize() reads the sizes of Kubernetes and GNU", () => {
  for (
    const [text, bytes] of [
      ["64Ki", 65536],
      ["512Mi", 512 * 2 ** 20],
      ["1.5GiB", 1.5 * 2 ** 30],
      ["2G", 2e9],
      [
        "100000",
        100000,
      ],
      ["64MB", 64e6],
      ["16Gi", 16 * 2 ** 30],
    ] as const
  ) assert.equal(parseSize(text, "--max-memory"), bytes, text);
});

Deno.test("isCredentialVariable() knows credentials by their names", () => {
  for (
    const name of [
      "GITHUB_TOKEN",
      "AWS_SECRET_ACCESS_KEY",
      "AWS_ACCESS_KEY_ID",
      "AWS_SESSION_TOKEN",
      "DB_PASSWORD",
      "PGPASSWORD",
      "MYSQL_PWD",
      "npm_config__auth",
      "OPENAI_API_KEY",
      "SSH_AUTH_SOCK",
      "AZURE_CLIENT_SECRET",
      "GOOGLE_APPLICATION_CREDENTIALS",
      "VAULT_TOKEN",
      "HTTPS_PROXY",
      "http_proxy",
      "DATABASE_URL",
      "SENTRY_DSN",
      "STRIPE_APIKEY",
      "MYSQL_PASS",
      "MyPassphrase",
      "SSHPASS",
      "JWT",
      "SERVICE_JWT",
      "GITLAB_PAT",
      "BW_SESSION",
      "OP_SESSION_acme",
    ]
  ) assert.ok(isCredentialVariable(name), name);
  for (
    const name of [
      "HOME",
      "PATH",
      "PWD",
      "OLDPWD",
      "LANG",
      "TERM",
      "USER",
      "EDITOR",
      "KUBECONFIG",
      "AWS_REGION",
      "AWS_PROFILE",
      "NO_COLOR",
      "SHELL",
      "XDG_RUNTIME_DIR",
      "AUTHOR",
      "COMPASS",
      "KEYBOARD",
      "MONKEY",
      "DESKTOP_SESSION",
      "XDG_SESSION_TYPE",
      "PATH_PATTERN",
    ]
  ) assert.ok(!isCredentialVariable(name), name);
});

Deno.test("grantedEnvironment() withholds credentials by default and lists them", () => {
  const env = { HOME: "/h", API_TOKEN: "x", LANG: "C" };
  assert.deepEqual(grantedEnvironment(env, "default"), {
    given: [["HOME", "/h"], ["LANG", "C"]],
    withheld: ["API_TOKEN"],
  });
  assert.deepEqual(grantedEnvironment(env, "all").withheld, []);
  assert.deepEqual(grantedEnvironment(env, ["API_TOKEN", "ABSENT"]).given, [["API_TOKEN", "x"]]);
  assert.deepEqual(grantedEnvironment(env, []).given, []);
});

Deno.test("mergeGrants() joins the grants and the denials of both", async () => {
  const home = { ...LEAST, home: true };
  const listed = { ...LEAST, env: ["A"] };
  assert.deepEqual(mergeGrants(home, await parse({ allowEnv: ["A"] })), { ...LEAST, home: true, env: ["A"] });
  assert.deepEqual(mergeGrants(listed, await parse({ allowEnv: ["B,A"] })).env, ["A", "B"]);
  assert.equal(mergeGrants(listed, await parse({ allowEnv: ["*"] })).env, "all");
  assert.deepEqual(mergeGrants(listed, await parse({})).env, ["A"]);
  const read = await grantsOf({ allowRead: ["/a"] });
  assert.deepEqual(mergeGrants(read, await parse({ allowWrite: ["/a"] })).files, [
    { host: "/a", guest: "/a", write: true },
  ]);
  assert.equal(mergeGrants({ ...LEAST, cluster: "read-only" }, await parse({})).cluster, "read-only");
  assert.equal(
    mergeGrants({ ...LEAST, cluster: "read-only" }, await parse({ allowCluster: ["full"] })).cluster,
    "full",
  );
  const denied = await grantsOf({ denyHome: true, denyRead: ["/a"] });
  const merged = mergeGrants(denied, await parse({ allowHome: true, allowRead: ["/a"], denyRead: ["/b"] }));
  assert.deepEqual(merged.deny, { ...NO_DENIALS, home: true, read: ["/a", "/b"] });
  assert.equal(mergeGrants(LEAST, await parse({ maxMemory: "1Mi" })).limits.maxMemory, 2 ** 20);
});

Deno.test("changeGrants() removes earlier opposite grants and denials", async () => {
  const denied = await grantsOf({
    denyHome: true,
    denyRead: ["/a", "/b"],
    denyEnv: ["X,Y"],
    denyKubeconfig: true,
    denyCluster: ["all"],
    denyTerminal: true,
  });
  const allowed = changeGrants(
    denied,
    await parse({
      allowHome: true,
      allowRead: ["/a"],
      allowEnv: ["X"],
      allowKubeconfig: true,
      allowCluster: ["read-only"],
      allowTerminal: true,
    }),
  );
  assert.deepEqual(allowed.deny, { ...NO_DENIALS, read: ["/b"], env: ["Y"] });
  assert.equal(allowed.cluster, "read-only");
  const again = changeGrants(
    allowed,
    await parse({ denyHome: true, denyRead: ["/a"], denyEnv: ["X"], denyKubeconfig: true }),
  );
  assert.deepEqual(
    { files: again.files, home: again.home, env: again.env, kubeconfig: again.kubeconfig },
    { files: [], home: false, env: [], kubeconfig: false },
  );
  const both = changeGrants(LEAST, await parse({ allowRead: ["/a"], denyRead: ["/a"] }));
  assert.deepEqual([both.files, both.deny.read], [[], ["/a"]]);
});

Deno.test("grantsFromJson() reads what grantsToJson() wrote and refuses the rest", async () => {
  const grants = await grantsOf({
    allowRead: ["/a"],
    allowHome: true,
    allowEnv: ["A"],
    allowKubeconfig: true,
    allowCluster: ["rules.yaml"],
    denyCluster: ["rules.yaml"],
    denyRead: ["/b"],
    maxMemory: "1Gi",
  });
  const json = JSON.parse(JSON.stringify(grantsToJson(grants)));
  assert.deepEqual(grantsFromJson(json), grants);
  for (
    const change of [
      { files: {} },
      { files: [{}] },
      { files: [{ host: "/a", guest: "/a", write: false }] },
      { home: "yes" },
      { env: "most" },
      { env: [1] },
      { kubeconfig: 1 },
      { cluster: "some" },
      { cluster: { rules: [{}] } },
      { cluster: { rules: [] } },
      { cluster: { rules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }], readOnly: false } },
      { terminal: 1 },
      { completion: 1 },
      { completion: undefined },
      { limits: { maxMemory: -1 } },
      { limits: { maxMemory: 65536 } },
      { deny: {} },
      { deny: { ...NO_DENIALS, cluster: "all" } },
      { deny: { ...NO_DENIALS, reads: [] } },
      { denials: {} },
    ]
  ) {
    assert.throws(() => grantsFromJson({ ...json, ...change }), JSON.stringify(change));
  }
  assert.throws(() => grantsFromJson(null));
});

Deno.test("grantsFromJson() reads the former form without empty rule fields", () => {
  const rule = { verbs: ["get"], apiGroups: [""], resources: ["pods"] };
  const plain = { ...LEAST, files: [{ host: "/a", guest: "/a", write: false }], cluster: { rules: [rule] } };
  const former = formerGrants(plain);
  assert.deepEqual(grantsFromJson(former, "former"), plain);
  assert.throws(() => grantsFromJson(former));
  for (const field of Object.keys(former)) {
    assert.throws(() => grantsFromJson({ ...former, [field]: undefined }, "former"), field);
    assert.throws(() => grantsFromJson({ ...former, [`${field}s`]: [] }, "former"), `${field}s`);
  }
});
