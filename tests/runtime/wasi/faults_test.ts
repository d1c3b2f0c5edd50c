/**
 * A check that can't be made refuses. A plugin can use up descriptors and memory, so each system call during an
 * operation is made to fail here, one at a time. Protected files must stay unchanged.
 */

import assert from "node:assert/strict";
import type { Files } from "../../../runtime/sandbox/types.ts";
import { WasiError } from "../../../runtime/wasi/errno.ts";
import type { AnyFile, DirectoryNode, FileTree } from "../../../runtime/wasi/files/file_tree.ts";
import { Kernel } from "../../../runtime/wasi/files/linux/file_calls.ts";
import { type OpenTree, READ, read, testTrees, WRITE } from "../../support/file_trees.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

type Functions = Record<string, (...args: unknown[]) => unknown>;

/** The functions with which both trees ask the system; none that closes or changes something. */
const QUESTIONS: readonly (readonly [object: object, names: readonly string[]])[] = [
  [Kernel.prototype, [
    ...["open", "openPlain", "stat", "statAt", "typeAt", "glance", "glanceDirectory", "glanceHost"],
    ...["isMountRootAt", "mountId", "readLink", "readEntries"],
  ]],
  [Deno, ["lstatSync", "statSync", "readDirSync", "readLinkSync", "realPathSync", "openSync"]],
];

const FAULTS: Readonly<Record<string, () => [WasiError, Error]>> = Object.fromEntries(
  ([["too-many-open", "EMFILE"], ["insufficient-memory", "ENOMEM"], ["io", "EIO"]] as const).map((
    [errno, code],
  ) => [code, () => [new WasiError(errno), Object.assign(new Error(code), { code })]]),
);

/** Makes the nth question fail while `act` runs; returns whether there were so many. */
function withFault(number: number, fault: () => [WasiError, Error], act: () => void): boolean {
  let asked = 0;
  const restore: (() => void)[] = [];
  for (const [object, names] of QUESTIONS) {
    const functions = object as Functions;
    for (const name of names) {
      const real = functions[name]!;
      functions[name] = function (this: unknown, ...args) {
        if (asked++ !== number) return real.apply(this, args);
        throw fault()[object === Deno ? 1 : 0];
      };
      restore.push(() => functions[name] = real);
    }
  }
  try {
    act();
  } finally {
    for (const undo of restore) undo();
  }
  return asked > number;
}

/** A home with files that are protected in every way. */
function makeHome(home: string): Partial<Files> {
  Deno.mkdirSync(`${home}/real/kube`, { recursive: true });
  Deno.mkdirSync(`${home}/store/receipts`, { recursive: true });
  Deno.mkdirSync(`${home}/secret`);
  Deno.mkdirSync(`${home}/mine/sub`, { recursive: true });
  Deno.writeTextFileSync(`${home}/mine/file`, "mine");
  Deno.writeTextFileSync(`${home}/real/kube/config`, "token");
  Deno.symlinkSync("real/kube", `${home}/.kube`);
  Deno.writeTextFileSync(`${home}/store/receipts/a`, "receipt");
  Deno.linkSync(`${home}/store/receipts/a`, `${home}/mine/receipt`);
  Deno.writeTextFileSync(`${home}/secret/key`, "secret");
  Deno.linkSync(`${home}/secret/key`, `${home}/mine/key`);
  return {
    overlays: [{ host: `${home}/.kube/config`, content: () => new TextEncoder().encode("redacted") }],
    protectedPaths: [`${home}/store`, `${home}/missing/file`],
    deniedPaths: [`${home}/secret`],
  };
}

/** Forbidden operations. Each returns the text that it read, which must not be a secret. */
const ATTEMPTS: Readonly<Record<string, (tree: FileTree, at: DirectoryNode) => unknown>> = {
  "move the link": (tree, at) => tree.renameAt(at, ".kube", at, "mine/k"),
  "remove the link": (tree, at) => tree.unlinkFileAt(at, ".kube"),
  "move a directory on the way": (tree, at) => tree.renameAt(at, "real", at, "mine/r"),
  "move the store": (tree, at) => tree.renameAt(at, "store", at, "mine/s"),
  "replace what is protected": (tree, at) => tree.renameAt(at, "mine/file", at, "store/receipts/a"),
  "write what is protected": (tree, at) => (tree.openAt(at, "store/receipts/a", WRITE) as AnyFile).close(),
  "write by a further name": (tree, at) => (tree.openAt(at, "mine/receipt", WRITE) as AnyFile).close(),
  "link a further name": (tree, at) => tree.linkAt(at, "mine/receipt", false, at, "mine/again"),
  "set times of a further name": (tree, at) => tree.setTimesAt(at, "mine/receipt", true, 0n, 0n),
  "put a directory on the way to what is not there": (tree, at) =>
    tree.renameAt(at, "mine/sub", at, "missing"),
  "put a link there": (tree, at) => tree.symlinkAt("mine", at, "missing"),
  "read what is denied": (tree, at) => read(tree.openAt(at, "secret/key", READ)),
  "read what is denied by a further name": (tree, at) => read(tree.openAt(at, "mine/key", READ)),
};

/** Allowed operations with their possible results. */
const SHOWN: Readonly<Record<string, (tree: FileTree, at: DirectoryNode) => string>> = {
  "redacted": (tree, at) => read(tree.openAt(at, "real/kube/config", READ)),
  "8": (tree, at) => String((tree.statAt(at, "real/kube/config", true) as { size: bigint }).size),
  ".kube,mine,real,store": (tree, at) => {
    const listing = tree.readDirectory(at);
    try {
      const names: string[] = [];
      for (let entry = listing.at(0); entry; entry = listing.at(names.length)) {
        names.push(new TextDecoder().decode(entry.name));
      }
      return names.sort().join();
    } finally {
      listing.close();
    }
  },
};

/** Runs one operation with a fault at each question. `shown`: its possible result; undefined if it is always refused. */
function sweep(
  open: OpenTree,
  what: string,
  attempt: (tree: FileTree, at: DirectoryNode) => unknown,
  shown?: string,
): void {
  for (const [code, fault] of Object.entries(FAULTS)) {
    for (let number = 0, met = true; met; number++) {
      assert.ok(number < 1000, `${what} has an end`);
      const base = temporaryDirectory();
      const home = `${base}/home`;
      const files = makeHome(home);
      {
        using tree = open({ mounts: [{ guest: "/h", host: home, write: true }], ...files });
        const at = tree.roots[0]!.node;
        let result: unknown = "refused";
        met = withFault(number, fault, () => {
          try {
            result = attempt(tree, at);
          } catch (error) {
            assert.ok(error instanceof WasiError, `${what}, ${code} at ${number}: ${error}`);
          }
        });
        const isRight = result === "refused" ? met || shown === undefined : result === shown;
        assert.ok(isRight, `${what}, ${code} at ${number}: ${result}`);
      }
      assert.equal(Deno.readTextFileSync(`${home}/.kube/config`), "token", `${what}, ${code} at ${number}`);
      assert.equal(Deno.readTextFileSync(`${home}/store/receipts/a`), "receipt");
      Deno.removeSync(base, { recursive: true });
    }
  }
}

for (const [what, attempt] of Object.entries(ATTEMPTS)) {
  testTrees(`refuses to ${what} when a check fails`, (open, implementation) => {
    // The broker uses the same tree.
    if (implementation === "by a broker") return;
    sweep(open, what, attempt);
  });
}

for (const [shown, attempt] of Object.entries(SHOWN)) {
  testTrees(`shows "${shown}" or an error when a check fails`, (open, implementation) => {
    if (implementation === "by a broker") return;
    sweep(open, shown, attempt, shown);
  });
}
