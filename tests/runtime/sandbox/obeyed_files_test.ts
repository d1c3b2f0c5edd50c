import assert from "node:assert/strict";
import {
  type ContentsHost,
  filesInPolicy,
  filesOfRegistries,
  obeyedContents,
} from "../../../runtime/sandbox/obeyed_contents.ts";
import { obeyedFiles } from "../../../runtime/sandbox/obeyed_files.ts";
import { POLICY_PATH } from "../../../runtime/policy/policy_path.ts";
import { parentOf } from "../../../runtime/base/host_path.ts";

const HOME = "/home/me";
const NOTHING: ContentsHost = { list: () => [], read: () => "" };

function contents(env: Readonly<Record<string, string>>, host: Partial<ContentsHost> = {}): string[] {
  return obeyedContents(
    { env: (name) => env[name], home: HOME, cwd: "/work/dir", store: "/opt/store" },
    { ...NOTHING, ...host },
  );
}

function assertIncludes(paths: readonly string[], ...wanted: readonly string[]): void {
  assert.deepEqual(wanted.filter((path) => !paths.includes(path)), []);
}

Deno.test("every path of both stores, the policy and the settings of registries is obeyed", () => {
  const paths = contents({ HOME });
  for (const root of ["/opt/store", `${HOME}/.krew-wasm`]) {
    const names = [
      "bin",
      "bin/krew-wasm",
      "blobs/sha256",
      "compiled",
      "receipts",
      "history",
      "data",
      "indexes",
    ];
    names.push("log", "stage", "lock", "store.json", "list.json");
    names.push("policy.yaml", "trusted_root.json", "registries.yaml");
    assertIncludes(paths, ...names.map((name) => `${root}/${name}`));
  }
  assertIncludes(paths, POLICY_PATH, `${parentOf(POLICY_PATH)}/trusted_root.json`);
  for (const root of [`${HOME}/.config/containers`, "/etc/containers"]) {
    assertIncludes(
      paths,
      ...["registries.conf", "registries.conf.d", "certs.d"].map((name) => `${root}/${name}`),
    );
  }
  assertIncludes(paths, `${HOME}/.config/docker/certs.d`, "/etc/docker/certs.d");
});

Deno.test("relative paths in variables are obeyed from the current directory", () => {
  const env: Record<string, string> = {
    HOME,
    DOCKER_CONFIG: "docker",
    CONTAINERS_REGISTRIES_CONF: "../r.conf",
    REGISTRY_AUTH_FILE: "auth.json",
    XDG_CONFIG_HOME: "xdg",
  };
  const facts = { home: HOME, uid: 1000, store: "/opt/store", binaries: [], kuberc: [] };
  const at = (cwd: string) => obeyedFiles({ ...facts, cwd, env: (name) => env[name] });
  assertIncludes(
    at("/work/dir"),
    ...["docker/config.json", "../r.conf", "auth.json", "xdg/containers", "xdg/docker/certs.d"].map((path) =>
      `/work/dir/${path}`
    ),
  );
  assertIncludes(at("/"), "/docker/config.json");
  assertIncludes(contents(env), "/work/dir/xdg/containers/registries.conf");
});

Deno.test("links among the drop-ins, certificates, receipts and compiled plugins are obeyed", () => {
  const link = { isDirectory: false, isSymlink: true };
  const directory = { isDirectory: true, isSymlink: false };
  const tree: Record<string, ReturnType<ContentsHost["list"]>> = {
    "/etc/containers/registries.conf.d": [{ name: "a.conf", ...link }, {
      ...{ name: "plain.conf", isDirectory: false, isSymlink: false },
    }],
    "/etc/docker/certs.d": [{ name: "host", ...directory }, { name: "linked", ...link }],
    "/etc/docker/certs.d/host": [{ name: "ca.crt", ...link }],
    "/etc/docker/certs.d/linked": [{ name: "ca.crt", ...link }],
    "/work/dir/xdg/containers/certs.d": [{ name: "host", ...link }],
    "/opt/store/receipts": [{ name: "foo.json", ...link }],
    "/opt/store/compiled": [{ name: "aa-1", ...directory }],
    "/opt/store/compiled/aa-1": [{ name: "module.js", ...link }],
  };
  const paths = contents({ HOME, XDG_CONFIG_HOME: "xdg" }, { list: (path) => tree[path] ?? [] });
  assertIncludes(
    paths,
    "/etc/containers/registries.conf.d/a.conf",
    "/etc/docker/certs.d/host/ca.crt",
    "/etc/docker/certs.d/linked",
    "/etc/docker/certs.d/linked/ca.crt",
    "/work/dir/xdg/containers/certs.d/host",
    "/opt/store/receipts/foo.json",
    "/opt/store/compiled/aa-1/module.js",
  );
  assert.ok(!paths.includes("/etc/containers/registries.conf.d/plain.conf"));
});

Deno.test("the files that policy.yaml and registries.yaml name are obeyed", () => {
  const files: Record<string, string> = {
    "/opt/store/policy.yaml": "rules:\n  - match: ghcr.io/acme/*\n    verify: /srv/keys/acme.pub\n",
    [`${HOME}/.krew-wasm/registries.yaml`]: "registries:\n  r.example: {ca: ../ca.pem}\n",
  };
  assertIncludes(
    contents({ HOME }, { read: (path) => files[path] ?? "" }),
    "/srv/keys/acme.pub",
    `${HOME}/.krew-wasm/../ca.pem`,
  );
});

for (
  const [text, ...wanted] of [
    ["verify: /a/b.pub", "/a/b.pub"],
    ["verify: /a/my key.pub # whose", "/a/my key.pub"],
    ["verify: [/a/b.pub, '/c/d.pub',\"/e/f.pub\"]", "/a/b.pub", "/c/d.pub", "/e/f.pub"],
    ['{"anyOf":["/a/b.pub"],"trustRoot":"/r.json"}', "/a/b.pub", "/r.json"],
    ["anyOf:\n  - /a/b.pub\n  - >-\n    /c/d.pub", "/a/b.pub", "/c/d.pub"],
    ["verify: '/a/it''s.pub'", "/a/it's.pub"],
    ['verify: "C:\\\\keys\\\\a.pub"', "C:\\keys\\a.pub"],
    ["verify: /a/b.pub\r\n", "/a/b.pub"],
  ] as const
) {
  Deno.test(`policy.yaml names a path: ${JSON.stringify(text)}`, () => {
    assertIncludes(filesInPolicy(text), ...wanted);
  });
}

Deno.test("text in policy.yaml that is not a path protects nothing", () => {
  const text =
    "# keys are in /home/me/keys\nmatch: ghcr.io/acme/*\nverify: me@a.example@https://github.com/login # /x\nor: '/'\n";
  assert.deepEqual(filesInPolicy(text).filter((path) => path !== "/'"), []);
});

for (
  const [text, ...wanted] of [
    ["ca: /a/ca.pem", "/a/ca.pem"],
    ["ca: 'own ca.pem' # it", "own ca.pem"],
    ["r: {ca: a.pem, cert: b.pem, key: c.pem}", "a.pem", "b.pem", "c.pem"],
    ['{"ca":"a.pem","key": "b.pem"}', "a.pem", "b.pem"],
    ["ca:\n  /a/ca.pem\n", "/a/ca.pem"],
    ["ca: >-\n  a.pem\n", "a.pem"],
  ] as const
) {
  Deno.test(`registries.yaml names a file: ${JSON.stringify(text)}`, () => {
    assertIncludes(filesOfRegistries(text), ...wanted);
  });
}
