/** Any number of krew-wasm processes at once. KREW_WASM_SOAK=60 lets the last test go on for a minute. */

import assert from "node:assert/strict";
import { findOrphans } from "../../registry/store/sweep.ts";
import { isCompiledIntact, readIntact } from "../../registry/store/blobs.ts";
import { layoutAt } from "../../runtime/store/layout.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import { makeArtifact, push } from "../support/oci.ts";
import { binaryUnderTest, clangMissing, Product } from "../support/product.ts";
import { TestRegistry } from "../support/registry.ts";
import { makeExiting, namesIn } from "../support/store.ts";
import { buildFixture } from "../../scripts/fixtures.ts";

Deno.test("a second writer waits, says for whom, and then does its work; readers do not wait", async () => {
  await using registry = TestRegistry.start();
  using product = Product.make();
  await push(registry.origin, "acme/foo", "v1", makeArtifact(makeExiting(1)));
  await push(registry.origin, "acme/slow", "v1", makeArtifact(makeExiting(2)));
  assert.equal((await product.run("pull", `${registry.host}/acme/foo:v1`)).code, 0);
  const release = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  registry.hook = async (_request, url) => {
    if (!url.pathname.includes("/acme/slow/blobs/")) return undefined;
    reached.resolve();
    await release.promise;
    return undefined;
  };
  const first = product.run("pull", `${registry.host}/acme/slow:v1`);
  await reached.promise;
  const child = new Deno.Command(product.command, {
    args: ["rm", "foo"],
    clearEnv: true,
    env: product.env(),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let told = "";
  const decoder = new TextDecoder();
  const reader = child.stderr.getReader();
  while (!told.includes("\n")) told += decoder.decode((await reader.read()).value, { stream: true });
  assert.match(told, /^waiting for krew-wasm pull 127.*\/acme\/slow:v1 \(process \d+\) to finish\n$/);
  assert.equal((await product.run("list", "-o", "name")).stdout, "foo\n");
  assert.equal((await product.exec(`${product.store}/bin/kubectl-foo`, [])).code, 1);
  release.resolve();
  assert.equal((await first).code, 0);
  await reader.cancel();
  const [{ success }, stdout] = await Promise.all([child.status, new Response(child.stdout).text()]);
  assert.deepEqual([success, stdout], [true, "Removed foo\n"]);
  assert.equal((await product.run("list", "-o", "name")).stdout, "slow\n");
});

Deno.test("a running plugin goes on while it is upgraded, and while it is removed", {
  ignore: clangMissing(),
}, async () => {
  await using registry = TestRegistry.start();
  using product = Product.make();
  await push(registry.origin, "acme/cat", "v1", makeArtifact(await Deno.readFile(await buildFixture("cat"))));
  await push(registry.origin, "acme/cat", "v2", makeArtifact(makeExiting(2)));
  await product.run("pull", `${registry.host}/acme/cat:v1`);
  const child = new Deno.Command(`${product.store}/bin/kubectl-cat`, {
    clearEnv: true,
    env: product.env(),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const reader = child.stdout.getReader();
  const echo = async (text: string) => {
    await writer.write(new TextEncoder().encode(text));
    assert.equal(new TextDecoder().decode((await reader.read()).value), text);
  };
  await echo("before\n");
  assert.equal((await product.run("pull", "--force", "--keep", "1", `${registry.host}/acme/cat:v2`)).code, 0);
  assert.equal((await product.exec(`${product.store}/bin/kubectl-cat`, [])).code, 2);
  await echo("upgraded\n");
  assert.equal((await product.run("rm", "cat")).code, 0);
  await echo("removed\n");
  await writer.close();
  assert.equal((await child.status).code, 0);
  await reader.cancel();
});

Deno.test("50 pulls, rms, lists and runs at a time end with a store in which everything is right", {
  ignore: !binaryUnderTest(), // 50 processes of the sources are a test of the machine
}, async () => {
  await using registry = TestRegistry.start();
  using product = Product.make();
  const versions = [1, 2, 3, 4, 5];
  for (const version of versions) {
    await push(registry.origin, "acme/foo", `v${version}`, makeArtifact(makeExiting(version)));
  }
  const names = ["a", "b", "c", "d", "e"];
  const seconds = Number(Deno.env.get("KREW_WASM_SOAK") ?? 5);
  let deadline = performance.now() + seconds * 1000;
  const pick = <T>(items: readonly T[]) => items[Math.floor(Math.random() * items.length)]!;
  const counts = { pull: 0, rm: 0, list: 0, run: 0 };
  const worker = async () => {
    while (performance.now() < deadline) {
      const name = pick(names);
      const verb = pick(["pull", "pull", "rm", "list", "run", "run"] as const);
      counts[verb]++;
      if (verb === "pull") {
        const { code, stderr } = await product.run(
          ...["pull", "--force", "--quiet", `${registry.host}/acme/foo:v${pick(versions)}`, "--name", name],
        );
        assert.equal(code, 0, stderr);
      } else if (verb === "rm") {
        const { code, stderr } = await product.run("rm", name);
        assert.ok(code === 0 || stderr.includes(`No plugin "${name}"`), stderr);
      } else if (verb === "list") {
        const { code, stderr } = await product.run("list");
        assert.deepEqual([code, stderr.replace(/^No plugins.*\n/, "")], [0, ""]);
      } else {
        const { code, stderr } = await product.shell(`kubectl-${name}`);
        const gone = code === 127 || (code === 125 && stderr.includes("No plugin"));
        assert.ok(gone || versions.includes(code), `${code}: ${stderr}`);
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: 50 }, () =>
    worker().catch((error) => {
      deadline = 0; // the others end before the store goes
      throw error;
    })));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  assert.ok(Object.values(counts).every((count) => count > 0), JSON.stringify(counts));

  const layout = layoutAt(product.store);
  const { receipts, broken } = readReceipts(layout);
  assert.deepEqual(broken, []);
  assert.deepEqual([namesIn(layout.stage), findOrphans(layout).filter(({ kind }) => kind !== "data")], [
    [],
    [],
  ]);
  for (const receipt of receipts) {
    assert.ok(readIntact(layout.blob(receipt.digest), receipt), receipt.name);
    assert.ok(isCompiledIntact(layout.compiledDir(receipt.digest, receipt.bindgen), receipt.compiled));
    assert.equal(Deno.readLinkSync(layout.link(receipt.name)), "krew-wasm");
  }
  const { code, stdout } = await product.run("doctor", "--offline");
  assert.equal(code, 0, stdout);
  assert.doesNotMatch(stdout, /^(warning|error) +(?!kubectl|leftovers)/m);
});
