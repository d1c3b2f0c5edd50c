import assert from "node:assert/strict";
import { createProgram } from "../../../cli/app.ts";
import { processContext } from "../../../cli/context.ts";
import { normalizeArguments } from "../../../cli/terminal/arguments.ts";
import { unusedHost } from "../../support/unused_host.ts";

const program = createProgram(processContext(), { code: 0 }, unusedHost);

function normalized(line: string): string {
  return normalizeArguments(program, line.split(" ")).join(" ");
}

Deno.test("normalizeArguments() removes = after a short option", () => {
  assert.equal(normalized("list -o=json"), "list -ojson");
  assert.equal(normalized("push x y -t=v1 -a=n=text"), "push x y -tv1 -an=text");
  assert.equal(normalized("pull -qf=true x"), "pull -qf x");
  assert.equal(normalized("inspect x -qo=json"), "inspect x -qojson");
  assert.equal(normalized("index list -o=name"), "index list -oname");
  assert.deepEqual(normalizeArguments(program, ["list", "-o="]), ["list", "-o", ""]);
});

Deno.test("normalizeArguments() reads true and false after a switch", () => {
  assert.equal(normalized("pull -q=true --force=false x"), "pull -q x");
  assert.equal(normalized("pull --force=maybe x"), "pull --force=maybe x");
});

Deno.test("normalizeArguments() leaves values, and a plugin's arguments, alone", () => {
  assert.equal(normalized("push x y -a -o=json"), "push x y -a -o=json");
  assert.equal(normalized("push x y -aorg.opencontainers=text"), "push x y -aorg.opencontainers=text");
  assert.equal(normalized("run -v=true foo -o=json"), "run -v foo -o=json");
  assert.equal(normalized("run foo -- -o=json"), "run foo -- -o=json");
  assert.equal(normalized("build . -- -o=x"), "build . -- -o=x");
  assert.equal(normalized("__complete -- list -o=j"), "__complete -- list -o=j");
});
