/** Reads the kubeconfig's files before a plugin starts, without parsing it. */

import assert from "node:assert/strict";
import { fc } from "../../../support/fuzz.ts";
import { parse, stringify } from "yaml";
import { filesNamed, preloadKubeconfig } from "../../../../runtime/kube/config/preload.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

const named = async (text: string) =>
  (await filesNamed(text, "/k/config")).map(({ key, path }) => `${key} ${path}`);

Deno.test("filesNamed() finds files in usual notations", async () => {
  assert.deepEqual(await named(""), []);
  assert.deepEqual(
    await named(
      "clusters:\n- cluster:\n    certificate-authority-data: Zm9v\n  name: x\nusers:\n- name: y\n  user: {token: a}\n",
    ),
    [],
  );
  assert.deepEqual(
    await named(
      `clusters:\n- cluster:\n    certificate-authority: /home/me/.minikube/ca.crt\n    server: https://x\n  name: minikube
users:\n- name: minikube\n  user:\n    client-certificate: ../a b.crt # mine\n    client-key: "k.key"\n- name: z\n  user:\n    tokenFile: 'it''s'\n`
        .replace("'it''s'", "'token'"),
    ),
    [
      "certificate-authority /home/me/.minikube/ca.crt",
      "client-certificate ../a b.crt",
      "client-key k.key",
      "tokenFile token",
    ],
  );
});

Deno.test("filesNamed() parses unusual notations", async () => {
  const user = { name: "u", user: { "client-certificate": "/c", "client-key": "/k" } };
  const expected = ["client-certificate /c", "client-key /k"];
  assert.deepEqual(await named(JSON.stringify({ users: [user] })), expected);
  assert.deepEqual(
    await named(`users: [{name: u, user: {client-certificate: /c, client-key: /k}}]`),
    expected,
  );
  assert.deepEqual(
    await named(
      `users:\n- name: u\n  user:\n    client-certificate: >-\n      /c\n    client-key: "\\x2fk"\n`,
    ),
    expected,
  );
  assert.deepEqual(
    await named(`users:\n- name: u\n  user:\n    client-certificate: &a /c\n    client-key: *a\n`),
    [
      "client-certificate /c",
      "client-key /c",
    ],
  );
  assert.deepEqual(await named("client-key: [broken"), []);
});

Deno.test("filesNamed() agrees with parsing for any spelling of a kubeconfig", async () => {
  const path = fc.oneof(
    fc.constantFrom(
      "/a",
      "b c",
      "../x",
      "~/x",
      "#x",
      "a #b",
      "a: b",
      "- x",
      "'q'",
      '"q"',
      "ü",
      "C:\\x",
      "x,",
      "{x}",
    ),
    fc.string({ minLength: 1, unit: "grapheme-ascii" }),
  );
  await fc.assert(fc.asyncProperty(
    path,
    path,
    path,
    fc.constantFrom("PLAIN", "QUOTE_SINGLE", "QUOTE_DOUBLE", "BLOCK_LITERAL") as fc.Arbitrary<"PLAIN">,
    fc.boolean(),
    async (ca, cert, token, defaultStringType, flow) => {
      const config = {
        clusters: [{ name: "c", cluster: { server: "https://x", "certificate-authority": ca } }],
        users: [{ name: "u", user: { "client-certificate": cert, tokenFile: token } }],
      };
      const text = stringify(config, {
        version: "1.1", // as kubectl: a bare `n` is not a string
        defaultStringType,
        defaultKeyType: "PLAIN",
        ...(flow ? { collectionStyle: "flow" as const } : {}),
      });
      // yaml can't parse every string in every style that it writes (a block of one space).
      const { clusters: [cluster], users: [user] } = parse(text, { version: "1.1" }) as typeof config;
      const found = (await filesNamed(text, "/k/config")).map(({ path }) => path);
      assert.deepEqual(
        found,
        [cluster!.cluster["certificate-authority"], user!.user["client-certificate"], user!.user.tokenFile]
          .filter((path) => path !== ""),
        text,
      );
    },
  ));
});

Deno.test("preloadKubeconfig() keeps files and errors in memory", async () => {
  const directory = temporaryDirectory();
  try {
    await Deno.writeTextFile(`${directory}/ca.crt`, "CA");
    await Deno.writeTextFile(
      `${directory}/config`,
      "clusters:\n- name: c\n  cluster:\n    certificate-authority: ca.crt\nusers:\n- name: u\n  user:\n    tokenFile: t\n",
    );
    const config = `${directory}/config`;
    const { readFile, keep, exec } = await preloadKubeconfig([config, `${directory}/none`], {
      env: {},
      args: [],
      home: directory,
      cwd: "/",
    });
    await Deno.remove(config);
    await Deno.remove(`${directory}/ca.crt`);
    await Deno.writeTextFile(`${directory}/none`, "late");
    assert.match(readFile(config), /^clusters/);
    assert.equal(readFile(`${directory}/ca.crt`), "CA");
    assert.throws(() => readFile(`${directory}/none`), Deno.errors.NotFound);
    // Rotating files stay readable, and a token that does not exist yet.
    assert.deepEqual(keep, [`${directory}/ca.crt`, `${directory}/t`]);
    assert.equal(exec, false);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("preloadKubeconfig() finds the programs of kuberc's allowlist and kubeconfig", async () => {
  const directory = temporaryDirectory();
  try {
    await Deno.mkdir(`${directory}/.kube`);
    for (const name of ["plugin", "other"]) {
      await Deno.writeTextFile(`${directory}/${name}`, "#!/bin/sh\n", { mode: 0o755 });
    }
    const config = `${directory}/.kube/config`;
    await Deno.writeTextFile(
      config,
      "users:\n- name: u\n  user:\n    exec: {apiVersion: client.authentication.k8s.io/v1, command: ../plugin, interactiveMode: Never}\n",
    );
    const context = { env: {}, args: [], home: directory, cwd: "/" };
    const plugin = `${directory}/plugin`;
    assert.equal((await preloadKubeconfig([config], context)).findProgram(plugin), undefined);
    const kuberc = (path: string) =>
      Deno.writeTextFile(
        path,
        `apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\ncredentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- command: ${directory}/other\n- command: ${directory}/none\n`,
      );
    await kuberc(`${directory}/.kube/kuberc`);
    const { findProgram } = await preloadKubeconfig([config], context);
    await Deno.remove(`${directory}/other`);
    assert.equal(findProgram(plugin), plugin);
    assert.equal(findProgram(`${directory}/other`), `${directory}/other`);
    assert.equal(findProgram(`${directory}/none`), undefined);
    // If it is off, it is not read.
    const off = await preloadKubeconfig([config], { ...context, env: { KUBERC: "off" } });
    assert.equal(off.findProgram(plugin), undefined);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
