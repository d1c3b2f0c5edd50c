import assert from "node:assert/strict";
import { BUILTIN_RESOURCES } from "../../../cli/grants/builtin_resources.ts";
import { spellingWarnings } from "../../../cli/grants/rule_spelling.ts";
import { parseRuleWord } from "../../../runtime/kube/allow/rules.ts";

function warnings(word: string): string[] {
  const rules = parseRuleWord(word);
  assert.ok(rules, word);
  return spellingWarnings(rules);
}

Deno.test("spellingWarnings() names the right verb, plural and group", () => {
  const cases: [word: string, warning: string][] = [
    ["gte:pods", '"gte" is not a verb of Kubernetes; did you mean get?'],
    ["list:pod", '"pod" is not the plural that rules use; did you mean pods?'],
    ["get:deploy", '"deploy" is not the plural that rules use; did you mean deployments.apps?'],
    ["list:deployments", '"deployments" is not a resource of the core group; did you mean deployments.apps?'],
    ["list:deploymnets", '"deploymnets" is not a resource of the core group; did you mean deployments.apps?'],
    [
      "get:deployment.apps",
      '"deployment.apps" is not the plural that rules use; did you mean deployments.apps?',
    ],
    ["get:jobs.apps", '"jobs.apps" is not a resource of apps; did you mean jobs.batch?'],
    ["create:pod/exec", '"pod" is not the plural that rules use; did you mean pods?'],
    ["get:widgets", '"widgets" is not a resource of the core group; name its group: widgets.GROUP'],
    ["gte:/metrics", '"gte" is not a verb of Kubernetes; did you mean get?'],
  ];
  for (const [word, warning] of cases) assert.deepEqual(warnings(word), [warning], word);
  assert.equal(warnings("gte,lsit:pod").length, 3);
});

Deno.test("spellingWarnings() says nothing about valid rules", () => {
  for (
    const word of [
      ...[
        "get,list,watch:pods,services@demo",
        "*:*",
        "create:pods/exec",
        "get:secrets[db]",
        "list:deployments.apps",
      ],
      ...["get:widgets.acme.example", "list:deployments.extensions", "get:/healthz", "post:/x", "*:secrets"],
      ...["impersonate:users", "approve:signers.certificates.k8s.io", "get:newthings.apps"],
    ]
  ) assert.deepEqual(warnings(word), [], word);
  for (const { plural, group } of BUILTIN_RESOURCES) {
    assert.deepEqual(warnings(`get:${group === "" ? plural : `${plural}.${group}`}`), []);
  }
});
