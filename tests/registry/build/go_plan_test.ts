import assert from "node:assert/strict";
import { packagesLackingNames } from "../../../registry/build/go_errors.ts";
import { type GoPackage, parsePackages } from "../../../registry/build/go_packages.ts";
import { partByModule, planChanges, startsPrograms } from "../../../registry/build/go_plan.ts";
import {
  isKnownForLinux,
  nameForAll,
  planRewrite,
  usesCgo,
  withoutConstraints,
} from "../../../registry/build/go_rewrite.ts";

const NONE = new Set<string>();
const OWN = new Map([["golang.org/x/sys/unix", ["krew_wasip1.go"]]]);
const CACHE = "/go/pkg/mod";

/** A package of the module cache. */
function cached(path: string, files: readonly string[], more: Partial<GoPackage> = {}): GoPackage {
  const Dir = `${CACHE}/${path}@v1.0.0`;
  return { ImportPath: path, Dir, GoFiles: files, Module: { Path: path, Version: "v1.0.0", Dir }, ...more };
}

const EXCLUDED = { Error: { Err: "build constraints exclude all Go files in /go/x" } };

Deno.test("parsePackages() reads consecutive objects", () => {
  const text = '{\n\t"ImportPath": "a",\n\t"Imports": [\n\t\t"b"\n\t]\n}\n{\n\t"ImportPath": "b"\n}\n';
  assert.deepEqual(parsePackages(text), [{ ImportPath: "a", Imports: ["b"] }, { ImportPath: "b" }]);
  assert.deepEqual(parsePackages(""), []);
});

Deno.test("planChanges() adds overlay files to x/sys/unix, also if only Linux imports it", () => {
  const unix = cached("golang.org/x/sys/unix", ["a_linux.go"]);
  for (const listed of [{ wasi: [unix], linux: [unix] }, { wasi: [], linux: [unix] }]) {
    const { changes, obstacles } = planChanges(listed, NONE, OWN);
    assert.deepEqual(obstacles, []);
    assert.deepEqual(changes.map(({ importPath, add }) => [importPath, add]), [
      ["golang.org/x/sys/unix", ["krew_wasip1.go"]],
    ]);
  }
});

Deno.test("planChanges() gives a package without wasip1 files its files for Linux", () => {
  const { changes, obstacles } = planChanges(
    {
      wasi: [cached("x.org/tty", [], EXCLUDED)],
      linux: [cached("x.org/tty", ["tty.go", "tty_linux.go"])],
    },
    NONE,
    OWN,
  );
  assert.deepEqual(obstacles, []);
  assert.deepEqual([...changes[0]!.write], [["tty.go", "tty.go"], ["tty_linux_krew.go", "tty_linux.go"]]);
});

Deno.test("planChanges() keeps packages that build, unless they are known or forced", () => {
  const listed = {
    wasi: [cached("x.org/ok", ["a.go", "a_other.go"]), cached("golang.org/x/term", ["term_unsupported.go"])],
    linux: [cached("x.org/ok", ["a.go", "a_linux.go"]), cached("golang.org/x/term", ["term_unix.go"])],
  };
  const pathsOf = (forced: ReadonlySet<string>) =>
    planChanges(listed, forced, OWN).changes.map(({ importPath }) => importPath);
  assert.deepEqual(pathsOf(NONE), ["golang.org/x/term"]);
  assert.deepEqual(pathsOf(new Set(["x.org/ok"])), ["x.org/ok", "golang.org/x/term"]);
  assert.deepEqual(planChanges(listed, NONE, OWN).changes[0]!.drop, ["term_unsupported.go"]);
});

Deno.test("planChanges() names packages without files, with importers, and refused ones", () => {
  const { obstacles } = planChanges(
    {
      wasi: [
        cached("x.org/main", ["main.go"], { Imports: ["x.org/cgo"] }),
        cached("x.org/cgo", [], { ...EXCLUDED, IgnoredGoFiles: ["c.go"] }),
        { ImportPath: "x.org/none", Error: { Err: "no required module provides package x.org/none" } },
      ],
      linux: [cached("x.org/cgo", [])],
    },
    NONE,
    OWN,
  );
  assert.deepEqual(
    obstacles.map(({ importPath, importer, why, ignored }) => ({ importPath, importer, why, ignored })),
    [
      { importPath: "x.org/cgo", importer: "x.org/main", why: "constraints", ignored: ["c.go"] },
      {
        importPath: "x.org/none",
        importer: undefined,
        why: { error: "no required module provides package x.org/none" },
        ignored: [],
      },
    ],
  );
});

Deno.test("partByModule() copies cached modules and overlays vendored and own packages", () => {
  const { changes } = planChanges(
    {
      wasi: [],
      linux: [
        cached("golang.org/x/sys/unix", []),
        cached("golang.org/x/term", ["t.go"], { Dir: "/src/vendor/golang.org/x/term" }),
      ],
    },
    NONE,
    OWN,
  );
  const { copied, overlaid } = partByModule(changes, CACHE);
  assert.deepEqual([...copied.keys()], [`${CACHE}/golang.org/x/sys/unix@v1.0.0`]);
  assert.deepEqual(overlaid.map(({ importPath }) => importPath), ["golang.org/x/term"]);
});

Deno.test("startsPrograms() names packages that start programs or open a browser, and who imports them", () => {
  const own = { Path: "x.org/a", Main: true };
  assert.deepEqual(
    startsPrograms([
      { ImportPath: "os/exec", Standard: true, Imports: ["os/exec"] },
      {
        ImportPath: "x.org/a",
        Module: own,
        Imports: ["os/exec", "x.org/b", "x.org/d", "k8s.io/client-go/exec"],
      },
      { ImportPath: "x.org/b", Module: { Path: "x.org/b" }, Imports: ["os/exec"] },
      { ImportPath: "x.org/c", Module: { Path: "x.org/c" }, Imports: ["os/exec"] },
      { ImportPath: "x.org/d", Module: { Path: "x.org/d" }, Imports: ["x.org/c", "github.com/pkg/browser"] },
      { ImportPath: "k8s.io/client-go/exec", Module: { Path: "k8s.io/client-go" }, Imports: ["os/exec"] },
      {
        ImportPath: "github.com/pkg/browser",
        Module: { Path: "github.com/pkg/browser" },
        Imports: ["os/exec"],
      },
    ].map((each) => ({ Dir: "", ...each }))),
    [
      { path: "x.org/a", importer: undefined, why: "starts programs" },
      { path: "x.org/b", importer: "x.org/a", why: "starts programs" },
      { path: "github.com/pkg/browser", importer: "x.org/d", why: "opens a browser" },
    ],
  );
});

Deno.test("nameForAll() removes only the system and processor from a file name", () => {
  const names = {
    "term_linux.go": "term_linux_krew.go",
    "term_linux_amd64.go": "term_linux_krew.go",
    "term_unix.go": "term_unix.go",
    "term.go": "term.go",
    "linux.go": "linux.go",
    "my_krew.go": "my_krew.go",
    "zsyscall_riscv64.go": "zsyscall_linux_krew.go",
  };
  for (const [name, expected] of Object.entries(names)) assert.equal(nameForAll(name), expected);
});

Deno.test("withoutConstraints() removes constraints before the package clause only", () => {
  const text =
    "// Copyright\n\n//go:build linux\n// +build linux\n\npackage x\n\nconst a = `\n//go:build y\n`\n";
  assert.equal(withoutConstraints(text), "// Copyright\n\n\n\n\npackage x\n\nconst a = `\n//go:build y\n`\n");
});

Deno.test("planRewrite() writes missing files and drops files that Linux lacks", () => {
  const { write, drop } = planRewrite(["a.go", "b_linux.go"], ["a.go", "b_other.go"]);
  assert.deepEqual([...write], [["b_linux_krew.go", "b_linux.go"]]);
  assert.deepEqual(drop, ["b_other.go"]);
});

Deno.test("usesCgo() finds the import of C, alone or among others", () => {
  assert.ok(usesCgo('package x\n\nimport "C"\n'));
  assert.ok(usesCgo('package x\n\nimport (\n\t"C"\n\t"os"\n)\n'));
  assert.ok(!usesCgo('package x\n\nimport "os"\n\nvar c = f("C")\n'));
});

Deno.test("isKnownForLinux() ignores a major version", () => {
  assert.ok(isKnownForLinux("github.com/mattn/go-isatty"));
  assert.ok(isKnownForLinux("github.com/mattn/go-isatty/v2"));
  assert.ok(!isKnownForLinux("github.com/mattn/go-isatty/internal"));
});

Deno.test("packagesLackingNames() reads the compiler's headings", () => {
  const output = `# x.org/a
../a/a.go:1:2: undefined: syscall.Termios
# x.org/b
b.go:3:4: cannot use x (variable of type int) as string value
# x.org/c
c.go:5:6: undefined: foo
c.go:5:7: undefined: bar
`;
  assert.deepEqual(packagesLackingNames(output), ["x.org/a", "x.org/c"]);
});
