/** Installs fixtures. An installed plugin is compiled once, a file at each run. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import type { Product } from "./product.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";

/** Pulls a fixture from a registry of its own, under the fixture's name. */
export async function installFixture(product: Product, fixture: string, ...flags: string[]): Promise<void> {
  await using registry = TestRegistry.start();
  const artifact = makeArtifact(await Deno.readFile(await buildFixture(fixture)));
  await push(registry.origin, `plugins/${fixture}`, "v1", artifact);
  const { code, stderr } = await product.run("pull", ...flags, `${registry.host}/plugins/${fixture}:v1`);
  assert.equal(code, 0, stderr);
}
