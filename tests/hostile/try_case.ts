/** Runs one hostile case and checks its outcome. */

import assert from "node:assert/strict";
import { type Case, type Form, REFUSALS } from "./case.ts";
import type { Stage } from "./stage.ts";

/** The mark of the user's secrets. No output may contain it. */
export const MARK = /s3cr3t-/;

export async function runCase(stage: Stage, one: Case, form: Form): Promise<void> {
  stage.reset();
  one.prepare?.(stage);
  try {
    await tryCase(stage, one, form);
  } finally {
    one.cleanUp?.(stage);
  }
}

async function tryCase(stage: Stage, one: Case, form: Form): Promise<void> {
  const before = stage.snapshot();
  let saw: string;
  if (one.run) saw = await one.run(stage, form);
  else {
    const outcome = await stage.attack(form, one.attack!, one);
    const { code, stdout, stderr } = outcome;
    const all = stdout + stderr;
    assert.ok(
      one.code === undefined ? code === 0 || code === 1 : code === one.code,
      `exit code ${code}: ${all}`,
    );
    assert.doesNotMatch(all, MARK);
    assert.ok(!all.includes(stage.api.token), "the user's token shows");
    assert.doesNotMatch(stderr, /defect of krew-wasm|\.(ts|js):\d/);
    saw = stdout.split("\n").map((line) => line.trimEnd()).filter((line) => line !== "").join("; ");
  }
  const expected = form === "component" && typeof one.component === "string" ? one.component : one.sees;
  const words = saw.split("; ");
  const wanted = expected === "refused" ? words.map(() => "refused") : stage.expand(expected).split("; ");
  const told = words.map((word, index) => {
    const want = wanted[index] ?? "";
    const fits = want === "refused"
      ? REFUSALS.has(word)
      : want.endsWith("…") && word.startsWith(want.slice(0, -1));
    return fits ? want : word;
  });
  assert.deepEqual(told, wanted);
  const allowed = (one.changes ?? []).map((path) => stage.expand(path));
  const after = stage.snapshot();
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    if (allowed.some((each) => path === each || path.startsWith(`${each}/`))) continue;
    assert.equal(after.get(path), before.get(path), `${path} changed`);
  }
  assert.deepEqual(stage.requests(), (one.requests ?? []).map((line) => stage.expand(line)));
  assert.equal(stage.decoyHits(), 0, "somebody else was reached");
  await one.check?.(stage, form);
}
