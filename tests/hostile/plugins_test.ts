/**
 * Runs each hostile plugin, one attack at a time. Compares what it saw, the files afterwards, and what the API server and
 * the rest of the network saw, with the case. The cases are in cases/, their table in docs/security.md.
 */

import assert from "node:assert/strict";
import { binaryUnderTest, clangMissing } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";
import type { Case } from "./case.ts";
import { GROUPS } from "./cases.ts";
import { Stage } from "./stage.ts";
import { MARK, runCase } from "./try_case.ts";

/**
 * Sends the same requests by all interfaces of components, in one run. Each interface has its own errors, and may correct a
 * URL or refuse a header on the plugin's side, so that nothing is sent.
 */
async function runByInterfaces(stage: Stage, one: Case): Promise<void> {
  stage.reset();
  one.prepare?.(stage);
  const before = stage.snapshot();
  const by = (door: "fetch" | "send") =>
    one.attack!.map((word, index, all) => {
      if (word === "request") return door;
      return door === "send" && all[index - 2] === "request" ? word.replace(/^\$SERVER/, "") : word;
    });
  const { code, stdout, stderr } = await stage.attack("component", [...by("fetch"), ",", ...by("send")], {
    granted: one.granted,
    plugin: "attack-interfaces",
    env: one.env,
  });
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stdout + stderr, MARK);
  assert.ok(!(stdout + stderr).includes(stage.api.token), "the user's token shows");
  const lines = stdout.split("\n").filter((line) => line !== "");
  const asked = one.attack!.filter((word) => word === "request").length;
  assert.equal(lines.length, 2 * asked, stdout);
  assert.deepEqual(stage.snapshot(), before);
  assert.equal(stage.decoyHits(), 0, "somebody else was reached");
  const allowed = new Set([...one.requests ?? [], ...one.putRight ?? []].map((line) => stage.expand(line)));
  const requests = stage.requests();
  for (const request of requests) assert.ok(allowed.has(request), `${request} was sent`);
  const refused = lines.filter((line) => /^(?:error|400|403|415)\b/.test(line)).length;
  assert.equal(lines.length - refused, requests.length, stdout);
  if (requests.length > 0 || allowed.size === 0) await one.check?.(stage, "component");
  stage.api.hook = undefined;
}

for (const { title, cases } of GROUPS) {
  testBinary(`hostile plugins: ${title}`, { ignore: clangMissing() }, async (t) => {
    const interfaces = binaryUnderTest() !== undefined &&
      cases.some(({ network, attack }) => network && attack);
    await using stage = await Stage.make({ interfaces });
    for (const one of cases) {
      const why = one.skip?.();
      for (const form of ["preview1", "component"] as const) {
        if (
          form === "component" &&
          // Without a binary each start from source takes long, so run only one form.
          (!binaryUnderTest() || one.component === false || one.network ||
            one.run && one.component === undefined)
        ) {
          continue;
        }
        const name = `${one.tries}${one.granted === undefined ? "" : ` (${one.granted})`}, ${form}`;
        // deno-lint-ignore no-console -- a test says why it is left out
        if (why !== undefined) console.warn(`left out: ${name}: ${why}`);
        await t.step({ name, ignore: why !== undefined, fn: () => runCase(stage, one, form) });
      }
      if (interfaces && one.network && one.attack) {
        const name = `${one.tries}${
          one.granted === undefined ? "" : ` (${one.granted})`
        }, by a component's interfaces`;
        await t.step(name, () => runByInterfaces(stage, one));
      }
    }
  });
}
