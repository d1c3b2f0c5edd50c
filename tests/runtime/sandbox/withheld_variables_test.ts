import assert from "node:assert/strict";
import { WithheldVariables } from "../../../runtime/sandbox/withheld_variables.ts";
import type { ByteSink } from "../../../runtime/wasi/streams/streams.ts";

function sink() {
  const written: number[] = [];
  const it: ByteSink = {
    ready: () => true,
    wait: () => Promise.resolve(),
    capacity: () => 4,
    flush: () => {},
    close: () => {},
    write(bytes) {
      const part = bytes.subarray(0, 4);
      written.push(...part);
      return part.length;
    },
  };
  return { it, text: () => new TextDecoder().decode(new Uint8Array(written)) };
}

/** Writes a text as a plugin does, in pieces of what the sink takes. */
function write(to: ByteSink, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let sent = 0; sent < bytes.length;) sent += to.write(bytes.subarray(sent, sent + 4)) as number;
}

Deno.test("names the held-back variables of the last message, and a command that runs", () => {
  const variables = new WithheldVariables(["GH_TOKEN", "API_KEY"], ["HOME", "EDITOR", "PATH"], false);
  const out = sink();
  const watched = variables.watch(out.it);
  assert.equal(variables.hint("foo", undefined), undefined);
  write(watched, `${"x".repeat(9000)} error: GH_TOKEN is not set, nor MY_API_KEY_2\n`);
  assert.ok(out.text().endsWith("MY_API_KEY_2\n"), "everything is written");
  assert.equal(
    variables.hint("foo", undefined),
    "krew-wasm: foo did not see the variable GH_TOKEN; to show it these variables only: " +
      "krew-wasm grants foo --allow-env=HOME,PATH,GH_TOKEN",
  );
  assert.match(
    variables.hint("foo", "./foo.wasm")!,
    /krew-wasm run --allow-env=HOME,PATH,GH_TOKEN \.\/foo\.wasm$/,
  );
});

Deno.test("keeps the list of a plugin that has one, and forgets old output", () => {
  const variables = new WithheldVariables(["API_KEY", "GH_TOKEN"], ["EDITOR"], true);
  const watched = variables.watch(sink().it);
  write(watched, `GH_TOKEN ${"x".repeat(9000)} API_KEY`);
  assert.match(variables.hint("foo", undefined)!, /variable API_KEY; .*--allow-env=EDITOR,API_KEY$/);
  const none = sink().it;
  assert.equal(new WithheldVariables([], ["HOME"], false).watch(none), none);
});
