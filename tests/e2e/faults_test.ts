/**
 * No crash and no full or read-only disk breaks the store. Each command that changes the store fails at each of its
 * changes in turn. The store must then be completely old or completely new. With KREW_WASM_FAULTS=all every command is
 * also tried on failing disks.
 */

import assert from "node:assert/strict";
import { digestOf } from "../../registry/oci/digest.ts";
import { readIndexes } from "../../registry/fleet/index_file.ts";
import { removePlugins } from "../../registry/store/commit.ts";
import { isDownloadLock } from "../../registry/store/download_lock.ts";
import { findOrphans } from "../../registry/store/sweep.ts";
import { exists } from "../../runtime/base/host_path.ts";
import { type Layout, layoutAt } from "../../runtime/store/layout.ts";
import { readHistories, sameVersion } from "../../runtime/store/history.ts";
import { readReceipt, readReceipts } from "../../runtime/store/read.ts";
import { formatReceipt, parseReceipt } from "../../runtime/store/receipt.ts";
import { buildFaults, faultEnv, type FaultMode, faultsMissing } from "../support/faults.ts";
import { formerReceipt } from "../support/former.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { Product } from "../support/product.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testBinary } from "../support/test_binary.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { makeExiting, namesIn } from "../support/store.ts";

/** A command, with the plugins' exit codes before and after it; undefined for a missing plugin. */
interface Scenario {
  readonly command: (host: string) => string[];
  readonly before: Record<string, number | undefined>;
  readonly after: Record<string, number | undefined>;
  /** Prepared from the store. */
  readonly prepare?: (layout: Layout) => void;
  /** Must also be true after a fault, and again after the next command. */
  readonly holds?: (layout: Layout, next: boolean) => void;
  /** It changes several plugins independently. */
  readonly several?: boolean;
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
  "pull --force from another repository": {
    command: (host) => ["pull", "--force", `${host}/other/foo:v4`],
    before: INSTALLED,
    after: { ...INSTALLED, foo: 14 },
    prepare(layout) {
      Deno.mkdirSync(`${layout.dataDir("foo")}/share`, { recursive: true });
      Deno.writeTextFileSync(`${layout.dataDir("foo")}/share/token`, "secret");
    },
    // The first publisher's plugin keeps its data; the other one's never sees it.
    holds(layout, next) {
      const others = readReceipt(layout, "foo").reference.includes("/other/");
      const there = exists(`${layout.dataDir("foo")}/share/token`);
      assert.ok(others ? !there : there || !next, `from the other: ${others}, its data: ${there}`);
    },
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
        const receipt = parseReceipt(Deno.readTextFileSync(layout.receipt(name)), name);
        Deno.writeTextFileSync(layout.receipt(name), JSON.stringify(formerReceipt(receipt, 1)));
      }
    },
  },
  "sync --prune": {
    command: () => ["sync", "v4.lock", "--prune"],
    before: { ...INSTALLED, new: undefined },
    after: { foo: 14, bar: undefined, new: 14 },
    several: true,
  },
  "bundle load": {
    command: () => ["bundle", "load", "v4.tar", "new"],
    before: { ...INSTALLED, new: undefined },
    after: { ...INSTALLED, new: 14 },
  },
  "index add": {
    command: (host) => ["index", "add", `${host}/acme/index`, "--name", "second"],
    before: INSTALLED,
    after: INSTALLED,
  },
  "index remove": {
    command: () => ["index", "remove", "acme"],
    before: INSTALLED,
    after: INSTALLED,
  },
  "doctor --fix": {
    command: () => ["doctor", "--fix", "--offline"],
    before: { foo: 125, bar: 125 },
    after: INSTALLED,
    prepare(layout) {
      const { digest, bindgen } = readReceipt(layout, "foo");
      Deno.removeSync(`${layout.compiledDir(digest, bindgen)}/plugin.wasm`);
    },
  },
};

/** A store in which a command can fail without affecting other stores. */
interface Lane {
  readonly layout: Layout;
  readonly env: Record<string, string>;
}

/** A product with foo (with two earlier versions) and bar, and the files for its commands. */
async function setUp() {
  const registry = TestRegistry.start();
  for (const version of [1, 2, 3, 4]) {
    await push(registry.origin, "acme/foo", `v${version}`, makeArtifact(makeExiting(10 + version)));
  }
  await push(registry.origin, "other/foo", "v4", makeArtifact(makeExiting(14)));
  const product = Product.make();
  const laneAt = (root: string): Lane => ({
    layout: layoutAt(root),
    env: { KREW_WASM_ROOT: root, PATH: `${root}/bin:${product.env().PATH}` },
  });
  const run = async (root: string, ...args: string[]) => {
    const outcome = await product.exec(product.command, args, { env: laneAt(root).env });
    assert.equal(outcome.code, 0, outcome.stderr);
    return outcome.stdout;
  };
  const foo = `${registry.host}/acme/foo`;
  const source = `${product.home}/source`;
  for (const name of ["foo", "new"]) await run(source, "pull", `${foo}:v4`, "--name", name);
  Deno.writeTextFileSync(`${product.home}/v4.lock`, await run(source, "list", "-o", "lock"));
  await run(source, "bundle", "save", "v4.tar");
  Deno.writeTextFileSync(`${product.home}/index.json`, await run(source, "index", "build", `${foo}:v1`));
  await run(source, "index", "push", "index.json", `${registry.host}/acme/index`);
  for (
    const args of [["foo:v1"], ["foo:v2", "--force"], ["foo:v3", "--force"], ["foo:v3", "--name", "bar"]]
  ) {
    await run(product.store, "pull", `${registry.host}/acme/${args[0]}`, ...args.slice(1));
  }
  await run(product.store, "index", "add", `${registry.host}/acme/index`);
  const base = `${product.home}/base`;
  await copy(product.store, base);
  let logs = 0;
  return {
    registry,
    product,
    /** A copy of the store, made here. */
    base,
    library: await buildFaults(product.home),
    laneAt,
    newLog: () => `${product.home}/log-${++logs}`,
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

/** The content of a store without times: text by name, and each plugin's earlier versions. */
interface Content {
  readonly things: ReadonlyMap<string, string>;
  readonly earlier: ReadonlyMap<string, readonly string[]>;
}

function contentOf(layout: Layout): Content {
  const { receipts, broken } = readReceipts(layout);
  const histories = readHistories(layout);
  const indexes = readIndexes(layout);
  assert.deepEqual([broken, histories.broken, indexes.broken], [[], [], []]);
  return {
    things: new Map([
      ...receipts.map((receipt) =>
        [`plugin ${receipt.name}`, formatReceipt({ ...receipt, installedAt: "" })] as const
      ),
      ...indexes.indexes.map((index) =>
        [`index ${index.name}`, JSON.stringify({ ...index, fetchedAt: "" })] as const
      ),
    ]),
    earlier: new Map(receipts.map((receipt) => [
      `plugin ${receipt.name}`,
      (histories.versions.get(receipt.name) ?? []).filter((version) => !sameVersion(version, receipt))
        .map(({ digest }) => digest),
    ])),
  };
}

const NOTHING_THERE: Content = { things: new Map(), earlier: new Map() };

/** Asserts that a store is completely old or completely new; with several plugins, each of them. */
function assertDoneOrNot(
  now: Content,
  [before, after]: readonly [Content, Content],
  several: boolean,
  where: string,
): void {
  const names = new Set([now, before, after].flatMap(({ things }) => [...things.keys()]));
  const isAs = (state: Content, name: string) => now.things.get(name) === state.things.get(name);
  const states = [before, after];
  const all = states.filter((state) => [...names].every((name) => isAs(state, name)));
  assert.ok(several || all.length > 0, `${where}: ${JSON.stringify([...now.things])}`);
  for (const name of names) {
    const as = all[0] ?? states.find((state) => isAs(state, name));
    assert.ok(as, `${where}: ${name} is ${now.things.get(name)}`);
    // A later command removes what the killed command did not.
    const versions = as.earlier.get(name) ?? [];
    assert.deepEqual((now.earlier.get(name) ?? []).slice(0, versions.length), versions, where);
  }
}

/** The plugins' exit codes, each called through its link. */
async function exitCodes({ product }: Setting, { layout, env }: Lane, names: readonly string[]) {
  const listed = (await product.exec(product.command, ["list", "-o", "name"], { env })).stdout;
  const entries = await Promise.all(names.map(async (name) => {
    const { code, stderr } = await product.exec("/bin/sh", ["-c", `kubectl-${name}`], { env });
    // 127: there is no link. 125: there is a link, but the plugin is not installed.
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

/** Asserts that the next command removes what a fault left. */
async function assertSwept({ layout }: Lane, where: string): Promise<void> {
  await removePlugins(layout, ["none"]);
  if (!exists(layout.receipts)) return;
  // The lock of a killed download stays for a day: nothing tells it from the lock of a download that still runs.
  assert.deepEqual(namesIn(layout.stage).filter((name) => !isDownloadLock(layout, name)), [], where);
  assert.deepEqual(findOrphans(layout), [], where);
  const { receipts } = readReceipts(layout);
  assert.deepEqual(
    namesIn(layout.bin).filter((name) => name !== "krew-wasm"),
    receipts.map(({ name }) => `kubectl-${name}`),
    where,
  );
}

/**
 * The content of a store as text; equal texts need only one check. Leaves out times, the process with the lock, and the
 * content of staged files, which are always removed.
 */
function stateOf(layout: Layout): string {
  const lines: string[] = [];
  const walk = (path: string, staged: boolean) => {
    let info: Deno.FileInfo;
    try {
      info = Deno.lstatSync(path);
    } catch {
      return;
    }
    const name = path.slice(layout.root.length);
    if (info.isDirectory) {
      lines.push(`${name}/`);
      for (const each of namesIn(path)) walk(`${path}/${each}`, staged || path === layout.stage);
    } else if (info.isSymlink) lines.push(`${name} -> ${Deno.readLinkSync(path)}`);
    else if (staged || path === layout.lock) lines.push(name);
    else {
      const text = new TextDecoder("latin1").decode(Deno.readFileSync(path));
      lines.push(`${name} ${digestOf(new TextEncoder().encode(text.replace(/"\d{4}-[^"]+Z"/g, "")))}`);
    }
  };
  walk(layout.root, false);
  return lines.join("\n");
}

/** How many commands fail in parallel, each in its own store. */
const LANES = 3;

async function testEveryPoint(
  setting: Setting,
  scenario: Scenario,
  modes: readonly FaultMode[],
): Promise<void> {
  const { product, base, library, registry, laneAt } = setting;
  const first = laneAt(product.store);
  await copy(base, first.layout.root);
  scenario.prepare?.(first.layout);
  const kept = `${product.home}/kept`;
  const there = exists(first.layout.root);
  if (there) await copy(first.layout.root, kept);
  const restore = async ({ layout }: Lane) => {
    if (there) await copy(kept, layout.root);
    else await Deno.remove(layout.root, { recursive: true }).catch(() => {});
  };
  const before = there ? contentOf(first.layout) : NOTHING_THERE;
  const log = setting.newLog();
  const command = scenario.command(registry.host);
  const run = ({ layout, env }: Lane, fault: Parameters<typeof faultEnv>[2]) =>
    product.exec(product.command, command, { env: { ...env, ...faultEnv(library, layout.root, fault) } });
  const whole = await run(first, { log });
  assert.equal(whole.code, 0, whole.stderr);
  const after = contentOf(first.layout);
  assert.deepEqual(await exitCodes(setting, first, Object.keys(scenario.after)), scenario.after);
  const points = (await Deno.readTextFile(log)).trimEnd().split("\n");
  assert.ok(points.length >= 5, `the tracing found ${points.join(", ")}`);
  const names = Object.keys({ ...scenario.before, ...scenario.after });
  const changing = names.filter((name) => scenario.before[name] !== scenario.after[name] || name === "foo");
  const judged = new Set<string>();

  const failAt = async (lane: Lane, mode: FaultMode, at: number) => {
    const { layout } = lane;
    const where = `${mode} at ${at} of ${points.length}: ${points[at - 1]}`;
    await restore(lane);
    const { code, stderr } = await run(lane, { at, mode });
    if (mode === "kill") assert.equal(code, 137, where);
    else if (code !== 0) {
      assert.equal(code, 1, `${where}: ${stderr}`);
      assert.match(stderr, /^(error|warning): /m, where);
      assert.doesNotMatch(stderr, /defect of krew-wasm/, where);
      if (mode === "full") assert.match(stderr, /the disk is full/, where);
      if (mode === "ro") assert.match(stderr, /the disk is read-only|is removed, its link/, where);
    }
    const state = stateOf(layout);
    const isNew = !judged.has(state);
    judged.add(state);
    const now = await Deno.stat(layout.receipts).then(() => contentOf(layout), () => NOTHING_THERE);
    assertDoneOrNot(now, code === 0 ? [after, after] : [before, after], scenario.several ?? false, where);
    if (isNew && mode === "kill") {
      // Tests some of the points that should not change anything.
      const run = judged.size % 4 === 1 ? names : changing;
      const codes = await exitCodes(setting, lane, run);
      const isAs = (each: Scenario["before"], name: string) => codes[name] === each[name];
      assert.ok(
        scenario.several
          ? run.every((name) => isAs(scenario.before, name) || isAs(scenario.after, name))
          : [scenario.before, scenario.after].some((each) => run.every((name) => isAs(each, name))),
        `${where}: ${JSON.stringify(codes)}`,
      );
    }
    scenario.holds?.(layout, false);
    if (isNew) await assertSwept(lane, where);
    if (isNew) scenario.holds?.(layout, true);
  };

  const isSync = (point: string | undefined) => /^f(data)?sync /.test(point ?? "");
  const due = modes.flatMap((mode) =>
    points.flatMap((point, index) => {
      // A kill before a sync leaves the same as a kill before the next change.
      const next = points[index + 1];
      const same = mode === "kill" && isSync(point) && next !== undefined && !next.startsWith("write ");
      return same ? [] : [[mode, index + 1] as const];
    })
  );
  let failed = false;
  const ends = await Promise.allSettled(Array.from({ length: LANES }, async (_, index) => {
    const lane = laneAt(`${product.home}/lane-${index}`);
    for (let next = due.shift(); next && !failed; next = due.shift()) {
      try {
        await failAt(lane, ...next);
      } catch (error) {
        failed = true; // lets the others end before their files are removed
        throw error;
      }
    }
  }));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}

// In CI only the commands with different code paths.
const everything = Deno.env.get("KREW_WASM_FAULTS") === "all";

testBinary("a command killed at any change of the store is done completely or not at all", {
  ignore: faultsMissing(),
}, async (test) => {
  await using setting = await setUp();
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    await test.step(name, () => testEveryPoint(setting, scenario, ["kill"]));
  }
});

testBinary(
  "a command on a failing disk is done completely or not at all",
  {
    ignore: faultsMissing(),
  },
  async (test) => {
    await using setting = await setUp();
    for (const [name, scenario] of Object.entries(SCENARIOS)) {
      await test.step({
        name,
        ignore: !(/--force of|^rm|^index add/.test(name) || everything),
        fn: () => testEveryPoint(setting, scenario, ["full", "ro", "eio"]),
      });
    }
  },
);

testBinary("login and logout, killed at any change, leave docker's file old or new", {
  ignore: faultsMissing(),
}, async () => {
  await using registry = TestRegistry.start({ kind: "basic", username: "me", password: "pass" });
  using product = Product.make();
  const library = await buildFaults(product.home);
  const directory = `${product.home}/docker`;
  const other = { HttpHeaders: { a: "b" }, auths: { "other.example": { auth: "eDp5" } } };
  const both = {
    ...other,
    auths: { ...other.auths, [registry.host]: { auth: btoa("me:pass") } },
  };
  const run = (args: string[], fault?: Parameters<typeof faultEnv>[2]) =>
    product.exec(product.command, args, {
      stdin: "pass",
      // The new file is staged in the store, where no plugin reaches it.
      env: { DOCKER_CONFIG: directory, ...(fault && faultEnv(library, product.home, fault)) },
    });
  const login = ["login", registry.host, "-u", "me", "--password-stdin"];
  const logout = ["logout", registry.host];
  const read = () => JSON.parse(Deno.readTextFileSync(`${directory}/config.json`));
  for (const [args, before, after] of [[login, other, both], [logout, both, other]] as const) {
    const restore = async () => {
      await Deno.remove(directory, { recursive: true }).catch(() => {});
      Deno.mkdirSync(directory);
      Deno.writeTextFileSync(`${directory}/config.json`, JSON.stringify(before), { mode: 0o600 });
    };
    const log = `${temporaryDirectory()}/log`;
    await restore();
    assert.equal((await run(args)).code, 0); // makes the store
    await restore();
    assert.equal((await run(args, { log })).code, 0);
    assert.deepEqual(read(), after);
    const points = Deno.readTextFileSync(log).trimEnd().split("\n");
    assert.ok(points.some((point) => point.includes("/stage/")), `the tracing found ${points.join(", ")}`);
    for (const [index, point] of points.entries()) {
      const where = `${args[0]}, killed at ${point}`;
      await restore();
      assert.equal((await run(args, { at: index + 1, mode: "kill" })).code, 137, where);
      const now = JSON.stringify(read());
      assert.ok([before, after].some((each) => JSON.stringify(each) === now), `${where}: ${now}`);
      await run(login); // the unfinished file contains a password
      assert.deepEqual(namesIn(directory), ["config.json"], where);
      assert.deepEqual(read(), both, where);
    }
  }
});

testBinary("bundle save, killed at any change, leaves the old or the new bundle", {
  ignore: faultsMissing(),
}, async () => {
  await using setting = await setUp();
  const { product, library, laneAt } = setting;
  const { env } = laneAt(product.store);
  const directory = `${product.home}/out`;
  const file = `${directory}/plugins.tar`;
  const save = (fault: Parameters<typeof faultEnv>[2]) =>
    product.exec(product.command, ["bundle", "save", file, "foo"], {
      env: { ...env, ...faultEnv(library, directory, fault) },
    });
  Deno.mkdirSync(directory);
  const log = `${product.home}/log`;
  assert.equal((await save({ log })).code, 0);
  const after = digestOf(Deno.readFileSync(file));
  const before = digestOf(new TextEncoder().encode("before"));
  const points = Deno.readTextFileSync(log).trimEnd().split("\n");
  assert.ok(points.length >= 8, `the tracing found ${points.join(", ")}`);
  for (const [index, point] of points.entries()) {
    Deno.writeTextFileSync(file, "before");
    assert.equal((await save({ at: index + 1, mode: "kill" })).code, 137, point);
    assert.ok([before, after].includes(digestOf(Deno.readFileSync(file))), point);
    // The next save removes an unfinished file, under any name.
    const next = index % 2 === 0 ? file : `${directory}/next.tar`;
    const saved = await product.exec(product.command, ["bundle", "save", next, "foo"], { env });
    assert.equal(saved.code, 0, saved.stderr);
    assert.equal(digestOf(Deno.readFileSync(next)), after);
    assert.deepEqual(namesIn(directory).filter((name) => name !== "next.tar"), ["plugins.tar"], point);
  }
});

/** Runs `test` on a small disk of its own. Returns false if the machine cannot make one. */
async function onDisk(directory: string, options: string, test: () => Promise<void>): Promise<boolean> {
  await Deno.mkdir(directory, { recursive: true });
  const mount = (...args: string[]) => new Deno.Command("mount", { args, stderr: "null" }).output();
  if (!(await mount("-t", "tmpfs", "-o", options, "tmpfs", directory)).success) return false;
  try {
    await test();
  } finally {
    // Lazily: a process may close its files a moment after its end.
    await new Deno.Command("umount", { args: ["-l", directory] }).output();
  }
  return true;
}

testBinary("on a full or read-only disk plugins still run and errors say why", {
  ignore: Deno.build.os !== "linux" || Deno.uid() !== 0,
}, async () => {
  await using setting = await setUp();
  const { product, registry } = setting;
  const disk = `${product.home}/disk`;
  const env = { KREW_WASM_ROOT: `${disk}/store` };
  const run = (...args: string[]) => product.exec(product.command, args, { env });
  const big = new Uint8Array(3 << 20);
  big.set(makeExiting(15));
  big.set([0, 0xf5, 0xff, 0xbf, 0x01, 1, 0x78], 96); // a custom section that fills the rest
  await push(registry.origin, "acme/big", "v1", makeArtifact(big));
  const there = await onDisk(disk, "size=2m", async () => {
    assert.equal((await run("pull", `${registry.host}/acme/foo:v1`)).code, 0);
    const full = await run("pull", `${registry.host}/acme/big:v1`);
    assert.equal(full.code, 1);
    assert.match(full.stderr, /^error: .*the disk is full\n/);
    assert.deepEqual(namesIn(`${disk}/store/stage`), [], "nothing of it goes on filling the disk");
    assert.equal((await run("list", "-o", "name")).stdout, "foo\n");
    assert.equal((await product.exec(`${disk}/store/bin/kubectl-foo`, [], { env })).code, 11);
    assert.equal((await run("pull", `${registry.host}/acme/foo:v2`, "--force")).code, 0, "the rest is swept");

    assert.equal((await run("pull", `${registry.host}/acme/foo:v1`, "--name", "new")).code, 0);

    await new Deno.Command("mount", { args: ["-o", "remount,ro", disk] }).output();
    for (const args of [["pull", `${registry.host}/acme/foo:v3`, "--force"], ["rm", "foo"]]) {
      const { code, stderr } = await run(...args);
      assert.equal(code, 1);
      assert.match(stderr, /^error: .*the disk is read-only\n/);
    }
    assert.equal((await run("list", "-o", "name")).stdout, "foo\nnew\n");
    assert.equal((await product.exec(`${disk}/store/bin/kubectl-foo`, [], { env })).code, 12);
    // A plugin that never ran has no directory yet: it gets one for this run, which is removed afterwards.
    await Deno.mkdir(`${product.home}/tmp`);
    const first = await product.exec(`${disk}/store/bin/kubectl-new`, [], {
      env: { ...env, TMPDIR: `${product.home}/tmp` },
    });
    assert.deepEqual(first, { code: 11, stdout: "", stderr: "" });
    assert.deepEqual([...Deno.readDirSync(`${product.home}/tmp`)], []);
  });
  if (!there) {
    // deno-lint-ignore no-console -- the reader of the test output should know
    console.warn("no file system can be mounted here: a full disk is shown by injected faults only");
  }
});
