import assert from "node:assert/strict";
import { RegistryClient } from "../../../../registry/oci/registry_client.ts";
import { runHelper } from "../../../../registry/oci/credentials/credential_helper.ts";
import { findCredentials } from "../../../../registry/oci/credentials/find_credentials.ts";
import {
  checkLogin,
  type LoginHost,
  processLoginHost,
  removeLogin,
  storeLogin,
} from "../../../../registry/oci/credentials/store_login.ts";
import { TestRegistry } from "../../../../scripts/servers/oci_registry.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

const LOGIN = { username: "me", password: "pa:ss" };
const CONFIG = "/h/.docker/config.json";

/** A host with files in memory, and helpers by name. The helper `store` keeps its input. */
function host(files: Record<string, string>, env: Record<string, string> = { HOME: "/h" }) {
  const kept = new Map<string, string>();
  const calls: string[] = [];
  const made: LoginHost = {
    env: (name) => env[name],
    readFile: (path) => files[path],
    changeFile: (path, change) => {
      const text = change();
      if (text !== undefined) files[path] = text;
      return Promise.resolve();
    },
    runHelper: (program, verb, input) => {
      calls.push(`${program} ${verb}`);
      if (program !== "docker-credential-test") return Promise.resolve(undefined);
      if (verb === "store") {
        const { ServerURL, Username, Secret } = JSON.parse(input);
        kept.set(ServerURL, JSON.stringify({ ServerURL, Username, Secret }));
        return Promise.resolve({ success: true, stdout: "" });
      }
      const known = kept.get(input);
      if (verb === "erase") kept.delete(input);
      return Promise.resolve(
        known === undefined
          ? { success: false, stdout: "credentials not found in native keychain\n" }
          : { success: true, stdout: verb === "get" ? known : "" },
      );
    },
  };
  return { made, files, calls, kept };
}

Deno.test("storeLogin() adds an entry to docker's file and removeLogin() removes it", async () => {
  const rest = { HttpHeaders: { a: "b" }, auths: { "other.example": { auth: "eDp5" } } };
  const { made, files } = host({
    [CONFIG]: JSON.stringify({
      ...rest,
      auths: { ...rest.auths, "https://r.example/": { auth: "b2xkOm9sZA==" } },
    }),
  });
  assert.deepEqual(await storeLogin("r.example", LOGIN, made), { kind: "file", path: CONFIG });
  assert.deepEqual(await findCredentials("r.example", "a", made), { kind: "basic", ...LOGIN });
  assert.deepEqual(Object.keys(JSON.parse(files[CONFIG]!).auths), ["other.example", "r.example"]);
  assert.deepEqual((await removeLogin("r.example", made)).removed, [{ kind: "file", path: CONFIG }]);
  assert.deepEqual(JSON.parse(files[CONFIG]!), rest);
  assert.deepEqual((await removeLogin("r.example", made)).removed, []);
});

Deno.test("storeLogin() stores docker.io under docker's own name", async () => {
  const { made, files } = host({});
  await storeLogin("docker.io", LOGIN, made);
  assert.deepEqual(Object.keys(JSON.parse(files[CONFIG]!).auths), ["https://index.docker.io/v1/"]);
  assert.deepEqual(await findCredentials("docker.io", "library/a", made), { kind: "basic", ...LOGIN });
});

Deno.test("storeLogin() writes the file that the environment names", async () => {
  const { made, files } = host({}, { HOME: "/h", REGISTRY_AUTH_FILE: "/run/auth.json" });
  await storeLogin("r.example", LOGIN, made);
  assert.deepEqual(Object.keys(files), ["/run/auth.json"]);
  const docker = host({}, { HOME: "/h", DOCKER_CONFIG: "/d" });
  await storeLogin("r.example", LOGIN, docker.made);
  assert.deepEqual(Object.keys(docker.files), ["/d/config.json"]);
});

Deno.test("storeLogin() prefers a helper and keeps the password out of the file", async () => {
  for (
    const config of [{ credsStore: "test" }, { credHelpers: { "r.example": "test" }, credsStore: "other" }]
  ) {
    const { made, files, kept } = host({ [CONFIG]: JSON.stringify(config) });
    assert.deepEqual(await storeLogin("r.example", LOGIN, made), {
      kind: "helper",
      program: "docker-credential-test",
    });
    assert.equal(files[CONFIG], JSON.stringify(config));
    assert.deepEqual(await findCredentials("r.example", "a", made), { kind: "basic", ...LOGIN });
    assert.deepEqual((await removeLogin("r.example", made)).removed, [{
      kind: "helper",
      program: "docker-credential-test",
    }]);
    assert.equal(kept.size, 0);
    assert.deepEqual((await removeLogin("r.example", made)).removed, []);
  }
});

Deno.test("removeLogin() removes every spelling of a registry, not podman's repositories", async () => {
  const auth = { auth: "eDp5" };
  const podman = "/h/.config/containers/auth.json";
  const { made, files } = host({
    [CONFIG]: JSON.stringify({
      auths: {
        "https://r.example/v2/": auth,
        "R.EXAMPLE": auth,
        "r.example/": { username: "a", password: "b" },
      },
    }),
    [podman]: JSON.stringify({ auths: { "r.example": auth, "r.example/team": auth, "other.example": auth } }),
  });
  assert.deepEqual(await removeLogin("r.example", made), {
    removed: [{ kind: "file", path: CONFIG }, { kind: "file", path: podman }],
    failures: [],
    held: false,
  });
  assert.deepEqual(JSON.parse(files[CONFIG]!).auths, {});
  assert.deepEqual(Object.keys(JSON.parse(files[podman]!).auths), ["r.example/team", "other.example"]);
});

Deno.test("removeLogin() reports credentials that stay in DOCKER_AUTH_CONFIG", async () => {
  for (const key of ["r.example", "https://R.example/v1/", "r.example/team"]) {
    const { made } = host({});
    const held = JSON.stringify({ auths: { [key]: { auth: "eDp5" } } });
    const env = (name: string) => name === "DOCKER_AUTH_CONFIG" ? held : made.env(name);
    const nothing = { removed: [], failures: [] };
    assert.deepEqual(await removeLogin("r.example", { ...made, env }), { ...nothing, held: true }, key);
    assert.deepEqual(await removeLogin("other.example", { ...made, env }), { ...nothing, held: false });
    const broken = (name: string) => name === "DOCKER_AUTH_CONFIG" ? "{" : made.env(name);
    assert.deepEqual(await removeLogin("r.example", { ...made, env: broken }), { ...nothing, held: false });
  }
});

Deno.test("removeLogin() continues after a failing helper or file and reports it", async () => {
  const auths = { "r.example": { auth: "eDp5" } };
  const podman = "/h/.config/containers/auth.json";
  for (const text of [JSON.stringify({ credsStore: "gone", auths }), "{broken"]) {
    const { made, files } = host({ [CONFIG]: text, [podman]: JSON.stringify({ auths }) });
    const { removed, failures } = await removeLogin("r.example", made);
    assert.deepEqual(failures.map(({ code }) => code), ["REGISTRY_CREDENTIALS"]);
    assert.deepEqual(removed.at(-1), { kind: "file", path: podman });
    assert.deepEqual(JSON.parse(files[podman]!).auths, {});
  }
});

Deno.test("storeLogin() fails if the helper is missing and writes no password", async () => {
  const { made, files } = host({ [CONFIG]: '{"credsStore":"gone"}' });
  await assert.rejects(storeLogin("r.example", LOGIN, made), { code: "REGISTRY_CREDENTIALS" });
  assert.equal(files[CONFIG], '{"credsStore":"gone"}');
});

Deno.test("storeLogin() does not overwrite a broken file", async () => {
  const { made, files } = host({ [CONFIG]: "{broken" });
  await assert.rejects(storeLogin("r.example", LOGIN, made), { code: "REGISTRY_CREDENTIALS" });
  assert.equal(files[CONFIG], "{broken");
});

Deno.test("checkLogin() does not accept a web page as an answer", async () => {
  await using registry = TestRegistry.start();
  const client = new RegistryClient({ sleep: () => Promise.resolve() });
  const page = () => new Response("<html>", { headers: { "content-type": "text/html; charset=utf-8" } });
  for (
    const hook of [
      page,
      (_: Request, { pathname }: URL) =>
        pathname === "/login" ? page() : Response.redirect(`${registry.origin}/login`),
    ]
  ) {
    registry.hook = hook;
    await assert.rejects(checkLogin(client, registry.host, LOGIN), { code: "REGISTRY_PROTOCOL" });
  }
  registry.hook = () => new Response(null, { status: 204 });
  await checkLogin(client, registry.host, LOGIN);
});

Deno.test("checkLogin() reports whether a registry accepts Basic or Bearer credentials", async () => {
  for (const kind of ["basic", "bearer"] as const) {
    await using registry = TestRegistry.start({ kind, ...LOGIN });
    const client = new RegistryClient({ sleep: () => Promise.resolve() });
    await checkLogin(client, registry.host, LOGIN);
    await assert.rejects(checkLogin(client, registry.host, { ...LOGIN, password: "wrong" }), {
      code: "REGISTRY_UNAUTHORIZED",
    });
  }
});

const windows = Deno.build.os === "windows";

Deno.test(
  "processLoginHost() writes with the user's permissions, also through a link",
  { ignore: windows },
  async () => {
    const directory = temporaryDirectory();
    const { changeFile } = processLoginHost();
    await changeFile(`${directory}/deep/config.json`, () => "1");
    assert.equal((await Deno.stat(`${directory}/deep/config.json`)).mode! & 0o777, 0o600);
    await Deno.symlink(`${directory}/deep/config.json`, `${directory}/link.json`);
    await changeFile(`${directory}/link.json`, () => "2");
    assert.equal(await Deno.readTextFile(`${directory}/deep/config.json`), "2");
    assert.ok((await Deno.lstat(`${directory}/link.json`)).isSymlink);
    assert.deepEqual([...Deno.readDirSync(`${directory}/deep`)].map(({ name }) => name), ["config.json"]);
    await Deno.remove(directory, { recursive: true });
  },
);

/** The host of this process, with its own directory for credentials. */
function hostAt(directory: string): LoginHost {
  return { ...processLoginHost(), env: (name) => name === "DOCKER_CONFIG" ? directory : undefined };
}

Deno.test("two parallel logins are both kept", {
  ignore: windows,
}, async () => {
  const directory = temporaryDirectory();
  const other = Deno.openSync(directory, { read: true });
  await other.lock(true);
  const login = storeLogin("r.example", LOGIN, hostAt(directory));
  const auths = { "other.example": { auth: "eDp5" } };
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify({ auths }));
  other.close();
  await login;
  const file = JSON.parse(await Deno.readTextFile(`${directory}/config.json`));
  assert.deepEqual(Object.keys(file.auths), ["other.example", "r.example"]);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("the next login or logout removes a killed login's file with the password", {
  ignore: windows,
}, async () => {
  const directory = temporaryDirectory();
  const leave = () =>
    Deno.writeTextFile(`${directory}/config.json.krew-wasm-01234567-89ab-4cde-8fab-0123456789ab`, "{}", {
      mode: 0o600,
    });
  const names = () => [...Deno.readDirSync(directory)].map(({ name }) => name);
  await leave();
  await storeLogin("r.example", LOGIN, hostAt(directory));
  assert.deepEqual(names(), ["config.json"]);
  await leave();
  await removeLogin("other.example", hostAt(directory));
  assert.deepEqual(names(), ["config.json"]);
  await Deno.remove(directory, { recursive: true });
});

/** A script with these lines. */
async function script(lines: string): Promise<string> {
  const path = `${temporaryDirectory()}/helper`;
  await Deno.writeTextFile(path, `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  return path;
}

Deno.test("runHelper() passes stdin and returns stdout and success", { ignore: windows }, async () => {
  assert.deepEqual(await runHelper(await script('echo "$1 $(cat)"'), "get", "r.example"), {
    success: true,
    stdout: "get r.example\n",
  });
  assert.deepEqual(await runHelper(await script("exec 0<&-; echo no; exit 1"), "get", "x"), {
    success: false,
    stdout: "no\n",
  });
  assert.equal(await runHelper("docker-credential-that-nobody-has", "get", "x"), undefined);
});

Deno.test("runHelper() kills a helper that hangs or prints endlessly, and its children", {
  ignore: windows,
}, async () => {
  await assert.rejects(runHelper(await script("sleep 30 & sleep 30"), "get", "x", 100), {
    code: "REGISTRY_CREDENTIALS",
    message: /did not answer within/,
  });
  await assert.rejects(runHelper(await script("exec yes s3cret"), "get", "x"), (error: Error) => {
    assert.match(error.message, /prints too much/);
    assert.ok(!error.message.includes("s3cret"));
    return true;
  });
});
