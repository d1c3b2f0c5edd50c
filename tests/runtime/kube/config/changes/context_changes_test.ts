import assert from "node:assert/strict";
import { loadGoYaml } from "../../../../../runtime/kube/config/go_yaml.ts";
import { changeInWords } from "../../../../../runtime/kube/config/changes/change_words.ts";
import { contextChanges, RefusedChange } from "../../../../../runtime/kube/config/changes/context_changes.ts";

const parse = await loadGoYaml();
const yaml = (text: string) => parse(text, { uniqueKeys: true, maxAliases: 0 });

const user = { "client-certificate-data": "Yw==", "client-key-data": "aw==", token: "t" };
const config = () => ({
  apiVersion: "v1",
  kind: "Config",
  "current-context": "a",
  preferences: {} as Record<string, unknown>,
  clusters: [{ name: "one", cluster: { server: "https://one" } as Record<string, unknown> }],
  contexts: [
    { name: "a", context: { cluster: "one", user: "jane" } as Record<string, unknown> },
    { name: "b", context: { cluster: "one", user: "jane", namespace: "x" } as Record<string, unknown> },
  ],
  users: [{ name: "jane", user: { ...user } as Record<string, unknown> }],
});
type Config = ReturnType<typeof config>;
const BEFORE = JSON.stringify(config());

/** The changes of an edit, in words. The edit changes the object, or returns another text as a String. */
function words(edit: (config: Config) => unknown): string[] {
  const after = config();
  const text = edit(after);
  return contextChanges(BEFORE, text instanceof String ? `${text}` : JSON.stringify(after), yaml).map(
    changeInWords,
  );
}

const EDITS: readonly (readonly [string[], (config: Config) => unknown])[] = [
  [[], () => {}],
  [["change the current context from a to b"], (c) => c["current-context"] = "b"],
  [["unset the current context a"], (c) => void (c["current-context"] = "")],
  [["set the namespace of the context a to web"], (c) => c.contexts[0]!.context.namespace = "web"],
  [["change the namespace of the context b from x to y"], (c) => c.contexts[1]!.context.namespace = "y"],
  [["unset the namespace of the context b, which is x"], (c) => delete c.contexts[1]!.context.namespace],
  [["rename the context b to c"], (c) => void (c.contexts[1]!.name = "c")],
  [
    ["rename the context a to c", "change the current context from a to c"],
    (c) => void (c.contexts[0]!.name = c["current-context"] = "c"),
  ],
  [["delete the context b"], (c) => void c.contexts.pop()],
  [
    ['add the context "two words" (cluster one, user none, namespace n)'],
    (c) => void c.contexts.push({ name: "two words", context: { cluster: "one", namespace: "n" } }),
  ],
  [["delete the context a", "delete the context b", "unset the current context a"], (c) => {
    c.contexts = [];
    c["current-context"] = "";
  }],
  [
    ["add the context __proto__ (cluster one, user jane, namespace none)"],
    (c) => void c.contexts.push({ name: "__proto__", context: { cluster: "one", user: "jane" } }),
  ],
  [
    ["change the current context from a to b"],
    () => new String(BEFORE.replace('"current-context":"a"', '"current-context":"b"')),
  ],
];

Deno.test("contextChanges() names exactly the changes of contexts", () => {
  for (const [expected, edit] of EDITS) assert.deepEqual(words(edit), expected);
});

Deno.test("contextChanges() reads kubectl's YAML, which leaves out empty fields", () => {
  const yamlText = `apiVersion: v1
clusters:
- cluster:
    server: https://one
  name: one
contexts:
- context:
    cluster: one
    user: jane
  name: a
- context: {cluster: one, user: jane, namespace: x}
  name: b
current-context: b
kind: Config
users:
- name: jane
  user:
    client-certificate-data: Yw==
    client-key-data: aw==
    token: t
`;
  assert.deepEqual(words(() => new String(yamlText)), ["change the current context from a to b"]);
});

/** What a plugin may never change: each with a part of the reason. */
const REFUSED: readonly (readonly [string, (config: Config) => unknown])[] = [
  ['change the cluster "one"', (c) => c.clusters[0]!.cluster.server = "https://evil"],
  ['change the cluster "one"', (c) => c.clusters[0]!.cluster["insecure-skip-tls-verify"] = true],
  [
    'add the cluster "evil"',
    (c) => void c.clusters.push({ name: "evil", cluster: { server: "https://evil" } }),
  ],
  ['delete the cluster "one"', (c) => void c.clusters.pop()],
  ['change the user "jane"', (c) => c.users[0]!.user.exec = { command: "sh" }],
  ['change the user "jane"', (c) => c.users[0]!.user.token = "other"],
  ['add the user "x"', (c) => void c.users.push({ name: "x", user: {} })],
  ['delete the user "jane"', (c) => void c.users.pop()],
  ['change the cluster of the context "a"', (c) => c.contexts[0]!.context.cluster = "two"],
  ['change the user of the context "a"', (c) => c.contexts[0]!.context.user = "root"],
  [
    "change other fields of the context",
    (c) => c.contexts[0]!.context.extensions = [{ name: "x", extension: {} }],
  ],
  ["which there is not", (c) => c.contexts.push({ name: "c", context: { cluster: "evil", user: "jane" } })],
  ["which there is not", (c) => c.contexts.push({ name: "c", context: { cluster: "one", user: "root" } })],
  ["which there is not", (c) => c.contexts.push({ name: "c", context: { cluster: "constructor" } })],
  ["which there is not", (c) => void (c["current-context"] = "toString")],
  ["name a context", (c) => void (c.contexts[0]!.name = "\u001b]0;owned\u0007")],
  ["name a context", (c) => void (c.contexts[0]!.name = "a\u202e")],
  ["name a context", (c) => void (c.contexts[0]!.name = "")],
  ["name a context", (c) => void (c.contexts[0]!.name = "x".repeat(501))],
  ["no name of a namespace", (c) => c.contexts[0]!.context.namespace = "a\u001b[2J"],
  ["no name of a namespace", (c) => c.contexts[0]!.context.namespace = "x".repeat(64)],
  ["change contexts", (c) => void (c.contexts[1]!.name = "a")],
  ["a name is no text", (c) => c.contexts[0]!.context.namespace = { a: 1 }],
  ['change "preferences"', (c) => c.preferences.colors = true],
  ['change "extensions"', (c) => (c as Record<string, unknown>).extensions = [{ name: "x" }]],
  ['change "__proto__"', () => new String(BEFORE.replace("{", '{"__proto__":{"contexts":[1]},'))],
  ['change "kind"', (c) => void (c.kind = "List")],
  ["no list", (c) => (c as Record<string, unknown>).contexts = { a: {} }],
  ["not YAML", () => new String("{")],
  ["not YAML", () => new String(`${BEFORE.slice(0, -1)}, "x": &x [1], "y": *x}`)],
  ["not YAML", () => new String("kind: Config\nkind: Config\n")],
  ["empty the kubeconfig", () => new String("[]")],
  ["empty the kubeconfig", () => new String("text")],
  [
    "nested|not YAML|preferences|cluster",
    () => new String(`{"preferences":${'{"user":'.repeat(50_000)}1${"}".repeat(50_000)}}`),
  ],
  ["large", () => new String(" ".repeat(2 ** 21))],
  ["50|changes", (c) => {
    for (let index = 0; index < 60; index++) {
      c.contexts.push({ name: `n${index}`, context: { cluster: "one" } });
    }
  }],
];

Deno.test("contextChanges() refuses everything else", () => {
  for (const [reason, edit] of REFUSED) {
    try {
      assert.fail(`${reason}: allowed as ${words(edit)}`);
    } catch (error) {
      if (!(error instanceof RefusedChange)) throw error;
      assert.match(error.message, new RegExp(reason));
      assert.doesNotMatch(error.message, /[\u0000-\u001f]/u);
    }
  }
});

Deno.test("contextChanges() refuses YAML with many or nested aliases quickly", () => {
  const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
  for (let index = 0; index < 20; index++) {
    bomb.push(`b${index}: &b${index} [${`*${index === 0 ? "a" : `b${index - 1}`}, `.repeat(9)}]`);
  }
  assert.throws(() => words(() => new String(bomb.join("\n"))), RefusedChange);
  assert.throws(() => words(() => new String(`${"[".repeat(100_000)}`)), RefusedChange);
});
