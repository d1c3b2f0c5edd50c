/**
 * Denied files in two worlds: they exist in one only. Random operations must get the same answers in both, and never
 * an answer that reveals the denied files.
 */

import assert from "node:assert/strict";
import { WasiError } from "../../../../runtime/wasi/errno.ts";
import type { DirectoryNode, FileTree, Stat } from "../../../../runtime/wasi/files/file_tree.ts";
import { type Operation, operations, perform } from "../../../support/file_operations.ts";
import { IMPLEMENTATIONS, type OpenTree, READ } from "../../../support/file_trees.ts";
import { fc, fuzz } from "../../../support/fuzz.ts";

/** The plugin's own names, the denied ones (`d`, and `e` in `a`), and `out`, a link that leads elsewhere. */
const names = fc.constantFrom("a", "b", "c", "d", "d", "e", "D");
const parts = fc.array(
  fc.oneof({ weight: 6, arbitrary: names }, fc.constantFrom("..", ".", "", "id", "up")),
  {
    minLength: 1,
    maxLength: 4,
  },
);
const paths = fc.oneof(
  names,
  fc.tuple(parts, fc.constantFrom("", "", "/", "//", "/.")).map(([parts, end]) => parts.join("/") + end),
);
const targets = fc.oneof(paths, fc.constantFrom("d", "d/id", "../d", "a/e", "..", "/", "../out"));

/** The file at the denied paths, in the world where it exists. */
const kinds = ["directory", "empty", "file", "link", "dangling", "loop"] as const;
type Kind = typeof kinds[number];

function put(path: string, kind: Kind, outside: string): void {
  if (kind === "file") Deno.writeTextFileSync(path, "s3cr3t");
  else if (kind === "link") Deno.symlinkSync(outside, path);
  else if (kind === "dangling") Deno.symlinkSync("nowhere", path);
  else if (kind === "loop") Deno.symlinkSync(path.slice(path.lastIndexOf("/") + 1), path);
  else Deno.mkdirSync(path);
  if (kind === "directory") {
    Deno.mkdirSync(`${path}/a`);
    Deno.writeTextFileSync(`${path}/id`, "s3cr3t");
    Deno.symlinkSync("id", `${path}/b`);
  }
}

class World {
  readonly root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "denied-" }));
  readonly tree: FileTree;
  readonly #handles: DirectoryNode[];

  constructor(open: OpenTree, write: boolean, denied: Kind | undefined) {
    const { root } = this;
    for (const name of ["in/a/b", "in/c", "out"]) Deno.mkdirSync(`${root}/${name}`, { recursive: true });
    Deno.writeTextFileSync(`${root}/out/id`, "s3cr3t");
    Deno.writeTextFileSync(`${root}/in/b`, "bait");
    Deno.symlinkSync("d", `${root}/in/c/up`);
    if (denied) {
      put(`${root}/in/d`, denied, `${root}/out`);
      put(`${root}/in/a/e`, denied, `${root}/out`);
    }
    this.tree = open({
      mounts: [{ guest: "/g", host: `${root}/in`, write }],
      deniedPaths: [`${root}/in/d`, `${root}/in/a/e`],
    });
    const node = this.tree.roots[0]!.node;
    const below = (path: string) =>
      this.tree.openAt(node, path, { ...READ, directory: true }) as DirectoryNode;
    this.#handles = [node, below("a"), below("c"), node];
  }

  step(operation: Operation & { readonly handle: number }): string {
    const at = this.#handles[operation.handle]!;
    const to = "handles" in operation ? this.#handles[operation.handles]! : at;
    try {
      const answer = perform(this.tree, operation, at, to);
      const { links, size } = this.tree.stat(this.#handles[0]!) as Stat;
      return `ok ${answer}, ${links} links of ${size} bytes`;
    } catch (error) {
      if (error instanceof WasiError) return error.errno;
      throw error;
    }
  }

  /** Everything except the denied files. */
  left(): unknown {
    const visit = (path: string): unknown =>
      Object.fromEntries(
        [...Deno.readDirSync(path)].filter(({ name }) =>
          !["in/d", "in/a/e"].includes(`${path}/${name}`.slice(this.root.length + 1))
        ).sort((a, b) => a.name < b.name ? -1 : 1).map(({ name, isDirectory, isSymlink }) => {
          const at = `${path}/${name}`;
          return [
            name,
            isDirectory ? visit(at) : isSymlink ? `-> ${Deno.readLinkSync(at)}` : Deno.readTextFileSync(at),
          ];
        }),
      );
    return visit(this.root);
  }

  [Symbol.dispose](): void {
    for (const handle of new Set(this.#handles.slice(1, 3))) handle.close();
    this.tree[Symbol.dispose]();
    Deno.removeSync(this.root, { recursive: true });
  }
}

/** The denied files by type and size. */
function deniedIn({ root }: World): unknown {
  return ["in/d", "in/a/e"].map((path) => {
    const { isDirectory, isSymlink, size } = Deno.lstatSync(`${root}/${path}`);
    return [
      path,
      isDirectory,
      isSymlink,
      isDirectory ? [...Deno.readDirSync(`${root}/${path}`)].length : size,
    ];
  });
}

for (const [implementation, open] of Object.entries(IMPLEMENTATIONS)) {
  Deno.test({
    name: `no answer reveals whether a denied file exists (${implementation})`,
    ignore: Deno.build.os === "windows",
    fn: () =>
      fuzz(
        `denied files ${implementation}`,
        fc.property(
          fc.array(operations(paths, targets), { minLength: 1, maxLength: 20 }),
          fc.constantFrom(...kinds),
          fc.nat(4).map((n) => n > 0),
          (operations, kind, write) => {
            using there = new World(open, write, kind);
            using missing = new World(open, write, undefined);
            const before = deniedIn(there);
            for (const operation of operations) {
              const answer = there.step(operation);
              assert.equal(answer, missing.step(operation), `${kind}: ${JSON.stringify(operation)}`);
              assert.doesNotMatch(answer, /s3cr3t/, JSON.stringify(operation));
            }
            assert.deepEqual(deniedIn(there), before);
            assert.deepEqual(there.left(), missing.left());
          },
        ),
      ),
  });
}
