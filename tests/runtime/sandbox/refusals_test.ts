import assert from "node:assert/strict";
import { Refusals } from "../../../runtime/sandbox/refusals.ts";

function refused(count: number): Refusals {
  const refusals = new Refusals();
  for (let index = 0; index < count; index++) {
    refusals.add(`read /srv/${index}`, { flag: `--allow-read=/srv/${index}` });
  }
  return refusals;
}

Deno.test("prints nothing without refusals", () => {
  assert.equal(refused(0).hint("foo", undefined, true), undefined);
});

Deno.test("names three refusals, counts the rest, and suggests at most eight flags", () => {
  const hint = refused(250).hint("foo", undefined, false)!;
  assert.match(hint, /read \/srv\/0; read \/srv\/1; read \/srv\/2; and 247 more; /);
  assert.equal(hint.match(/--allow-read=/g)?.length, 8);
});

Deno.test("counts each refusal once", () => {
  const refusals = refused(1);
  refusals.add("read /srv/0", { flag: "--allow-read=/srv/0" });
  assert.doesNotMatch(refusals.hint("foo", undefined, false)!, /more/);
});

Deno.test("suggests the command that was used", () => {
  assert.match(
    refused(1).hint("foo", undefined, false)!,
    /: krew-wasm grants foo --allow-read=\/srv\/0$/,
  );
  assert.match(
    refused(1).hint("foo", "./x.wasm", false)!,
    /: krew-wasm run --allow-read=\/srv\/0 \.\/x\.wasm$/,
  );
});

Deno.test("an optional refusal counts only if the run fails", () => {
  const refusals = new Refusals();
  refusals.addOptional("read /etc/a", "--allow-read=/etc/a");
  assert.equal(refusals.hint("foo", undefined, false), undefined);
  assert.match(refusals.hint("foo", undefined, true)!, /--allow-read=\/etc\/a$/);
});

Deno.test("suggests no flag that krew-wasm would split, or that is too long", () => {
  for (const path of ["/srv/a::b", `/srv/${"x".repeat(600)}`]) {
    const refusals = new Refusals();
    refusals.add(`read ${path}`, { flag: `--allow-read=${path}` });
    assert.doesNotMatch(refusals.hint("foo", undefined, false)!, /krew-wasm grants/, path);
  }
});
