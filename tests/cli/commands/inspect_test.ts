import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";

Deno.test("shows what a plugin is before it is installed", async () => {
  await using manager = new Manager();
  const reference = await manager.push("acme/foo:v1");
  const shown = await manager.succeed("inspect", reference);
  assert.match(shown, /^kind\s+module$/m);
  assert.match(shown, /^exports:\n {2}memory\n {2}_start$/m);
  assert.equal(await manager.succeed("list", "-o", "name"), "", "it installs nothing");
});

Deno.test("prints an artifact as an object", async () => {
  await using manager = new Manager();
  const reference = await manager.push("acme/foo:v1");
  const { manifestDigest, digest, size, ...rest } = await manager.json("inspect", reference) as Record<
    string,
    unknown
  >;
  assert.match(`${manifestDigest} ${digest} ${size}`, /^(sha256:[0-9a-f]{64} ){2}\d+$/);
  assert.deepEqual(rest, {
    reference,
    mediaType: "application/wasm",
    kind: "module",
    created: "2026-01-01T00:00:00Z",
    platform: "wasm/wasip1",
    annotations: {},
    abilities: [],
    imports: [],
    exports: ["memory", "_start"],
  });
});

Deno.test("refuses an unknown artifact and an invalid reference", async () => {
  await using manager = new Manager();
  await manager.fail(1, "inspect", `${manager.registry.host}/acme/none:v1`);
  await manager.fail(2, "inspect", "acme/UPPER:v1");
  await manager.fail(2, "inspect", `${manager.home}/a.wasm`);
});
