import assert from "node:assert/strict";
import { RunRecord } from "../../../runtime/sandbox/run_record.ts";
import { PermissionRequests } from "../../../runtime/sandbox/permission_requests.ts";
import { effectiveGrants } from "../../../runtime/grants/merge_grants.ts";
import { type Grants, LEAST } from "../../../runtime/grants/grants.ts";
import { checkAllowed, type Policy, ruleFor } from "../../../runtime/policy/policy.ts";
import { limitGrants } from "../../../runtime/policy/limit_grants.ts";
import { parsePolicy } from "../../../runtime/policy/parse_policy.ts";
import { readPolicy } from "../../../runtime/policy/read_policy.ts";
import { formatReference, parseReference } from "../../../runtime/base/reference.ts";
import { type Subject, subjectOf } from "../../../runtime/policy/reference_pattern.ts";
import { administratorOf } from "../../../runtime/policy/verdict.ts";
import { governed } from "../../../runtime/run/run.ts";
import { readUserPolicy } from "../../../runtime/policy/user_policy.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const HOME = "/home/jane";
const at = (reference: string): Subject =>
  reference.startsWith("file://")
    ? { kind: "file", path: reference.slice("file://".length) }
    : subjectOf(parseReference(reference));
/** An unsigned installed plugin, and a store without a user's policy. */
const plugin = (reference: string) => ({
  reference: formatReference(parseReference(reference)),
  source: { kind: "registry" } as const,
  signatures: [],
});
const STORE = { policy: "/nowhere/policy.yaml" };
const parse = (value: unknown): Policy => parsePolicy(value, "/etc/krew-wasm/policy.yaml", HOME);
const bounds = (maximum: Record<string, unknown>) =>
  ruleFor(parse({ rules: [{ match: "**", maximum }] }), at("a/b:c"))!.maximum;
const limit = (grants: Partial<Grants>, maximum: Record<string, unknown>, real?: (path: string) => string) =>
  limitGrants({ ...LEAST, ...grants }, bounds(maximum), HOME, real);
const file = (host: string, write = false, guest = host) => ({ host, guest, write });

Deno.test("registries and the first matching rule decide about a plugin", () => {
  const policy = parse({
    registries: ["ghcr.io"],
    rules: [{ match: "ghcr.io/acme/good" }, { match: "ghcr.io/acme/**", allow: false }, {
      match: "file://**",
      allow: false,
    }],
  });
  checkAllowed(undefined, at("docker.io/library/x:latest"));
  checkAllowed(policy, at("ghcr.io/other/x:v1"));
  checkAllowed(policy, at("ghcr.io/acme/good:v1"));
  for (
    const reference of [
      "docker.io/library/x:latest",
      "ghcr.io/acme/bad:v1",
      "file:///x.wasm",
    ]
  ) {
    assert.throws(() => checkAllowed(policy, at(reference)), { code: "POLICY_REFUSED" }, reference);
  }
  const own = parse({ registries: ["ghcr.io"] });
  checkAllowed(own, at("ghcr.io/acme/x:v1"));
  for (const reference of ["evil-ghcr.io/acme/x:v1", "sub.ghcr.io/acme/x:v1", "ghcr.io.evil.example/x:v1"]) {
    assert.throws(() => checkAllowed(own, at(reference)), { code: "POLICY_REFUSED" }, reference);
  }
});

Deno.test("limitGrants() keeps grants inside the bounds", () => {
  const all: Partial<Grants> = {
    files: [file("/", true)],
    home: true,
    env: "all",
    kubeconfig: true,
    cluster: "full",
    listen: "all",
  };
  assert.deepEqual(limit(all, {}), { ...LEAST, ...all });
  assert.equal(limitGrants({ ...LEAST, ...all }, undefined, HOME).home, true);
  const none = limit(all, {
    read: [],
    home: false,
    env: [],
    kubeconfig: false,
    cluster: "none",
    listen: [],
    maxMemory: "64Mi",
    terminal: false,
    completion: false,
  });
  assert.deepEqual(none, {
    ...LEAST,
    env: [],
    cluster: "none",
    terminal: false,
    completion: false,
    limits: { ...LEAST.limits, maxMemory: 64 * 2 ** 20 },
  });
});

Deno.test("limitGrants() limits listeners to ports", () => {
  assert.deepEqual(limit({ listen: "all" }, { listen: [80, 8080] }).listen, [80, 8080]);
  assert.deepEqual(limit({ listen: [80, 90] }, { listen: [80, 8080] }).listen, [80]);
  assert.deepEqual(limit({ listen: [80, 90] }, { listen: "all" }).listen, [80, 90]);
  const both = [{ listen: [80, 90] }, {}, { listen: [90] }].map((each) => bounds(each)!);
  assert.deepEqual(administratorOf({ bounds: both }, HOME)!.listen, [90]);
});

Deno.test("limitGrants() reduces file grants to the allowed paths", () => {
  const paths = (
    grants: Partial<Grants>,
    maximum: Record<string, unknown>,
    real?: (path: string) => string,
  ) =>
    limit(grants, maximum, real).files.map(({ host, guest, write }) =>
      `${write ? "rw" : "r"} ${host} ${guest}`
    );
  const read = { read: ["/srv", "~/src"] };
  assert.deepEqual(paths({ files: [file("/srv/a"), file("/etc"), file("/srvx")] }, read), [
    "r /srv/a /srv/a",
  ]);
  assert.deepEqual(paths({ files: [file("/", true)] }, read), [
    "rw /srv /srv",
    "rw /home/jane/src /home/jane/src",
  ]);
  assert.deepEqual(paths({ files: [file("/", true)] }, { ...read, write: ["/srv/out"] }), [
    "r /srv /srv",
    "r /home/jane/src /home/jane/src",
    "rw /srv/out /srv/out",
  ]);
  assert.deepEqual(paths({ files: [file("/srv", true)] }, { write: [] }), ["r /srv /srv"]);
  assert.deepEqual(paths({ home: true }, read), ["rw /home/jane/src /home/jane/src"]);
  assert.deepEqual(
    paths({ home: true, files: [file(HOME), file("/home"), file(`${HOME}/x`)] }, { home: false }),
    [
      "r /home/jane/x /home/jane/x",
    ],
  );
  assert.deepEqual(paths({ files: [file("/", false, "/host")] }, read), [
    "r /srv /host/srv",
    "r /home/jane/src /host/home/jane/src",
  ]);
  const real = (path: string) => path.replace(/^\/srv\/link/, "/etc");
  assert.deepEqual(
    paths({ files: [file("/srv/link/x")] }, read, real),
    [],
    "a link leads out of the allowed paths",
  );
});

Deno.test("limitGrants() limits variables to the defaults, or to names", () => {
  const env = (grant: Grants["env"], bound: unknown) => limit({ env: grant }, { env: bound }).env;
  assert.equal(env("all", "default"), "default");
  assert.deepEqual(env(["A", "GH_TOKEN"], "default"), ["A"]);
  assert.deepEqual(env("default", ["A", "GH_TOKEN"]), ["A"]);
  assert.deepEqual(env("all", ["A"]), ["A"]);
  assert.deepEqual(env(["A", "B"], ["B", "C"]), ["B"]);
  assert.equal(env("default", "default"), "default");
});

Deno.test("a person cannot grant more than the bound during a run", () => {
  const policy = parse({ rules: [{ match: "**", maximum: { cluster: "read-only", home: false } }] });
  const permissionRequests = new PermissionRequests({
    record: new RunRecord("/dev/null/none", "x", false),
    plugin: "foo",
    grants: { ...LEAST, home: true, cluster: "full" },
    home: HOME,
    args: [],
    started: undefined,
    ask: () => ({ answer: "run", wider: false }),
    keep: undefined,
    administrator: administratorOf(
      { bounds: [ruleFor(policy, at("a/b:c"))!.maximum!] },
      HOME,
    ),
  });
  assert.deepEqual([permissionRequests.grants.home, permissionRequests.grants.cluster], [false, "read-only"]);
  permissionRequests.askCluster({ what: "delete pods", rule: "delete:pods", info: undefined, denied: false });
  assert.equal(permissionRequests.cluster().bound, "read-only", "it applies to every request");
});

Deno.test("parsePolicy() names the wrong field", () => {
  for (
    const [value, words] of [
      [[], /it is not an object/],
      [null, /it is not an object/],
      [{ rule: [] }, /rule is not known/],
      [{ version: 2 }, /version is 2/],
      [{ prompts: "off" }, /prompts is neither/],
      [{ registries: "ghcr.io" }, /registries is not a list/],
      [{ registries: ["ghcr.io", "ghcr.io/acme"] }, /registries\[1\]: "ghcr.io\/acme" is not HOST/],
      [{ registries: ["https://ghcr.io"] }, /registries\[0\]/],
      [{ rules: {} }, /rules is not a list/],
      [{ rules: [{ match: "ghcr.io" }] }, /rules\[0\]\.match: "ghcr.io" can never match: .* ghcr.io\/\*\*/],
      [{ rules: [{}] }, /rules\[0\]\.match is missing/],
      [{ rules: [{ match: "**", maximum: { net: false } }] }, /rules\[0\]\.maximum\.net is not known/],
      [{ rules: [{ match: "**", maximum: { read: ["srv"] } }] }, /"srv" is not absolute/],
      [{ rules: [{ match: "**", maximum: { cluster: "some" } }] }, /maximum\.cluster: rules is missing/],
      [{ rules: [{ match: "**", maximum: { maxMemory: "lots" } }] }, /maxMemory/],
      [{ rules: [{ match: "**", maximum: { listen: "some" } }] }, /maximum\.listen is neither "all" nor/],
      [{ rules: [{ match: "**", maximum: { listen: [70000] } }] }, /maximum\.listen\[0\] is not a port/],
      [{ rules: [{ match: "**", allow: "no" }] }, /allow is neither/],
    ] as const
  ) {
    assert.throws(
      () => parse(value),
      (error: Error & { code?: string }) => error.code === "POLICY_INVALID" && words.test(error.message),
      JSON.stringify(value),
    );
  }
});

Deno.test("an invalid policy refuses every run, a missing one limits nothing", async () => {
  const directory = temporaryDirectory();
  const path = `${directory}/policy.yaml`;
  try {
    assert.equal(await readPolicy(path, HOME), undefined);
    assert.deepEqual(await governed(plugin("a/b:c"), STORE, path), {
      administrator: undefined,
      prompts: true,
      requests: false,
      bounds: undefined,
      requiredBy: undefined,
    });
    await Deno.writeTextFile(
      path,
      "prompts: false\nrecord: requests\nrules:\n- match: docker.io/a/**\n  maximum: {cluster: none}\n- match: docker.io/x/**\n  allow: false\n",
    );
    const { administrator, prompts, requests, bounds, requiredBy } = await governed(
      plugin("a/b:c"),
      STORE,
      path,
    );
    assert.deepEqual([prompts, requests, requiredBy], [false, true, undefined]);
    assert.deepEqual(bounds, { judged: plugin("a/b:c"), policy: path });
    assert.equal(administrator!.limit(effectiveGrants(LEAST)).cluster, "none");
    assert.equal((await governed(plugin("c/d:e"), STORE, path)).administrator, undefined);
    await assert.rejects(governed(plugin("x/y:z"), STORE, path), { code: "POLICY_REFUSED" });
    await Deno.writeTextFile(path, "walls: kernel");
    assert.equal((await governed(plugin("a/b:c"), STORE, path)).requiredBy, path);
    await Deno.writeTextFile(path, "walls: [kernel]");
    await assert.rejects(governed(plugin("a/b:c"), STORE, path), { code: "POLICY_INVALID" });
    for (const text of ["rules: [", "just text", "", "{", "rules: &a [*a]"]) {
      await Deno.writeTextFile(path, text);
      await assert.rejects(governed(plugin("a/b:c"), STORE, path), { code: "POLICY_INVALID" }, text);
    }
    await Deno.remove(path);
    await Deno.mkdir(path);
    await assert.rejects(governed(plugin("a/b:c"), STORE, path), { code: "POLICY_INVALID" });
    await Deno.remove(path);
    await Deno.writeTextFile(path, '{"prompts": false}');
    assert.equal((await governed(plugin("a/b:c"), STORE, path)).prompts, false, "JSON is YAML");
    await Deno.remove(path);
    await Deno.symlink("nowhere", path);
    await assert.rejects(
      governed(plugin("a/b:c"), STORE, path),
      { code: "POLICY_INVALID" },
      "a link to nowhere",
    );
    await Deno.symlink("nowhere", `${directory}/away`);
    await assert.rejects(governed(plugin("a/b:c"), STORE, `${directory}/away/policy.yaml`), {
      code: "POLICY_INVALID",
    });
    await Deno.writeTextFile(`${directory}/file`, "rules: []");
    await assert.rejects(governed(plugin("a/b:c"), STORE, `${directory}/file/policy.yaml`), {
      code: "POLICY_INVALID",
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a user's policy may require signers, and nothing else", async () => {
  const policy = `${temporaryDirectory()}/policy.yaml`;
  const read = (text: string) => {
    Deno.writeTextFileSync(policy, text);
    return readUserPolicy({ policy }, "/home/me");
  };
  assert.equal((await read("rules: [{match: ghcr.io/**, verify: false}]"))?.rules.length, 1);
  for (
    const [name, text] of Object.entries({
      registries: "registries: [ghcr.io]",
      prompts: "prompts: false",
      walls: "walls: kernel",
      record: "record: requests",
      allow: "rules: [{match: ghcr.io/**, allow: false}]",
      maximum: "rules: [{match: ghcr.io/**, maximum: {home: false}}]",
    })
  ) {
    await assert.rejects(read(text), {
      code: "POLICY_INVALID",
      message: `${policy} can't be used: ${name} is the administrator's to say`,
    });
  }
});
