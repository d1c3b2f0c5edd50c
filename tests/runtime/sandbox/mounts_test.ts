/** A run's grants lead where they led when a person gave them, whatever has changed since. */

import assert from "node:assert/strict";
import { AppError } from "../../../runtime/base/errors.ts";
import { resolveGrant, resolveGrants } from "../../../runtime/grants/granted_path.ts";
import { changeGrants, mergeGrants } from "../../../runtime/grants/merge_grants.ts";
import { type FileGrant, LEAST } from "../../../runtime/grants/grants.ts";
import { parseGrantFlags } from "../../../runtime/grants/parse_grant_flags.ts";
import { mountsFor } from "../../../runtime/sandbox/mounts.ts";
import { parseReceipt } from "../../../runtime/store/receipt.ts";
import { formerGrants } from "../../support/former.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

function setUp() {
  const base = temporaryDirectory();
  for (const name of ["work/sub", "out"]) Deno.mkdirSync(`${base}/${name}`, { recursive: true });
  Deno.writeTextFileSync(`${base}/work/file`, "granted");
  Deno.writeTextFileSync(`${base}/out/secret`, "secret");
  const grant = (path: string, write = false, more: Partial<FileGrant> = {}): FileGrant =>
    resolveGrant({ host: `${base}/${path}`, guest: `${base}/${path}`, write, ...more });
  const traces: string[] = [];
  const mounts = (...files: readonly FileGrant[]) =>
    mountsFor({ ...LEAST, files }, {
      ...{ plugin: "decoder", cwd: "/", home: `${base}/home`, own: undefined, redacted: undefined },
      trace: (line) => traces.push(line),
    });
  const refused = (why: RegExp, ...files: readonly FileGrant[]) => {
    try {
      mounts(...files);
    } catch (error) {
      assert.ok(error instanceof AppError && error.code === "GRANT_INVALID", String(error));
      assert.match(error.message, why);
      return error.hint;
    }
    throw new assert.AssertionError({ message: `${files.map(({ host }) => host)} was not refused` });
  };
  return { base, grant, mounts, refused, traces };
}

/** Replaces the file at a path. */
function replace(path: string, make: (path: string) => void): void {
  Deno.renameSync(path, `${path}.gone`);
  make(path);
}

Deno.test("refuses a link in a granted path's place, and suggests a command", () => {
  const { base, grant, refused } = setUp();
  const [file, directory] = [grant("work/file", true), grant("work/sub")];
  replace(file.host, (path) => Deno.symlinkSync("../out/secret", path));
  replace(directory.host, (path) => Deno.symlinkSync("../out", path));
  assert.equal(
    refused(/it led to ".*\/work\/file" when it was granted, and leads to ".*\/out\/secret" now/, file),
    `look at what is there; to grant it anew: krew-wasm grants decoder --allow-write=${base}/work/file`,
  );
  refused(/leads to ".*\/out" now/, directory);
  refused(/leads to ".*\/out\/below" now/, {
    ...directory,
    host: `${base}/work/sub/below`,
    real: `${base}/work/sub/below`,
  });
});

Deno.test("refuses dangling links, and files and directories that changed places", () => {
  const { grant, refused } = setUp();
  const [file, directory] = [grant("work/file", true), grant("work/sub")];
  replace(file.host, (path) => Deno.symlinkSync("nowhere", path));
  refused(/leads to ".*\/work\/nowhere" now/, file);
  Deno.removeSync(file.host);
  Deno.mkdirSync(file.host);
  refused(/it was no directory when it was granted, and is one now/, file);
  replace(directory.host, (path) => Deno.writeTextFileSync(path, ""));
  refused(/it was a directory when it was granted, and is none now/, directory);
});

Deno.test("a missing file can be created, and only as a file", () => {
  const { base, grant, mounts, refused, traces } = setUp();
  const file = grant("work/new", true);
  assert.deepEqual([file.real, file.directory], [`${base}/work/new`, false]);
  assert.deepEqual(mounts(file).map(({ host, only }) => [host, only]), [[`${base}/work`, ["new"]]]);
  Deno.symlinkSync("../out/secret", file.host);
  refused(/leads to ".*\/out\/secret" now/, file);
  Deno.removeSync(file.host);
  Deno.mkdirSync(file.host);
  refused(/is one now/, file);
  assert.deepEqual(mounts(grant("work/none")), [], "to be read, it has to be there");
  assert.match(traces[0]!, /is not there/);
});

Deno.test("opens a file that an editor replaced, and an unchanged link", () => {
  const { base, grant, mounts } = setUp();
  Deno.symlinkSync("../out/secret", `${base}/work/rc`);
  const [file, link] = [grant("work/file"), grant("work/rc")];
  replace(file.host, (path) => Deno.writeTextFileSync(path, "new"));
  replace(`${base}/out/secret`, (path) => Deno.writeTextFileSync(path, "new"));
  replace(link.host, (path) => Deno.symlinkSync(`${base}/out/secret`, path));
  assert.deepEqual(mounts(file, link).map(({ host, only }) => [host, only]), [
    [`${base}/work`, ["file"]],
    [`${base}/out`, ["rc"]],
  ]);
});

Deno.test("a moved link needs a new grant by the user", async () => {
  const { base, grant, mounts, refused } = setUp();
  Deno.symlinkSync("../out", `${base}/work/dots`);
  const granted = { ...LEAST, files: [grant("work/dots", true)] };
  replace(`${base}/work/dots`, (path) => Deno.symlinkSync("sub", path));
  refused(/leads to/, ...granted.files);
  // An upgrade, a sync or a bundle with the same words does not resolve the path again.
  const again = { ...LEAST, files: [{ host: `${base}/work/dots`, guest: `${base}/work/dots`, write: true }] };
  assert.equal(resolveGrants(again, granted).files[0]!.real, `${base}/out`);
  // A person does. The grant of the old target does not apply to the new one.
  const change = await parseGrantFlags({ allowRead: [`${base}/work/dots`] }, {
    resolve: (path) => path,
    readRules: () => Promise.reject(),
  });
  const anew = changeGrants(granted, { ...change, files: change.files.map((file) => resolveGrant(file)) });
  assert.deepEqual(anew.files.map(({ real, write }) => [real, write]), [[`${base}/work/sub`, false]]);
  assert.deepEqual(mergeGrants(granted, { ...change, files: anew.files }).files, anew.files);
  assert.deepEqual(mounts(...anew.files).map(({ host, write }) => [host, write]), [[
    `${base}/work/sub`,
    false,
  ]]);
});

Deno.test("an old receipt's grants lead to their own path, through no link", () => {
  const { base, mounts, refused } = setUp();
  Deno.symlinkSync("../out", `${base}/work/dots`);
  const digest = `sha256:${"ab".repeat(32)}`;
  const files = ["work/file", "work/dots"].map((path) => ({
    host: `${base}/${path}`,
    guest: `${base}/${path}`,
    write: true,
  }));
  const receipt = parseReceipt(
    JSON.stringify({
      ...{ format: 2, name: "decoder", reference: "x/y:v1", manifestDigest: digest, digest, size: 1 },
      ...{ kind: "preview1", bindgen: "1", compiled: [], installedAt: "2026-01-01T00:00:00Z" },
      grants: formerGrants({ ...LEAST, files }),
    }),
    "decoder",
  );
  const [file, link] = receipt.grants.files as [FileGrant, FileGrant];
  assert.equal(mounts(file).length, 1);
  refused(/it led to ".*\/work\/dots"/, link);
});

Deno.test("creates a missing granted directory, and replaces nothing", () => {
  const { base, grant, mounts, refused, traces } = setUp();
  const cache = grant("work/cache/deep", true, { directory: true });
  const found = mounts(cache);
  assert.deepEqual(found.map(({ host, only }) => [host, only]), [[`${base}/work/cache/deep`, undefined]]);
  assert.equal(Deno.statSync(cache.host).isDirectory, true);
  Deno.removeSync(`${base}/work/cache`, { recursive: true });
  Deno.symlinkSync("../out", `${base}/work/cache`);
  refused(/leads to ".*\/out\/deep" now/, cache);
  assert.equal(
    mounts(grant("work/read", false, { directory: true })).length,
    0,
    "to be read, it is not made",
  );
  assert.match(traces.join(), /is not there/);
  assert.throws(() => grant("work/file", true, { directory: true }), { code: "GRANT_INVALID" });
});

Deno.test("refuses a path that leaves a directory which the plugin may change", () => {
  const { base, grant, mounts, refused } = setUp();
  Deno.symlinkSync(base, `${base}/work/up`);
  Deno.symlinkSync("sub", `${base}/work/inner`);
  Deno.symlinkSync("../out/secret", `${base}/work/link`);
  Deno.symlinkSync("work", `${base}/alias`);
  Deno.symlinkSync("out/secret", `${base}/beside`);
  const work = grant("work", true);
  const away = /by a link that the plugin could have made/;
  mounts(work, grant("work/sub"), grant("work/inner", true), grant("alias/sub"), grant("alias/inner"));
  mounts(work, grant("beside"), { host: "/", guest: "/", write: false, real: "/" });
  refused(away, work, grant("work/link"));
  refused(away, work, grant("work/up"));
  refused(away, work, grant("alias/up"));
  refused(away, work, grant("work/up/work/sub"), grant("work/up", true));
  refused(away, grant("alias", true), grant("work/up", true));
});

Deno.test("the plugin finds the current directory if a grant covers it", () => {
  const { base, grant } = setUp();
  Deno.symlinkSync("work", `${base}/alias`);
  const mounts = mountsFor({ ...LEAST, files: [grant("alias", true)] }, {
    ...{ plugin: undefined, cwd: `${base}/work/sub`, home: "/", own: undefined, redacted: undefined },
    trace: () => {},
  });
  assert.deepEqual(mounts, [
    { guest: `${base}/alias`, host: `${base}/work`, write: true, through: [`${base}/alias`] },
    { guest: ".", host: `${base}/work/sub`, write: true },
  ]);
});
