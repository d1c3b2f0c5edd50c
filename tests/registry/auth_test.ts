import assert from "node:assert/strict";
import { namedScopes, parseChallenges, tokenUrl } from "../../registry/auth.ts";
import { credentialFiles, type CredentialHost, findCredentials } from "../../registry/credentials.ts";

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

Deno.test("tokenUrl() asks for pulling this repository", () => {
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

Deno.test("tokenUrl() takes a registry's own realm on HTTP for one on HTTPS", () => {
  const url = (realm: string, registry: string) => tokenUrl(challenge(realm), registry, [], false).href;
  assert.equal(url("http://r.example/token", "r.example"), "https://r.example/token?service=s");
  assert.equal(url("http://r.example:5000/token", "r.example"), "https://r.example/token?service=s");
  assert.equal(url("http://r.example/token", "r.example:8443"), "https://r.example:8443/token?service=s");
});

Deno.test("namedScopes() are what a challenge names beyond what is asked for, and no more rights than that", () => {
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

Deno.test("tokenUrl() sends credentials nowhere in plain HTTP but to this machine's own registry", () => {
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

Deno.test("findCredentials() reads docker's auths, passwords with colons too", async () => {
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

Deno.test("findCredentials() takes the longest of podman's names, and an identity token", async () => {
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

Deno.test("credentialFiles() honours DOCKER_CONFIG and REGISTRY_AUTH_FILE", () => {
  assert.deepEqual(
    credentialFiles((name) => ({ HOME: "/h", DOCKER_CONFIG: "/d" } as Record<string, string>)[name]),
    ["/d/config.json"],
  );
  assert.deepEqual(
    credentialFiles((name) => ({ HOME: "/h", REGISTRY_AUTH_FILE: "/a" } as Record<string, string>)[name]),
    ["/a", CONFIG],
  );
});

Deno.test("findCredentials() asks helpers by docker's protocol", async () => {
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

Deno.test("findCredentials() tells a broken file or helper, without what it holds", async () => {
  const fails = (files: Record<string, unknown>, helper?: CredentialHost["runHelper"]) =>
    assert.rejects(
      findCredentials("r.example", "a", host(files, undefined, helper)),
      (error: { code: string; message: string }) =>
        error.code === "REGISTRY_CREDENTIALS" && !error.message.includes("s3cret"),
    );
  await fails({ [CONFIG]: "{s3cret" });
  await fails({ [CONFIG]: { auths: { "r.example": { auth: "s3cret!" } } } });
  await fails({ [CONFIG]: { auths: { "r.example": { auth: btoa("nocolon-s3cret") } } } });
  const store = { [CONFIG]: { credsStore: "x" } };
  await fails(store);
  await fails(store, () => Promise.resolve({ success: true, stdout: "s3cret" }));
  await fails(store, () => Promise.resolve({ success: false, stdout: "locked" }));
  const willing = () => Promise.resolve({ success: true, stdout: '{"Username":"u","Secret":"s"}' });
  for (const name of ["../../bin/sh", "a b", "x;y"]) {
    await fails({ [CONFIG]: { credsStore: name } }, willing);
  }
});
