/** The workflows of GitHub: actions by digest, and a shell action that installs what was released. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { registryClient } from "../support/programs.ts";

const github = fileURLToPath(new URL("../../.github/", import.meta.url));
const workflows = [...Deno.readDirSync(`${github}workflows`)].map(({ name }) => `${github}workflows/${name}`);

Deno.test("workflows name actions by their digest", () => {
  for (const path of [...workflows, `${github}actions/setup-krew-wasm/action.yml`]) {
    const used = [...Deno.readTextFileSync(path).matchAll(/uses: *(\S+)/g)].map(([, action]) => action!);
    for (const action of used) assert.match(action, /^\.\/|@[0-9a-f]{40}$/, `${path}: ${action}`);
  }
});

Deno.test("each job ends by itself, and only publishing may write", () => {
  for (const path of workflows) {
    const { jobs } = parse(Deno.readTextFileSync(path));
    for (const [name, job] of Object.entries<Record<string, unknown>>(jobs)) {
      assert.ok(job.uses ?? job["timeout-minutes"], `${path}: ${name}`);
      const permissions = Object.entries(job.permissions ?? {}).filter(([, mode]) => mode === "write");
      assert.equal(permissions.length > 0, name === "publish", `${path}: ${name}`);
    }
  }
});

Deno.test("the job that publishes runs nothing from npm", () => {
  const { jobs: { publish } } = parse(Deno.readTextFileSync(`${github}workflows/release.yml`));
  assert.doesNotMatch(JSON.stringify(publish), /\b(?:npm|npx|deno|node)\b/);
});

const actionlint = registryClient(
  "actionlint",
  "go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.7",
);
Deno.test({
  name: "actionlint finds nothing",
  ignore: actionlint === undefined,
  fn() {
    // It does not know the name of GitHub's Intel machine.
    const { stdout } = new Deno.Command(actionlint!, {
      args: ["-shellcheck=", "-pyflakes=", "-ignore", 'label "macos-15-intel" is unknown', ...workflows],
    }).outputSync();
    assert.equal(new TextDecoder().decode(stdout), "");
  },
});
