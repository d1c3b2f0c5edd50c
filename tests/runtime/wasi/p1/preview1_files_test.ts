/** preview1's functions on files, called as a module calls them: with numbers and a memory. */

import assert from "node:assert/strict";
import type { Mount } from "../../../../runtime/sandbox/types.ts";
import { ERRNO, type ErrnoName } from "../../../../runtime/wasi/errno.ts";
import { type FileTree } from "../../../../runtime/wasi/files/file_tree.ts";
import { openFileTree } from "../../../../runtime/wasi/files/open_tree.ts";
import { NamedTree } from "../../../../runtime/wasi/files/named/named_tree.ts";
import * as abi from "../../../../runtime/wasi/p1/abi.ts";
import { Preview1 } from "../../../../runtime/wasi/p1/preview1.ts";
import { testSandbox } from "../../../support/components.ts";
import "../../../support/linux_library.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

const READ = abi.FD_READ | abi.FD_SEEK | abi.FD_TELL | abi.FD_FILESTAT_GET | abi.FD_READDIR | abi.FD_ADVISE |
  abi.FD_FDSTAT_SET_FLAGS;
const WRITE = READ | abi.FD_WRITE | abi.FD_FILESTAT_SET_SIZE | abi.FD_ALLOCATE | abi.FD_FILESTAT_SET_TIMES;

/** Addresses for the module's data. */
const RESULT = 0;
const PATH = 64;
const VECTOR = 8192;
const DATA = 16384;

type Call = (...args: (number | bigint)[]) => number;

/** A module's side of the interface, with a fresh directory as descriptor 3. */
async function setUp(mount: Partial<Mount> = {}, byName = false) {
  const root = temporaryDirectory();
  Deno.writeTextFileSync(`${root}/file`, "0123456789");
  Deno.mkdirSync(`${root}/dir`);
  const sandbox = testSandbox({
    files: { mounts: [{ guest: "/granted", host: root, write: true, ...mount }] },
  });
  const denied: string[] = [];
  sandbox.record.denied = (what) => void denied.push(what);
  const memory = new WebAssembly.Memory({ initial: 2 });
  const bytes = () => new Uint8Array(memory.buffer);
  const view = () => new DataView(memory.buffer);
  const tree: FileTree = byName ? new NamedTree(sandbox.files) : await openFileTree(sandbox.files);
  const host = new Preview1(sandbox, { bytes, view, exports: {} }, tree);
  const functions = host.imports(abi.VERSIONS.wasi_snapshot_preview1!) as unknown as Record<string, Call>;
  const encoder = new TextEncoder();
  const path = (text: string, at = PATH): [number, number] => {
    const { written } = encoder.encodeInto(text, bytes().subarray(at));
    return [at, written];
  };
  /** Calls a function and expects an errno. */
  const expect = (errno: ErrnoName | "ok", name: string, ...args: (number | bigint)[]) => {
    const found = functions[name]!(...args);
    const wanted = errno === "ok" ? 0 : ERRNO[errno];
    const names = Object.entries(ERRNO).find(([, number]) => number === found)?.[0] ?? "ok";
    assert.equal(found, wanted, `${name} is ${names}, not ${errno}`);
  };
  const open = (name: string, rights = READ, oflags = 0, fdflags = 0, from = 3): number => {
    expect("ok", "path_open", from, 1, ...path(name), oflags, rights, rights, fdflags, RESULT);
    return view().getUint32(RESULT, true);
  };
  const vector = (...lengths: number[]): [number, number] => {
    let at = DATA;
    lengths.forEach((length, index) => {
      view().setUint32(VECTOR + index * 8, at, true);
      view().setUint32(VECTOR + index * 8 + 4, length, true);
      at += length;
    });
    return [VECTOR, lengths.length];
  };
  return {
    root,
    tree,
    denied,
    functions,
    expect,
    open,
    path,
    vector,
    view,
    bytes,
    data: (length: number) => new TextDecoder().decode(bytes().slice(DATA, DATA + length)),
    put: (text: string) => encoder.encodeInto(text, bytes().subarray(DATA)),
    [Symbol.dispose]: () => {
      tree[Symbol.dispose]();
      Deno.removeSync(root, { recursive: true });
    },
  };
}

Deno.test("fd_prestat_get returns the preopens and nothing else", async () => {
  using at = await setUp();
  at.expect("ok", "fd_prestat_get", 3, RESULT);
  assert.deepEqual([at.view().getUint32(RESULT, true), at.view().getUint32(RESULT + 4, true)], [0, 8]);
  at.expect("ok", "fd_prestat_dir_name", 3, DATA, 8);
  assert.equal(at.data(8), "/granted");
  at.expect("name-too-long", "fd_prestat_dir_name", 3, DATA, 7);
  for (const fd of [0, 4, 99, -1, 0x7fffffff]) at.expect("bad-descriptor", "fd_prestat_get", fd, RESULT);
});

Deno.test("rights are everything the host supports, until fd_fdstat_set_rights", async () => {
  using at = await setUp();
  const rights = (fd: number) => {
    at.expect("ok", "fd_fdstat_get", fd, RESULT);
    return [at.view().getBigUint64(RESULT + 8, true), at.view().getBigUint64(RESULT + 16, true)];
  };
  const fd = at.open("file", WRITE);
  const [base] = rights(fd);
  assert.equal(base! & (abi.FD_READ | abi.FD_WRITE), abi.FD_READ | abi.FD_WRITE);
  assert.equal(base! & abi.PATH_OPEN, 0n);
  at.expect("ok", "fd_fdstat_set_rights", fd, abi.FD_READ, 0n);
  assert.deepEqual(rights(fd), [abi.FD_READ, 0n]);
  at.expect("not-capable", "fd_fdstat_set_rights", fd, abi.FD_READ | abi.FD_WRITE, 0n);
  at.put("x");
  at.expect("not-capable", "fd_write", fd, ...at.vector(1), RESULT);
  at.expect("not-capable", "fd_seek", fd, 0n, 0, RESULT);
  at.expect("not-capable", "fd_filestat_get", fd, RESULT);
  at.expect("ok", "fd_read", fd, ...at.vector(4), RESULT);
  assert.equal(at.data(4), "0123");
  // The same for streams: without the right, stderr can't be written.
  at.expect("ok", "fd_fdstat_set_rights", 2, abi.FD_READ, 0n);
  at.expect("not-capable", "fd_write", 2, ...at.vector(1), RESULT);
  at.expect("ok", "fd_fdstat_set_rights", 0, abi.FD_WRITE, 0n);
  at.expect("not-capable", "fd_read", 0, ...at.vector(1), RESULT);
  // A directory passes on only its inheriting rights.
  const dir = at.open("dir", 0n, abi.O_DIRECTORY);
  at.expect("ok", "fd_fdstat_set_rights", dir, abi.PATH_OPEN | abi.PATH_CREATE_FILE, abi.FD_READ);
  const inner = at.open("new", WRITE, abi.O_CREAT, 0, dir);
  assert.equal(rights(inner)[0], abi.FD_READ);
  at.expect("not-capable", "path_unlink_file", dir, ...at.path("new"));
});

Deno.test("a directory opened with few rights works as any other", async () => {
  using at = await setUp();
  // As Go's os.Root opens one, without the rights to set sizes and times.
  const read = abi.PATH_OPEN | abi.FD_READDIR | abi.PATH_CREATE_FILE;
  for (const rights of [read, abi.FD_READDIR, 0n]) {
    at.expect("ok", "path_open", 3, 1, ...at.path("dir"), abi.O_DIRECTORY, rights, 0n, 0, RESULT);
    const dir = at.view().getUint32(RESULT, true);
    const created = at.open("new", WRITE, abi.O_CREAT | abi.O_TRUNC, 0, dir);
    at.put("text");
    at.expect("ok", "fd_write", created, ...at.vector(4), RESULT);
    const opened = at.open("new", abi.FD_READ, 0, 0, dir);
    at.expect("ok", "fd_read", opened, ...at.vector(4), RESULT);
    at.expect("ok", "fd_seek", opened, 0n, 0, RESULT);
    at.expect("bad-descriptor", "fd_write", opened, ...at.vector(4), RESULT);
    at.expect("invalid", "fd_filestat_set_size", opened, 0n);
    at.expect("ok", "fd_readdir", dir, DATA, 1024, 0n, RESULT);
    at.expect("ok", "path_create_directory", dir, ...at.path("inner"));
    at.expect("ok", "path_remove_directory", dir, ...at.path("inner"));
    at.expect("ok", "path_filestat_set_times", dir, 0, ...at.path("new"), 0n, 0n, 4);
    at.expect("ok", "path_unlink_file", dir, ...at.path("new"));
  }
});

Deno.test("a read-only directory refuses changes, whatever rights are requested", async () => {
  using at = await setUp({ write: false });
  at.expect("ok", "fd_fdstat_get", 3, RESULT);
  const base = at.view().getBigUint64(RESULT + 8, true);
  assert.equal(base & abi.DIRECTORY_WRITE_RIGHTS, 0n);
  at.expect("read-only", "path_create_directory", 3, ...at.path("new"));
  at.expect("read-only", "path_unlink_file", 3, ...at.path("file"));
  at.expect("read-only", "path_symlink", ...at.path("to"), 3, ...at.path("new", PATH + 32));
  for (const [oflags, rights] of [[0, WRITE], [abi.O_TRUNC, READ], [abi.O_CREAT, WRITE]] as const) {
    at.expect("read-only", "path_open", 3, 1, ...at.path("file"), oflags, rights, 0n, 0, RESULT);
  }
  at.expect("read-only", "path_open", 3, 1, ...at.path("new"), abi.O_CREAT, READ, 0n, 0, RESULT);
  assert.equal(Deno.readTextFileSync(`${at.root}/file`), "0123456789");
});

Deno.test("fd_renumber moves a descriptor and closes the target", async () => {
  using at = await setUp();
  const one = at.open("file");
  Deno.writeTextFileSync(`${at.root}/other`, "other");
  const two = at.open("other");
  at.expect("ok", "fd_renumber", one, two);
  at.expect("bad-descriptor", "fd_read", one, ...at.vector(1), RESULT);
  at.expect("ok", "fd_read", two, ...at.vector(4), RESULT);
  assert.equal(at.data(4), "0123");
  at.expect("bad-descriptor", "fd_renumber", one, two);
  at.expect("bad-descriptor", "fd_renumber", two, 500);
  at.expect("ok", "fd_renumber", two, two);
  at.expect("ok", "fd_tell", two, RESULT);
  assert.equal(at.view().getBigUint64(RESULT, true), 4n);
  // The free number is the next one used.
  assert.equal(at.open("file"), one);
  // stdout, too, as a shell does it.
  at.expect("ok", "fd_renumber", at.open("written", WRITE, abi.O_CREAT), 1);
  at.put("to stdout");
  at.expect("ok", "fd_write", 1, ...at.vector(9), RESULT);
  assert.equal(Deno.readTextFileSync(`${at.root}/written`), "to stdout");
});

Deno.test("reads and writes use all buffers, at an offset or the position", async () => {
  using at = await setUp();
  const fd = at.open("file", WRITE);
  at.expect("ok", "fd_pread", fd, ...at.vector(2, 0, 3), 4n, RESULT);
  assert.deepEqual([at.view().getUint32(RESULT, true), at.data(5)], [5, "45678"]);
  at.put("abc");
  at.expect("ok", "fd_pwrite", fd, ...at.vector(1, 2), 1n, RESULT);
  at.expect("ok", "fd_tell", fd, RESULT);
  assert.equal(at.view().getBigUint64(RESULT, true), 0n);
  at.expect("ok", "fd_read", fd, ...at.vector(3, 100), RESULT);
  assert.deepEqual([at.view().getUint32(RESULT, true), at.data(10)], [10, "0abc456789"]);
  at.expect("ok", "fd_read", fd, ...at.vector(10), RESULT);
  assert.equal(at.view().getUint32(RESULT, true), 0);
  at.expect("ok", "fd_read", fd, VECTOR, 0, RESULT);
  at.expect("invalid", "fd_pread", fd, ...at.vector(1), -1n, RESULT);
  at.expect("invalid", "fd_seek", fd, -11n, 2, RESULT);
  at.expect("invalid", "fd_seek", fd, 0n, 3, RESULT);
  at.expect("ok", "fd_seek", fd, 1n << 40n, 0, RESULT);
  assert.equal(at.view().getBigUint64(RESULT, true), 1n << 40n);
  at.expect("overflow", "fd_seek", fd, (1n << 63n) - 1n, 1, RESULT);
  for (const call of ["fd_pread", "fd_pwrite"]) {
    at.expect("bad-descriptor", call, 3, ...at.vector(1), 0n, RESULT);
    at.expect("bad-descriptor", call, 77, ...at.vector(1), 0n, RESULT);
    at.expect("invalid-seek", call, call === "fd_pread" ? 0 : 1, ...at.vector(1), 0n, RESULT);
  }
});

Deno.test("writes append until the flag is cleared", async () => {
  using at = await setUp();
  const fd = at.open("file", WRITE, 0, abi.APPEND);
  at.put("XY");
  at.expect("ok", "fd_write", fd, ...at.vector(1), RESULT);
  Deno.writeTextFileSync(`${at.root}/file`, "!", { append: true });
  at.expect("ok", "fd_write", fd, ...at.vector(1, 1), RESULT);
  assert.equal(Deno.readTextFileSync(`${at.root}/file`), "0123456789X!XY");
  at.expect("ok", "fd_tell", fd, RESULT);
  assert.equal(at.view().getBigUint64(RESULT, true), 14n);
  at.expect("ok", "fd_fdstat_set_flags", fd, 0);
  at.expect("ok", "fd_seek", fd, 0n, 0, RESULT);
  at.expect("ok", "fd_write", fd, ...at.vector(1), RESULT);
  assert.equal(Deno.readTextFileSync(`${at.root}/file`), "X123456789X!XY");
  at.expect("invalid", "fd_fdstat_set_flags", fd, 1024);
});

for (const byName of [false, true]) {
  Deno.test(`fd_readdir works with any buffer size and cookie${byName ? " (by name)" : ""}`, async () => {
    using at = await setUp({}, byName);
    for (let i = 0; i < 40; i++) Deno.writeTextFileSync(`${at.root}/dir/entry-${"x".repeat(i)}`, "");
    const dir = at.open("dir", READ, abi.O_DIRECTORY);
    /** Lists everything as wasi-libc does: asks again for truncated entries. */
    const list = (size: number, from = 0n): string[] => {
      const names: string[] = [];
      let cookie = from;
      for (;;) {
        at.expect("ok", "fd_readdir", dir, DATA, size, cookie, RESULT);
        const used = at.view().getUint32(RESULT, true);
        let offset = 0;
        for (; offset + 24 <= used;) {
          const length = at.view().getUint32(DATA + offset + 16, true);
          if (offset + 24 + length > used) break;
          cookie = at.view().getBigUint64(DATA + offset, true);
          names.push(
            new TextDecoder().decode(at.bytes().slice(DATA + offset + 24, DATA + offset + 24 + length)),
          );
          offset += 24 + length;
        }
        if (used < size) return names;
        assert.ok(offset > 0, "a buffer is large enough for one");
      }
    };
    const all = list(4096);
    assert.deepEqual(all.slice(0, 2), [".", ".."]);
    assert.equal(new Set(all).size, 42);
    for (const size of [80, 100, 255, 1000]) assert.deepEqual(list(size), all, String(size));
    assert.deepEqual(list(4096, 20n), all.slice(20));
    assert.deepEqual(list(4096, 42n), []);
    at.expect("ok", "fd_readdir", dir, DATA, 0, 0n, RESULT);
    at.expect("ok", "fd_readdir", dir, DATA, 4096, 1n << 60n, RESULT);
    assert.equal(at.view().getUint32(RESULT, true), 0);
    // At the start the listing is new; from a cookie it stays the old one.
    Deno.writeTextFileSync(`${at.root}/dir/later`, "");
    assert.deepEqual(list(4096, 2n), all.slice(2));
    assert.ok(list(4096).includes("later"));
    const file = at.open("file");
    at.expect("not-directory", "fd_readdir", file, DATA, 4096, 0n, RESULT);
    at.expect("ok", "fd_close", file);
  });
}

Deno.test("sockets and unknown arguments return errors, not crashes", async () => {
  using at = await setUp();
  const fd = at.open("file");
  for (const name of ["sock_recv", "sock_send", "sock_shutdown", "sock_accept"]) {
    at.expect("not-socket", name, fd, 0, 0, 0, 0, 0);
    at.expect("bad-descriptor", name, 99, 0, 0, 0, 0, 0);
  }
  const end = at.bytes().length;
  at.expect("fault", "path_open", 3, 1, end - 2, 100, 0, READ, READ, 0, RESULT);
  at.expect("fault", "path_open", 3, 1, ...at.path("file"), 0, READ, READ, 0, end - 2);
  at.expect("fault", "fd_read", fd, end - 4, 1, RESULT);
  at.expect("fault", "path_filestat_get", 3, 1, ...at.path("file"), -1);
  at.view().setUint32(VECTOR, end - 1, true);
  at.view().setUint32(VECTOR + 4, 0xffffffff, true);
  at.expect("fault", "fd_read", fd, VECTOR, 1, RESULT);
  at.expect("invalid", "fd_read", fd, VECTOR, 0x7fffffff, RESULT);
  at.expect("name-too-long", "path_open", 3, 1, PATH, 100000, 0, READ, READ, 0, RESULT);
  at.expect("invalid", "path_open", 3, 1, ...at.path("fi\0le"), 0, READ, READ, 0, RESULT);
  at.expect("invalid", "path_open", 3, 1, ...at.path("file"), 0, READ, READ, 0x8000, RESULT);
  at.expect("invalid", "path_filestat_set_times", 3, 1, ...at.path("file"), 0n, 0n, 3);
  at.expect("invalid", "fd_allocate", at.open("file", WRITE), 0n, 0n);
  at.expect("invalid", "fd_advise", fd, 0n, 0n, 6);
});

Deno.test("times can be set, kept or set to now independently", async () => {
  using at = await setUp();
  const times = () => {
    at.expect("ok", "path_filestat_get", 3, 1, ...at.path("file"), DATA);
    return [at.view().getBigUint64(DATA + 40, true), at.view().getBigUint64(DATA + 48, true)];
  };
  at.expect("ok", "path_filestat_set_times", 3, 1, ...at.path("file"), 1_000_000_001n, 2_000_000_002n, 5);
  assert.deepEqual(times(), [1_000_000_001n, 2_000_000_002n]);
  at.expect("ok", "path_filestat_set_times", 3, 1, ...at.path("file"), 7n, 8n, 4);
  assert.deepEqual(times(), [1_000_000_001n, 8n]);
  const fd = at.open("file", WRITE);
  at.expect("ok", "fd_filestat_set_times", fd, 9n, 0n, 1 | 8);
  const [accessed, modified] = times();
  assert.equal(accessed, 9n);
  assert.ok(modified! > 1_700_000_000_000_000_000n);
  at.expect("ok", "fd_filestat_set_times", fd, 9n, 9n, 0);
  assert.deepEqual(times(), [accessed, modified]);
});

Deno.test("records refused paths, but not missing ones", async () => {
  using at = await setUp();
  at.expect("no-entry", "path_open", 3, 1, ...at.path("gone"), 0, READ, READ, 0, RESULT);
  at.expect("not-permitted", "path_open", 3, 1, ...at.path("../up"), 0, READ, READ, 0, RESULT);
  at.expect("not-permitted", "path_symlink", ...at.path("/etc", DATA), 3, ...at.path("link"));
  at.expect("ok", "fd_fdstat_set_rights", 3, abi.PATH_OPEN, 0n);
  at.expect("not-capable", "path_unlink_file", 3, ...at.path("file"));
  assert.deepEqual(at.denied, ['open "../up"', 'make a link "link"', 'remove "file"']);
  using readOnly = await setUp({ write: false });
  readOnly.expect("read-only", "path_create_directory", 3, ...readOnly.path("new"));
  assert.deepEqual(readOnly.denied, ['make "new"']);
});

Deno.test("a plugin that leaks descriptors meets a limit and can close some", async () => {
  using at = await setUp();
  const max = at.tree.maxOpen;
  const fds: number[] = [];
  for (;;) {
    const errno = at.functions.path_open!(3, 1, ...at.path("file"), 0, READ, READ, 0, RESULT);
    if (errno !== 0) {
      assert.equal(errno, ERRNO["too-many-open"]);
      break;
    }
    fds.push(at.view().getUint32(RESULT, true));
  }
  assert.equal(fds.length + 4, max);
  // The host itself can still open files.
  Deno.openSync(`${at.root}/file`).close();
  at.expect("ok", "fd_close", fds[100]!);
  assert.equal(at.open("file"), fds[100]);
  for (const fd of fds) at.expect("ok", "fd_close", fd);
});

Deno.test("100,000 opens and closes leave memory and descriptors unchanged", async () => {
  using at = await setUp();
  const { path_open, fd_close } = at.functions;
  const [pointer, length] = at.path("dir");
  const opened = () => Deno.build.os === "linux" ? [...Deno.readDirSync("/proc/self/fd")].length : 0;
  const run = (count: number) => {
    for (let i = 0; i < count; i++) {
      assert.equal(path_open!(3, 1, pointer, length, 0, READ, READ, 0, RESULT), 0);
      assert.equal(fd_close!(at.view().getUint32(RESULT, true)), 0);
    }
  };
  run(20_000);
  const before = { memory: Deno.memoryUsage().rss, opened: opened() };
  run(100_000);
  assert.equal(opened(), before.opened);
  assert.equal(at.open("file"), 4);
  // Until the next collection a few megabytes remain. A leak of a kilobyte each would be a hundred.
  assert.ok(Deno.memoryUsage().rss - before.memory < 64 << 20);
});
