import assert from "node:assert/strict";
import { selfUpdate } from "../../../cli/commands/self_update.ts";
import { processContext } from "../../../cli/context.ts";
import { digestOf } from "../../../registry/oci/digest.ts";
import { archiveName, platformOf } from "../../../registry/release/platform_archive.ts";
import { builderOf, provenanceName } from "../../../registry/release/verify_release.ts";
import { tarGz } from "../../../scripts/release/archive.ts";
import { rootOf, TestSigstore } from "../../support/sigstore.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const REPOSITORY = "acme/krew-wasm";
const ISSUER = "https://token.actions.githubusercontent.com";

/** A page with one release, and an old program beside which it is installed. */
async function release({ identity = builderOf(REPOSITORY, "2.0.0"), says = "2.0.0", evil = false } = {}) {
  const sigstore = await TestSigstore.make();
  const name = archiveName("2.0.0", platformOf());
  const program = new TextEncoder().encode(`#!/bin/sh\necho "krew-wasm ${says} (test)"\n`);
  const archive = await tarGz([{ path: "krew-wasm-2.0.0/krew-wasm", bytes: program, executable: true }]);
  const statement = JSON.stringify({
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name, digest: { sha256: digestOf(archive).slice("sha256:".length) } }],
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {},
  });
  const provenance = await sigstore.bundle("", {
    identity,
    issuer: ISSUER,
    statement: new TextEncoder().encode(statement),
  });
  const served = evil
    ? await tarGz([{ path: "krew-wasm-2.0.0/krew-wasm", bytes: program.slice(1) }])
    : archive;
  const files: Readonly<Record<string, Uint8Array<ArrayBuffer> | string>> = {
    [`/releases/download/v2.0.0/${name}`]: served.slice(),
    [`/releases/download/v2.0.0/${provenanceName("2.0.0")}`]: JSON.stringify(provenance),
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/releases/latest") {
      return new Response(null, { status: 302, headers: { location: "/releases/tag/v2.0.0" } });
    }
    const file = files[pathname];
    return file === undefined ? new Response(null, { status: 404 }) : new Response(file);
  });
  const directory = temporaryDirectory();
  const path = `${directory}/krew-wasm`;
  Deno.writeTextFileSync(path, "old", { mode: 0o755 });
  const stage = temporaryDirectory();
  const said: string[] = [];
  const context = { ...processContext(), stdout: (text: string) => void said.push(text), stderr: () => {} };
  return {
    said,
    left: () =>
      [
        Deno.readTextFileSync(path),
        [...Deno.readDirSync(directory), ...Deno.readDirSync(stage)].length,
      ] as const,
    update: (options: { to?: string; dryRun?: boolean } = {}, version = "1.0.0") =>
      selfUpdate(context, {
        repository: REPOSITORY,
        page: `http://127.0.0.1:${server.addr.port}`,
        version,
        program: path,
        trustRoot: rootOf(sigstore.trustRoot),
        stage: () => Promise.resolve(stage),
      }, options),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, fn, ignore: Deno.build.os === "windows" });

test("a newer release of the project's workflow replaces the program", async () => {
  await using it = await release();
  await it.update();
  assert.deepEqual(it.said, ["Replaced krew-wasm 1.0.0 by 2.0.0\n"]);
  assert.match(it.left()[0], /krew-wasm 2\.0\.0/);
  assert.equal(it.left()[1], 1);
});

test("the newest version stays, and --dry-run changes nothing", async () => {
  await using it = await release();
  await it.update({}, "2.0.0");
  await it.update({}, "3.0.0");
  await it.update({ dryRun: true });
  assert.deepEqual(it.said, [
    "krew-wasm 2.0.0 is the newest version\n",
    "krew-wasm 3.0.0 is the newest version\n",
    "krew-wasm 1.0.0 would be replaced by 2.0.0\n",
  ]);
  assert.deepEqual(it.left(), ["old", 1]);
});

test("--to goes back to an older version", async () => {
  await using it = await release();
  await it.update({ to: "v2.0.0" }, "3.0.0");
  assert.deepEqual(it.said, ["Replaced krew-wasm 3.0.0 by 2.0.0\n"]);
});

for (
  const [what, options, code] of [
    ["other bytes than the provenance names", { evil: true }, "SIGNATURE_INVALID"],
    [
      "a provenance of another project",
      { identity: builderOf("evil/krew-wasm", "2.0.0") },
      "SIGNATURE_UNTRUSTED",
    ],
    ["a provenance of another version", { identity: builderOf(REPOSITORY, "1.9.0") }, "SIGNATURE_UNTRUSTED"],
    [
      "a provenance of another workflow",
      { identity: `https://github.com/${REPOSITORY}/.github/workflows/ci.yml@refs/tags/v2.0.0` },
      "SIGNATURE_UNTRUSTED",
    ],
    ["a program that is of another version", { says: "1.9.0" }, "SELF_UPDATE_FAILED"],
  ] as const
) {
  test(`${what}: the old program stays`, async () => {
    await using it = await release(options);
    await assert.rejects(it.update(), { code });
    assert.deepEqual(it.left(), ["old", 1]);
  });
}

test("a version that is no version is a wrong usage", async () => {
  await using it = await release();
  await assert.rejects(it.update({ to: "2.0.0/../x" }), { code: "USAGE" });
});

test("a build of one's own does not update itself", async () => {
  const options = { page: "http://127.0.0.1:1", version: "1.0.0", stage: () => Promise.resolve("/none") };
  for (const more of [{ repository: undefined, program: "/x" }, { repository: "a/b", program: undefined }]) {
    await assert.rejects(selfUpdate(processContext(), { ...options, ...more }, {}), {
      code: "SELF_UPDATE_FAILED",
    });
  }
});
