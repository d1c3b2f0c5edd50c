import assert from "node:assert/strict";
import { RunRecord } from "../../../runtime/sandbox/run_record.ts";
import { Manager } from "../../support/manager.ts";

function record(manager: Manager, plugin: string, what: string): void {
  Deno.mkdirSync(manager.layout.log, { recursive: true });
  const record = new RunRecord(manager.layout.log, plugin, false);
  record.denied(what, "--allow-read=/srv");
  record.close();
}

Deno.test("prints recorded denials as a table", async () => {
  await using manager = new Manager();
  record(manager, "foo", "read /srv");
  record(manager, "bar", "read /data");
  const all = await manager.succeed("log");
  assert.match(all, /foo\s.*read \/srv/);
  assert.match(all, /bar\s.*read \/data/);
  assert.doesNotMatch(await manager.succeed("log", "foo"), /bar/);
  assert.equal((await manager.succeed("log", "--no-headers")).trimEnd().split("\n").length, 2);
});

Deno.test("prints one object a line", async () => {
  await using manager = new Manager();
  record(manager, "foo", "read /srv");
  const lines = (await manager.succeed("log", "-o", "json")).trimEnd().split("\n");
  const { plugin, event, what, grant } = JSON.parse(lines[0]!);
  assert.deepEqual([lines.length, plugin, event, what, grant], [
    1,
    "foo",
    "denied",
    "read /srv",
    "--allow-read=/srv",
  ]);
});

Deno.test("prints nothing on stdout if nothing was recorded", async () => {
  await using manager = new Manager();
  const { code, stdout, stderr } = await manager.run("log", "foo");
  assert.deepEqual([code, stdout], [0, ""]);
  assert.match(stderr, /"foo"/);
  assert.equal(await manager.succeed("log", "-o", "json"), "");
});

Deno.test("refuses an invalid time and an invalid format", async () => {
  await using manager = new Manager();
  await manager.fail(2, "log", "--since", "yesterday");
  await manager.fail(2, "log", "-o", "yaml");
});
