/** Many krew-wasm processes at once. With KREW_WASM_SOAK=60 the last test runs for a minute. */

import assert from "node:assert/strict";
import { digestOf } from "../../registry/oci/digest.ts";
import { lockStore } from "../../registry/store/store_lock.ts";
import { findOrphans } from "../../registry/store/sweep.ts";
import { readIndexes } from "../../registry/fleet/index_file.ts";
import { isCompiledIntact, readIntact } from "../../registry/store/blobs.ts";
import { layoutAt } from "../../runtime/store/layout.ts";
import { readReceipt, readReceipts } from "../../runtime/store/read.ts";
import { formatReceipt } from "../../runtime/store/receipt.ts";
import { formerReceipt } from "../support/former.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { binaryUnderTest, clangMissing, type Outcome, Product } from "../support/product.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { makeExiting, namesIn } from "../support/store.ts";
import { buildFixture } from "../../scripts/fixtures.ts";

Deno.test("does not wait for another process's slow or silent registry", async () => {
  await using registry = TestRegistry.start();
  using product = Product.make();
  const layout = layoutAt(product.store);
  for (const [name, code] of [["foo", 1], ["bar", 2], ["slow", 3], ["later", 4], ["kept", 7]] as const) {
    await push(registry.origin, `acme/${name}`, "v1", makeArtifact(makeExiting(code)));
  }
  await push(registry.origin, "acme/bar", "v2", makeArtifact(makeExiting(5)));
  const done = async (...args: string[]) => {
    const { code, stdout, stderr } = await product.run(...args);
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
    assert.doesNotMatch(stderr, /waiting/);
    return stdout;
  };
  for (const name of ["foo", "bar", "slow", "kept"]) await done("pull", `${registry.host}/acme/${name}:v1`);
  // The leftovers of an older krew-wasm.
  Deno.removeSync(layout.blob(readReceipt(layout, "kept").manifestDigest));
  await done("bundle", "save", "plugins.tar", "foo");
  await push(registry.origin, "acme/slow", "v1", makeArtifact(makeExiting(6)));
  const release = Promise.withResolvers<void>();
  const stalled = {
    pull: Promise.withResolvers<void>(),
    upgrade: Promise.withResolvers<void>(),
    save: Promise.withResolvers<void>(),
  };
  registry.hook = async (request, url) => {
    // Each process waits for a different part.
    const which = url.pathname.includes("/acme/later/manifests/")
      ? "pull"
      : url.pathname.includes("/acme/slow/blobs/") && request.method === "GET"
      ? "upgrade"
      : url.pathname.includes("/acme/kept/")
      ? "save"
      : undefined;
    if (which === undefined) return undefined;
    stalled[which].resolve();
    await release.promise;
    return undefined;
  };
  const waiting = [
    product.run("pull", `${registry.host}/acme/later:v1`),
    product.run("pull", "--force", `${registry.host}/acme/slow:v1`),
    product.run("bundle", "save", "kept.tar", "kept"),
  ];
  await Promise.all(Object.values(stalled).map(({ promise }) => promise));
  assert.equal(await done("rm", "foo"), "Removed foo\n");
  await done("bundle", "load", "plugins.tar");
  await done("upgrade", "bar", "--to", "v2");
  await done("rollback", "bar");
  await done("grants", "bar", "--allow-home");
  await done("pull", `${registry.host}/acme/bar:v2`, "--name", "other");
  await done("doctor", "--offline", "--fix");
  await done("grants", "slow", "--allow-cluster=none");
  assert.equal(await done("list", "-o", "name"), "bar\nfoo\nkept\nother\nslow\n");
  assert.equal((await product.shell("kubectl-slow")).code, 3);
  release.resolve();
  for (const { code, stderr } of await Promise.all(waiting)) assert.equal(code, 0, stderr);
  assert.equal((await product.shell("kubectl-slow")).code, 6);
  assert.equal((await product.shell("kubectl-later")).code, 4);
  await done("rm", "kept");
  assert.equal(await done("bundle", "load", "-q", "kept.tar"), "kept\n");
  // A grant made during the download applies.
  assert.equal(readReceipt(layout, "slow").grants.cluster, "none");
  await assertSound(product);
});

Deno.test("a pull waits for the same download, and takes over if that process is killed", async () => {
  await using registry = TestRegistry.start();
  using product = Product.make();
  const layout = layoutAt(product.store);
  await push(registry.origin, "acme/foo", "v1", makeArtifact(makeExiting(3)));
  const reached = Promise.withResolvers<void>();
  const never = Promise.withResolvers<undefined>();
  let downloads = 0;
  registry.hook = async (_request, url) => {
    if (!url.pathname.endsWith(`/blobs/${digestOf(makeExiting(3))}`)) return undefined;
    downloads++;
    if (downloads > 1) return undefined;
    reached.resolve();
    return await never.promise;
  };
  const pull = (name: string) =>
    product.start(product.command, ["pull", `${registry.host}/acme/foo:v1`, "--name", name], {
      stderr: "piped",
    });
  const first = pull("one");
  await reached.promise;
  const others = ["two", "three"].map((name) => pull(name));
  // All of them say whom they wait for before the first one dies.
  const ends = await Promise.all(others.map(async (child) => {
    const lines = child.stderr.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
    const said = (await lines.next()).value ?? "";
    return { child, lines, said };
  }));
  for (const { said } of ends) {
    assert.match(
      said,
      new RegExp(`^waiting for krew-wasm pull \\S+foo:v1 \\(process ${first.pid}\\) to finish`),
    );
  }
  first.kill("SIGKILL");
  await first.output();
  for (const child of [first, ...others]) await child.stdin.close();
  for (const { child, lines } of ends) {
    for (let read = await lines.next(); !read.done; read = await lines.next());
    await child.stdout.cancel();
    assert.equal((await child.status).code, 0);
  }
  assert.equal(downloads, 2);
  assert.equal(await product.run("list", "-o", "name").then(({ stdout }) => stdout), "three\ntwo\n");
  never.resolve(undefined);
  await assertSound(product);
  assert.equal(readReceipt(layout, "two").digest, digestOf(makeExiting(3)));
});

Deno.test("a second writer waits and names the first; readers do not wait", async () => {
  await using registry = TestRegistry.start();
  using product = Product.make();
  await push(registry.origin, "acme/foo", "v1", makeArtifact(makeExiting(1)));
  assert.equal((await product.run("pull", `${registry.host}/acme/foo:v1`)).code, 0);
  const held = await lockStore(layoutAt(product.store).lock, "pull acme/slow:v1", () => {});
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
  assert.match(told, /^waiting for krew-wasm pull acme\/slow:v1 \(process \d+\) to finish\n$/);
  assert.equal((await product.run("list", "-o", "name")).stdout, "foo\n");
  assert.equal((await product.exec(`${product.store}/bin/kubectl-foo`, [])).code, 1);
  held[Symbol.dispose]();
  await reader.cancel();
  const [{ success }, stdout] = await Promise.all([child.status, new Response(child.stdout).text()]);
  assert.deepEqual([success, stdout], [true, "Removed foo\n"]);
  assert.equal((await product.run("list", "-o", "name")).stdout, "");
});

Deno.test("a run that compiles its plugin again waits for a writer and names it", async () => {
  await using registry = TestRegistry.start();
  using product = Product.make();
  await push(registry.origin, "acme/foo", "v1", makeArtifact(makeExiting(7)));
  assert.equal((await product.run("pull", `${registry.host}/acme/foo:v1`)).code, 0);
  const layout = layoutAt(product.store);
  const receipt = readReceipt(layout, "foo");
  Deno.writeTextFileSync(layout.receipt("foo"), formatReceipt({ ...receipt, bindgen: "0-old" }));
  const held = await lockStore(layout.lock, "pull x", () => {});
  const child = new Deno.Command(layout.link("foo"), {
    clearEnv: true,
    env: product.env(),
    stderr: "piped",
  }).spawn();
  const told = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  assert.match((await told.read()).value!, /^waiting for krew-wasm pull x \(process \d+\) to finish\n$/);
  held[Symbol.dispose]();
  await told.cancel();
  assert.equal((await child.status).code, 7);
  assert.deepEqual(readReceipt(layout, "foo"), receipt);
});

Deno.test("a running plugin continues during an upgrade and a removal", {
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

/** The expected result of one of many parallel commands: it succeeds, or reports what another one did before. */
function assertDone({ code, stderr }: Outcome, overtaken?: RegExp): void {
  assert.doesNotMatch(stderr, /defect of krew-wasm|os error|No such file/);
  assert.ok(code === 0 || (code === 1 && overtaken?.test(stderr)), `${code}: ${stderr}`);
}

const REMOVED = /No plugin "|is installed to change/;

/** Every command, as one of many in parallel. `name` is one of a few names that they share. */
function commandsOf(product: Product, host: string) {
  let number = 0;
  const repository = `${host}/acme/foo`;
  const run = product.run.bind(product);
  const any = (tag: number) => `${repository}:v${1 + tag % VERSIONS}`;
  const all: Record<string, (name: string) => Promise<void>> = {
    run: async (name) => {
      const { code, stderr } = await product.shell(`kubectl-${name}`);
      const gone = code === 127 || (code === 125 && stderr.includes("No plugin"));
      assert.ok(gone || (code >= 1 && code <= VERSIONS), `${code}: ${stderr}`);
    },
    pull: async (name) =>
      assertDone(await run("pull", "--quiet", any(number++), "--name", name), /installed already/),
    "pull --force": async (name) =>
      assertDone(await run("pull", "--force", "--quiet", any(number++), "--name", name)),
    "pull --keep 1": async (name) =>
      assertDone(await run("pull", "--force", "--keep", "1", "--quiet", any(number++), "--name", name)),
    upgrade: async (name) =>
      assertDone(await run("upgrade", name, "--to", `v${1 + number++ % VERSIONS}`), REMOVED),
    rollback: async (name) => assertDone(await run("rollback", name), /No plugin "|No earlier version/),
    rm: async (name) => assertDone(await run("rm", name), REMOVED),
    "rm of several": async () => assertDone(await run("rm", "a", "b"), REMOVED),
    list: async () => {
      const { code, stderr } = await run("list");
      assert.deepEqual([code, stderr.replace(/^No plugins.*\n/, "")], [0, ""]);
    },
    "list -o lock": async () => {
      const { code, stdout, stderr } = await run("list", "-o", "lock");
      assert.deepEqual([code, stderr, JSON.parse(stdout).krewWasmLock], [0, "", 2]);
    },
    sync: async () => assertDone(await run("sync", "plugins.lock")),
    "sync --prune": async () => assertDone(await run("sync", "plugins.lock", "--prune")),
    "bundle save": async () => {
      const file = `saved-${number++}.tar`;
      assertDone(await run("bundle", "save", file), /No plugins are installed/);
      await Deno.remove(`${product.home}/${file}`).catch(() => {});
    },
    "bundle load": async () => assertDone(await run("bundle", "load", "plugins.tar", "--force")),
    grants: async (name) => assertDone(await run("grants", name, "--allow-home"), REMOVED),
    "grants --reset": async (name) => assertDone(await run("grants", name, "--reset"), REMOVED),
    log: async (name) => assertDone(await run("log", name)),
    info: async (name) => {
      const outcome = await run("info", name);
      assertDone(outcome, /No plugin "|No index offers/);
      assert.doesNotMatch(outcome.stdout, /missing or changed/);
    },
    outdated: async () => assertDone(await run("outdated", "--all")),
    doctor: async () => {
      const outcome = await run("doctor", "--offline");
      assertDone(outcome);
      assert.doesNotMatch(outcome.stdout, WRONG);
    },
    "doctor --fix": async () => assertDone(await run("doctor", "--offline", "--fix")),
    completion: async () => assertDone(await run("__complete", "--", "rm", "")),
    "index add": async () =>
      assertDone(await run("index", "add", `${host}/acme/index`), /There is an index "acme" already/),
    "index remove": async () => assertDone(await run("index", "remove", "acme"), /No index "acme"/),
    search: async () => assertDone(await run("search"), /No index was added/),
    login: async () => {
      const args = ["login", host, "-u", `u${number++}`, "--password-stdin"];
      assertDone(await product.exec(product.command, args, { stdin: "x" }));
    },
    logout: async () => assertDone(await run("logout", host), /not logged in/),
  };
  return all;
}

const VERSIONS = 5;
/**
 * A finding of doctor. It checks kubectl after the store, so runs may have left private directories of removed plugins.
 */
const WRONG = /^(warning|error) +(?!kubectl|leftovers)\S/m;

/** A registry with some versions of a plugin and an index, and the files for `sync` and `bundle load`. */
async function manyVersions(product: Product): Promise<TestRegistry> {
  const registry = TestRegistry.start();
  for (let version = 1; version <= VERSIONS; version++) {
    await push(registry.origin, "acme/foo", `v${version}`, makeArtifact(makeExiting(version)));
  }
  const done = async (...args: string[]) => {
    const { code, stdout, stderr } = await product.run(...args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  for (const name of ["a", "b"]) await done("pull", `${registry.host}/acme/foo:v${VERSIONS}`, "--name", name);
  Deno.writeTextFileSync(`${product.home}/plugins.lock`, await done("list", "-o", "lock"));
  await done("bundle", "save", "plugins.tar");
  Deno.writeTextFileSync(
    `${product.home}/index.json`,
    await done("index", "build", `${registry.host}/acme/foo:v1`),
  );
  await done("index", "push", "index.json", `${registry.host}/acme/index`);
  return registry;
}

/** The store is valid, only runs left something in it, and doctor agrees. */
async function assertSound(product: Product): Promise<void> {
  const layout = layoutAt(product.store);
  const { receipts, broken } = readReceipts(layout);
  assert.deepEqual([broken, readIndexes(layout).broken], [[], []]);
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
  assert.doesNotMatch(stdout, WRONG);
}

Deno.test("50 parallel commands of every kind leave a valid store", {
  ignore: !binaryUnderTest(), // 50 processes run from source would only test the machine
}, async () => {
  using product = Product.make();
  await using registry = await manyVersions(product);
  const commands = Object.entries(commandsOf(product, registry.host));
  const names = ["a", "b", "c", "d", "e"];
  const pick = <T>(items: readonly T[]) => items[Math.floor(Math.random() * items.length)]!;
  let deadline = performance.now() + Number(Deno.env.get("KREW_WASM_SOAK") ?? 5) * 1000;
  const worker = async (index: number) => {
    // Each command gets its turn, however slow the machine is.
    let [name, command] = commands[index % commands.length]!;
    do {
      try {
        await command(pick(names));
      } catch (error) {
        throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
      }
      [name, command] = pick(commands);
    } while (performance.now() < deadline);
  };
  const ends = await Promise.allSettled(
    Array.from({ length: 50 }, (_, index) =>
      worker(index).catch((error) => {
        deadline = 0; // lets the others end before the store is removed
        throw error;
      })),
  );
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  await assertSound(product);
  assert.deepEqual(namesIn(`${product.home}/.docker`).filter((name) => name !== "config.json"), []);
});

Deno.test("eight parallel first commands create or migrate a store once", {
  ignore: !binaryUnderTest(),
}, async () => {
  using product = Product.make();
  await using registry = await manyVersions(product);
  const layout = layoutAt(product.store);
  const atOnce = () =>
    Promise.all(Array.from({ length: 8 }, async (_, index) => {
      const reference = `${registry.host}/acme/foo:v${1 + index % VERSIONS}`;
      const { code, stderr } = await product.run(
        "pull",
        "-q",
        "--force",
        reference,
        "--name",
        `n${index % 4}`,
      );
      assert.equal(code, 0, stderr);
    }));
  const umask = Deno.umask(0o002);
  try {
    Deno.removeSync(layout.root, { recursive: true });
    await atOnce();
    await assertSound(product);
    Deno.removeSync(layout.root, { recursive: true });
    Deno.mkdirSync(layout.root); // made by its user, with a directory's usual mode
    await atOnce();
    await assertSound(product);
  } finally {
    Deno.umask(umask);
  }
  Deno.removeSync(layout.version); // a store of format 1
  for (const receipt of readReceipts(layout).receipts) {
    Deno.writeTextFileSync(layout.receipt(receipt.name), JSON.stringify(formerReceipt(receipt, 1)));
  }
  await atOnce();
  await assertSound(product);
  assert.equal(readReceipts(layout).receipts.length, 4);
});
