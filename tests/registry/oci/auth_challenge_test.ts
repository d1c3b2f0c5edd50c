import assert from "node:assert/strict";
import { registryAuthFiles } from "../../../runtime/base/user_files.ts";
import { namedScopes, parseChallenges, tokenUrl } from "../../../registry/oci/auth_challenge.ts";
import type { AppError } from "../../../runtime/base/errors.ts";
import { type CredentialHost, findCredentials } from "../../../registry/oci/credentials/find_credentials.ts";

Deno.test("parseChallenges() reads schemes with quoted and bare parameters", () => {
  assert.deepEqual(
    parseChallenges('Bearer realm="https://a/token",service=x,Scope="repository:a:pull,push"'),
    [
      {
        scheme: "bearer",
        parameters: { realm: "https://a/token", service: "x", scope: "repository:a:pull,push" },
      },
    ],
  );
  assert.deepEqual(parseChallenges('Basic realm="a \\"b\\"", Bearer realm="c"').map(({ scheme }) => scheme), [
    "basic",
    "bearer",
  ]);
  assert.deepEqual(parseChallenges(""), []);
  assert.deepEqual(parseChallenges('",,=="'), []);
});

const challenge = (realm: string, scope?: string) => ({
  scheme: "bearer",
  parameters: { realm, service: "s", ...(scope ? { scope } : {}) },
});

Deno.test("tokenUrl() asks for the scope to pull this repository", () => {
  const url = tokenUrl(challenge("https://auth.example/token?x=1"), "r.example", [
    "repository:a/b:pull",
    "repository:c:pull",
  ], false);
  assert.deepEqual(url.searchParams.getAll("scope"), ["repository:a/b:pull", "repository:c:pull"]);
  url.searchParams.delete("scope", "repository:c:pull");
  assert.deepEqual(Object.fromEntries(url.searchParams), {
    x: "1",
    service: "s",
    scope: "repository:a/b:pull",
  });
  assert.equal(
    tokenUrl(challenge("https://a?scope=x", "repository:other:push"), "r", ["repository:a:pull"], false)
      .searchParams.getAll("scope").join(),
    "repository:a:pull",
  );
});

Deno.test("tokenUrl() changes a registry's own HTTP realm to HTTPS", () => {
  const url = (realm: string, registry: string) => tokenUrl(challenge(realm), registry, [], false).href;
  assert.equal(url("http://r.example/token", "r.example"), "https://r.example/token?service=s");
  assert.equal(url("http://r.example:5000/token", "r.example"), "https://r.example/token?service=s");
  assert.equal(url("http://r.example/token", "r.example:8443"), "https://r.example:8443/token?service=s");
});

Deno.test("namedScopes() returns other scopes of a challenge without extra actions", () => {
  const named = (scope: string, ...scopes: string[]) =>
    namedScopes({ scheme: "bearer", parameters: { scope } }, scopes);
  const own = "repository:a/b:pull";
  assert.equal(named("", own), undefined);
  assert.equal(named(own, own), undefined);
  assert.equal(named("repository:a/b:push,pull", own), undefined);
  assert.equal(named("repository:x:delete registry:catalog:*", own), undefined);
  assert.deepEqual(named("repository:x/a/b:pull", own), ["repository:x/a/b:pull"]);
  assert.deepEqual(named("repository:x:pull,push,delete", own), ["repository:x:pull"]);
  assert.deepEqual(named("repository:a/b:metadata_read", own), ["repository:a/b:metadata_read"]);
  assert.deepEqual(named("repository:x:pull,push", "repository:a:pull,push"), ["repository:x:pull,push"]);
  assert.deepEqual(named("a:b:pull c:d:pull", own), ["a:b:pull", "c:d:pull"]);
  assert.equal(named("x ".repeat(100_000), own)?.length, 10);
});

Deno.test("tokenUrl() accepts plain HTTP only for a registry on this machine", () => {
  assert.equal(
    tokenUrl(challenge("http://127.0.0.1:1/t"), "127.0.0.1:5000", ["a"], false).host,
    "127.0.0.1:1",
  );
  for (
    const [realm, registry, plain] of [
      ["http://auth.example/t", "r.example", false],
      ["http://auth.example/t", "127.0.0.1:5000", false],
      ["http://127.0.0.1/t", "r.example", false],
      ["http://auth.example/t", "r.example", true],
      ["ftp://a", "r.example", false],
      ["nonsense", "r.example", false],
      ["https://u:p@a/", "r.example", false],
      ["https://127.0.0.1/t", "r.example", false],
      ["https://169.254.169.254/t", "r.example", false],
      ["https://[::ffff:169.254.169.254]/t", "r.example", false],
      ["https://0x7f.1/t", "r.example", false],
    ] as const
  ) {
    assert.throws(
      () => tokenUrl(challenge(realm), registry, ["a"], plain),
      { code: "REGISTRY_PROTOCOL" },
      realm,
    );
  }
});

function host(
  files: Record<string, unknown>,
  env: Record<string, string> = { HOME: "/h" },
  helper?: CredentialHost["runHelper"],
): CredentialHost {
  return {
    env: (name) => env[name],
    readFile: (path) =>
      path in files ? typeof files[path] === "string" ? files[path] : JSON.stringify(files[path]) : undefined,
    runHelper: helper ?? (() => Promise.resolve(undefined)),
  };
}

const CONFIG = "/h/.docker/config.json";

Deno.test("findCredentials() reads docker's auths, also passwords with colons", async () => {
  const files = {
    [CONFIG]: {
      auths: {
        "r.example": { auth: btoa("me:pa:ss") },
        "https://index.docker.io/v1/": { auth: btoa("hub:x") },
      },
    },
  };
  assert.deepEqual(await findCredentials("r.example", "a", host(files)), {
    kind: "basic",
    username: "me",
    password: "pa:ss",
  });
  assert.deepEqual(await findCredentials("docker.io", "a", host(files)), {
    kind: "basic",
    username: "hub",
    password: "x",
  });
  assert.equal(await findCredentials("other.example", "a", host(files)), undefined);
  assert.equal(await findCredentials("constructor", "a", host(files)), undefined);
});

Deno.test("findCredentials() prefers podman's longest key and reads identity tokens", async () => {
  const files = {
    "/run/containers/auth.json": {
      auths: { "r.example": { auth: btoa("a:1") }, "r.example/team": { identitytoken: "t" } },
    },
  };
  const env = { HOME: "/h", XDG_RUNTIME_DIR: "/run" };
  assert.deepEqual(await findCredentials("r.example", "team/x", host(files, env)), {
    kind: "identity",
    token: "t",
  });
  assert.deepEqual(await findCredentials("r.example", "other", host(files, env)), {
    kind: "basic",
    username: "a",
    password: "1",
  });
});

Deno.test("registryAuthFiles() lists docker's and podman's files, or the environment's file", () => {
  const files = (env: Record<string, string>, uid?: number) => registryAuthFiles((name) => env[name], uid);
  const config = "/h/.config/containers/auth.json";
  assert.deepEqual(files({ HOME: "/h", DOCKER_CONFIG: "/d" }), ["/d/config.json", config]);
  assert.deepEqual(files({ HOME: "/h", REGISTRY_AUTH_FILE: "/a", XDG_RUNTIME_DIR: "/r" }, 5), ["/a", CONFIG]);
  assert.deepEqual(files({ HOME: "/h", XDG_RUNTIME_DIR: "/r" }, 5), [
    CONFIG,
    "/r/containers/auth.json",
    config,
  ]);
  assert.deepEqual(files({ HOME: "/h", XDG_CONFIG_HOME: "/c" }, 5), [
    CONFIG,
    "/run/containers/5/auth.json",
    "/c/containers/auth.json",
  ]);
  assert.deepEqual(files({}, 0), ["/run/containers/0/auth.json"]);
  assert.deepEqual(files({}), []);
});

Deno.test("findCredentials() reads podman's files without XDG_RUNTIME_DIR", async () => {
  for (const path of ["/run/containers/7/auth.json", "/h/.config/containers/auth.json"]) {
    const files = { [path]: { auths: { "r.example": { auth: btoa("me:x") } } } };
    const found = await findCredentials("r.example", "a", { ...host(files), uid: 7 });
    assert.deepEqual(found, { kind: "basic", username: "me", password: "x" }, path);
  }
});

Deno.test("findCredentials() finds a registry in every spelling of its key", async () => {
  const found = async (key: string, registry: string, repository = "acme/foo") => {
    const auths = { [key]: { auth: btoa("me:x") } };
    return await findCredentials(registry, repository, host({ [CONFIG]: { auths } })) !== undefined;
  };
  for (
    const key of [
      "r.example",
      "R.Example",
      "r.example/",
      "r.example/v1",
      "r.example/v1/",
      "r.example/v2/",
      "https://r.example",
      "http://r.example/",
      "https://r.example/v1/",
      "https://r.example/v2",
      "HTTPS://R.EXAMPLE/some/path/",
      "r.example/acme",
      "r.example/acme/foo",
    ]
  ) {
    assert.equal(await found(key, "r.example"), true, key);
    assert.equal(await found(key, "other.example"), false, key);
    assert.equal(await found(key, "r.example:5000"), false, key);
  }
  for (
    const key of ["r.example/team", "r.example/acme/f", "x.r.example", "r.example.evil", "https://", "", "/"]
  ) {
    assert.equal(await found(key, "r.example"), false, key);
  }
  for (const key of ["docker.io", "index.docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"]) {
    assert.equal(await found(key, "docker.io"), true, key);
  }
  assert.equal(await found("https://r.example:5000/v2/", "r.example:5000"), true);
});

Deno.test("findCredentials() prefers a repository's entry and a registry's plain name", async () => {
  const auth = (name: string) => ({ auth: btoa(`${name}:x`) });
  const auths = {
    "https://r.example/v1/": auth("url"),
    "r.example": auth("plain"),
    "r.example/acme": auth("above"),
    "r.example/acme/foo": auth("repository"),
  };
  const who = async (repository: string) => {
    const found = await findCredentials("r.example", repository, host({ [CONFIG]: { auths } }));
    return found?.kind === "basic" && found.username;
  };
  assert.deepEqual([await who("acme/foo"), await who("acme/bar"), await who("b")], [
    "repository",
    "above",
    "plain",
  ]);
});

Deno.test("findCredentials() reads separate user name and password fields, and tokens", async () => {
  const found = (entry: unknown) =>
    findCredentials("r.example", "a", host({ [CONFIG]: { auths: { "r.example": entry } } }));
  const me = { kind: "basic", username: "me", password: "pa:ss" };
  assert.deepEqual(await found({ username: "me", password: "pa:ss" }), me);
  assert.deepEqual(await found({ username: "x", password: "y", auth: btoa("me:pa:ss"), email: "e" }), me);
  assert.deepEqual(await found({ auth: "", username: "me", password: "pa:ss" }), me);
  assert.deepEqual(await found({ registrytoken: "t" }), { kind: "registry", token: "t" });
  assert.deepEqual(await found({ auth: btoa("me:"), identitytoken: "t" }), { kind: "identity", token: "t" });
  for (const entry of [{}, null, { username: "me" }, { registrytoken: "a b" }, "x", 5]) {
    assert.equal(await found(entry), undefined, JSON.stringify(entry));
  }
});

Deno.test("findCredentials() runs helpers by docker's protocol", async () => {
  const asked: string[] = [];
  const answer = (stdout: string, success = true) => (program: string, verb: string, input: string) => {
    asked.push(`${program} ${verb} ${input}`);
    return Promise.resolve({ success, stdout });
  };
  const store = { [CONFIG]: { credsStore: "desktop", credHelpers: { "r.example": "mine" } } };
  const good = answer('{"Username":"u","Secret":"s"}');
  assert.deepEqual(await findCredentials("r.example", "a", host(store, undefined, good)), {
    kind: "basic",
    username: "u",
    password: "s",
  });
  await findCredentials("docker.io", "a", host(store, undefined, good));
  assert.deepEqual(asked, [
    "docker-credential-mine get r.example",
    "docker-credential-desktop get https://index.docker.io/v1/",
  ]);
  const token = answer('{"Username":"<token>","Secret":"t"}');
  assert.deepEqual(await findCredentials("r.example", "a", host(store, undefined, token)), {
    kind: "identity",
    token: "t",
  });
  const none = answer("credentials not found in native keychain", false);
  assert.equal(await findCredentials("r.example", "a", host(store, undefined, none)), undefined);
});

Deno.test("findCredentials() warns of a broken file or helper without showing its content", async () => {
  const warned = async (files: Record<string, unknown>, helper?: CredentialHost["runHelper"]) => {
    const problems: AppError[] = [];
    const auths = { "r.example": { auth: btoa("me:x") } };
    const podman = "/h/.config/containers/auth.json";
    const found = await findCredentials("r.example", "a", {
      ...host({ ...files, [podman]: { auths } }, undefined, helper),
      warn: (problem) => problems.push(problem),
    });
    assert.deepEqual(found, { kind: "basic", username: "me", password: "x" });
    assert.equal(problems.length, 1);
    assert.equal(problems[0]!.code, "REGISTRY_CREDENTIALS");
    assert.doesNotMatch(problems[0]!.message, /s3cret/);
  };
  await warned({ [CONFIG]: "{s3cret" });
  await warned({ [CONFIG]: { auths: "s3cret" } });
  await warned({ [CONFIG]: { credHelpers: [] } });
  await warned({ [CONFIG]: { auths: { "r.example": { auth: "s3cret!" } } } });
  await warned({ [CONFIG]: { auths: { "r.example": { auth: btoa("nocolon-s3cret") } } } });
  const store = { [CONFIG]: { credsStore: "x" } };
  await warned(store);
  await warned(store, () => Promise.resolve({ success: true, stdout: "s3cret" }));
  await warned(store, () => Promise.resolve({ success: false, stdout: "locked" }));
  await warned(
    store,
    () => Promise.resolve({ success: false, stdout: '{"Username":"u","Secret":"s3cret"}' }),
  );
  await warned(store, () => Promise.resolve({ success: false, stdout: "Secret: s3cret" }));
  await warned(store, () => Promise.resolve({ success: false, stdout: "" }));
  const willing = () => Promise.resolve({ success: true, stdout: '{"Username":"u","Secret":"s"}' });
  for (const name of ["../../bin/sh", "a b", "x;y"]) {
    await warned({ [CONFIG]: { credsStore: name } }, willing);
  }
});

Deno.test("findCredentials() falls back to a file's entries if its helper fails", async () => {
  const config = { credsStore: "gone", auths: { "r.example": { auth: btoa("me:x") } } };
  const found = await findCredentials("r.example", "a", host({ [CONFIG]: config }));
  assert.deepEqual(found, { kind: "basic", username: "me", password: "x" });
});

Deno.test("findCredentials() reads a file with a byte order mark", async () => {
  const text = `\ufeff${JSON.stringify({ auths: { "r.example": { auth: btoa("me:x") } } })}`;
  assert.equal((await findCredentials("r.example", "a", host({ [CONFIG]: text })))?.kind, "basic");
});
