/** The binaries for other platforms: one list of the usual commands on each (tests/support/platforms.ts). */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { arm64, type Platform, windows } from "../support/platforms.ts";
import { clangMissing, type Outcome } from "../support/product.ts";

function ok({ code, stdout, stderr }: Outcome): string {
  assert.equal(code, 0, `${stdout}${stderr}`);
  return stdout;
}

async function tryOut(t: Deno.TestContext, machine: Platform): Promise<void> {
  await using registry = TestRegistry.start();
  await using api = await TestApiServer.start();
  for (const name of ["hello", "files", "kubernetes"]) {
    const wasm = await Deno.readFile(await buildFixture(name));
    await push(registry.origin, `plugins/${name}`, "v1", makeArtifact(wasm));
  }
  await t.step("version and help", async () => {
    assert.match(ok(await machine.krewWasm("version")), /^krew-wasm \d/);
    assert.match(ok(await machine.krewWasm("--help")), /pull/);
  });
  await t.step("pull and list", async () => {
    for (const name of ["hello", "files", "kubernetes"]) {
      ok(await machine.krewWasm("pull", `${registry.host}/plugins/${name}:v1`));
    }
    assert.deepEqual(ok(await machine.krewWasm("list", "-o", "name")).trim().split("\n"), [
      "files",
      "hello",
      "kubernetes",
    ]);
  });
  await t.step("run, and by kubectl's name", async () => {
    const text = ok(await machine.krewWasm("run", "hello"));
    assert.match(text, /hello/i);
    assert.equal(ok(await machine.kubectl("hello")), text);
  });
  await t.step("a file grant holds, and nothing beside it", async () => {
    Deno.mkdirSync(`${machine.home()}/work`);
    Deno.writeTextFileSync(`${machine.home()}/work/file`, "granted");
    Deno.writeTextFileSync(`${machine.home()}/other`, "secret");
    ok(await machine.krewWasm("grants", "files", `--allow-read=${machine.homeThere()}/work`));
    const shown = ok(await machine.krewWasm("grants", "files"));
    assert.match(shown, /read .*work/);
    assert.equal(ok(await machine.kubectl("files", "read", machine.guest("work/file"))), "granted");
    for (const path of ["other", "work/../other", ".krew-wasm/store.json"]) {
      const { code, stdout } = await machine.kubectl("files", "read", machine.guest(path));
      assert.deepEqual([code, stdout], [1, ""], path);
    }
    assert.notEqual((await machine.kubectl("files", "write", machine.guest("work/file"), "x")).code, 0);
  });
  await t.step("a request to the API server", async () => {
    Deno.mkdirSync(`${machine.home()}/.kube`, { recursive: true });
    Deno.writeTextFileSync(`${machine.home()}/.kube/config`, api.kubeconfig());
    assert.match(ok(await machine.kubectl("kubernetes", "get", "/version")), /gitVersion/);
  });
  await t.step("info, log, doctor and rm", async () => {
    assert.match(ok(await machine.krewWasm("info", "hello")), /hello/);
    assert.match(ok(await machine.krewWasm("log")), /other/);
    const doctor = await machine.krewWasm("doctor", "--offline");
    assert.ok(doctor.code < 2, doctor.stderr);
    for (const name of ["hello", "files", "kubernetes"]) ok(await machine.krewWasm("rm", name));
    assert.equal(ok(await machine.krewWasm("list", "-o", "name")), "");
  });
}

for (const [name, find] of [["linux-arm64", arm64], ["Windows", windows]] as const) {
  const machine = clangMissing() ? undefined : find();
  Deno.test({
    name: `on ${name} the usual commands work`,
    ignore: machine === undefined,
    fn: (t) => tryOut(t, machine!),
  });
}
