/** Renewed files are read at their place, and new links are not followed. */

import assert from "node:assert/strict";
import { readRenewed, renewedFile } from "../../../../runtime/sandbox/broker/renewed.ts";
import { Syscalls } from "../../../../runtime/sandbox/kernel/kernel_calls.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

const linux = { ignore: Deno.build.os !== "linux" };

/** Makes a directory with a token and another file. Records the path, runs `change`, and reads the path again. */
function reading(path: string, change: (directory: string) => void): string {
  const system = Syscalls.load()!;
  const directory = Deno.realPathSync(temporaryDirectory());
  Deno.mkdirSync(`${directory}/..1`);
  Deno.mkdirSync(`${directory}/other`);
  Deno.writeTextFileSync(`${directory}/..1/token`, "one");
  Deno.writeTextFileSync(`${directory}/other/token`, "other");
  Deno.writeTextFileSync(`${directory}/plain`, "plain");
  Deno.symlinkSync("..1", `${directory}/..data`);
  Deno.symlinkSync("..data/token", `${directory}/token`);
  Deno.symlinkSync(`${directory}/..1`, `${directory}/away`);
  const file = renewedFile(`${directory}/${path}`);
  change(directory);
  return readRenewed(JSON.parse(JSON.stringify(file)), system);
}

function relink(target: string, path: string): void {
  Deno.removeSync(path);
  Deno.symlinkSync(target, path);
}

Deno.test("readRenewed() reads the present file through the recorded links", linux, () => {
  assert.equal(reading("plain", (at) => Deno.writeTextFileSync(`${at}/plain`, "new")), "new");
  assert.equal(
    reading("plain", (at) => {
      Deno.writeTextFileSync(`${at}/next`, "moved");
      Deno.renameSync(`${at}/next`, `${at}/plain`);
    }),
    "moved",
  );
  assert.equal(reading("away/token", (at) => Deno.writeTextFileSync(`${at}/..1/token`, "new")), "new");
  assert.equal(reading("later", (at) => Deno.writeTextFileSync(`${at}/later`, "made")), "made");
  assert.equal(
    reading("token", (at) => {
      Deno.mkdirSync(`${at}/..2`);
      Deno.writeTextFileSync(`${at}/..2/token`, "two");
      relink("..2", `${at}/..data`);
    }),
    "two",
  );
});

Deno.test("readRenewed() follows no new link, and none out of its directory", linux, () => {
  const elsewhere = { code: "CREDENTIALS_FAILED" };
  const refused = (path: string, change: (directory: string) => void) =>
    assert.throws(() => reading(path, change), elsewhere, path);
  refused("plain", (at) => relink("other/token", `${at}/plain`));
  refused("later", (at) => Deno.symlinkSync("other/token", `${at}/later`));
  refused("..1/token", (at) => relink("../other/token", `${at}/..1/token`));
  refused("token", (at) => relink("../token", `${at}/..1/token`));
  refused("token", (at) => relink("other/../../x", `${at}/..data`));
  refused("token", (at) => relink("/", `${at}/..data`));
  refused("away/token", (at) => relink(`${at}/other`, `${at}/away`));
  refused("other/token", (at) => {
    Deno.removeSync(`${at}/other`, { recursive: true });
    Deno.symlinkSync("..1", `${at}/other`);
  });
  refused("plain", (at) => Deno.removeSync(`${at}/plain`));
});

Deno.test("readRenewed() refuses pipes and endless files", linux, () => {
  const pipe = (at: string) => {
    Deno.removeSync(at);
    assert.ok(new Deno.Command("mkfifo", { args: [at] }).outputSync().success);
  };
  assert.equal(reading("plain", (at) => pipe(`${at}/plain`)), "");
  assert.throws(() => readRenewed(renewedFile("/dev/zero"), Syscalls.load()!), RangeError);
});
