/** tests/fixtures/posix.c checks POSIX's rules for files from inside, as a module and as a component. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { NamedTree } from "../../../runtime/wasi/files/named/named_tree.ts";
import { VERSIONS } from "../../../runtime/wasi/p1/abi.ts";
import { Preview1 } from "../../../runtime/wasi/p1/preview1.ts";
import { findProgram } from "../../support/programs.ts";
import type { Program } from "../../../runtime/run/run.ts";
import {
  buildC,
  componentOf,
  lacksClang,
  programOf,
  runBytes,
  runProgram,
  sourceOf,
  testSandbox,
  wat,
} from "../../support/components.ts";
import "../../support/linux_library.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

/** An empty directory, granted as the current one. */
function setUp(args: readonly string[] = []) {
  const host = temporaryDirectory();
  const sandbox = testSandbox({
    args: ["posix", ".", ...args],
    // Go resolves paths from PWD, C and Rust from the preopen of that name.
    env: [["PWD", host]],
    files: { mounts: [{ guest: host, host, write: true }, { guest: ".", host, write: true }] },
  });
  return { host, sandbox, [Symbol.dispose]: () => Deno.removeSync(host, { recursive: true }) };
}

let built: Promise<Uint8Array<ArrayBuffer>> | undefined;
const posix = () => built ??= buildC("tests/fixtures/posix.c");

Deno.test("a module sees files as POSIX requires", { ignore: lacksClang() }, async () => {
  using at = setUp();
  const code = await runBytes(await posix(), at.sandbox);
  assert.equal(at.sandbox.stderr.text(), "");
  assert.match(at.sandbox.stdout.text(), /^\d{3} checks held, 0 did not\n$/);
  assert.equal(code, 0);
});

Deno.test("a component sees files as POSIX requires", {
  ignore: lacksClang(),
  // jco's generated code leaves a timer (tests/runtime/run/component_test.ts).
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  using at = setUp(["component"]);
  const code = await runBytes(await componentOf(await posix()), at.sandbox);
  assert.equal(at.sandbox.stderr.text(), "");
  assert.match(at.sandbox.stdout.text(), /^\d{3} checks held, 0 did not\n$/);
  assert.equal(code, 0);
});

/** Whether Go is missing. It is optional, because the C program covers the same cases. */
function lacksGo(): boolean {
  if (findProgram("go")) return false;
  // deno-lint-ignore no-console -- as tests/support/programs.ts reports a missing tool
  console.warn("go is missing, the test of files in Go is skipped");
  return true;
}

let inGo: Promise<Program[]> | undefined;

/** The Go program as a module and, with the adapter for C and Rust, as a component. */
function goPrograms(): Promise<Program[]> {
  return inGo ??= (async () => {
    const output = Deno.makeTempFileSync({ suffix: ".wasm" });
    try {
      const { success, stderr } = await new Deno.Command("go", {
        args: ["build", "-o", output, fileURLToPath(new URL("../../fixtures/gofiles.go", import.meta.url))],
        env: { GOOS: "wasip1", GOARCH: "wasm", GOFLAGS: "", CGO_ENABLED: "0" },
      }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      const module = await Deno.readFile(output);
      return [await programOf(module), await programOf(await componentOf(module))];
    } finally {
      Deno.removeSync(output);
    }
  })();
}

Deno.test("a Go program sees files as Go expects, as a module and as a component", {
  ignore: lacksGo(),
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  for (const program of await goPrograms()) {
    using at = setUp();
    const sandbox = { ...at.sandbox, args: ["gofiles"] };
    const code = await runProgram(program, sandbox);
    const seen = [at.sandbox.stderr.text(), at.sandbox.stdout.text(), code];
    assert.deepEqual(seen, ["", "all held\n", 0], program.kind);
  }
});

Deno.test("a Go program reads while it sleeps, as a module and as a component", {
  ignore: lacksGo(),
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  for (const program of await goPrograms()) {
    const sandbox = testSandbox({
      args: ["gofiles", "wait", "", "ü"],
      env: [["EMPTY", ""], ["NAME", "value"]],
      stdin: sourceOf(new TextEncoder().encode("all of it")),
    });
    const code = await runProgram(program, sandbox);
    const wanted = "[read all of it <nil> slept 1 true slept 10 true slept 20 true] [ ü] true value\n";
    assert.deepEqual([sandbox.stderr.text(), sandbox.stdout.text(), code], ["", wanted, 0], program.kind);
  }
});

/** Runs a module with a given file tree; `exit` throws the code. */
function runOver(module: WebAssembly.Module, at: ReturnType<typeof setUp>): number {
  // deno-lint-ignore prefer-const -- the imports use it and are made first
  let instance: WebAssembly.Instance | undefined;
  const buffer = () => (instance!.exports.memory as WebAssembly.Memory).buffer as ArrayBuffer;
  const guest = {
    bytes: () => new Uint8Array(buffer()),
    view: () => new DataView(buffer()),
    get exports() {
      return instance!.exports;
    },
  };
  const host = new Preview1(at.sandbox, guest, new NamedTree(at.sandbox.files));
  const functions = host.imports(VERSIONS.wasi_snapshot_preview1!) as unknown as WebAssembly.ModuleImports;
  instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: functions });
  try {
    (instance.exports._start as () => void)();
  } catch (error) {
    if (host.ended === undefined) throw error;
  }
  return host.ended === undefined ? 0 : host.end();
}

Deno.test("a module sees files as POSIX requires without the kernel's help", {
  ignore: lacksClang(),
  sanitizeResources: false, // ends as a plugin does, with open files
}, async () => {
  using at = setUp();
  const code = runOver(new WebAssembly.Module(await posix()), at);
  assert.equal(at.sandbox.stderr.text(), "");
  assert.equal(code, 0);
});

/** A module in the text format: opens a file, moves its descriptor to stdout, gives up the right to seek, writes. */
const RENUMBER = (version: string) =>
  `(module
  (import "${version}" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "${version}" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
  (import "${version}" "fd_fdstat_set_rights" (func $rights (param i32 i64 i64) (result i32)))
  (import "${version}" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "${version}" "fd_tell" (func $tell (param i32 i32) (result i32)))
  (import "${version}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "${version}" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
  (import "${version}" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "out.txt")
  (data (i32.const 200) "through stdout")
  ;; a list of one buffer
  (data (i32.const 300) "\\c8\\00\\00\\00\\0e\\00\\00\\00")
  (func $must (param $step i32) (param $errno i32) (param $wanted i32)
    (if (i32.ne (local.get $errno) (local.get $wanted)) (then (call $exit (local.get $step)))))
  (func (export "_start")
    ;; create; read, write, seek, tell, filestat_get
    (call $must (i32.const 1)
      (call $open (i32.const 4) (i32.const 0) (i32.const 100) (i32.const 7) (i32.const 1)
        (i64.const 0x200066) (i64.const 0) (i32.const 0) (i32.const 0))
      (i32.const 0))
    (call $must (i32.const 2) (call $renumber (i32.load (i32.const 0)) (i32.const 1)) (i32.const 0))
    (call $must (i32.const 3) (call $tell (i32.load (i32.const 0)) (i32.const 8)) (i32.const 8))
    (call $must (i32.const 4)
      (call $write (i32.const 1) (i32.const 300) (i32.const 1) (i32.const 8)) (i32.const 0))
    (call $must (i32.const 5) (i32.load (i32.const 8)) (i32.const 14))
    ;; snapshot 0 numbers the places to seek from otherwise: what is "current" there is "set" later
    (call $must (i32.const 6)
      (call $seek (i32.const 1) (i64.const 0) (i32.const ${
    version === "wasi_unstable" ? 0 : 1
  }) (i32.const 8))
      (i32.const 0))
    (call $must (i32.const 7) (i32.load (i32.const 8)) (i32.const 14))
    ;; the size, which snapshot 0 has 8 bytes earlier, as its link count is short
    (call $must (i32.const 8) (call $stat (i32.const 1) (i32.const 400)) (i32.const 0))
    (call $must (i32.const 9) (i32.load (i32.const ${
    version === "wasi_unstable" ? 424 : 432
  })) (i32.const 14))
    (call $must (i32.const 10)
      (call $rights (i32.const 1) (i64.const 0x40) (i64.const 0)) (i32.const 0))
    (call $must (i32.const 11)
      (call $seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 8)) (i32.const 76))
    (call $must (i32.const 12)
      (call $rights (i32.const 1) (i64.const 0x44) (i64.const 0)) (i32.const 76))))`;

for (const version of ["wasi_snapshot_preview1", "wasi_unstable"]) {
  Deno.test(`a module of ${version} moves descriptors and gives up rights`, async () => {
    using at = setUp();
    const code = await runBytes(await wat(RENUMBER(version)), at.sandbox);
    assert.equal(code, 0, `step ${code}`);
    assert.equal(Deno.readTextFileSync(`${at.host}/out.txt`), "through stdout");
  });
}
