import assert from "node:assert/strict";
import {
  grantedEnvironment,
  grantsFromJson,
  grantsToJson,
  isCredentialVariable,
  LEAST,
  mergeGrants,
  parseGrantFlags,
} from "../../runtime/grants.ts";

const resolve = (path: string) => path.startsWith("/") ? path : `/cwd/${path}`;

Deno.test("parseGrantFlags() gives the least where no flag asks for more", () => {
  assert.deepEqual(parseGrantFlags({}, resolve), LEAST);
});

Deno.test("parseGrantFlags() makes host paths absolute and maps HOST::GUEST", () => {
  const { files } = parseGrantFlags({ allowRead: ["data", "/etc/ssl::/ssl"], allowWrite: ["out"] }, resolve);
  assert.deepEqual(files, [
    { host: "/cwd/data", guest: "/cwd/data", write: false },
    { host: "/etc/ssl", guest: "/ssl", write: false },
    { host: "/cwd/out", guest: "/cwd/out", write: true },
  ]);
});

Deno.test("parseGrantFlags() refuses malformed paths and names", () => {
  for (const path of ["", "::", "a::", "::b", "a::b::c", "a\0b"]) {
    assert.throws(() => parseGrantFlags({ allowRead: [path] }, resolve), { code: "GRANT_INVALID" }, path);
  }
  for (const names of ["A=B", "A,B*", "A\nB"]) {
    assert.throws(() => parseGrantFlags({ allowEnv: [names] }, resolve), { code: "GRANT_INVALID" }, names);
  }
});

Deno.test("parseGrantFlags() reads --allow-env as a list, all, or nothing", () => {
  assert.deepEqual(parseGrantFlags({ allowEnv: ["A,B", "C"] }, resolve).env, ["A", "B", "C"]);
  assert.equal(parseGrantFlags({ allowEnv: ["*"] }, resolve).env, "all");
  assert.deepEqual(parseGrantFlags({ allowEnv: [""] }, resolve).env, []);
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
    ]
  ) assert.ok(!isCredentialVariable(name), name);
});

Deno.test("grantedEnvironment() holds credentials back by default and says which", () => {
  const env = { HOME: "/h", API_TOKEN: "x", LANG: "C" };
  assert.deepEqual(grantedEnvironment(env, "default"), {
    given: [["HOME", "/h"], ["LANG", "C"]],
    withheld: ["API_TOKEN"],
  });
  assert.deepEqual(grantedEnvironment(env, "all").withheld, []);
  assert.deepEqual(grantedEnvironment(env, ["API_TOKEN", "ABSENT"]).given, [["API_TOKEN", "x"]]);
  assert.deepEqual(grantedEnvironment(env, []).given, []);
});

Deno.test("mergeGrants() gives what either gives", () => {
  const home = { ...LEAST, home: true };
  const listed = { ...LEAST, env: ["A"] };
  assert.deepEqual(mergeGrants(home, listed), { ...LEAST, home: true, env: ["A"] });
  assert.deepEqual(mergeGrants(listed, { ...LEAST, env: ["B", "A"] }).env, ["A", "B"]);
  assert.equal(mergeGrants(listed, { ...LEAST, env: "all" }).env, "all");
  assert.deepEqual(mergeGrants(listed, LEAST).env, ["A"]);
});

Deno.test("grantsFromJson() reads what grantsToJson() wrote and refuses the rest", () => {
  const grants = parseGrantFlags({
    allowRead: ["/a"],
    allowHome: true,
    allowEnv: ["A"],
    allowKubeconfig: true,
  }, resolve);
  assert.deepEqual(grantsFromJson(JSON.parse(JSON.stringify(grantsToJson(grants)))), grants);
  for (
    const change of [{ files: {} }, { files: [{}] }, { home: "yes" }, { env: "most" }, { env: [1] }, {
      kubeconfig: 1,
    }]
  ) {
    assert.throws(() => grantsFromJson({ ...grantsToJson(grants), ...change }), JSON.stringify(change));
  }
  assert.throws(() => grantsFromJson(null));
});
