/** preview1's functions on paths: their arguments, rights and results. */

import assert from "node:assert/strict";
import type { FileTree } from "../../../../runtime/wasi/files/file_tree.ts";
import * as abi from "../../../../runtime/wasi/p1/abi.ts";
import type { Context } from "../../../../runtime/wasi/p1/p1_context.ts";
import { pathFunctions } from "../../../../runtime/wasi/p1/paths.ts";
import { FakeDirectory, FakeFile, onlyCall, statOf } from "../../../support/fake_tree.ts";
import { errnoOf } from "../../../support/file_trees.ts";
import { FILE, p1Context, READ_ONLY, WRITABLE } from "../../../support/p1_context.ts";

/** Addresses: of two paths, a buffer, and a result. */
const [FIRST, SECOND, BUFFER, RESULT] = [0, 8192, 16384, 20480];
const VERSION = abi.VERSIONS.wasi_snapshot_preview1!;

type Args = readonly (number | bigint)[];

/** The functions, with two paths in the module's memory. */
function setUp(answers: Partial<FileTree> = {}, hasTree = true) {
  const it = p1Context(answers, undefined, hasTree);
  const functions = pathFunctions(it.context, VERSION);
  const put = (text: string, at: number): [number, number] => {
    return [at, new TextEncoder().encodeInto(text, it.bytes.subarray(at)).written];
  };
  return {
    ...it,
    first: put("a/first", FIRST),
    second: put("second", SECOND),
    call: (name: string, args: Args) => functions[name]!(...args),
    errno: (name: string, args: Args) => errnoOf(() => functions[name]!(...args)),
  };
}

type SetUp = ReturnType<typeof setUp>;

/** A call of each function with a path below `fd`, the right that it needs, and the tree's function. */
function callsOf({ first, second }: SetUp, fd: number): Record<string, readonly [Args, bigint, string]> {
  return {
    path_create_directory: [[fd, ...first], abi.PATH_CREATE_DIRECTORY, "createDirectoryAt"],
    path_filestat_get: [[fd, 1, ...first, RESULT], abi.PATH_FILESTAT_GET, "statAt"],
    path_filestat_set_times: [[fd, 1, ...first, 5n, 6n, 5], abi.PATH_FILESTAT_SET_TIMES, "setTimesAt"],
    path_link: [[fd, 0, ...first, WRITABLE, ...second], abi.PATH_LINK_SOURCE, "linkAt"],
    path_open: [[fd, 1, ...first, 0, abi.FD_READ, 0n, 0, RESULT], abi.PATH_OPEN, "openAt"],
    path_readlink: [[fd, ...first, BUFFER, 100, RESULT], abi.PATH_READLINK, "readLinkAt"],
    path_remove_directory: [[fd, ...first], abi.PATH_REMOVE_DIRECTORY, "removeDirectoryAt"],
    path_rename: [[fd, ...first, WRITABLE, ...second], abi.PATH_RENAME_SOURCE, "renameAt"],
    path_symlink: [[...second, fd, ...first], abi.PATH_SYMLINK, "symlinkAt"],
    path_unlink_file: [[fd, ...first], abi.PATH_UNLINK_FILE, "unlinkFileAt"],
  };
}

const ANSWERS: Partial<FileTree> = {
  statAt: () => statOf(),
  openAt: () => new FakeFile(),
  readLinkAt: () => new TextEncoder().encode("target"),
};

Deno.test("each function passes its directory and path to the tree", () => {
  const it = setUp(ANSWERS);
  for (const [name, [args, , operation]] of Object.entries(callsOf(it, WRITABLE))) {
    it.call(name, args);
    const [called, ...passed] = onlyCall(it.calls);
    assert.equal(called, operation, name);
    assert.ok(passed.includes(it.writable), name);
    assert.ok(passed.includes("a/first"), name);
    if (/link$|rename/.test(name) && name !== "path_readlink") assert.ok(passed.includes("second"), name);
  }
});

Deno.test("the functions cover every path function of preview1", () => {
  assert.deepEqual(
    Object.keys(callsOf(setUp(), 3)).sort(),
    Object.keys(pathFunctions({} as Context, VERSION)).sort(),
  );
});

Deno.test("each function needs an open directory with its right", () => {
  const it = setUp(ANSWERS);
  for (const [name, [, right]] of Object.entries(callsOf(it, WRITABLE))) {
    assert.equal(it.errno(name, callsOf(it, 99)[name]![0]), "bad-descriptor", name);
    assert.equal(it.errno(name, callsOf(it, 1)[name]![0]), "not-directory", name);
    assert.equal(it.errno(name, callsOf(it, FILE)[name]![0]), "not-directory", name);
    const directory = it.descriptors.get(WRITABLE);
    const { base } = directory;
    directory.base = base & ~right;
    assert.equal(it.errno(name, callsOf(it, WRITABLE)[name]![0]), "not-capable", name);
    directory.base = base;
  }
  assert.deepEqual(it.calls, []);
});

Deno.test("a read-only directory refuses every change before the tree is asked", () => {
  const it = setUp(ANSWERS);
  const reads = ["path_filestat_get", "path_open", "path_readlink"];
  for (const [name, [args]] of Object.entries(callsOf(it, READ_ONLY))) {
    if (reads.includes(name)) continue;
    assert.equal(it.errno(name, args), "read-only", name);
  }
  assert.deepEqual(it.calls, []);
});

Deno.test("a link and a move need rights at both ends", () => {
  const it = setUp();
  const { first, second } = it;
  assert.equal(it.errno("path_link", [WRITABLE, 0, ...first, READ_ONLY, ...second]), "read-only");
  assert.equal(it.errno("path_rename", [WRITABLE, ...first, READ_ONLY, ...second]), "read-only");
  it.descriptors.get(WRITABLE).base &= ~abi.PATH_LINK_TARGET & ~abi.PATH_RENAME_TARGET;
  assert.equal(it.errno("path_link", [WRITABLE, 0, ...first, WRITABLE, ...second]), "not-capable");
  assert.equal(it.errno("path_rename", [WRITABLE, ...first, WRITABLE, ...second]), "not-capable");
  assert.deepEqual(it.calls, []);
});

Deno.test("a path of more than 4096 bytes, or past the memory, is refused", () => {
  const it = setUp(ANSWERS);
  for (
    const [pointer, length, errno] of [[0, 4097, "name-too-long"], [32760, 9, "fault"], [
      -1,
      1,
      "fault",
    ]] as const
  ) {
    it.first[0] = pointer;
    it.first[1] = length;
    for (const [name, [args]] of Object.entries(callsOf(it, WRITABLE))) {
      assert.equal(it.errno(name, args), errno, `${name} at ${pointer}`);
    }
  }
  assert.deepEqual(it.calls, []);
});

Deno.test("a module without files has no file", () => {
  const it = setUp(ANSWERS, false);
  for (const [name, [args]] of Object.entries(callsOf(it, WRITABLE))) {
    assert.equal(it.errno(name, args), "bad-descriptor", name);
  }
});

Deno.test("the lookup flag says whether a link is followed", () => {
  const it = setUp(ANSWERS);
  for (const lookup of [0, 1, 3]) {
    it.call("path_filestat_get", [WRITABLE, lookup, ...it.first, RESULT]);
    assert.equal(onlyCall(it.calls)[3], (lookup & 1) === 1);
    it.call("path_link", [WRITABLE, lookup, ...it.first, WRITABLE, ...it.second]);
    assert.equal(onlyCall(it.calls)[3], (lookup & 1) === 1);
    it.call("path_open", [WRITABLE, lookup, ...it.first, 0, 0n, 0n, 0, RESULT]);
    assert.equal((onlyCall(it.calls)[3] as { follow: boolean }).follow, (lookup & 1) === 1);
  }
});

Deno.test("path_open passes the flags, and reads and writes as the rights say", () => {
  const it = setUp(ANSWERS);
  const optionsOf = (oflags: number, rights: bigint) => {
    it.call("path_open", [WRITABLE, 0, ...it.first, oflags, rights, 0n, 0, RESULT]);
    const options = onlyCall(it.calls)[3] as Record<string, boolean>;
    return Object.entries(options).filter(([, on]) => on).map(([name]) => name).join(" ");
  };
  assert.equal(optionsOf(0, 0n), "");
  assert.equal(optionsOf(abi.O_CREAT | abi.O_EXCL, abi.FD_WRITE), "create exclusive write");
  assert.equal(optionsOf(abi.O_TRUNC, abi.FD_READ | abi.FD_WRITE), "truncate read write");
  assert.equal(optionsOf(abi.O_DIRECTORY, abi.FD_READDIR), "directory read");
});

Deno.test("path_open does not create or truncate without the directory's rights", () => {
  const it = setUp(ANSWERS);
  const open = (fd: number, oflags: number) =>
    it.errno("path_open", [fd, 0, ...it.first, oflags, abi.FD_WRITE, 0n, 0, RESULT]);
  it.descriptors.get(WRITABLE).base &= ~abi.PATH_CREATE_FILE & ~abi.PATH_FILESTAT_SET_SIZE;
  assert.equal(open(WRITABLE, abi.O_CREAT), "not-capable");
  assert.equal(open(WRITABLE, abi.O_TRUNC), "not-capable");
  assert.equal(open(WRITABLE, 0), "ok");
  // The tree itself refuses this, and says whether the file exists.
  assert.equal(open(READ_ONLY, abi.O_CREAT), "ok");
});

Deno.test("path_open returns a descriptor with no more rights than its directory", () => {
  const nodes = [new FakeFile("", { writable: false }), new FakeDirectory(), new FakeFile()];
  const it = setUp({ openAt: () => nodes.shift()! });
  const open = (fd: number) => {
    it.call("path_open", [fd, 0, ...it.first, 0, abi.FD_READ, 0n, abi.APPEND, RESULT]);
    return it.descriptors.get(it.view.getUint32(RESULT, true));
  };
  const file = open(WRITABLE);
  assert.equal(file.base & abi.FD_WRITE, 0n, "the file was opened for reading");
  assert.equal(file.inheriting, 0n);
  assert.equal(file.flags, abi.APPEND);
  const directory = open(READ_ONLY);
  assert.equal(directory.base & abi.PATH_CREATE_FILE, 0n, "its directory is read-only");
  assert.equal(directory.inheriting, it.descriptors.get(READ_ONLY).inheriting);
  assert.equal(open(READ_ONLY).base & abi.FD_WRITE, 0n);
});

Deno.test("path_open refuses unknown descriptor flags before it opens", () => {
  const it = setUp(ANSWERS);
  assert.equal(it.errno("path_open", [WRITABLE, 0, ...it.first, 0, 0n, 0n, 32, RESULT]), "invalid");
  assert.deepEqual(it.calls, []);
});

Deno.test("path_open and path_filestat_get wait for content that the host generates", async () => {
  const it = setUp({
    openAt: () => Promise.resolve(new FakeFile()),
    statAt: () => Promise.resolve(statOf({ size: 1234n })),
  });
  const opened = it.call("path_open", [WRITABLE, 0, ...it.first, 0, abi.FD_READ, 0n, 0, RESULT]);
  assert.ok(opened instanceof Promise);
  assert.equal(await opened, 0);
  assert.equal(it.view.getUint32(RESULT, true), FILE + 1);
  await it.call("path_filestat_get", [WRITABLE, 0, ...it.first, RESULT]);
  assert.equal(it.view.getBigUint64(RESULT + 32, true), 1234n);
});

Deno.test("path_open closes the file if the plugin has no free descriptor", () => {
  const file = new FakeFile();
  const it = setUp({ openAt: () => file, maxOpen: 6 });
  assert.equal(it.errno("path_open", [WRITABLE, 0, ...it.first, 0, 0n, 0n, 0, RESULT]), "too-many-open");
  assert.equal(file.closed, 1);
});

Deno.test("path_readlink returns the part of the target that fits", () => {
  const it = setUp(ANSWERS);
  it.call("path_readlink", [WRITABLE, ...it.first, BUFFER, 4, RESULT]);
  assert.equal(it.view.getUint32(RESULT, true), 4);
  assert.equal(new TextDecoder().decode(it.bytes.slice(BUFFER, BUFFER + 6)), "targ\0\0");
  it.call("path_readlink", [WRITABLE, ...it.first, BUFFER, 100, RESULT]);
  assert.equal(it.view.getUint32(RESULT, true), 6);
});

Deno.test("path_filestat_set_times sets, keeps or renews each time", () => {
  const it = setUp();
  const timesOf = (flags: number) => {
    it.call("path_filestat_set_times", [WRITABLE, 0, ...it.first, 5n, 6n, flags]);
    return onlyCall(it.calls).slice(4);
  };
  assert.deepEqual(timesOf(0), [undefined, undefined]);
  assert.deepEqual(timesOf(1), [5n, undefined]);
  assert.deepEqual(timesOf(2 | 4), ["now", 6n]);
  assert.deepEqual(timesOf(8), [undefined, "now"]);
  assert.equal(it.errno("path_filestat_set_times", [WRITABLE, 0, ...it.first, 5n, 6n, 3]), "invalid");
});
