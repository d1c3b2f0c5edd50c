import assert from "node:assert/strict";
import { type Grants, LEAST, NO_DENIALS } from "../../../runtime/grants/grants.ts";
import {
  type EnvironmentContext,
  mayKnowKubeconfig,
  mayKnowPrivateDirectory,
  pluginEnvironment,
} from "../../../runtime/sandbox/plugin_environment.ts";

function environment(grants: Partial<Grants>, change: Partial<EnvironmentContext> = {}, windows = false) {
  const { env, withheld } = pluginEnvironment({
    variables: { LANG: "C", AWS_SECRET_ACCESS_KEY: "secret", PWD: "/elsewhere" },
    grants: { ...LEAST, ...grants },
    cwd: "/work",
    home: "/home/jane",
    own: "/kw/data/foo",
    kubeconfig: "/home/jane/.kube/config",
    ...change,
  }, windows);
  return { env: Object.fromEntries(env), withheld };
}

const PRIVATE = {
  TMPDIR: "/kw/data/foo/tmp",
  XDG_CACHE_HOME: "/kw/data/foo/cache",
  XDG_CONFIG_HOME: "/kw/data/foo/config",
  XDG_DATA_HOME: "/kw/data/foo/share",
  XDG_STATE_HOME: "/kw/data/foo/state",
};

Deno.test("sets the paths of a run, and withholds credentials", () => {
  assert.deepEqual(environment({}), {
    env: { LANG: "C", PWD: "/work", KUBECONFIG: "/home/jane/.kube/config", ...PRIVATE },
    withheld: ["AWS_SECRET_ACCESS_KEY"],
  });
});

Deno.test("with the home directory granted, programs use it for settings", () => {
  const { env } = environment({ home: true });
  assert.deepEqual(Object.keys(env).sort(), ["KUBECONFIG", "LANG", "PWD", "TMPDIR"]);
});

Deno.test("an exact list of variables adds no others", () => {
  assert.deepEqual(environment({ env: ["LANG"] }).env, { LANG: "C" });
  assert.deepEqual(environment({ env: ["TMPDIR"] }).env, { TMPDIR: PRIVATE.TMPDIR });
});

Deno.test("a denied variable is not set", () => {
  assert.deepEqual(environment({ deny: { ...NO_DENIALS, env: "all" } }).env, {});
  const { env } = environment({ deny: { ...NO_DENIALS, env: ["KUBECONFIG", "PWD"] } });
  assert.deepEqual(env, { LANG: "C", ...PRIVATE });
});

Deno.test("sets no KUBECONFIG if there is no kubeconfig", () => {
  assert.equal("KUBECONFIG" in environment({}, { kubeconfig: undefined }).env, false);
});

Deno.test("sets HOME on Windows", () => {
  assert.equal(environment({}, {}, true).env.HOME, "/home/jane");
});

Deno.test("hides the files behind variables that the plugin does not get", () => {
  const known = (grants: Partial<Grants>) => {
    const all = { ...LEAST, ...grants };
    return [mayKnowPrivateDirectory(all), mayKnowKubeconfig(all)];
  };
  assert.deepEqual(known({}), [true, true]);
  assert.deepEqual(known({ env: ["LANG"] }), [false, false]);
  assert.deepEqual(known({ env: ["XDG_STATE_HOME"] }), [true, false]);
  assert.deepEqual(known({ env: ["HOME"] }), [false, true]);
  assert.deepEqual(known({ deny: { ...NO_DENIALS, env: ["KUBECONFIG"] } }), [true, true]);
  assert.deepEqual(known({ deny: { ...NO_DENIALS, env: ["KUBECONFIG", "HOME"] } }), [true, false]);
});
