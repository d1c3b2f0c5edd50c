import assert from "node:assert/strict";
import fc from "fast-check";
import { WasiError } from "../../../runtime/wasi/errno.ts";
import { resolvePath, type Tree } from "../../../runtime/wasi/paths.ts";

/** A tree in memory: directories are objects, links are strings, files are null. */
type Model = { [name: string]: Model | string | null };

function treeOf(root: Model): Tree {
  const find = (path: readonly string[]): Model | string | null | undefined => {
    let node: Model | string | null | undefined = root;
    for (const name of path) {
      node = typeof node === "object" && node !== null && Object.hasOwn(node, name) ? node[name] : undefined;
    }
    return node;
  };
  return {
    readLink: (path) => {
      const node = find(path);
      return typeof node === "string" ? node : undefined;
    },
    isDirectory: (path) => {
      const node = find(path);
      if (node === undefined) throw new WasiError("no-entry");
      return typeof node === "object" && node !== null;
    },
  };
}

const TREE: Model = {
  a: { b: { file: null }, up: "..", out: "../..", abs: "/etc", loop: "loop2", loop2: "loop", "to-b": "b/" },
  link: "a/b",
  file: null,
};
const resolve = (path: string, base: string[] = [], follow = true) => {
  try {
    return resolvePath(treeOf(TREE), base, path, follow).path.join("/");
  } catch (error) {
    return (error as WasiError).errno;
  }
};

Deno.test("resolvePath() walks names, dots and links", () => {
  const cases: [path: string, result: string][] = [
    [".", ""],
    ["a", "a"],
    ["a/b", "a/b"],
    ["a//b/", "a/b"],
    ["./a/./b/.", "a/b"],
    ["a/b/..", "a"],
    ["a/../file", "file"],
    ["link", "a/b"],
    ["link/file", "a/b/file"],
    ["a/to-b/file", "a/b/file"],
    ["a/up/file", "file"],
    ["a/new", "a/new"],
    ["link/../up", ""],
  ];
  for (const [path, result] of cases) assert.equal(resolve(path), result, path);
});

Deno.test("resolvePath() never leaves where it starts", () => {
  const cases: [path: string, base: string[], result: string][] = [
    ["..", [], "not-permitted"],
    ["a/../..", [], "not-permitted"],
    ["/etc", [], "not-permitted"],
    ["a/out", [], "not-permitted"],
    ["a/abs", [], "not-permitted"],
    ["a/abs/passwd", [], "not-permitted"],
    ["..", ["a"], "not-permitted"],
    ["up", ["a"], "not-permitted"],
    ["b/../../file", ["a"], "not-permitted"],
    ["", [], "no-entry"],
    ["a\0b", [], "invalid"],
    ["a/loop", [], "loop"],
    ["file/x", [], "not-directory"],
    ["gone/x", [], "no-entry"],
    ["file/..", [], "not-directory"],
    ["x".repeat(256), [], "name-too-long"],
    [`${"a/../".repeat(2000)}a`, [], "name-too-long"],
  ];
  for (const [path, base, result] of cases) assert.equal(resolve(path, base), result, path);
});

Deno.test("resolvePath() leaves a link in the last place alone when told to", () => {
  assert.equal(resolve("link", [], false), "link");
  assert.equal(resolve("link/", [], false), "a/b");
  assert.equal(resolve("a/abs", [], false), "a/abs");
  assert.equal(resolve("link/file", [], false), "a/b/file");
});

Deno.test("resolvePath() ends below its start for any tree and any path", () => {
  const name = fc.constantFrom("a", "b", "c");
  const path = fc.array(fc.constantFrom("a", "b", "c", "..", ".", ""), { maxLength: 8 }).map((parts) =>
    parts.join("/")
  );
  const { tree } = fc.letrec<{ tree: Model }>((tie) => ({
    tree: fc.dictionary(
      name,
      fc.oneof({ maxDepth: 4 }, path, fc.constant(null), tie("tree")),
    ) as fc.Arbitrary<Model>,
  }));
  fc.assert(
    fc.property(tree, path, fc.boolean(), (model, asked, follow) => {
      const base = typeof model.a === "object" && model.a !== null ? ["a"] : [];
      const lookups: string[][] = [];
      const real = treeOf(model);
      const watched: Tree = {
        readLink: (path) => (lookups.push([...path]), real.readLink(path)),
        isDirectory: (path) => real.isDirectory(path),
      };
      try {
        const { path: result } = resolvePath(watched, base, asked, follow);
        assert.deepEqual(result.slice(0, base.length), base);
        assert.ok(!result.includes("..") && !result.includes("."));
      } catch (error) {
        assert.ok(error instanceof WasiError, String(error));
      }
      for (const lookup of lookups) assert.deepEqual(lookup.slice(0, base.length), base);
    }),
    { numRuns: 5000 },
  );
});
