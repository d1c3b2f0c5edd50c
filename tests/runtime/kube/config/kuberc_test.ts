/** kubectl's kuberc: which credential plugins may start. */

import assert from "node:assert/strict";
import {
  allowedProgram,
  parseKuberc,
  type PluginPolicy,
  readPluginPolicy,
} from "../../../../runtime/kube/config/kuberc.ts";
import { kubercFile } from "../../../../runtime/kube/config/kuberc_file.ts";

const HEAD = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n";
const KUBERC = { path: "/home/me/.kube/kuberc", shown: "~/.kube/kuberc", explicit: false };

async function parsed(text: string, explicit = false) {
  const warnings: string[] = [];
  const policy = await parseKuberc(text, { ...KUBERC, explicit }, (line) => warnings.push(line));
  return { policy: policy && { policy: policy.policy, allowed: policy.allowed }, warnings };
}

Deno.test("parseKuberc() returns the policy", async () => {
  const all = { policy: "AllowAll", allowed: [] };
  for (
    const [text, policy] of [
      [HEAD, all],
      [`${HEAD}credentialPluginPolicy: ""\n`, all],
      [`${HEAD}credentialPluginPolicy: AllowAll\ndefaults: []\n`, all],
      [`${HEAD}credentialPluginPolicy: DenyAll\n`, { policy: "DenyAll", allowed: [] }],
      [
        `${HEAD}credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- command: a\n- name: /b\n- {command: c, name: c}\n`,
        {
          policy: "Allowlist",
          allowed: ["a", "/b", "c"],
        },
      ],
      [
        JSON.stringify({
          apiVersion: "kubectl.config.k8s.io/v1beta1",
          kind: "Preference",
          credentialPluginPolicy: "DenyAll",
        }),
        {
          policy: "DenyAll",
          allowed: [],
        },
      ],
      // Of several documents the first Preference counts; others are ignored.
      [`---\nkind: Other\n---\nnot: [yaml\n---\n${HEAD}credentialPluginPolicy: DenyAll\n---\n${HEAD}`, {
        policy: "DenyAll",
        allowed: [],
      }],
      // Earlier versions have no policy.
      [
        `apiVersion: kubectl.config.k8s.io/v1alpha1\nkind: Preference\ncredentialPluginPolicy: DenyAll\n`,
        all,
      ],
      // kubectl accepts these two keys in any case.
      [
        HEAD.replace("kind", "Kind").replace("apiVersion", "APIVERSION") +
        "credentialPluginPolicy: DenyAll\n",
        { policy: "DenyAll", allowed: [] },
      ],
      [`--- # comment\r\n${HEAD}credentialPluginPolicy: DenyAll\n`, { policy: "DenyAll", allowed: [] }],
      [`${HEAD}credentialPluginPolicy: DenyAll\n---x\n`, { policy: "DenyAll", allowed: [] }],
      [
        `${HEAD}credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- command: ../x/a\n- command: b/c\n`,
        { policy: "Allowlist", allowed: ["../x/a", "b/c"] },
      ],
      ["", undefined],
      ["---\n", undefined],
    ] as const
  ) {
    assert.deepEqual(await parsed(text), { policy, warnings: [] }, text);
  }
});

Deno.test("parseKuberc() refuses a malformed policy", async () => {
  for (
    const text of [
      "credentialPluginPolicy: Denyall\n",
      "credentialPluginPolicy: [DenyAll]\n",
      "credentialPluginPolicy: Allowlist\n",
      "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: []\n",
      "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: {command: a}\n",
      "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{}]\n",
      "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [a]\n",
      "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{command: a, name: b}]\n",
      "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{command: ./a}]\n",
      "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{command: /a/../b}]\n",
      "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{command: /a//b}]\n",
      "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{command: ../a/../b}]\n",
      "credentialPluginPolicy: DenyAll\ncredentialPluginAllowlist: [{command: a}]\n",
      "credentialPluginAllowlist: [{command: a}]\n",
    ]
  ) {
    await assert.rejects(parsed(HEAD + text), { code: "KUBECONFIG_INVALID" }, text);
  }
});

Deno.test("parseKuberc() warns about a file without Preference, or refuses a named one", async () => {
  for (const text of ["not: [yaml\n", "kind: Preference\napiVersion: other/v1\n", "[]\n", "kind: Config\n"]) {
    const { policy, warnings } = await parsed(text);
    assert.equal(policy, undefined);
    assert.deepEqual(warnings, ["~/.kube/kuberc holds no Preference of kubectl.config.k8s.io"], text);
    await assert.rejects(parsed(text, true), { code: "KUBECONFIG_INVALID" }, text);
  }
});

Deno.test("parseKuberc() stops at a separator with text after it", async () => {
  const text = `a: b\n---x\n${HEAD}credentialPluginPolicy: DenyAll\n`;
  const { policy, warnings } = await parsed(text);
  assert.equal(policy, undefined);
  assert.deepEqual(warnings, ["~/.kube/kuberc has text behind a separator ---"]);
  await assert.rejects(parsed(text, true), { code: "KUBECONFIG_INVALID" });
});

Deno.test("readPluginPolicy() handles no file, a missing one and an unreadable one", async () => {
  const never = (line: string) => assert.fail(line);
  assert.equal(await readPluginPolicy(undefined, () => assert.fail(), never), undefined);
  const missing = () => {
    throw new Deno.errors.NotFound("gone");
  };
  assert.equal(await readPluginPolicy(KUBERC, missing, never), undefined);
  await assert.rejects(readPluginPolicy({ ...KUBERC, explicit: true }, missing, never), {
    code: "KUBECONFIG_UNREADABLE",
  });
  const warnings: string[] = [];
  const directory = () => {
    throw new Error("Is a directory");
  };
  assert.equal(await readPluginPolicy(KUBERC, directory, (line) => warnings.push(line)), undefined);
  assert.deepEqual(warnings, [`Cannot read the kuberc "~/.kube/kuberc": Is a directory`]);
});

Deno.test("allowedProgram() decides by the command's text and by its file", () => {
  const where = KUBERC.shown;
  const found: Record<string, string> = {
    aws: "/usr/bin/aws",
    "/usr/bin/aws": "/usr/bin/aws",
    "/opt/x": "/opt/x",
  };
  const decide = (command: string, policy: PluginPolicy["policy"], ...allowed: string[]) =>
    allowedProgram(command, { policy, allowed, where }, (name) => found[name]);
  assert.equal(decide("aws", "AllowAll"), "aws");
  assert.throws(() => decide("aws", "DenyAll"), {
    code: "CREDENTIALS_FAILED",
    message: /DenyAll in ~\/\.kube\/kuberc/,
  });
  // As written, if the file is missing: starting it reports that.
  assert.equal(decide("gone", "Allowlist", "gone"), "gone");
  assert.equal(decide("aws", "Allowlist", "x", "aws"), "aws");
  assert.equal(decide("aws", "Allowlist", "/usr/bin/aws"), "/usr/bin/aws");
  assert.equal(decide("/usr/bin/aws", "Allowlist", "aws"), "/usr/bin/aws");
  for (
    const [command, ...allowed] of [["/opt/x", "aws"], ["gone", "aws"], ["aws", "AWS"], ["gone", "other"]]
  ) {
    assert.throws(() => decide(command!, "Allowlist", ...allowed), {
      code: "CREDENTIALS_FAILED",
      message: /Allowlist of/,
    });
  }
});

Deno.test("kubercFile() prefers the flag, then the variable, then the default", () => {
  const file = (env: Record<string, string>, ...args: string[]) => kubercFile(env, args, "/home/me", "/work");
  assert.deepEqual(file({}), KUBERC);
  assert.deepEqual(file({ KUBERC: "" }), KUBERC);
  assert.deepEqual(file({ KUBERC: "rc" }), { path: "/work/rc", shown: "/work/rc", explicit: true });
  assert.deepEqual(file({ KUBERC: "rc" }, "--kuberc", "/a")?.path, "/a");
  assert.deepEqual(file({}, "x", "--kuberc=/a", "--kuberc=/b")?.path, "/a");
  assert.deepEqual(file({}, "--", "--kuberc=/a"), KUBERC);
  assert.equal(file({ KUBERC: "off" }), undefined);
  assert.equal(file({ KUBECTL_KUBERC: "False" }, "--kuberc=/a"), undefined);
  assert.deepEqual(file({ KUBECTL_KUBERC: "0" }), KUBERC);
  assert.deepEqual(file({}, "--kuberc", ""), KUBERC);
  for (const args of [["--kuberc"], ["--kuberc="]]) assert.throws(() => file({}, ...args), { code: "USAGE" });
  assert.throws(() => file({ KUBERC: "off" }, "--kuberc=/a"), { code: "USAGE" });
});
