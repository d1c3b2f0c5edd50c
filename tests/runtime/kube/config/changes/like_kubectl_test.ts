/** Changes of contexts in several kubeconfigs, compared with what the native kubectl does to the same files. */

import assert from "node:assert/strict";
import { mergeKubeconfigs, parseKubeconfig } from "../../../../../runtime/kube/config/kubeconfig.ts";
import { loadGoYaml } from "../../../../../runtime/kube/config/go_yaml.ts";
import { formatRedactedKubeconfig } from "../../../../../runtime/kube/config/redacted_kubeconfig.ts";
import {
  contextChanges,
  isEqual,
  RefusedChange,
} from "../../../../../runtime/kube/config/changes/context_changes.ts";
import { loadYaml, writeKubeconfigs } from "../../../../../runtime/kube/config/changes/write_kubeconfigs.ts";
import { findAssets } from "../../../../support/envtest.ts";
import { findProgram, missing } from "../../../../support/programs.ts";
import { temporaryDirectory } from "../../../../support/temporary.ts";

const kubectl = findAssets()?.kubectl ?? findProgram("kubectl");
const yaml = await loadYaml();
const parse = await loadGoYaml();

/** kubectl's own style, with comments. */
const PLAIN = `# my clusters
apiVersion: v1
clusters:
- cluster:
    server: https://127.0.0.1:6443 # local
  name: one
- cluster:
    certificate-authority-data: LS0tLQ==
    server: https://[::1]:6443
  name: two
contexts:
# the first
- context:
    cluster: one
    user: jane
  name: a
- context:
    cluster: two
    namespace: demo # mine
    user: "jane"
  name: b
  # after b
- context: {cluster: two, user: jane, namespace: x}
  name: "c d"
current-context: a # the default
kind: Config
preferences: {}
users:
- name: jane
  user:
    # never show this
    token: s3cret
`;

const INDENTED = `users:
  - name: jane
    user: {token: s3cret}

clusters:
  - name: one
    cluster: {server: "https://127.0.0.1:6443"}
  - name: two
    cluster: {server: "https://127.0.0.1:6444"}

contexts:
  - name: a
    context:
      # production
      cluster: one
      user: jane

  - name: b
    context:
      cluster: two
      namespace: |-
        demo
      user: jane
      extensions:
      - name: context_info
        extension: {provider: minikube}
  - {name: "c d", context: {user: jane, cluster: two, namespace: x}}
current-context: "a"
`;

const JSON_FILE = JSON.stringify(
  {
    kind: "Config",
    clusters: [{ name: "one", cluster: { server: "https://127.0.0.1:6443" } }, {
      name: "two",
      cluster: { server: "https://127.0.0.1:6444" },
    }],
    users: [{ name: "jane", user: { token: "s3cret" } }],
    contexts: [
      { name: "a", context: { cluster: "one", user: "jane" } },
      { name: "b", context: { cluster: "two", user: "jane", namespace: "demo" } },
      { name: "c d", context: { cluster: "two", user: "jane", namespace: "x" } },
    ],
    "current-context": "a",
  },
  null,
  2,
);

const CRLF = PLAIN.replaceAll("\n", "\r\n");
const WITHOUT_CURRENT = PLAIN.replace(/^current-context.*\n/m, "");
const NOTHING = "apiVersion: v1\nkind: Config\n";
const USERS_ONLY = `apiVersion: v1
users:
- name: jane
  user:
    token: s3cret
contexts: null
`;
const ONE_CONTEXT = `apiVersion: v1
kind: Config
contexts:
- context:
    cluster: one
    user: jane
  name: a
clusters:
- cluster: {server: "https://127.0.0.1:6443"}
  name: one
users:
- name: jane
`;

const SETS: Readonly<Record<string, readonly (string | undefined)[]>> = {
  plain: [PLAIN],
  indented: [INDENTED],
  json: [JSON_FILE],
  "json on one line": [JSON.stringify(JSON.parse(JSON_FILE))],
  crlf: [CRLF],
  "without an end of line": [PLAIN.trimEnd()],
  "without current-context": [WITHOUT_CURRENT],
  "one context": [ONE_CONTEXT],
  "two files": [ONE_CONTEXT, PLAIN],
  "the first without a context": [USERS_ONLY, PLAIN],
  "the first almost empty": [NOTHING, PLAIN],
  "the first empty": ["", INDENTED],
  "the first missing": [undefined, PLAIN],
  "current-context in the second": [WITHOUT_CURRENT, INDENTED],
};

const COMMANDS: readonly (readonly string[])[] = [
  ["use-context", "b"],
  ["use-context", "a"],
  ["use-context", "c d"],
  ["unset", "current-context"],
  ["set-context", "a", "--namespace=demo"],
  ["set-context", "a", "--namespace=123"],
  ["set-context", "b", "--namespace=other"],
  ["set-context", "c d", "--namespace=other"],
  ["set-context", "--current", "--namespace=web"],
  ["set-context", "b", "--namespace="],
  ["unset", "contexts.b.namespace"],
  ["set-context", "new", "--cluster=one", "--user=jane", "--namespace=x"],
  ["set-context", "no: x # y", "--cluster=one"],
  ["set-context", "true"],
  ["rename-context", "a", "z"],
  ["rename-context", "b", "-b: [x]"],
  ["rename-context", "c d", "42"],
  ["delete-context", "a"],
  ["delete-context", "b"],
  ["delete-context", "c d"],
  ["unset", "contexts.a"],
  ["set", "contexts.b.namespace", "yes"],
  ["set", "current-context", "b"],
];

async function config(paths: readonly string[], args: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command(kubectl!, {
    args: ["config", ...args],
    env: { KUBECONFIG: paths.join(":") },
    stderr: "null",
    stdout: "null",
  }).output();
  return success;
}

function written(files: readonly (string | undefined)[]): string[] {
  const directory = temporaryDirectory();
  return files.map((text, index) => {
    const path = `${directory}/${index}.yaml`;
    if (text !== undefined) Deno.writeTextFileSync(path, text, { mode: 0o640 });
    return path;
  });
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

/** The files as a plugin sees them. */
async function redacted(paths: readonly string[]): Promise<string> {
  const files = paths.flatMap((path) => {
    const text = read(path);
    return text === undefined ? [] : [parseKubeconfig(text, path)];
  });
  const credentials = { token: "t", cert: "c", key: "k" };
  return formatRedactedKubeconfig(
    mergeKubeconfigs(await Promise.all(files)),
    undefined,
    () => undefined,
    credentials,
  );
}

for (const [number, [name, files]] of Object.entries(SETS).entries()) {
  // Starting kubectl takes long, so most sets try a third of the commands.
  const commands = number === 0 ? COMMANDS : COMMANDS.filter((_, index) => index % 3 === number % 3);
  Deno.test({
    name: `changes ${name} as kubectl does`,
    ignore: missing("kubectl", kubectl !== undefined, "put it on PATH"),
    async fn() {
      for (const args of commands) {
        const [native, ours] = [written(files), written(files)];
        const works = await config(native, args);
        const known = new Map(ours.flatMap((path) => read(path) === undefined ? [] : [[path, read(path)!]]));
        const before = await redacted(ours);
        const [plugin] = written([before]);
        assert.equal(await config([plugin!], args), works, args.join(" "));
        const after = Deno.readTextFileSync(plugin!);
        const once = (text: string) => parse(text, { uniqueKeys: true, maxAliases: 0 });
        if (args.join(" ") === "set current-context b" && !before.includes('"b"')) {
          assert.throws(() => contextChanges(before, after, once), RefusedChange); // krew-wasm is stricter here
          continue;
        }
        const changes = contextChanges(before, after, once);
        if (changes.length > 0) writeKubeconfigs(ours, known, changes, yaml);
        for (const [index, path] of ours.entries()) {
          const [mine, theirs] = [path, native[index]!].map((each) => read(each));
          const values = [mine, theirs].map((text) =>
            sorted(parse(text ?? "", { uniqueKeys: true, maxAliases: 0 }))
          );
          assert.ok(
            isEqual(...values as [unknown, unknown]),
            `${args.join(" ")}:\n${mine}\n--- kubectl:\n${theirs}`,
          );
          refuseLosses(files[index] ?? "", mine ?? "", args.join(" "));
        }
      }
    },
  });
}

/** kubectl sorts the lists by name, and adds the kind. */
function sorted(value: unknown): unknown {
  const { kind: _kind, apiVersion: _version, ...rest } = (value ?? {}) as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [
      key,
      Array.isArray(value) ? value.toSorted((a, b) => String(a.name) < String(b.name) ? -1 : 1) : value,
    ]),
  );
}

/** All lines of the old file are in the new one, but for those of the changed entry. */
function refuseLosses(before: string, after: string, what: string): void {
  const lines = after.split("\n");
  const lost = before.split("\n").filter((line) => {
    const found = lines.indexOf(line);
    if (found >= 0) lines.splice(found, 1);
    return found < 0;
  });
  // The current context changes with its name, and one namespace here has two lines.
  const most = /delete|unset contexts\.a/.test(what) ? 9 : 2;
  const bare = lost.filter((line) => line.trim() !== "" && !/^\{.*\}$/.test(line));
  assert.ok(bare.length <= most, `${what} lost:\n${lost.join("\n")}\n--- now:\n${after}`);
}
