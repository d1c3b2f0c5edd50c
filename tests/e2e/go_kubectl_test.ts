/** kubectl itself, built by `krew-wasm build`: it answers as the native kubectl does, byte for byte. */

import assert from "node:assert/strict";
import { canBuildGo } from "../../scripts/fixtures.ts";
import { ControlPlane, controlPlaneMissing } from "../support/envtest.ts";
import { KUBECTL_SOURCE, readCommands } from "../support/kubectl_commands.ts";
import { KubectlPair, type Scene, type Side } from "../support/kubectl_pair.ts";
import { testBinary } from "../support/test_binary.ts";

testBinary("build: kubectl as a plugin answers like the native kubectl", {
  ignore: !canBuildGo() || controlPlaneMissing(),
}, async (t) => {
  await using plane = await ControlPlane.start();
  await using pair = await KubectlPair.make(plane);
  const topics = [...readCommands(Deno.readTextFileSync(`${KUBECTL_SOURCE}/commands.txt`))];
  const lines = topics.flatMap(([, commands]) => commands.filter(({ prepares }) => !prepares));
  assert.ok(lines.length >= 150, `only ${lines.length} lines`);

  // Two topics at a time: most of a command's time is one core's.
  const differences = new Map<string, string>();
  const left = [...topics];
  const compareTopics = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [topic, commands] = next;
      const scene = await pair.scene(topic);
      const differing: string[] = [];
      for (const command of commands) differing.push(await scene.compare(command) ?? "");
      differences.set(topic, differing.join(""));
    }
  };
  await Promise.all([compareTopics(), compareTopics()]);
  for (const [topic] of topics) await t.step(topic, () => assert.equal(differences.get(topic), ""));

  await t.step("what a plugin can't do", async () => {
    const { plugin } = await pair.scene("errors");
    await plugin.prepare("kubectl create configmap app");
    const cases: [line: string, code: number, words: RegExp][] = [
      [
        "kubectl diff -f app.yaml",
        2,
        /^error: failed to run "diff": .*krew-wasm: plugins can't start programs/,
      ],
      ["EDITOR=true kubectl edit configmap app", 1, /^error: unable to launch the editor "true"\n/],
      ["EDITOR=true kubectl create -f app.yaml --edit", 1, /^unable to launch the editor "true"\n/],
      [
        "kubectl create -f https://other.test/x.yaml",
        1,
        /^Unable to connect to the server: dial tcp: other\.test: krew-wasm: plugins reach only the API server/,
      ],
      ["kubectl proxy --port=0", 1, /^error: listen tcp 127\.0\.0\.1:0: .*--allow-listen/],
      [
        "kubectl create rolebinding r --role=r --user=jane",
        1,
        /^error: .*--user names "jane", which the kubeconfig does not have\n/,
      ],
    ];
    for (const [line, code, words] of cases) {
      const outcome = await plugin.run(line);
      assert.deepEqual([outcome.code, outcome.stdout], [code, ""], line);
      assert.match(outcome.stderr, words);
    }
  });

  await t.step("watch", async () => {
    const scene = await pair.scene("watch");
    await watch(scene, ["get", "configmap", "app", "-w"]);
    await watch(scene, [
      "get",
      "configmap",
      "app",
      "-w",
      "--output-watch-events",
      "-o",
      "jsonpath={.data}{'\\n'}",
    ]);
    await watch(scene, ["get", "configmaps", "-w", "--no-headers", "--field-selector=metadata.name=app"]);
  });
});

/** Watches a ConfigMap `app` on both sides while it changes and goes. */
async function watch(scene: Scene, args: readonly string[]): Promise<void> {
  const follow = async ({ prepare, start }: Side): Promise<string> => {
    await prepare("kubectl create configmap app --from-literal=n=1");
    const child = start(...args);
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const until = async (lines: number) => {
      while (text.split("\n").length <= lines) text += (await reader.read()).value ?? assert.fail(text);
    };
    const first = args.includes("-o") || args.includes("--no-headers") ? 1 : 2;
    await until(first);
    await prepare(`kubectl patch configmap app -p '{"data":{"n":"2","more":"x"}}'`);
    await until(first + 1);
    await prepare("kubectl delete configmap app");
    await until(first + 2);
    child.kill();
    await Promise.all([child.stdin.close(), child.status, reader.cancel()]);
    return text.replaceAll(/\d+s$/gm, "AGE");
  };
  const [expected, own] = await Promise.all([follow(scene.native), follow(scene.plugin)]);
  assert.equal(own, expected, args.join(" "));
}
