/** Bug reports about other runtimes (docs/maintainers/public-reports.md), tried with tests/fixtures/reports.c. */

import assert from "node:assert/strict";
import { buildC, lacksClang, runBytes, testSandbox } from "../../support/components.ts";
import "../../support/linux_library.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const options = { ignore: lacksClang() };

/** `only`: grants just these files of the directory. */
async function run(host: string, args: string[] = [], only?: string[]) {
  const sandbox = testSandbox({
    args: ["reports", ...args],
    files: { mounts: [{ guest: ".", host, write: true, ...(only ? { only } : {}) }] },
  });
  assert.equal(await runBytes(await buildC("tests/fixtures/reports.c"), sandbox), 0, sandbox.stdout.text());
  assert.match(sandbox.stdout.text(), /^\d+ checks held, 0 did not\n$/);
}

Deno.test("files, directories and polls that failed in other runtimes work", options, async () => {
  const host = temporaryDirectory();
  await run(host);
  Deno.removeSync(host, { recursive: true });
});

Deno.test(
  "a pipe with a name has no places",
  { ignore: lacksClang() || Deno.build.os === "windows" },
  async () => {
    const host = temporaryDirectory();
    new Deno.Command("mkfifo", { args: [`${host}/pipe`] }).outputSync();
    const writer = new Deno.Command("/bin/sh", { args: ["-c", `printf hello > "${host}/pipe"`] }).spawn();
    await run(host, ["pipe"], ["pipe"]);
    assert.equal((await writer.status).code, 0);
    Deno.removeSync(host, { recursive: true });
  },
);
