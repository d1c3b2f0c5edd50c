import assert from "node:assert/strict";
import { RegistryClient } from "../../../registry/oci/registry_client.ts";
import { mayNameRegistries, parseRegistriesConf } from "../../../registry/oci/hosts/registries_conf.ts";
import { parseRegistriesYaml } from "../../../registry/oci/hosts/registries_yaml.ts";
import { placesOf, ruleOf } from "../../../registry/oci/hosts/registry_rules.ts";
import type { HostsHost } from "../../../registry/oci/hosts/settings_host.ts";
import { openHosts } from "../../../registry/oci/registry_hosts.ts";
import { parseReference } from "../../../registry/oci/mirrored_reference.ts";
import { makeArtifact, push } from "../../../scripts/servers/artifacts.ts";
import { failure, TestRegistry } from "../../../scripts/servers/oci_registry.ts";
import { digestOf } from "../../../registry/oci/digest.ts";

const yaml = (registries: unknown) => parseRegistriesYaml({ registries }, "/s/registries.yaml", "/s");

/** Where a reference is looked for, as texts. */
const PEM = "-----BEGIN CERTIFICATE-----\n";

function places(registries: unknown, reference: string): string[] {
  const parsed = parseReference(reference);
  return placesOf(ruleOf(yaml(registries).rules, parsed), parsed)
    .map(({ registry, repository, insecure }) => `${registry}/${repository}${insecure ? " insecure" : ""}`);
}

Deno.test("tries mirrors in order before the registry", () => {
  const registries = {
    "ghcr.io": { mirrors: ["m1.example/ghcr", { location: "m2.example:5000", plainHttp: true }] },
    "docker.io": { mirrors: ["m1.example/hub"] },
  };
  assert.deepEqual(places(registries, "ghcr.io/acme/foo:v1"), [
    "m1.example/ghcr/acme/foo",
    "m2.example:5000/acme/foo insecure",
    "ghcr.io/acme/foo",
  ]);
  assert.deepEqual(places(registries, "foo"), ["m1.example/hub/library/foo", "docker.io/library/foo"]);
  assert.deepEqual(places(registries, "quay.io/acme/foo"), ["quay.io/acme/foo"]);
});

Deno.test("uses the longest matching prefix, by whole path segments", () => {
  const registries = {
    "*.example": { mirrors: ["wild.test"] },
    "r.example": { mirrors: ["host.test"] },
    "r.example/acme": { mirrors: ["team.test/x"], fallback: false },
    "r.example/moved": { location: "new.example/there" },
  };
  assert.deepEqual(places(registries, "r.example/acme/foo:v1"), ["team.test/x/foo"]);
  assert.deepEqual(places(registries, "r.example/acme2/foo:v1"), [
    "host.test/acme2/foo",
    "r.example/acme2/foo",
  ]);
  assert.deepEqual(places(registries, "other.example/foo:v1"), ["wild.test/foo", "other.example/foo"]);
  assert.deepEqual(places(registries, "r.example/moved/foo:v1"), ["new.example/there/foo"]);
});

Deno.test("matches prefixes, mirrors and certificates in all spellings of a host", () => {
  const { rules, tls } = parseRegistriesYaml(
    {
      registries: {
        "GHCR.io.:0443": { mirrors: ["0177.0.0.1:05000/Ghcr".toLowerCase()], ca: "ca.pem" },
        "registry-1.docker.io/library": { blocked: true },
        "*.Acme.Example.": { blocked: true },
      },
    },
    "/s/registries.yaml",
    "/s",
  );
  assert.deepEqual(rules.map(({ prefix }) => prefix), [
    "ghcr.io",
    "docker.io/library",
    "*.acme.example",
  ]);
  assert.equal(rules[0]!.mirrors[0]!.location, "127.0.0.1:5000/ghcr");
  assert.deepEqual([...tls.keys()], ["ghcr.io"]);
  const of = (text: string) => ruleOf(rules, parseReference(text))?.prefix;
  assert.equal(of("ghcr.io:443/x"), "ghcr.io");
  assert.equal(of("x"), "docker.io/library");
  assert.equal(of("R.ACME.example.:0443/x"), "*.acme.example");
  assert.throws(
    () => parseRegistriesYaml({ registries: { "ghcr.io": {}, "ghcr.io:443": {} } }, "/s/r", "/s"),
    { code: "REGISTRIES_INVALID" },
  );
});

Deno.test("supports mirrors for digests or tags only, and blocked registries", () => {
  const registries = {
    "a.example": { mirrors: [{ location: "d.test", only: "digest" }, { location: "t.test", only: "tag" }] },
    "b.example": { blocked: true },
  };
  const digest = digestOf(new Uint8Array());
  assert.deepEqual(places(registries, "a.example/foo:v1"), ["t.test/foo", "a.example/foo"]);
  assert.deepEqual(places(registries, `a.example/foo@${digest}`), ["d.test/foo", "a.example/foo"]);
  assert.throws(() => places(registries, "b.example/foo"), { code: "REGISTRY_FORBIDDEN" });
});

Deno.test("parseRegistriesYaml() reports an unknown field with its path", () => {
  for (
    const bad of [
      [],
      { "http://x": {} },
      { "a.example": { mirors: [] } },
      { "a.example": { mirrors: "m" } },
      { "a.example": { mirrors: [{}] } },
      { "a.example": { mirrors: [{ location: "m", only: "x" }] } },
      { "a.example": { blocked: "yes" } },
      { "a.example": { ca: 5 } },
      { "a.example": { cert: "c" } },
      { "a.example/x": { ca: "c" } },
    ]
  ) {
    assert.throws(() => yaml(bad), { code: "REGISTRIES_INVALID" }, JSON.stringify(bad));
  }
  assert.throws(() => parseRegistriesYaml({ registry: {} }, "p", "/s"), { code: "REGISTRIES_INVALID" });
  assert.deepEqual(parseRegistriesYaml(null, "p", "/s").rules, []);
  assert.deepEqual(yaml({ "a.example": { ca: "ca.pem", cert: "/c", key: "k" } }).tls.get("a.example"), {
    ca: "/s/ca.pem",
    cert: "/c",
    key: "/s/k",
  });
});

Deno.test("parseRegistriesConf() reads the locations of registries", () => {
  const rules = parseRegistriesConf({
    "unqualified-search-registries": ["docker.io"],
    registry: [
      {
        prefix: "a.example/x",
        location: "b.example/y",
        insecure: true,
        "mirror-by-digest-only": true,
        mirror: [{ location: "m.test" }, {
          location: "n.test",
          "pull-from-mirror": "tag-only",
          insecure: true,
        }],
      },
      { location: "blocked.example", blocked: true },
    ],
  }, "p");
  const at = (text: string) => {
    const reference = parseReference(text);
    return placesOf(ruleOf(rules, reference), reference).map(({ registry, repository }) =>
      `${registry}/${repository}`
    );
  };
  assert.deepEqual(at("a.example/x/foo:v1"), ["n.test/foo", "b.example/y/foo"]);
  assert.throws(() => at("blocked.example/foo"), { code: "REGISTRY_FORBIDDEN" });
  for (const registry of [{}, [{}], [{ location: "a b" }], [{ location: "a", mirror: [{}] }]]) {
    assert.throws(() => parseRegistriesConf({ registry }, "p"), { code: "REGISTRIES_INVALID" });
  }
});

/** A host with files in memory. */
function hostOf(files: Record<string, string>, env: Record<string, string> = { HOME: "/h" }): HostsHost {
  return {
    env: (name) => env[name],
    readFile: (path) => files[path],
    readDirectory: (path) =>
      Object.keys(files).filter((file) =>
        file.startsWith(`${path}/`) && !file.slice(path.length + 1).includes("/")
      )
        .map((file) => file.slice(path.length + 1)).sort(),
    isAdministrators: () => true,
    speaksHttps: () => Promise.resolve(false),
  };
}

Deno.test("a registries.conf belongs to the user if the user's environment names it", async () => {
  const text = '[[registry]]\nlocation = "a.example"\n[[registry.mirror]]\nlocation = "m.test"';
  const around = "/etc/containers/registries.conf.d/../../../home/me";
  const reference = parseReference("a.example/foo");
  const isUsers = async (
    path: string,
    env: Record<string, string>,
    isAdministrators: HostsHost["isAdministrators"] = () => true,
  ) => {
    const hosts = openHosts("/s", { ...hostOf({ [path]: text }, env), isAdministrators });
    const [mirror] = await hosts.endpoints(reference);
    assert.equal(mirror!.origin, "https://m.test");
    return mirror!.isUsers ?? false;
  };
  for (
    const [path, env] of [
      [`${around}/containers/registries.conf`, { XDG_CONFIG_HOME: around }],
      [`${around}/containers/registries.conf.d/1.conf`, { XDG_CONFIG_HOME: around }],
      [`${around}/.config/containers/registries.conf`, { HOME: around }],
      ["/etc/containers/registries.conf/", {
        CONTAINERS_REGISTRIES_CONF: "/etc/containers/registries.conf/",
      }],
      ["/etc/containers/registries.conf", { XDG_CONFIG_HOME: "/etc" }],
    ] as [string, Record<string, string>][]
  ) assert.equal(await isUsers(path, env), true, path);
  for (const path of ["/etc/containers/registries.conf", "/etc/containers/registries.conf.d/1.conf"]) {
    assert.equal(await isUsers(path, { HOME: "/h" }), false);
    assert.equal(await isUsers(path, { HOME: "/h" }, (each) => each !== path), true);
  }
});

Deno.test("registries.yaml overrides container tools' files, drop-ins the main file", async () => {
  const hosts = openHosts(
    "/s",
    hostOf({
      "/s/registries.yaml": "registries: {a.example: {mirrors: [own.test]}}",
      "/etc/containers/registries.conf": `
[[registry]]
location = "a.example"
[[registry.mirror]]
location = "theirs.test"
[[registry]]
location = "b.example"
[[registry.mirror]]
location = "main.test"`,
      "/etc/containers/registries.conf.d/10-b.conf": `
[[registry]]
location = "b.example"
[[registry.mirror]]
location = "dropped.test"`,
    }),
  );
  const first = async (text: string) => (await hosts.endpoints(parseReference(text)))[0]!.origin;
  assert.equal(await first("a.example/foo"), "https://own.test");
  assert.equal(await first("b.example/foo"), "https://dropped.test");
  const named = openHosts(
    "/s",
    hostOf({ "/named.conf": '[[registry]]\nlocation = "c.example"\ninsecure = true' }, {
      CONTAINERS_REGISTRIES_CONF: "/named.conf",
    }),
  );
  assert.equal((await named.endpoints(parseReference("c.example/foo")))[0]!.origin, "http://c.example");
  for (
    const files of [{ "/s/registries.yaml": "a: [" }, { "/etc/containers/registries.conf": "[[registry" }]
  ) {
    const broken = openHosts("/s", hostOf(files as unknown as Record<string, string>));
    await assert.rejects(broken.endpoints(parseReference("a.example/foo")), { code: "REGISTRIES_INVALID" });
  }
});

Deno.test("reads certificates from registries.yaml, else from certs.d", async () => {
  const hosts = openHosts(
    "/s",
    hostOf({
      "/s/registries.yaml": "registries: {a.example: {ca: ca.pem}}",
      "/s/ca.pem": `${PEM}A`,
      "/etc/docker/certs.d/b.example:5000/ca.crt": `${PEM}B`,
      "/etc/docker/certs.d/b.example:5000/client.cert": "CERT",
      "/etc/docker/certs.d/b.example:5000/client.key": "KEY",
      "/h/.config/containers/certs.d/c.example/x.cert": "CERT",
    }),
  );
  assert.deepEqual(await hosts.tls("a.example"), { ca: [`${PEM}A`] });
  assert.deepEqual(await hosts.tls("b.example:5000"), {
    ca: [`${PEM}B`],
    client: { cert: "CERT", key: "KEY" },
  });
  assert.equal(await hosts.tls("d.example"), undefined);
  await assert.rejects(hosts.tls("c.example"), { code: "REGISTRIES_INVALID" });
  const missing = openHosts(
    "/s",
    hostOf({ "/s/registries.yaml": "registries: {a.example: {ca: none.pem}}" }),
  );
  await assert.rejects(missing.tls("a.example"), { code: "REGISTRIES_INVALID" });
});

Deno.test("refuses a CA file without certificates unless other CA files have some", async () => {
  const none = { code: "REGISTRIES_INVALID", message: /holds no certificate in PEM$/ };
  for (
    const text of ["", "0\x82\x03", "-----BEGIN PRIVATE KEY-----", "-----BEGIN TRUSTED CERTIFICATE-----"]
  ) {
    const files = { "/s/registries.yaml": "registries: {a.example: {ca: ca.pem}}", "/s/ca.pem": text };
    await assert.rejects(openHosts("/s", hostOf(files)).tls("a.example"), none, text);
    const directory = "/etc/docker/certs.d/b.example";
    const found = { [`${directory}/a.crt`]: text };
    await assert.rejects(openHosts("/s", hostOf(found)).tls("b.example"), none, text);
    const both = { ...found, [`${directory}/b.crt`]: `${PEM}B` };
    assert.deepEqual(await openHosts("/s", hostOf(both)).tls("b.example"), { ca: [`${PEM}B`] });
  }
});

const WASM = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const BLOB = { digest: digestOf(WASM), size: WASM.length };

async function setUp(settings: Record<string, unknown> = {}) {
  const registry = TestRegistry.start({ kind: "bearer" });
  const mirror = TestRegistry.start();
  await push(registry.origin, "acme/foo", "v1", makeArtifact(WASM));
  await push(mirror.origin, "copy/acme/foo", "v1", makeArtifact(WASM));
  const notices: string[] = [];
  const config = { registries: { [registry.host]: { mirrors: [`${mirror.host}/copy`], ...settings } } };
  const client = new RegistryClient({
    hosts: openHosts("/s", hostOf({ "/s/registries.yaml": JSON.stringify(config) })),
    credentials: () => Promise.resolve(undefined),
    sleep: () => Promise.resolve(),
    notice: (line) => notices.push(line),
  });
  const pull = async () => {
    const reference = parseReference(`${registry.host}/acme/foo:v1`);
    await client.fetchManifest(reference);
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    await client.fetchBlob(reference, BLOB, () => {
      chunks.length = 0;
      return (bytes) => chunks.push(bytes.slice());
    });
    return new Uint8Array(await new Blob(chunks).arrayBuffer());
  };
  return { registry, mirror, client, pull, notices };
}

Deno.test("asks no other server if a mirror has the content", async () => {
  const { registry, mirror, pull } = await setUp();
  await using _ = registry;
  await using __ = mirror;
  registry.requests.length = 0;
  assert.deepEqual(await pull(), WASM);
  assert.deepEqual(registry.requests, []);
});

Deno.test("asks the registry if a mirror fails, lies or lacks the content", async () => {
  for (
    const hook of [
      () => failure(404, "MANIFEST_UNKNOWN", "no"),
      () => failure(401, "UNAUTHORIZED", "no"),
      () => failure(503, "UNAVAILABLE", "no"),
      () => new Response("x".repeat(5 << 20)),
      (_: Request, url: URL) =>
        url.pathname.includes("/blobs/") ? new Response(new Uint8Array(8)) : undefined,
    ]
  ) {
    const { registry, mirror, pull, notices } = await setUp();
    await using _ = registry;
    await using __ = mirror;
    mirror.hook = hook;
    assert.deepEqual(await pull(), WASM);
    assert.ok(notices.length > 0);
    for (const notice of notices.filter((notice) => !/cut off|larger|longer/.test(notice))) {
      assert.ok(notice.includes(`": ${mirror.host} `), notice);
    }
  }
  const { registry, mirror, pull } = await setUp();
  await using _ = registry;
  await mirror[Symbol.asyncDispose]();
  assert.deepEqual(await pull(), WASM);
});

Deno.test("never asks the registry without fallback", async () => {
  const { registry, mirror, pull } = await setUp({ fallback: false });
  await using _ = registry;
  await using __ = mirror;
  assert.deepEqual(await pull(), WASM);
  registry.requests.length = 0;
  mirror.hook = () => failure(404, "MANIFEST_UNKNOWN", "no");
  await assert.rejects(pull(), { code: "REGISTRY_NOT_FOUND" });
  assert.deepEqual(registry.requests, []);
});

Deno.test("parses a registries.conf only if it may name a registry", () => {
  for (
    const text of [
      '[[registry]]\nlocation = "a"',
      '# x\n  [[ registry ]]\r\nlocation = "a"',
      '[[ "registry" ]]',
      "[['registry']]",
      'registry = [{ location = "a" }]',
      '"registry" = []',
      '"\\u0072egistry" = []',
      "[[registry",
      "[[registry.mirror]]",
    ]
  ) assert.equal(mayNameRegistries(text), true, text);
  for (
    const text of [
      "",
      "# [[registry]]",
      'unqualified-search-registries = ["docker.io"]',
      '[aliases]\n  "ubi8" = "registry.access.redhat.com/ubi8"',
    ]
  ) assert.equal(mayNameRegistries(text), false, text);
});

Deno.test("reads version 1 of registries.conf and refuses a mix with version 2", () => {
  const lists = {
    insecure: { registries: ["A.example", "b.example/team"] },
    block: { registries: ["a.example"] },
  };
  const rules = parseRegistriesConf(
    { registries: { ...lists, search: { registries: ["docker.io"] } } },
    "p",
    false,
  );
  assert.deepEqual(
    rules.map(({ prefix, insecure, blocked, isUsers }) => [prefix, insecure, blocked, isUsers]),
    [
      ["a.example", true, true, false],
      ["b.example/team", true, false, false],
    ],
  );
  const empty = { insecure: { registries: [] }, search: {} };
  assert.equal(
    parseRegistriesConf({ registries: empty, registry: [{ location: "a.example" }] }, "p").length,
    1,
  );
  for (
    const bad of [
      { registries: lists, registry: [{ location: "c.example" }] },
      { registries: { insecure: { registries: "a.example" } } },
      { registries: { block: { registries: [5] } } },
    ]
  ) assert.throws(() => parseRegistriesConf(bad, "p"), { code: "REGISTRIES_INVALID" });
  assert.equal(mayNameRegistries("[registries.block]\nregistries = []"), true);
});
