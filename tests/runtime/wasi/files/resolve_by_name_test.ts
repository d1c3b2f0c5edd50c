import assert from "node:assert/strict";
import { WasiError } from "../../../../runtime/wasi/errno.ts";
import { checkWindowsName, resolvePath, type Tree } from "../../../../runtime/wasi/files/resolve_by_name.ts";
import * as model from "../../../support/file_model.ts";
import { fc, fuzz } from "../../../support/fuzz.ts";

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

Deno.test("resolvePath() resolves names, dots and links", () => {
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

Deno.test("resolvePath() never leaves its start", () => {
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

Deno.test("resolvePath() follows a link at the end only if told to", () => {
  assert.equal(resolve("link", [], false), "link");
  assert.equal(resolve("link/", [], false), "a/b");
  assert.equal(resolve("a/abs", [], false), "a/abs");
  assert.equal(resolve("link/file", [], false), "a/b/file");
});

Deno.test("resolvePath() agrees with a file system in memory", () => {
  const name = fc.constantFrom("a", "b", "c");
  const path = fc.tuple(
    fc.array(fc.constantFrom("a", "b", "c", "..", ".", ""), { maxLength: 8 }),
    fc.constantFrom("", "/"),
  ).map(([parts, slash]) => parts.join("/") + slash);
  const { tree } = fc.letrec<{ tree: Model }>((tie) => ({
    tree: fc.dictionary(
      name,
      fc.oneof({ maxDepth: 4 }, path.filter((target) => target !== ""), fc.constant(null), tie("tree")),
    ) as fc.Arbitrary<Model>,
  }));
  return fuzz(
    "resolvePath",
    fc.property(tree, path, fc.boolean(), (root, asked, follow) => {
      const base = typeof root.a === "object" && root.a !== null ? ["a"] : [];
      const lookups: string[][] = [];
      const real = treeOf(root);
      const watched: Tree = {
        readLink: (path) => (lookups.push([...path]), real.readLink(path)),
        isDirectory: (path) => (lookups.push([...path]), real.isDirectory(path)),
      };
      const world = modelOf(root);
      const expected = outcome(() => {
        const start = base.length > 0 ? world.entries.get("a") as model.ModelDirectory : world;
        return model.stat(start, asked, follow);
      });
      const found = outcome(() => {
        const { path: result, directory } = resolvePath(watched, base, asked, follow);
        assert.deepEqual(result.slice(0, base.length), base);
        assert.ok(!result.includes("..") && !result.includes("."));
        let item: model.Item | undefined = world;
        for (const name of result) item = item?.kind === "directory" ? item.entries.get(name) : undefined;
        if (!item) throw new WasiError("no-entry");
        if (directory && item.kind !== "directory") throw new WasiError("not-directory");
        return item;
      });
      assert.equal(found, expected);
      for (const lookup of lookups) assert.deepEqual(lookup.slice(0, base.length), base);
    }),
  );
});

/** The same tree as the model's type. */
function modelOf(tree: Model): model.ModelDirectory {
  const directory = model.emptyDirectory();
  for (const [name, item] of Object.entries(tree)) {
    directory.entries.set(
      name,
      item === null
        ? { kind: "file", content: "", links: 1 }
        : typeof item === "string"
        ? { kind: "link", target: item }
        : modelOf(item),
    );
  }
  return directory;
}

function outcome<T>(run: () => T): T | string {
  try {
    return run();
  } catch (error) {
    if (error instanceof WasiError || error instanceof model.ModelError) return error.errno;
    throw error;
  }
}

Deno.test("checkWindowsName() refuses names with a special meaning on Windows", () => {
  const names = [
    ..."C: C:\\x c:file file:stream a\\b a/b NUL nul nul.txt CON con. PRN AUX COM1 com9.tar.gz COM¹ lpt1 LPT³.x"
      .split(" "),
    ...'CONIN$ conout$ clock$ x. ? * <a> a|b "q" tab\there'.split(" "),
    "x ",
    "nul .txt",
    "\u0001",
  ];
  for (const name of names) assert.throws(() => checkWindowsName(name), { errno: "no-entry" }, name);
  for (
    const name of [
      "a",
      "null",
      "console",
      "com10",
      "com",
      "lpt",
      "x.y",
      ".hidden",
      "auxiliary",
      "naïve",
      "a b",
    ]
  ) {
    checkWindowsName(name);
  }
});
