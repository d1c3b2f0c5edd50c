/** tests/fixtures/go-plugin, built natively and by `krew-wasm build`. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import type { Product } from "./product.ts";

const SOURCE = fileURLToPath(new URL("../fixtures/go-plugin", import.meta.url));

/** The directory of the program. */
export function goPluginSource(): string {
  return SOURCE;
}

/** What `go` needs of this machine: its caches, where they are, and one compiler at a time. */
export async function goVariables(): Promise<Record<string, string>> {
  const names = ["GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN"];
  const { stdout } = await new Deno.Command("go", { args: ["env", "-json", ...names] }).output();
  const env = JSON.parse(new TextDecoder().decode(stdout)) as Record<string, string>;
  return { ...env, GOFLAGS: `${env.GOFLAGS} -p=1`, PATH: Deno.env.get("PATH")! };
}

/** The commands of the native program, and of the plugin under the name `plain`. */
export interface GoPlugin {
  readonly native: string;
  readonly plugin: string;
}

/** Builds both and pulls the plugin. Needs Go. @param flags for `go build` @param grants for `pull` */
export async function buildGoPlugin(
  product: Product,
  flags: readonly string[] = [],
  ...grants: string[]
): Promise<GoPlugin & { readonly notes: string }> {
  const env = await goVariables();
  const wasm = `${product.home}/plugin.wasm`;
  const built = await product.exec(product.command, ["build", SOURCE, "-o", wasm, "--", ...flags], { env });
  assert.equal(built.code, 0, built.stderr);
  const native = `${product.home}/native`;
  const { success, stderr } = await new Deno.Command("go", {
    args: ["build", ...flags, "-o", native, "."],
    cwd: SOURCE,
    env,
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  await using registry = TestRegistry.start();
  await push(registry.origin, "plugins/plain", "v1", makeArtifact(await Deno.readFile(wasm)));
  const pulled = await product.run("pull", ...grants, `${registry.host}/plugins/plain:v1`);
  assert.equal(pulled.code, 0, pulled.stderr);
  return { native, plugin: `${product.store}/bin/kubectl-plain`, notes: built.stderr };
}
