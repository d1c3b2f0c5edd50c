/** preview1's functions on descriptors: rights, flags, attributes, listings, positions. */

import assert from "node:assert/strict";
import type { FileTree, NodeType } from "../../../../runtime/wasi/files/file_tree.ts";
import * as abi from "../../../../runtime/wasi/p1/abi.ts";
import {
  checkPlaces,
  fileFunctions,
  flagsOf,
  newTimes,
  storeStat,
} from "../../../../runtime/wasi/p1/files.ts";
import { entryOf, FakeFile, onlyCall, statOf } from "../../../support/fake_tree.ts";
import { errnoOf } from "../../../support/file_trees.ts";
import { FILE, p1Context, READ_ONLY, WRITABLE } from "../../../support/p1_context.ts";

const BUFFER = 1024;
const RESULT = 0;
const STDIN = 0;
const STDOUT = 1;
const VERSION = abi.VERSIONS.wasi_snapshot_preview1!;

function setUp(answers: Partial<FileTree> = {}, file = new FakeFile(), version = VERSION) {
  const it = p1Context(answers, file);
  const functions = fileFunctions(it.context, version);
  return {
    ...it,
    call: (name: string, ...args: (number | bigint)[]) => functions[name]!(...args),
    errno: (name: string, ...args: (number | bigint)[]) => errnoOf(() => functions[name]!(...args)),
  };
}

Deno.test("fd_fdstat_get describes each kind of descriptor", () => {
  const it = setUp();
  for (const [fd, type] of [[STDIN, 0], [WRITABLE, 3], [FILE, 4]] as const) {
    it.bytes.fill(0xff, RESULT, RESULT + 24);
    it.call("fd_fdstat_get", fd, RESULT);
    const { base, inheriting } = it.descriptors.get(fd);
    assert.equal(it.view.getUint8(RESULT), type);
    assert.equal(it.view.getUint8(RESULT + 1), 0);
    assert.equal(it.view.getBigUint64(RESULT + 8, true), base);
    assert.equal(it.view.getBigUint64(RESULT + 16, true), inheriting);
  }
  assert.equal(it.errno("fd_fdstat_get", 99, RESULT), "bad-descriptor");
});

Deno.test("fd_fdstat_set_flags changes what the host can change", () => {
  const it = setUp();
  it.call("fd_fdstat_set_flags", FILE, abi.APPEND | abi.NONBLOCK);
  assert.equal(it.descriptors.get(FILE).flags, abi.APPEND | abi.NONBLOCK);
  for (const flag of [abi.DSYNC, abi.RSYNC, abi.SYNC]) {
    assert.equal(it.errno("fd_fdstat_set_flags", FILE, flag), "unsupported");
  }
  assert.equal(it.errno("fd_fdstat_set_flags", FILE, 32), "invalid");
  it.descriptors.get(FILE).base &= ~abi.FD_FDSTAT_SET_FLAGS;
  assert.equal(it.errno("fd_fdstat_set_flags", FILE, 0), "not-capable");
  assert.equal(errnoOf(() => flagsOf(-1)), "invalid");
});

Deno.test("fd_fdstat_set_rights removes rights and never adds any", () => {
  const it = setUp();
  it.call("fd_fdstat_set_rights", FILE, abi.FD_READ, 0n);
  assert.equal(it.descriptors.get(FILE).base, abi.FD_READ);
  assert.equal(it.errno("fd_fdstat_set_rights", FILE, abi.FD_READ | abi.FD_WRITE, 0n), "not-capable");
  assert.equal(it.errno("fd_fdstat_set_rights", FILE, -1n, 0n), "not-capable");
  assert.equal(it.errno("fd_fdstat_set_rights", READ_ONLY, 0n, abi.FD_WRITE), "not-capable");
  it.call("fd_fdstat_set_rights", FILE, 0n, 0n);
  assert.equal(it.errno("fd_filestat_get", FILE, RESULT), "not-capable");
});

Deno.test("each change of a file needs its right", () => {
  const it = setUp();
  const calls: [string, bigint, (number | bigint)[]][] = [
    ["fd_advise", abi.FD_ADVISE, [0n, 1n, 0]],
    ["fd_allocate", abi.FD_ALLOCATE, [0n, 1n]],
    ["fd_datasync", abi.FD_DATASYNC, []],
    ["fd_sync", abi.FD_SYNC, []],
    ["fd_filestat_get", abi.FD_FILESTAT_GET, [RESULT]],
    ["fd_filestat_set_size", abi.FD_FILESTAT_SET_SIZE, [1n]],
    ["fd_filestat_set_times", abi.FD_FILESTAT_SET_TIMES, [1n, 1n, 5]],
    ["fd_seek", abi.FD_SEEK, [0n, 0, RESULT]],
    ["fd_tell", abi.FD_TELL, [RESULT]],
  ];
  for (const [name, right, args] of calls) {
    it.descriptors.get(FILE).base = abi.FILE_RIGHTS & ~right;
    assert.equal(it.errno(name, FILE, ...args), "not-capable", name);
    it.descriptors.get(FILE).base = abi.FILE_RIGHTS;
    assert.equal(it.errno(name, FILE, ...args), "ok", name);
    assert.equal(it.errno(name, 99, ...args), "bad-descriptor", name);
  }
});

Deno.test("offsets, lengths and advice outside of their range are invalid", () => {
  const it = setUp();
  for (const args of [[-1n, 1n, 0], [0n, -1n, 0], [0n, 1n, 6], [0n, 1n, -1]] as const) {
    assert.equal(it.errno("fd_advise", FILE, ...args), "invalid");
  }
  for (const args of [[-1n, 1n], [0n, 0n], [0n, -1n]]) {
    assert.equal(it.errno("fd_allocate", FILE, ...args), "invalid");
  }
  assert.equal(it.errno("fd_filestat_set_size", FILE, -1n), "invalid");
  assert.deepEqual(it.file.calls, []);
});

Deno.test("a file passes on advice, sizes, space and syncs", () => {
  const it = setUp();
  it.call("fd_advise", FILE, 1n, 2n, 3);
  it.call("fd_allocate", FILE, 4n, 5n);
  it.call("fd_filestat_set_size", FILE, 6n);
  it.call("fd_sync", FILE);
  it.call("fd_datasync", FILE);
  assert.deepEqual(it.file.calls, [
    ["advise", 1n, 2n, 3],
    ["allocate", 4n, 5n],
    ["setSize", 6n],
    ["sync", false],
    ["sync", true],
  ]);
});

Deno.test("a sync of a directory succeeds, one of a stream is invalid", () => {
  const it = setUp();
  assert.equal(it.errno("fd_sync", WRITABLE), "ok");
  assert.equal(it.errno("fd_datasync", READ_ONLY), "ok");
  assert.equal(it.errno("fd_sync", STDIN), "invalid");
  assert.equal(it.errno("fd_sync", STDOUT), "invalid");
});

Deno.test("fd_filestat_get stores attributes in the layout of each version", () => {
  for (
    const [version, rest, links] of [["wasi_snapshot_preview1", 32, 24], ["wasi_unstable", 24, 20]] as const
  ) {
    const it = setUp({ stat: () => statOf({ type: "directory" }) }, undefined, abi.VERSIONS[version]!);
    it.call("fd_filestat_get", WRITABLE, RESULT);
    const number = (at: number) => it.view.getBigUint64(RESULT + at, true);
    assert.deepEqual([number(0), number(8), it.view.getUint8(RESULT + 16)], [1n, 2n, 3]);
    assert.equal(it.view.getUint32(RESULT + links, true), 3);
    assert.deepEqual(
      [0, 8, 16, 24].map((at) => number(rest + at)),
      [4n, 5_000_000_006n, 7_000_000_008n, 9_000_000_010n],
    );
  }
});

Deno.test("fd_filestat_get of a stream reveals no file", () => {
  const it = setUp();
  it.bytes.fill(0xff, RESULT, RESULT + 64);
  it.call("fd_filestat_get", STDIN, RESULT);
  const numbers = [0, 8, 16, 32, 40, 48, 56].map((at) => it.view.getBigUint64(RESULT + at, true));
  assert.deepEqual(numbers, [0n, 0n, 0n, 0n, 0n, 0n, 0n]);
});

Deno.test("storeStat() fails past the end of the memory", () => {
  const { context } = setUp();
  assert.throws(() => storeStat(context.memory, statOf(), -64, false), RangeError);
});

Deno.test("fd_filestat_set_times passes the times to the tree", () => {
  const it = setUp();
  it.call("fd_filestat_set_times", FILE, 5n, 6n, 1 | 8);
  assert.deepEqual(onlyCall(it.calls).slice(2), [5n, "now"]);
  assert.equal(it.errno("fd_filestat_set_times", STDIN, 5n, 6n, 1), "bad-descriptor");
});

Deno.test("newTimes() refuses a time that is set and now at once", () => {
  assert.deepEqual(newTimes(1n, 2n, 0), [undefined, undefined]);
  assert.deepEqual(newTimes(1n, 2n, 1 | 4), [1n, 2n]);
  assert.deepEqual(newTimes(1n, 2n, 2 | 8), ["now", "now"]);
  assert.deepEqual(newTimes(-1n, 2n, 1), [2n ** 64n - 1n, undefined]);
  assert.equal(errnoOf(() => newTimes(1n, 2n, 3)), "invalid");
  assert.equal(errnoOf(() => newTimes(1n, 2n, 12)), "invalid");
});

Deno.test("only preopens have a name, which needs enough room", () => {
  const it = setUp();
  it.call("fd_prestat_get", WRITABLE, RESULT);
  assert.equal(it.view.getUint32(RESULT + 4, true), "/writable".length);
  it.call("fd_prestat_dir_name", WRITABLE, BUFFER, 9);
  assert.equal(new TextDecoder().decode(it.bytes.slice(BUFFER, BUFFER + 9)), "/writable");
  assert.equal(it.errno("fd_prestat_dir_name", WRITABLE, BUFFER, 8), "name-too-long");
  for (const name of ["fd_prestat_get", "fd_prestat_dir_name"]) {
    assert.equal(it.errno(name, FILE, RESULT, 9), "bad-descriptor");
    assert.equal(it.errno(name, STDIN, RESULT, 9), "bad-descriptor");
  }
});

/** The entries in the buffer. */
function entriesIn(it: ReturnType<typeof setUp>, used: number) {
  const entries: string[] = [];
  for (let at = BUFFER; at < BUFFER + used;) {
    const length = it.view.getUint32(at + 16, true);
    const name = new TextDecoder().decode(it.bytes.slice(at + 24, at + 24 + length));
    const [next, ino] = [it.view.getBigUint64(at, true), it.view.getBigUint64(at + 8, true)];
    entries.push(`${next} ${name} ${ino} ${it.view.getUint32(at + 20, true)}`);
    at += 24 + length;
  }
  return entries;
}

function withListing() {
  const it = setUp({
    readDirectory: () => it.listing([entryOf("a"), entryOf("dir", "directory", 10n)]),
  });
  const read = (length: number, cookie: bigint) => {
    it.call("fd_readdir", WRITABLE, BUFFER, length, cookie, RESULT);
    return it.view.getUint32(RESULT, true);
  };
  return { it, read };
}

Deno.test("fd_readdir shows dots with the directory's own inode, then the entries", () => {
  const { it, read } = withListing();
  assert.deepEqual(entriesIn(it, read(1000, 0n)), ["1 . 77 3", "2 .. 77 3", "3 a 9 4", "4 dir 10 3"]);
  assert.deepEqual(entriesIn(it, read(1000, 3n)), ["4 dir 10 3"]);
  assert.equal(read(1000, 4n), 0);
  assert.equal(read(1000, -1n), 0, "the largest cookie");
});

Deno.test("fd_readdir fills a small buffer with a part of an entry", () => {
  const { it, read } = withListing();
  assert.equal(read(30, 0n), 30);
  assert.deepEqual(entriesIn(it, 25), ["1 . 77 3"]);
  assert.equal(read(10, 0n), 10);
});

Deno.test("fd_readdir lists anew from the start, and closes the listing before", () => {
  const { it, read } = withListing();
  read(1000, 0n);
  read(1000, 2n);
  assert.equal(it.calls.filter(([name]) => name === "readDirectory").length, 1);
  read(1000, 0n);
  assert.equal(it.calls.filter(([name]) => name === "readDirectory").length, 2);
  assert.equal(it.openListings(), 1);
  it.call("fd_close", WRITABLE);
  assert.equal(it.openListings(), 0);
});

Deno.test("fd_readdir needs a directory with its right", () => {
  const { it } = withListing();
  assert.equal(it.errno("fd_readdir", FILE, BUFFER, 100, 0n, RESULT), "not-directory");
  it.descriptors.get(WRITABLE).base &= ~abi.FD_READDIR;
  assert.equal(it.errno("fd_readdir", WRITABLE, BUFFER, 100, 0n, RESULT), "not-capable");
});

Deno.test("fd_seek moves from the start, the position and the end, and fd_tell agrees", () => {
  const it = setUp();
  const seek = (delta: bigint, whence: number) => {
    it.call("fd_seek", FILE, delta, whence, RESULT);
    const position = it.view.getBigUint64(RESULT, true);
    it.call("fd_tell", FILE, RESULT);
    assert.equal(it.view.getBigUint64(RESULT, true), position);
    return position;
  };
  assert.equal(seek(4n, 0), 4n);
  assert.equal(seek(3n, 1), 7n);
  assert.equal(seek(-2n, 2), 8n);
  assert.equal(seek(100n, 2), 110n);
  assert.equal(it.errno("fd_seek", FILE, -1n, 0, RESULT), "invalid");
  assert.equal(it.errno("fd_seek", FILE, 0n, 3, RESULT), "invalid");
  assert.equal(it.errno("fd_seek", FILE, 0x7fffffffffffffffn, 1, RESULT), "overflow");
  assert.equal(it.descriptors.get(FILE).offset, 110n, "a failure moves nothing");
});

Deno.test("fd_seek numbers its origins otherwise in snapshot 0", () => {
  const it = setUp({}, undefined, abi.VERSIONS.wasi_unstable!);
  for (const [whence, position] of [[2, 1n], [0, 2n], [1, 11n]] as const) {
    it.call("fd_seek", FILE, 1n, whence, RESULT);
    assert.equal(it.view.getBigUint64(RESULT, true), position);
  }
});

Deno.test("streams, pipes, sockets and directories have no position", () => {
  for (const type of ["fifo", "socket"] as const) {
    const it = setUp({}, new FakeFile("", { type }));
    assert.equal(it.errno("fd_seek", FILE, 0n, 0, RESULT), "invalid-seek");
    assert.equal(it.errno("fd_tell", FILE, RESULT), "invalid-seek");
  }
  const it = setUp();
  assert.equal(it.errno("fd_seek", STDIN, 0n, 0, RESULT), "invalid-seek");
  assert.equal(it.errno("fd_seek", WRITABLE, 0n, 0, RESULT), "bad-descriptor");
  const hasPlaces = (type: NodeType) => errnoOf(() => checkPlaces(new FakeFile("", { type }))) === "ok";
  assert.ok(hasPlaces("regular-file") && hasPlaces("character-device"));
});

Deno.test("fd_close and fd_renumber close what nothing refers to any more", () => {
  const [first, second] = [new FakeFile(), new FakeFile()];
  const it = setUp({}, first);
  const fd = it.descriptors.insert({
    ...{ node: second, base: abi.FILE_RIGHTS, inheriting: 0n, flags: 0, offset: 0n },
  });
  it.call("fd_renumber", fd, FILE);
  assert.deepEqual([first.closed, second.closed], [1, 0]);
  assert.equal(it.errno("fd_tell", fd, RESULT), "bad-descriptor");
  it.call("fd_renumber", FILE, FILE);
  assert.equal(second.closed, 0);
  it.call("fd_close", FILE);
  assert.equal(second.closed, 1);
  assert.equal(it.errno("fd_close", FILE), "bad-descriptor");
});
