import assert from "node:assert/strict";
import { fc } from "../../../support/fuzz.ts";
import { parseAllDocuments, stringify } from "yaml";
import { parsePlainYaml } from "../../../../runtime/kube/config/plain_yaml.ts";

/** The YAML parser's result; undefined for an error. */
function read(text: string): unknown {
  const documents = parseAllDocuments(text, { merge: true, uniqueKeys: false });
  const document = "empty" in documents ? undefined : documents[0];
  return !document || documents.length > 1 || document.errors.length > 0 ? undefined : document.toJS();
}

/** Checks that a result without the parser equals the parser's. */
function agrees(text: string): void {
  const plain = parsePlainYaml(text);
  if (plain !== undefined) assert.deepEqual(plain, read(text), text);
}

const KUBECTL = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==
    server: https://127.0.0.1:6443
  name: kind-kind
- cluster:
    certificate-authority: /home/jane/.minikube/ca.crt
    extensions:
    - extension:
        last-update: Mon, 02 Jan 2006 15:04:05 MST
        provider: minikube.sigs.k8s.io
      name: cluster_info
    server: https://[::1]:6443
  name: minikube
contexts:
- context:
    cluster: kind-kind
    namespace: default
    user: arn:aws:eks:eu-west-1:123456789012:cluster/prod
  name: kind-kind
current-context: kind-kind
kind: Config
preferences: {}
# a comment
users:
- name: arn:aws:eks:eu-west-1:123456789012:cluster/prod
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      args:
      - --region
      - eu-west-1
      command: aws
      env:
      - name: AWS_PROFILE
        value: "prod"
      interactiveMode: IfAvailable
      provideClusterInfo: false
- name: jane
  user:
    token: 'abc.def-ghi_jkl'
`;

Deno.test("parsePlainYaml() parses kubectl's output as the YAML parser does", () => {
  assert.notEqual(parsePlainYaml(KUBECTL), undefined);
  assert.deepEqual(parsePlainYaml(KUBECTL), read(KUBECTL));
});

Deno.test("parsePlainYaml() leaves unusual YAML to the parser", () => {
  for (
    const text of [
      "",
      "a",
      "a: {b: c}",
      "a: |\n  x",
      "a: &x b",
      "a: *x",
      "a: !!str b",
      "<<: x",
      "a: b # c",
      "a: b: c",
      "a: b\n  c",
      "a: 1",
      "a: 1.5",
      "a: 0x1f",
      "a: yes",
      "a: True",
      "a: 12:30",
      "a: 2020-01-02",
      "a: 1_000",
      'a: "\\n"',
      "a: 'it''s'",
      "a: b\na: c",
      "--- \na: b",
      "a: b\n---\nc: d",
      "\ta: b",
      "a:\tb",
      "a: b\r\n",
      "a: é",
      "- a",
      "a:\n- - b",
      "a:\n-\n  b: c",
      " a: b",
      "a:\n  b: c\n d: e",
      "? a",
      "1: a",
      "yes: a",
      "__proto__: a",
    ]
  ) {
    assert.equal(parsePlainYaml(text), undefined, JSON.stringify(text));
  }
});

Deno.test("parsePlainYaml() agrees with the YAML parser on random documents", () => {
  const text = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom(
      "true",
      "no",
      "null",
      "~",
      "1",
      "1.5e3",
      "0x10",
      "12:30",
      "a: b",
      "a #b",
      "- a",
      "2020-01-02",
      "",
      "v1",
      "x y",
    ),
    fc.stringMatching(/^-{0,2}[A-Za-z0-9\/][A-Za-z0-9 _.\/:@+=,~()[\]-]{0,20}$/),
  );
  const key = fc.oneof(fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.\/-]{0,10}$/), text);
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      text,
      fc.boolean(),
      fc.constant(null),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(key, tie("value"), { maxKeys: 4 }),
    ),
  }));
  const document = fc.dictionary(key, value, { maxKeys: 5, minKeys: 1 });
  let plain = 0;
  fc.assert(
    fc.property(document, fc.boolean(), (json, indentSeq) => {
      const written = stringify(json, { lineWidth: 0, indentSeq });
      if (parsePlainYaml(written) !== undefined) plain++;
      agrees(written);
    }),
    { numRuns: 2000 },
  );
  assert.ok(plain > 100, `${plain} of them were plain`);
});

Deno.test("parsePlainYaml() agrees with the YAML parser on broken documents", () => {
  const lines = KUBECTL.split("\n");
  const edit = fc.record({
    at: fc.nat(lines.length - 1),
    what: fc.constantFrom("drop", "indent", "outdent", "double", "colon", "dash", "join", "quote"),
  });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      const edited = [...lines];
      for (const { at, what } of edits) {
        const line = edited[at] ?? "";
        if (what === "drop") edited.splice(at, 1);
        else if (what === "double") edited.splice(at, 0, line);
        else if (what === "join") edited.splice(at, 2, `${line} ${edited[at + 1] ?? ""}`);
        else {
          edited[at] = {
            indent: `  ${line}`,
            outdent: line.replace(/^ {1,2}/, ""),
            colon: `${line}:`,
            dash: line.replace(/^( *)/, "$1- "),
            quote: line.replace(/: (.*)/, ': "$1"'),
          }[what];
        }
      }
      agrees(edited.join("\n"));
    }),
    { numRuns: 3000 },
  );
});
