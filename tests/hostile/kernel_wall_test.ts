/**
 * Tests the third wall alone. In this build the sandbox carries out a plugin's orders (broken/any_order.ts), and the
 * process keeps Deno's permissions (broken/wall.ts). Only the kernel stops the orders.
 */

import assert from "node:assert/strict";
import { shellQuoted } from "../../runtime/base/text.ts";
import { compile } from "../../scripts/compile.ts";
import { buildFixture } from "../../scripts/fixtures.ts";
import { landlockMissing } from "../support/landlock.ts";
import { binaryUnderTest, clangMissing } from "../support/product.ts";
import { atTerminal, terminalMissing } from "../support/terminal.ts";
import { READ } from "../support/file_trees.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { Stage } from "./stage.ts";

const OPEN = {
  "runtime/wasi/random_bytes.ts": "tests/hostile/broken/any_order.ts",
  "runtime/sandbox/process_permissions.ts": "tests/hostile/broken/wall.ts",
};

/** The build needs a Deno that can compile, which exists where the binary under test was made. */
const without = () => Deno.build.os !== "linux" || !binaryUnderTest() || clangMissing() || landlockMissing();

/** Orders and their required outcomes. */
type Orders = Readonly<Record<string, string>>;

const REFUSED = "PermissionDenied";

/** Forbidden in every run, whatever was granted. */
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
  "call|56/220|17|0|0|0|0": "EPERM", // clone: a new process
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

/** A request in a run's message. */
const DELETE_POD = {
  ...{ isResource: true, path: "/api/v1/namespaces/demo/pods/web", verb: "delete" },
  ...{ apiGroup: "", apiVersion: "v1", namespace: "demo", resource: "pods", subresource: "", name: "web" },
};

/** Also forbidden in a run without a network. */
const NO_NETWORK: Orders = {
  "listen": REFUSED,
  "call|41/198|2|1|0": "EACCES", // socket: TCP
  "call|41/198|2|2|0": "EACCES", // UDP
  "call|41/198|1|1|0": "EACCES", // a socket in the file system
  "call|41/198|16|3|0": "EACCES", // netlink
};

Deno.test("with the kernel's wall alone", {
  ignore: without(),
  sanitizeOps: false, // importing jco starts to load files
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
    const expected = Object.fromEntries(names.map((name) => [name, stage.expand(orders[name]!)]));
    assert.deepEqual(Object.fromEntries(names.map((name, index) => [name, got[index]])), expected);
    assert.doesNotMatch(stdout + stderr, /s3cr3t-/);
    return { before, after: stage.snapshot() };
  };
  /** Orders that finish later. A request for each lets time pass. */
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
    await t.step("a plugin without a cluster reaches its own files only", async () => {
      const { before, after } = await check({ ...NEVER, ...NO_NETWORK });
      assert.deepEqual(after, before);
      assert.equal(stage.decoyHits(), 0);
    });
    await t.step("a plugin may use its private directory", async () => {
      await check({
        "write|$STORE/data/attack/tmp/x": "ok",
        "read|$STORE/data/attack/tmp/x": "ok",
        "write|$STORE/data/x": REFUSED,
        "write|$STORE/log/x": "ok",
        "make|$STORE/log/x.d": REFUSED,
        "remove|$STORE/log/x": "ok",
      });
    });
    await t.step("a directory granted for reading cannot be changed", async () => {
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
    await t.step("no link leads out of a directory granted for writing", async () => {
      await check({
        ...NEVER,
        "call|266/36|../.ssh/id_ed25519|-100|$WORK/link": "ok", // symlinkat
        "read|$WORK/link": REFUSED,
        "append|$WORK/link": REFUSED,
        "link|$HOME/.bashrc|$WORK/hard": "Error", // EXDEV
        "rename|$HOME/.bashrc|$WORK/bashrc": REFUSED,
        "rename|$WORK/bait|$HOME/bait": REFUSED,
        "rename|$WORK/bait|$WORK/sub/moved": "ok",
        "call|133/33|$WORK/device|8630|259": "EPERM", // mknod, as for /dev/null
      }, { granted: "--allow-write=$WORK" });
    });
    await t.step("a grant of one file for reading allows no file beside it", async () => {
      await check({
        "read|$WORK/bait": "ok",
        "read|$WORK/sub/bait": REFUSED,
        "list|$WORK": REFUSED,
        "append|$WORK/bait": REFUSED,
      }, { granted: "--allow-read=$WORK/bait" });
    });
    await t.step("a plugin with a cluster reaches that port only, no program and no file", async () => {
      const { before, after } = await check({
        ...NEVER,
        "listen": REFUSED,
        "call|41/198|2|1|262": "EACCES", // MPTCP
        "call|41/198|2|2|0": "EACCES", // UDP: the API server is an address
        "call|41/198|1|1|0": "EACCES",
      }, { network: true });
      assert.deepEqual(after, before);
    });
    await t.step(
      "threads, modules, workers and connections do not avoid the wall",
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
    await t.step("a plugin reaches only the used one of a kubeconfig's servers", async () => {
      const config = JSON.parse(stage.api.kubeconfig());
      config.clusters.push({
        name: "other",
        cluster: { server: stage.expand("https://127.0.0.1:$DECOYPORT") },
      });
      Deno.writeTextFileSync(`${stage.home}/.kube/config`, JSON.stringify(config));
      await checkLater({
        "connect|127.0.0.1|$PORT": "ok",
        "connect|127.0.0.1|$DECOYPORT": REFUSED,
        "readLater|$HOME/.ssh/id_ed25519": REFUSED,
      });
      Deno.writeTextFileSync(`${stage.home}/.kube/config`, stage.api.kubeconfig());
      assert.equal(stage.decoyHits(), 0);
    });
    await t.step(
      "the broker creates a file that is granted, and no other",
      async () => {
        const open = (node: number, path: string, more = {}) =>
          `broker|${
            JSON.stringify({
              ask: "file",
              name: "openAt",
              node,
              path,
              options: { ...READ, write: true, create: true, ...more },
            })
          }`;
        await check({
          ...NEVER,
          "write|$WORK/new": REFUSED,
          "write|$WORK/other": REFUSED,
          [open(1, "new")]: "ok",
          "append|$WORK/new": REFUSED, // created later and open outside
          [open(1, "other")]: "no-entry",
          [open(1, "../.ssh/id_ed25519")]: "not-permitted",
          [open(1, "$HOME/.ssh/id_ed25519")]: "not-permitted",
          [open(3, "new")]: "not-directory", // the file that was opened first
          [open(7, "new")]: "node is not open",
          'broker|{"ask":"file","name":"symlinkAt","node":1,"path":"new","target":"x"}': "exist",
          'broker|{"ask":"file","name":"unlinkFileAt","node":1,"path":"new"}': "ok",
          'broker|{"ask":"mount","mount":{"guest":"/","host":"$HOME","write":true,"makesDirectory":false,"only":null,"names":[],"through":null}}':
            'Nobody granted "$HOME"',
          'broker|{"ask":"read","path":"$HOME/.ssh/id_ed25519"}': "the kubeconfig does not name it",
          'broker|{"ask":"file","name":"constructor"}': 'there is no "constructor"',
          'broker|{"ask":"everything"}': "it asks for nothing that there is",
          "broker|[]": "it is no object",
        }, { granted: "--allow-write=$WORK/new" });
      },
    );
    await t.step("only the broker starts the credential plugin", async () => {
      stage.reset();
      const config = JSON.parse(stage.api.kubeconfig());
      const apiVersion = "client.authentication.k8s.io/v1";
      const credential = { apiVersion, kind: "ExecCredential", status: { token: stage.api.token } };
      Deno.writeTextFileSync(
        `${stage.home}/credential`,
        `#!/bin/sh\necho "$0 $# $SECRET_OF_MINE" >&2\necho '${JSON.stringify(credential)}'\n`,
        { mode: 0o755 },
      );
      config.users[0].user = {
        exec: { apiVersion, command: "../credential", interactiveMode: "Never" },
      };
      Deno.writeTextFileSync(`${stage.home}/.kube/config`, JSON.stringify(config));
      const orders: Orders = {
        ...NEVER,
        "read|$HOME/credential": REFUSED,
        "run|$HOME/credential": REFUSED,
        // The kubeconfig's present content does not count.
        'broker|{"ask":"read","path":"$HOME/.kube/config"}': "the kubeconfig does not name it",
      };
      const names = Object.keys(orders);
      const { stdout, stderr } = await stage.attack("preview1", [
        ...["request", "get", "$SERVER/version", "", ","],
        ...names.flatMap((order) => ["door", expand(order), ","]),
      ], { network: true, env: { SECRET_OF_MINE: "kept" } });
      const [answer, ...got] = stdout.trimEnd().split("\n");
      assert.match(answer!, /^200/, stderr);
      assert.equal(stderr, `${stage.home}/credential 0 kept\n`);
      assert.deepEqual(Object.fromEntries(names.map((name, index) => [name, got[index]])), orders);
      Deno.removeSync(`${stage.home}/credential`);
      Deno.writeTextFileSync(`${stage.home}/.kube/config`, stage.api.kubeconfig());
    });
    await t.step("the broker reads a token file again, but follows no new link", async () => {
      const config = JSON.parse(stage.api.kubeconfig());
      config.users[0].user = { tokenFile: stage.expand("$WORK/token") };
      Deno.writeTextFileSync(`${stage.home}/.kube/config`, JSON.stringify(config));
      const again = 'broker|{"ask":"read","path":"$WORK/token"}';
      await check({
        ...NEVER,
        "write|$WORK/token": "ok",
        [again]: "ok",
        "remove|$WORK/token": "ok",
        "call|266/36|../.ssh/id_ed25519|-100|$WORK/token": "ok", // symlinkat
        [again.replace("token", "../token")]: "the kubeconfig does not name it",
        [again.replace(":", ": ")]: "it leads elsewhere than when the plugin was started",
      }, { granted: "--allow-write=$WORK", network: true });
      Deno.writeTextFileSync(`${stage.home}/.kube/config`, stage.api.kubeconfig());
    });
    await t.step({
      name: "the broker opens only what it showed to the person",
      ignore: terminalMissing(),
      async fn() {
        stage.reset();
        const before = stage.snapshot();
        const ask = (path: string, write: boolean, more = {}) =>
          `broker|${
            JSON.stringify({ ask: "person", about: "file", path, write, directory: false, ...more })
          }`;
        const mount = (host: string, write: boolean, name?: string) =>
          `broker|${
            JSON.stringify({
              ask: "mount",
              mount: {
                ...{ guest: "/x", host, write, makesDirectory: false, names: [], through: null },
                only: name === undefined ? null : [name],
              },
            })
          }`;
        const none = (path: string) => `Nobody granted "${stage.expand(path)}"`;
        const orders: Orders = {
          ...NEVER,
          [ask("$HOME/.bashrc", true, { what: "read nothing", parts: [["path", "/dev/null"]] })]: "ok",
          [mount("$HOME", true, ".bashrc")]: none("$HOME"),
          [ask("$WORK/bait", false)]: "ok",
          [mount("$WORK", true, "bait")]: none("$WORK"),
          [mount("$WORK", false)]: none("$WORK"),
          [mount("$WORK", false, "sub")]: none("$WORK"),
          [mount("$WORK", false, "bait")]: "ok",
          [mount("$WORK", false, "bait") + " "]: none("$WORK"), // the grant was for once
          [ask("$STORE/receipts/attack.json", true)]: "ok",
          [mount("$STORE/receipts", true, "attack.json")]: none("$STORE/receipts"),
          [ask("../x", true)]: "path is not absolute",
          [ask("$WORK/bait\0x", false)]: "path is no text",
          [ask("$WORK/bait\ud800", false)]: "path is no text",
          'broker|{"ask":"person","about":"cluster","info":{"verb":"get"}}':
            "isResource is missing or of another kind",
        };
        const names = Object.keys(orders);
        const words = names.map((order) => `door ${shellQuoted(stage.expand(expand(order)))} ,`).join(" ");
        const { text } = await atTerminal(stage.product, `kubectl-attack ${words}`, [
          ["[n]o", "n\r"],
          ["[n]o", "o\r"],
          ["[n]o", "n\r"],
        ]);
        for (const path of ["$HOME/.bashrc", "$WORK/bait", "$STORE/receipts/attack.json"]) {
          assert.match(text, new RegExp(` {2}path {7}${stage.expand(path).replaceAll(".", "\\.")}\r\n`));
        }
        assert.doesNotMatch(text, /dev\/null|s3cr3t/);
        const got = text.split("\r\n").filter((line) =>
          /^(?:ok|E[A-Z]+|Error|PermissionDenied|Nobody.*|path is.*|isResource.*)$/.test(line)
        );
        assert.deepEqual(
          Object.fromEntries(names.map((name, index) => [name, got[index]])),
          orders,
          text,
        );
        assert.deepEqual(stage.snapshot(), before);
      },
    });
    await t.step({
      name: "the broker asks nothing about a denied file",
      ignore: terminalMissing(),
      async fn() {
        const ask = (info: unknown) => `broker|${JSON.stringify({ ask: "person", about: "cluster", info })}`;
        const orders = [
          ask(DELETE_POD),
          ask({ ...DELETE_POD, name: "" }),
          ask(null), // a raw socket
          ask({ ...DELETE_POD, verb: "get" }),
        ];
        const words = orders.map((order) => `door ${shellQuoted(order)} ,`).join(" ");
        const { text } = await atTerminal(
          stage.product,
          `krew-wasm run --allow-cluster=none --deny-cluster=delete:pods attack-network -- ${words}`,
          [["[n]o", "n\r"]],
        );
        assert.equal(text.split("[n]o").length, 2, text);
        assert.match(text, / {2}verb {7}get\r\n/);
      },
    });
    await t.step("the broker serves a file that runs without installing", async () => {
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
      // A run of a file keeps its compiled form in the store.
      const cache = `${stage.product.store}/cache`;
      const others = [...stage.snapshot()].filter(([path]) =>
        path !== cache && !path.startsWith(`${cache}/`)
      );
      assert.deepEqual(new Map(others), before);
    });
  } finally {
    other.kill("SIGKILL");
    await other.status;
    await Deno.remove(directory, { recursive: true });
  }
});
