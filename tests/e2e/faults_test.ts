/**
 * No crash, full disk or read-only one breaks the store: each command that changes it is made to fail at every one of its
 * calls that do, and what is left has to be wholly as before or wholly as after.
 */

import assert from "node:assert/strict";
import { removePlugins } from "../../registry/store/commit.ts";
import { findOrphans } from "../../registry/store/sweep.ts";
import { type Layout, layoutAt } from "../../runtime/store/layout.ts";
import { readHistories, sameVersion } from "../../runtime/store/history.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import { buildFaults, faultEnv, type FaultMode, faultsMissing } from "../support/faults.ts";
import { makeArtifact, push } from "../support/oci.ts";
import { binaryUnderTest, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";
import { TestRegistry } from "../support/registry.ts";
import { makeExiting, namesIn } from "../support/store.ts";

/** A command, and the exit codes of the plugins before and after it; undefined for one that is not there. */
interface Scenario {
  readonly command: (host: string) => string[];
  readonly before: Record<string, number | undefined>;
  readonly after: Record<string, number | undefined>;
  /** Made of the store beforehand. */
  readonly prepare?: (layout: Layout) => void;
}

const INSTALLED = { foo: 13, bar: 13 };

const SCENARIOS: Record<string, Scenario> = {
  "pull of a new plugin": {
    command: (host) => ["pull", `${host}/acme/foo:v4`, "--name", "new"],
    before: { ...INSTALLED, new: undefined },
    after: { ...INSTALLED, new: 14 },
  },
  "pull into no store": {
    command: (host) => ["pull", `${host}/acme/foo:v1`],
    before: { foo: undefined },
    after: { foo: 11 },
    prepare: (layout) => Deno.removeSync(layout.root, { recursive: true }),
  },
  "pull --force of another version": {
    command: (host) => ["pull", "--force", `${host}/acme/foo:v4`],
    before: INSTALLED,
    after: { ...INSTALLED, foo: 14 },
  },
  "upgrade": {
    command: () => ["upgrade", "foo", "--to", "v4"],
    before: INSTALLED,
    after: { ...INSTALLED, foo: 14 },
  },
  "rollback": {
    command: () => ["rollback", "foo"],
    before: INSTALLED,
    after: { ...INSTALLED, foo: 12 },
  },
  "grants": {
    command: () => ["grants", "foo", "--allow-home"],
    before: INSTALLED,
    after: INSTALLED,
  },
  "rm": {
    command: () => ["rm", "foo"],
    before: INSTALLED,
    after: { bar: 13, foo: undefined },
    prepare: (layout) => Deno.mkdirSync(`${layout.dataDir("foo")}/cache`, { recursive: true }),
  },
  "the migration of a store of format 1, by rm": {
    command: () => ["rm", "foo"],
    before: INSTALLED,
    after: { bar: 13, foo: undefined },
    prepare(layout) {
      Deno.removeSync(layout.version);
      for (const name of ["foo", "bar"]) {
        const json = JSON.parse(Deno.readTextFileSync(layout.receipt(name)));
        Deno.writeTextFileSync(layout.receipt(name), JSON.stringify({ ...json, format: 1 }));
      }
    },
  },
};

/** A product with foo and bar, foo with two versions behind it, and a copy of its store to start from. */
async function setUp() {
  const registry = TestRegistry.start();
  for (const version of [1, 2, 3, 4]) {
    await push(registry.origin, "acme/foo", `v${version}`, makeArtifact(makeExiting(10 + version)));
  }
  const product = Product.make();
  const layout = layoutAt(product.store);
  for (
    const args of [["foo:v1"], ["foo:v2", "--force"], ["foo:v3", "--force"], ["foo:v3", "--name", "bar"]]
  ) {
    const { code, stderr } = await product.run("pull", `${registry.host}/acme/${args[0]}`, ...args.slice(1));
    assert.equal(code, 0, stderr);
  }
  const library = await buildFaults(product.home);
  return {
    registry,
    product,
    layout,
    library,
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

type Setting = Awaited<ReturnType<typeof setUp>>;

async function copy(from: string, to: string): Promise<void> {
  await Deno.remove(to, { recursive: true }).catch(() => {});
  const { success } = await new Deno.Command("cp", { args: ["-a", from, to] }).output();
  assert.ok(success);
}

/** What a store holds, without times, and the earlier versions of each plugin. */
function contentOf(layout: Layout): { plugins: string; earlier: Record<string, string[]> } {
  const { receipts, broken } = readReceipts(layout);
  const histories = readHistories(layout);
  assert.deepEqual([broken, histories.broken], [[], []]);
  const earlier = receipts.map((receipt) => [
    receipt.name,
    (histories.versions.get(receipt.name) ?? []).filter((version) => !sameVersion(version, receipt))
      .map(({ digest }) => digest),
  ]);
  return {
    plugins: JSON.stringify(receipts.map((receipt) => ({ ...receipt, installedAt: "" }))),
    earlier: Object.fromEntries(earlier),
  };
}

const NOTHING_THERE: ReturnType<typeof contentOf> = { plugins: "[]", earlier: {} };

/** The plugins' exit codes, each found through its link. */
async function exitCodes({ product, layout }: Setting, names: readonly string[]) {
  const listed = (await product.run("list", "-o", "name")).stdout;
  const entries = await Promise.all(names.map(async (name) => {
    const { code, stderr } = await product.exec("/bin/sh", ["-c", `kubectl-${name}`]);
    // 127: there is no link; 125: there is one, of a plugin that is not installed.
    const gone = code === 127 || (code === 125 && stderr.includes("No plugin"));
    assert.equal(
      listed.includes(`${name}\n`),
      !gone,
      `list and link differ over ${name}: ${listed}${stderr}`,
    );
    return [name, gone ? undefined : code] as const;
  }));
  assert.equal(listed, readReceipts(layout).receipts.map(({ name }) => `${name}\n`).join(""));
  return Object.fromEntries(entries);
}

/** How a sound store may look after a fault, and that the next command sweeps the rest. */
async function assertSound(
  setting: Setting,
  scenario: Scenario,
  run: readonly string[],
  where: string,
): Promise<void> {
  const { layout } = setting;
  if (run.length > 0) {
    const codes = await exitCodes(setting, run);
    const isBefore = run.every((name) => codes[name] === scenario.before[name]);
    const isAfter = run.every((name) => codes[name] === scenario.after[name]);
    assert.ok(isBefore || isAfter, `${where}: ${JSON.stringify(codes)}`);
  }
  await removePlugins(layout, ["none"]);
  if (!(await Deno.stat(layout.receipts).then(() => true, () => false))) return;
  assert.deepEqual(namesIn(layout.stage), [], where);
  assert.deepEqual(findOrphans(layout), [], where);
  const { receipts } = readReceipts(layout);
  assert.deepEqual(
    namesIn(layout.bin).filter((name) => name !== "krew-wasm"),
    receipts.map(({ name }) => `kubectl-${name}`),
    where,
  );
}

async function testEveryPoint(scenario: Scenario, modes: readonly FaultMode[], run: boolean): Promise<void> {
  await using setting = await setUp();
  const { product, layout, library, registry } = setting;
  scenario.prepare?.(layout);
  const kept = `${product.home}/kept`;
  const exists = await Deno.stat(layout.root).then(() => true, () => false);
  if (exists) await copy(layout.root, kept);
  const restore = async () => {
    if (exists) await copy(kept, layout.root);
    else await Deno.remove(layout.root, { recursive: true }).catch(() => {});
  };
  const before = exists ? contentOf(layout) : NOTHING_THERE;
  const log = `${product.home}/log`;
  const whole = await product.exec(product.command, scenario.command(registry.host), {
    env: faultEnv(library, layout.root, { log }),
  });
  assert.equal(whole.code, 0, whole.stderr);
  const after = contentOf(layout);
  assert.deepEqual(await exitCodes(setting, Object.keys(scenario.after)), scenario.after);
  const points = (await Deno.readTextFile(log)).trimEnd().split("\n");
  assert.ok(points.length >= 8, `the tracing found ${points.join(", ")}`);
  for (const mode of modes) {
    for (const [index, point] of points.entries()) {
      const where = `${mode} at ${index + 1} of ${points.length}: ${point}`;
      await restore();
      const { code, stderr } = await product.exec(product.command, scenario.command(registry.host), {
        env: faultEnv(library, layout.root, { at: index + 1, mode }),
      });
      if (mode === "kill") assert.equal(code, 137, where);
      else if (code !== 0) {
        assert.equal(code, 1, `${where}: ${stderr}`);
        assert.match(stderr, /^(error|warning): /m, where);
        assert.doesNotMatch(stderr, /defect of krew-wasm/, where);
        if (mode === "full") assert.match(stderr, /the disk is full/, where);
        if (mode === "ro") assert.match(stderr, /the disk is read-only|is removed, its link/, where);
      }
      const now = await Deno.stat(layout.receipts).then(() => contentOf(layout), () => NOTHING_THERE);
      const as = [before, after].find(({ plugins }) => plugins === now.plugins);
      assert.ok(as, `${where}: ${now.plugins}`);
      // What a killed command did not come to forget is forgotten another time.
      for (const [name, versions] of Object.entries(as.earlier)) {
        assert.deepEqual(now.earlier[name]!.slice(0, versions.length), versions, where);
      }
      if (code === 0) assert.equal(as, after, where);
      // What no point should touch is run at some of them.
      const all = Object.keys({ ...scenario.before, ...scenario.after });
      const changing = all.filter((name) => scenario.before[name] !== scenario.after[name] || name === "foo");
      await assertSound(
        setting,
        scenario,
        !run || mode !== "kill" ? [] : index % 8 === 0 ? all : changing,
        where,
      );
    }
  }
}

// From source each command takes as long as ten of the binary's; its exit codes are then looked at less often.
const binary = binaryUnderTest() !== undefined;

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  testBinary(`${name}, killed at every change of the store, is done or is not`, {
    ignore: faultsMissing() || (!binary && name !== "rm"),
  }, () => testEveryPoint(scenario, ["kill"], binary));
  testBinary(
    `${name}, on a disk that is full or read-only from any point on, or fails there, is done or is not`,
    {
      ignore: faultsMissing() || !binary || !/--force|^rm/.test(name),
    },
    () => testEveryPoint(scenario, ["full", "ro", "eio"], false),
  );
}

/** Runs `test` on a small disk of its own; false where none can be made. */
async function onDisk(directory: string, options: string, test: () => Promise<void>): Promise<boolean> {
  await Deno.mkdir(directory, { recursive: true });
  const mount = (...args: string[]) => new Deno.Command("mount", { args, stderr: "null" }).output();
  if (!(await mount("-t", "tmpfs", "-o", options, "tmpfs", directory)).success) return false;
  try {
    await test();
  } finally {
    await new Deno.Command("umount", { args: [directory] }).output();
  }
  return true;
}

testBinary("on a disk that is really full, or read-only, plugins stay and run, and errors say why", {
  ignore: Deno.build.os !== "linux" || Deno.uid() !== 0,
}, async () => {
  await using setting = await setUp();
  const { product, registry } = setting;
  const disk = `${product.home}/disk`;
  const env = { KREW_WASM_ROOT: `${disk}/store` };
  const run = (...args: string[]) => product.exec(product.command, args, { env });
  const big = new Uint8Array(3 << 20);
  big.set(makeExiting(15));
  big.set([0, 0xf5, 0xff, 0xbf, 0x01, 1, 0x78], 96); // a custom section over the rest
  await push(registry.origin, "acme/big", "v1", makeArtifact(big));
  const there = await onDisk(disk, "size=2m", async () => {
    assert.equal((await run("pull", `${registry.host}/acme/foo:v1`)).code, 0);
    const full = await run("pull", `${registry.host}/acme/big:v1`);
    assert.equal(full.code, 1);
    assert.match(full.stderr, /^error: .*the disk is full\n/);
    assert.equal((await run("list", "-o", "name")).stdout, "foo\n");
    assert.equal((await product.exec(`${disk}/store/bin/kubectl-foo`, [], { env })).code, 11);
    assert.equal((await run("pull", `${registry.host}/acme/foo:v2`, "--force")).code, 0, "the rest is swept");

    await new Deno.Command("mount", { args: ["-o", "remount,ro", disk] }).output();
    for (const args of [["pull", `${registry.host}/acme/foo:v3`, "--force"], ["rm", "foo"]]) {
      const { code, stderr } = await run(...args);
      assert.equal(code, 1);
      assert.match(stderr, /^error: .*the disk is read-only\n/);
    }
    assert.equal((await run("list", "-o", "name")).stdout, "foo\n");
    assert.equal((await product.exec(`${disk}/store/bin/kubectl-foo`, [], { env })).code, 12);
  });
  if (!there) {
    // deno-lint-ignore no-console -- whoever runs the tests should know
    console.warn("no file system can be mounted here: a full disk is shown by injected faults only");
  }
});
