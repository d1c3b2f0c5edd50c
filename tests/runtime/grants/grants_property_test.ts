/** Properties of all grants, bounds and requests. */

import assert from "node:assert/strict";
import { bounds, grants, HOME, rule } from "../../support/arbitrary_grants.ts";
import { fc } from "../../support/fuzz.ts";
import { effectiveGrants, mergeGrants } from "../../../runtime/grants/merge_grants.ts";
import { type EnvGrant, type Grants, LEAST } from "../../../runtime/grants/grants.ts";
import { grantedEnvironment, isCredentialVariable } from "../../../runtime/grants/granted_environment.ts";
import { grantsFromJson, grantsToJson } from "../../../runtime/grants/grants_json.ts";
import { parseRequest } from "../../../runtime/kube/allow/request_info.ts";
import { ruleCovers, ruleDenies } from "../../../runtime/kube/allow/rules.ts";
import { limitGrants } from "../../../runtime/policy/limit_grants.ts";

const within = (path: string, root: string) =>
  path === root || path.startsWith(root === "/" ? "/" : `${root}/`);
const given = (grant: EnvGrant, deny: Grants["deny"]["env"] = []) =>
  grantedEnvironment({ A: "", B: "", GH_TOKEN: "", LANG: "" }, grant, deny).given.map(([name]) => name);

Deno.test("grants survive their JSON", () => {
  fc.assert(fc.property(grants, (value) => {
    const json = JSON.parse(JSON.stringify(grantsToJson(value)));
    assert.deepEqual(JSON.parse(JSON.stringify(grantsFromJson(json))), JSON.parse(JSON.stringify(value)));
  }));
});

Deno.test("effectiveGrants() leaves nothing that is denied", () => {
  fc.assert(fc.property(grants, (value) => {
    const left = effectiveGrants(value);
    const { deny } = value;
    for (const { host, write } of left.files) {
      assert.ok(!deny.read.some((root) => within(host, root)), host);
      assert.ok(!write || !deny.write.some((root) => within(host, root)), host);
    }
    assert.ok(
      !(left.home && deny.home) && !(left.kubeconfig && deny.kubeconfig) &&
        !(left.terminal && deny.terminal) &&
        !(left.completion && deny.completion),
    );
    if (deny.cluster === true) assert.equal(left.cluster, "none");
    const names = given(left.env, left.deny.env);
    assert.ok(deny.env === "all" ? names.length === 0 : names.every((name) => !deny.env.includes(name)));
  }));
});

Deno.test("a run's flags never lift a denial", () => {
  fc.assert(fc.property(grants, grants, (base, more) => {
    const { deny } = mergeGrants(base, { ...more, rules: [] });
    for (const root of base.deny.read) assert.ok(deny.read.includes(root));
    for (const root of base.deny.write) assert.ok(deny.write.includes(root));
    assert.ok(!base.deny.home || deny.home);
    assert.ok(base.deny.cluster !== true || deny.cluster === true);
    if (Array.isArray(base.deny.cluster) && Array.isArray(deny.cluster)) {
      for (const each of base.deny.cluster) assert.ok(deny.cluster.includes(each));
    }
  }));
});

Deno.test("limitGrants() exceeds neither the bounds nor the grants", () => {
  fc.assert(fc.property(grants, bounds, (value, most) => {
    const left = limitGrants(value, most, HOME);
    for (const { host, write } of left.files) {
      if (most.read) assert.ok(most.read.some((root) => within(host, root)), `read ${host}`);
      if (write && most.write) assert.ok(most.write.some((root) => within(host, root)), `write ${host}`);
      if (!most.home) assert.ok(!within(HOME, host), `home by ${host}`);
      const from = value.files.some((file) => within(host, file.host) && (file.write || !write));
      assert.ok(from || value.home && within(host, HOME), `${host} was granted`);
    }
    assert.ok(!left.home || most.home && value.home && !most.read && !most.write);
    assert.ok(!left.kubeconfig || most.kubeconfig && value.kubeconfig);
    assert.ok(left.limits.maxMemory <= Math.min(most.maxMemory, value.limits.maxMemory));
    for (const name of given(left.env)) {
      assert.ok(given(most.env).includes(name) && given(value.env).includes(name), name);
    }
  }));
});

Deno.test("percent-encoding does not change the meaning of a path", () => {
  const segment = fc.constantFrom(
    "api",
    "apis",
    "v1",
    "apps",
    "namespaces",
    "demo",
    "pods",
    "web",
    "log",
    "watch",
    "status",
    "x",
  );
  fc.assert(fc.property(
    fc.array(segment, { maxLength: 9 }),
    fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
    fc.infiniteStream(fc.boolean()),
    (parts, method, coins) => {
      const plain = `/${parts.join("/")}`;
      const encoded = plain.replace(
        /[^/]/g,
        (character) => coins.next().value ? `%${character.charCodeAt(0).toString(16)}` : character,
      );
      const read = (path: string) => {
        try {
          return parseRequest(method, path, "");
        } catch (error) {
          return (error as Error).name;
        }
      };
      assert.deepEqual(read(encoded), read(plain));
      assert.deepEqual({ ...(read(`${plain}/`) as object), path: "" }, {
        ...(read(plain) as object),
        path: "",
      });
    },
  ));
});

Deno.test("a denial covers every request that the same rule would allow", () => {
  const asked = fc.record({
    isResource: fc.constant(true),
    path: fc.constant(""),
    verb: fc.constantFrom("get", "list", "create"),
    apiGroup: fc.constantFrom("", "apps"),
    apiVersion: fc.constant("v1"),
    namespace: fc.constantFrom("", "a", "b"),
    resource: fc.constantFrom("pods", "deployments"),
    subresource: fc.constantFrom("", "log", "scale"),
    name: fc.constantFrom("", "web", "db"),
  });
  const bound = fc.record({
    namespaces: fc.constantFrom(undefined, ["a"]),
    resourceNames: fc.constantFrom(undefined, ["db"]),
  });
  fc.assert(fc.property(rule, bound, asked, (value, { namespaces, resourceNames }, info) => {
    const whole = {
      ...value,
      ...(namespaces === undefined ? {} : { namespaces }),
      ...(resourceNames === undefined ? {} : { resourceNames }),
    };
    if (ruleCovers(whole, info)) assert.ok(ruleDenies(whole, info));
  }));
});

Deno.test("the default environment has no credential", () => {
  assert.deepEqual(given(LEAST.env).filter(isCredentialVariable), []);
});

/** isCredentialVariable() as a regular expression. */
const CREDENTIAL =
  /TOKEN|SECRET|PASSW(?:OR)?D|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|AUTHORIZATION|COOKIE|SESSION_?(?:ID|KEY)|DATABASE_URL|CONNECTION_?STRING|SSHPASS|(?:^|_)(?:PASS|AUTH|CREDS?|JWT)(?:_|$)|_PWD$|(?:^|_)(?:DSN|PAT)$|^(?!DESKTOP_SESSION$)(?:.*_)?SESSION$|^OP_SESSION_|^AWS_.*(?:KEY|ID)|^AZURE_|^GOOGLE_.*(?:KEY|JSON)|^SSH_(?:AUTH_SOCK|AGENT_PID)$|^(?:GPG|GNUPG)|^(?:HTTPS?|ALL|FTP)_PROXY$|^NETRC$/;

Deno.test("isCredentialVariable() agrees with the regular expression", () => {
  const part = fc.constantFrom(
    ..."TOKEN SECRET PASSW PASSWORD PASSWD PASSPHRASE CREDENTIAL API ACCESS PRIVATE KEY AUTHORIZATION COOKIE"
      .split(" "),
    ..."SESSION ID DATABASE URL CONNECTION STRING PASS AUTH CRED CREDS PWD DSN AWS AZURE GOOGLE JSON SSH"
      .split(" "),
    ..."SOCK AGENT PID JWT PAT SSHPASS DESKTOP OP GPG GNUPG HTTP HTTPS ALL FTP NO PROXY NETRC X S _ __".split(
      " ",
    ),
  );
  const name = fc.tuple(fc.array(part, { maxLength: 5 }), fc.constantFrom("", "_"))
    .map(([parts, between]) => parts.join(between));
  fc.assert(
    fc.property(name, (name) => {
      assert.equal(isCredentialVariable(name), CREDENTIAL.test(name), name);
      assert.equal(isCredentialVariable(name.toLowerCase()), CREDENTIAL.test(name), name);
    }),
    { numRuns: 5000 },
  );
});
