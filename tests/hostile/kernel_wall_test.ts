/**
 * The third wall alone: a build whose inner wall carries out a plugin's orders (broken/open_doors.ts), and in which Deno's
 * permissions are not given up (broken/wall.ts). What the orders get is what the kernel lets through.
 */

import assert from "node:assert/strict";
import { FULL_ABI } from "../../runtime/kernel/landlock.ts";
import { landlockVersion } from "../../runtime/kernel/restrict.ts";
import { Syscalls } from "../../runtime/kernel/syscalls.ts";
import { compile } from "../../scripts/compile.ts";
import { buildFixture } from "../../scripts/fixtures.ts";
import { binaryUnderTest, clangMissing } from "../support/product.ts";
import { missing } from "../support/programs.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { Stage } from "./stage.ts";

const OPEN = {
  "runtime/wasi/random.ts": "tests/hostile/broken/open_doors.ts",
  "runtime/wall.ts": "tests/hostile/broken/wall.ts",
};

/** Whether this machine can't show it. */
const without = () => {
  // The build takes a Deno that can compile: where the binary under test was made, there is one.
  if (Deno.build.os !== "linux" || !binaryUnderTest() || clangMissing()) return true;
  const system = Syscalls.load();
  const has = system !== undefined && landlockVersion(system) >= FULL_ABI;
  return missing("Landlock", has, "Linux 6.7 or later, with landlock in /sys/kernel/security/lsm");
};

/** Orders and what each must get. */
type Orders = Readonly<Record<string, string>>;

const REFUSED = "PermissionDenied";

/** What no run may do, whatever was granted. */
const NEVER: Orders = {
  "read|$HOME/.ssh/id_ed25519": REFUSED,
  "read|$HOME/.kube/config": REFUSED,
  "read|$HOME/.docker/config.json": REFUSED,
  "read|$OUTSIDE/file": REFUSED,
  "read|/etc/passwd": REFUSED,
  "call|257/56|-100|/proc/self/environ|0": "EACCES", // openat
  "call|257/56|-100|/proc/self/mem|2": "EACCES",
  "read|$STORE/receipts/attack.json": REFUSED,
  "readEverywhere|$HOME/.ssh/id_ed25519": REFUSED,
  "list|$HOME": REFUSED,
  "list|$STORE": REFUSED,
  "write|$HOME/.bashrc": REFUSED,
  "append|$HOME/.bashrc": REFUSED,
  "truncate|$HOME/.bashrc": REFUSED,
  "chmod|$HOME/.bashrc": REFUSED,
  "write|$STORE/receipts/attack.json": REFUSED,
  "write|$STORE/bin/kubectl-evil": REFUSED,
  "call|266/36|x|-100|$STORE/bin/kubectl-evil": "EACCES", // symlinkat
  "remove|$STORE/bin/kubectl-attack": REFUSED,
  "rename|$STORE/receipts|$STORE/gone": REFUSED,
  "make|$HOME/made": REFUSED,
  "remove|$HOME/.ssh/id_ed25519": REFUSED,
  "link|$HOME/.ssh/id_ed25519|$STORE/log/key": "Error", // EXDEV
  "run|/bin/true": REFUSED,
  "call|59/221|/bin/true|0|0": "EPERM", // execve
  "call|322/281|-100|/bin/true|0|0|0": "EPERM", // execveat
  "call|56/220|17|0|0|0|0": "EPERM", // clone: a process
  "call|101/117|16|$PID|0|0": "EPERM", // ptrace: PTRACE_ATTACH
  "call|310/270|$PID|$|0|$|0|0": "EPERM", // process_vm_readv
  "call|438|0|0|0": "EPERM", // pidfd_getfd
  "call|425|1|$": "EPERM", // io_uring_setup
  "call|165/40|x|/|tmpfs|0|0": "EPERM", // mount
  "call|321/280|0|$|0": "EPERM", // bpf
  "call|250/219|0|0": "EPERM", // keyctl
  "call|16/29|0|21522|x": "EPERM", // ioctl: TIOCSTI
  "kill|$PID": REFUSED,
};

/** What a run without a network may not do besides. */
const NO_NETWORK: Orders = {
  "listen": REFUSED,
  "call|41/198|2|1|0": "EACCES", // socket: TCP
  "call|41/198|2|2|0": "EACCES", // UDP
  "call|41/198|1|1|0": "EACCES", // of the file system
  "call|41/198|16|3|0": "EACCES", // the kernel's tables
};

Deno.test("with the kernel's wall alone", {
  ignore: without(),
  sanitizeOps: false, // jco begins to load when it is imported
  sanitizeResources: false,
}, async (t) => {
  const directory = temporaryDirectory();
  const binary = await compile({
    output: `${directory}/krew-wasm`,
    quiet: true,
    uncached: true,
    importsAll: true,
    replace: OPEN,
  });
  await using stage = await Stage.make({ binary });
  Deno.writeTextFileSync(`${stage.home}/cloud.json`, '{"token":"s3cr3t-json"}');
  const other = new Deno.Command("sleep", { args: ["600"], stdin: "null" }).spawn();
  const expand = (order: string) => order.replace("$PID", String(other.pid));
  const check = async (orders: Orders, options: Parameters<Stage["attack"]>[2] = {}) => {
    stage.reset();
    const before = stage.snapshot();
    const names = Object.keys(orders);
    const { code, stdout, stderr } = await stage.attack(
      "preview1",
      names.flatMap((order) => ["door", expand(order), ","]),
      options,
    );
    assert.equal(code, 0, stderr);
    const got = stdout.trimEnd().split("\n");
    assert.deepEqual(Object.fromEntries(names.map((name, index) => [name, got[index]])), orders);
    assert.doesNotMatch(stdout + stderr, /s3cr3t-/);
    return { before, after: stage.snapshot() };
  };
  /** Orders that take their time, each with a request that lets it pass. */
  const checkLater = async (orders: Orders) => {
    stage.reset();
    const wait = ["request", "get", "$SERVER/version", "", ","];
    const names = Object.keys(orders);
    const { code, stdout, stderr } = await stage.attack(
      "preview1",
      names.flatMap((
        order,
      ) => ["door", expand(order), ",", ...wait, ...wait, ...wait, "door", "outcome", ","]),
      { network: true },
    );
    assert.equal(code, 0, stderr);
    const got = stdout.trimEnd().split("\n").filter((line) => !/^(?:200|later)/.test(line));
    assert.deepEqual(Object.fromEntries(names.map((name, index) => [name, got[index]])), orders);
  };
  try {
    await t.step("a plugin without a cluster has its own files, and nothing else", async () => {
      const { before, after } = await check({ ...NEVER, ...NO_NETWORK });
      assert.deepEqual(after, before);
      assert.equal(stage.decoyHits(), 0);
    });
    await t.step("its private directory is its own", async () => {
      await check({
        "write|$STORE/data/attack/tmp/x": "ok",
        "read|$STORE/data/attack/tmp/x": "ok",
        "write|$STORE/data/x": REFUSED,
        "write|$STORE/log/x": "ok",
        "make|$STORE/log/x.d": REFUSED,
        "remove|$STORE/log/x": "ok",
      });
    });
    await t.step("a directory that is granted to be read", async () => {
      const { before, after } = await check({
        ...NEVER,
        "read|$WORK/bait": "ok",
        "append|$WORK/bait": REFUSED,
        "remove|$WORK/bait": REFUSED,
        "write|$WORK/new": REFUSED,
        "call|266/36|x|-100|$WORK/new": "EACCES", // symlinkat
      }, { granted: "--allow-read=$WORK" });
      assert.deepEqual(after, before);
    });
    await t.step("a directory that is granted to be changed, and no link leads out of it", async () => {
      await check({
        ...NEVER,
        "call|266/36|../.ssh/id_ed25519|-100|$WORK/link": "ok", // symlinkat
        "read|$WORK/link": REFUSED,
        "append|$WORK/link": REFUSED,
        "link|$HOME/.bashrc|$WORK/hard": "Error", // EXDEV
        "rename|$HOME/.bashrc|$WORK/bashrc": REFUSED,
        "rename|$WORK/bait|$HOME/bait": REFUSED,
        "rename|$WORK/bait|$WORK/sub/moved": "ok",
        "call|133/33|$WORK/device|8630|259": "EPERM", // mknod: /dev/null's like
      }, { granted: "--allow-write=$WORK" });
    });
    await t.step("a file that is granted to be read, and none beside it", async () => {
      await check({
        "read|$WORK/bait": "ok",
        "read|$WORK/sub/bait": REFUSED,
        "list|$WORK": REFUSED,
        "append|$WORK/bait": REFUSED,
      }, { granted: "--allow-read=$WORK/bait" });
    });
    await t.step("a plugin with a cluster reaches its port, and no program, file or other port", async () => {
      const { before, after } = await check({
        ...NEVER,
        "listen": REFUSED,
        "call|41/198|2|1|262": "EACCES", // MPTCP
        "call|41/198|2|2|0": "EACCES", // UDP: its API server is an address
        "call|41/198|1|1|0": "EACCES",
      }, { network: true });
      assert.deepEqual(after, before);
    });
    await t.step(
      "what takes its time is no way around: other threads, modules, workers, connections",
      async () => {
        await checkLater({
          "readLater|$HOME/.ssh/id_ed25519": REFUSED,
          "readElsewhere|$HOME/.ssh/id_ed25519": REFUSED,
          "import|$HOME/cloud.json": "TypeError",
          "worker|$HOME/.ssh/id_ed25519": REFUSED,
          "connect|127.0.0.1|$PORT": "ok",
          "connect|127.0.0.1|$DECOYPORT": REFUSED,
        });
        assert.equal(stage.decoyHits(), 0);
      },
    );
    await t.step("the same of a file that is only tried out", async () => {
      stage.reset();
      const before = stage.snapshot();
      const orders = ["read|$HOME/.ssh/id_ed25519", "run|/bin/true", "write|$HOME/.bashrc"];
      const module = `${stage.home}/attack.wasm`;
      Deno.copyFileSync(await buildFixture("attack"), module);
      const { stdout } = await stage.product.exec(stage.product.command, [
        ...["run", module, "--"],
        ...orders.flatMap((order) => ["door", stage.expand(order), ","]),
      ]);
      assert.deepEqual(stdout.trimEnd().split("\n"), orders.map(() => REFUSED));
      Deno.removeSync(module);
      assert.deepEqual(stage.snapshot(), before);
    });
  } finally {
    other.kill("SIGKILL");
    await other.status;
    await Deno.remove(directory, { recursive: true });
  }
});
