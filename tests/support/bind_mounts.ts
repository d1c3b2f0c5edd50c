/**
 * Prints what a tree sees of a home whose parts are mounted twice. protection_test.ts runs it with a tree's name and a
 * directory.
 */

import type { AnyFile } from "../../runtime/wasi/files/file_tree.ts";
import { errnoOf, IMPLEMENTATIONS, READ, read, WRITE } from "./file_trees.ts";

const [implementation = "", base = ""] = Deno.args;
const home = `${base}/home`;
const tree = IMPLEMENTATIONS[implementation]!({
  mounts: [{ guest: "/w", host: `${base}/work`, write: true }],
  overlays: [{ host: `${home}/.kube/config`, content: () => new TextEncoder().encode("redacted") }],
  protectedPaths: [`${home}/.krew-wasm`],
  deniedPaths: [`${home}/.ssh`],
});
const at = tree.roots[0]!.node;
const close = (node: unknown) => (node as AnyFile).close();
const attempts: Record<string, () => unknown> = {
  "write m/s/kubectl-x": () => close(tree.openAt(at, "m/s/kubectl-x", WRITE)),
  "make m/s/kubectl-y": () => close(tree.openAt(at, "m/s/kubectl-y", WRITE)),
  "remove m/s/kubectl-x": () => tree.unlinkFileAt(at, "m/s/kubectl-x"),
  "make m/h/.krew-wasm/bin/x": () => close(tree.openAt(at, "m/h/.krew-wasm/bin/x", WRITE)),
  "move m/h/.krew-wasm": () => tree.renameAt(at, "m/h/.krew-wasm", at, "m/h/gone"),
  "move m/h/.kube": () => tree.renameAt(at, "m/h/.kube", at, "m/h/gone"),
  "write m/f": () => close(tree.openAt(at, "m/f", WRITE)),
  "touch m/f": () => tree.setTimesAt(at, "m/f", true, 0n, 0n),
  "read m/g": () => close(tree.openAt(at, "m/g", READ)),
  "stat m/g": () => tree.statAt(at, "m/g", true),
  "read m/k/id": () => close(tree.openAt(at, "m/k/id", READ)),
  "read m/h/.ssh/keys/id": () => close(tree.openAt(at, "m/h/.ssh/keys/id", READ)),
  "make m/h/mine": () => close(tree.openAt(at, "m/h/mine", WRITE)),
};
const seen: Record<string, string> = {
  "read m/h/.kube/config": read(tree.openAt(at, "m/h/.kube/config", READ)),
};
for (const [what, attempt] of Object.entries(attempts)) seen[what] = errnoOf(attempt);
// deno-lint-ignore no-console -- the test reads it
console.log(JSON.stringify(seen));
