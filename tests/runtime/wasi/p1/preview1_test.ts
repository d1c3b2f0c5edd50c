// deno-lint-ignore-file camelcase -- functions have the specification's names

/** Our own modules call every function of preview1 and of its predecessor, snapshot 0. */

import assert from "node:assert/strict";
import { runPreview1 } from "../../../../runtime/wasi/p1/preview1.ts";
import { programOf, sourceOf, testSandbox, wat } from "../../../support/components.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

// jco starts timers when it is first imported, and its output leaves timers of 10 ms behind.
const jcoLeaves = { sanitizeOps: false, sanitizeResources: false };

const PREVIEW1 = "wasi_snapshot_preview1";
const UNSTABLE = "wasi_unstable";

/** Their parameters: `i` of 32 bits, `I` of 64. All except proc_exit return an errno. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  args_get: "ii",
  args_sizes_get: "ii",
  clock_res_get: "ii",
  clock_time_get: "iIi",
  environ_get: "ii",
  environ_sizes_get: "ii",
  fd_advise: "iIIi",
  fd_allocate: "iII",
  fd_close: "i",
  fd_datasync: "i",
  fd_fdstat_get: "ii",
  fd_fdstat_set_flags: "ii",
  fd_fdstat_set_rights: "iII",
  fd_filestat_get: "ii",
  fd_filestat_set_size: "iI",
  fd_filestat_set_times: "iIIi",
  fd_pread: "iiiIi",
  fd_prestat_dir_name: "iii",
  fd_prestat_get: "ii",
  fd_pwrite: "iiiIi",
  fd_read: "iiii",
  fd_readdir: "iiiIi",
  fd_renumber: "ii",
  fd_seek: "iIii",
  fd_sync: "i",
  fd_tell: "ii",
  fd_write: "iiii",
  path_create_directory: "iii",
  path_filestat_get: "iiiii",
  path_filestat_set_times: "iiiiIIi",
  path_link: "iiiiiii",
  path_open: "iiiiiIIii",
  path_readlink: "iiiiii",
  path_remove_directory: "iii",
  path_rename: "iiiiii",
  path_symlink: "iiiii",
  path_unlink_file: "iii",
  poll_oneoff: "iiii",
  proc_exit: "i",
  proc_raise: "i",
  random_get: "ii",
  sched_yield: "",
  sock_accept: "iii",
  sock_recv: "iiiiii",
  sock_send: "iiiii",
  sock_shutdown: "ii",
};

const ERRNO = { success: 0, badf: 8, inval: 28, notsock: 57, notsup: 58, spipe: 70 };

/** A module for one version that imports `names` and runs `body`; its output starts at address 0. */
function module(version: string, names: readonly string[], body: string, data = ""): string {
  const imports = names.map((name) => {
    const params = [...FUNCTIONS[name]!].map((type) => type === "i" ? "i32" : "i64").join(" ");
    const result = name === "proc_exit" ? "" : "(result i32)";
    return `(import "${version}" "${name}" (func $${name} (param ${params}) ${result}))`;
  });
  return `(module ${imports.join("\n")} (memory (export "memory") 2) ${data}
    (func (export "_start") ${body}))`;
}

/** Runs a module and returns its output: the beginning of its memory. */
async function run(text: string, sandbox = testSandbox()) {
  const program = await programOf(await wat(text));
  const code = await runPreview1(new WebAssembly.Module(await program.read("plugin.wasm")), sandbox);
  const bytes = Uint8Array.from(sandbox.stdout.bytes());
  return { code, bytes, view: new DataView(bytes.buffer) };
}

/** Calls functions in order, stores each errno as a u16, and writes them all to stdout. */
function errnosOf(calls: readonly (readonly [name: string, ...args: (number | bigint)[]])[]): string {
  const stores = calls.map(([name, ...args], index) => {
    const values = args.map((arg) => typeof arg === "bigint" ? `(i64.const ${arg})` : `(i32.const ${arg})`);
    return `(i32.store16 (i32.const ${index * 2}) (call $${name} ${values.join(" ")}))`;
  });
  return `${stores.join("\n")}${writing(0, calls.length * 2)}`;
}

/** Writes memory to stdout. */
const writing = (start: number, length: number) =>
  `(i32.store (i32.const 65536) (i32.const ${start})) (i32.store (i32.const 65540) (i32.const ${length}))
   (drop (call $fd_write (i32.const 1) (i32.const 65536) (i32.const 1) (i32.const 65544)))`;

for (const version of [PREVIEW1, UNSTABLE]) {
  const names = Object.keys(FUNCTIONS).filter((name) => version === PREVIEW1 || name !== "sock_accept");

  Deno.test(
    `all ${names.length} functions of ${version} refuse an unknown descriptor`,
    jcoLeaves,
    async () => {
      assert.equal(names.length, version === PREVIEW1 ? 46 : 45);
      const named = names.filter((name) => /^(fd|path|sock)_/.test(name));
      const calls = named.map((name) => {
        // The same number everywhere, valid as flags.
        const args = [...FUNCTIONS[name]!].map((type) => type === "i" ? 17 : 17n);
        return [name, ...args] as const;
      });
      const { view } = await run(module(version, names, errnosOf(calls)));
      for (const [index, name] of named.entries()) {
        assert.equal(view.getUint16(index * 2, true), ERRNO.badf, name);
      }
    },
  );

  Deno.test(`${version}: functions refuse descriptors that are no socket or file`, jcoLeaves, async () => {
    const calls = [
      ["sock_recv", 0, 0, 0, 0, 0, 0],
      ["sock_send", 1, 0, 0, 0, 0],
      ["sock_shutdown", 2, 3],
      ["fd_seek", 0, 0n, 0, 1024],
      ["fd_tell", 1, 1024],
      ["fd_pread", 0, 1024, 0, 0n, 1024],
      ["fd_pwrite", 1, 1024, 0, 0n, 1024],
      ["fd_advise", 0, 0n, 0n, 0],
      ["fd_allocate", 1, 0n, 1n],
      ["fd_prestat_get", 0, 1024],
      ["fd_read", 1, 1024, 0, 1024],
      ["fd_write", 0, 1024, 0, 1024],
      ["proc_raise", 6],
      ["sched_yield"],
      ["clock_res_get", 4, 1024],
      ["clock_time_get", 4, 0n, 1024],
      ["poll_oneoff", 1024, 1024, 0, 1024],
    ] as const;
    const { view } = await run(module(version, names, errnosOf(calls)));
    const { notsock, spipe, badf, notsup, success, inval } = ERRNO;
    assert.deepEqual(calls.map(([name], index) => [name, view.getUint16(index * 2, true)]), [
      ["sock_recv", notsock],
      ["sock_send", notsock],
      ["sock_shutdown", notsock],
      ["fd_seek", spipe],
      ["fd_tell", spipe],
      ["fd_pread", spipe],
      ["fd_pwrite", spipe],
      ["fd_advise", spipe],
      ["fd_allocate", spipe],
      ["fd_prestat_get", badf],
      ["fd_read", badf],
      ["fd_write", badf],
      ["proc_raise", notsup],
      ["sched_yield", success],
      ["clock_res_get", inval],
      ["clock_time_get", inval],
      ["poll_oneoff", inval],
    ]);
  });

  Deno.test(`${version}: arguments, environment and exit code`, jcoLeaves, async () => {
    const sandbox = testSandbox({ args: ["plugin", "ü"], env: [["A", "1"], ["B", ""]] });
    const { bytes, view, code } = await run(
      module(
        version,
        names,
        `(drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
         (drop (call $args_get (i32.const 16) (i32.const 32)))
         (drop (call $environ_sizes_get (i32.const 8) (i32.const 12)))
         (drop (call $environ_get (i32.const 64) (i32.const 80)))
         ${writing(0, 128)} (call $proc_exit (i32.const 33))`,
      ),
      sandbox,
    );
    assert.deepEqual([0, 4, 8, 12, 16, 20].map((at) => view.getUint32(at, true)), [2, 10, 2, 7, 32, 39]);
    const text = (start: number, end: number) => new TextDecoder().decode(bytes.subarray(start, end));
    assert.equal(text(32, 42), "plugin\0ü\0");
    assert.equal(text(80, 87), "A=1\0B=\0");
    assert.equal(code, 33);
  });

  Deno.test(`${version}: poll returns each event in the version's own layout`, jcoLeaves, async () => {
    const unstable = version === UNSTABLE;
    const [size, clock] = unstable ? [56, 24] : [48, 16];
    // First a relative clock of an hour, and stdout, which is ready at once. Then only the clock, of 1 ms.
    const subscription = (at: number, userdata: number, type: number) =>
      `(i64.store (i32.const ${at}) (i64.const ${userdata})) (i32.store8 (i32.const ${
        at + 8
      }) (i32.const ${type}))`;
    const clockAt = (at: number, nanoseconds: number) =>
      `(i32.store (i32.const ${at + clock}) (i32.const 1)) (i64.store (i32.const ${
        at + clock + 8
      }) (i64.const ${nanoseconds}))`;
    const { view } = await run(module(
      version,
      names,
      `${subscription(1024, 7, 0)} ${clockAt(1024, 3_600_000_000_000)}
       ${subscription(1024 + size!, 8, 2)} (i32.store (i32.const ${1024 + size! + 16}) (i32.const 1))
       (drop (call $poll_oneoff (i32.const 1024) (i32.const 0) (i32.const 2) (i32.const 128)))
       ${clockAt(1024, 1_000_000)}
       (drop (call $poll_oneoff (i32.const 1024) (i32.const 64) (i32.const 1) (i32.const 132)))
       ${writing(0, 136)}`,
    ));
    assert.equal(view.getUint32(128, true), 1);
    assert.deepEqual([view.getBigUint64(0, true), view.getUint16(8, true), view.getUint8(10)], [8n, 0, 2]);
    assert.equal(view.getUint32(132, true), 1);
    assert.deepEqual([view.getBigUint64(64, true), view.getUint16(72, true), view.getUint8(74)], [7n, 0, 0]);
  });

  Deno.test(`${version}: files, with the version's own seek and stat`, jcoLeaves, async () => {
    const unstable = version === UNSTABLE;
    const directory = temporaryDirectory();
    try {
      Deno.writeTextFileSync(`${directory}/f`, "0123456789");
      const [set, current, end] = unstable ? [2, 0, 1] : [0, 1, 2];
      const seek = (delta: number, whence: number, to: number) =>
        `(drop (call $fd_seek (local.get $fd) (i64.const ${delta}) (i32.const ${whence}) (i32.const ${to})))`;
      const { view } = await run(
        module(
          version,
          names,
          `(local $fd i32)
           (i32.store16 (i32.const 200) (call $path_open (i32.const 3) (i32.const 1) (i32.const 4096) (i32.const 1)
             (i32.const 0) (i64.const 0x200027) (i64.const 0) (i32.const 0) (i32.const 4)))
           (local.set $fd (i32.load (i32.const 4)))
           ${seek(7, set!, 16)} ${seek(-2, current!, 24)} ${seek(-1, end!, 32)}
           (drop (call $fd_tell (local.get $fd) (i32.const 40)))
           (drop (call $fd_filestat_get (local.get $fd) (i32.const 64)))
           (drop (call $path_filestat_get (i32.const 3) (i32.const 1) (i32.const 4096) (i32.const 1) (i32.const 128)))
           ${writing(0, 256)}`,
          `(data (i32.const 4096) "f")`,
        ),
        testSandbox({ files: { mounts: [{ guest: "/d", host: directory, write: true }] } }),
      );
      assert.equal(view.getUint16(200, true), 0);
      assert.deepEqual([16, 24, 32, 40].map((at) => view.getBigUint64(at, true)), [7n, 5n, 9n, 9n]);
      for (const at of [64, 128]) {
        assert.equal(view.getUint8(at + 16), 4); // a regular file
        if (unstable) {
          assert.equal(view.getUint32(at + 20, true), 1); // links
          assert.equal(view.getBigUint64(at + 24, true), 10n); // size
        } else {
          assert.equal(view.getBigUint64(at + 24, true), 1n);
          assert.equal(view.getBigUint64(at + 32, true), 10n);
        }
      }
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  });
}

Deno.test("pointers beyond 2 GiB are valid, those beyond the memory a fault", jcoLeaves, async () => {
  const text = `(module
    (import "${PREVIEW1}" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "${PREVIEW1}" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "${PREVIEW1}" "fd_fdstat_get" (func $fdstat (param i32 i32) (result i32)))
    (import "${PREVIEW1}" "fd_filestat_get" (func $filestat (param i32 i32) (result i32)))
    (import "${PREVIEW1}" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
    (import "${PREVIEW1}" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "${PREVIEW1}" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 40000)
    (func (export "_start")
      (if (call $sizes (i32.const 0x90000000) (i32.const 0x90000004)) (then (call $exit (i32.const 1))))
      (if (i32.ne (i32.load (i32.const 0x90000000)) (i32.const 1)) (then (call $exit (i32.const 2))))
      (i32.store (i32.const 0x90000010) (i32.const 0x90000100)) (i32.store (i32.const 0x90000014) (i32.const 5))
      (if (call $read (i32.const 0) (i32.const 0x90000010) (i32.const 1) (i32.const 0x90000020))
        (then (call $exit (i32.const 3))))
      (if (i32.ne (i32.load8_u (i32.const 0x90000104)) (i32.const 111)) (then (call $exit (i32.const 4))))
      (if (call $fdstat (i32.const 0) (i32.const 0x90000200)) (then (call $exit (i32.const 6))))
      (if (call $filestat (i32.const 0) (i32.const 0x90000200)) (then (call $exit (i32.const 7))))
      (if (call $clock (i32.const 0) (i64.const 0) (i32.const 0x90000300)) (then (call $exit (i32.const 8))))
      (if (i64.eqz (i64.load (i32.const 0x90000300))) (then (call $exit (i32.const 9))))
      (if (call $poll (i32.const 0x90000400) (i32.const 0x90000500) (i32.const 1) (i32.const 0x90000600))
        (then (call $exit (i32.const 10))))
      (if (i32.ne (i32.load (i32.const 0x90000600)) (i32.const 1)) (then (call $exit (i32.const 11))))
      (if (i32.ne (call $sizes (i32.const 0) (i32.const 0xfffffffc)) (i32.const 21)) (then (call $exit (i32.const 5))))))`;
  const sandbox = testSandbox({ stdin: sourceOf(new TextEncoder().encode("hello")) });
  const program = await programOf(await wat(text));
  assert.equal(
    await runPreview1(new WebAssembly.Module(await program.read("plugin.wasm")), sandbox),
    0,
  );
});
