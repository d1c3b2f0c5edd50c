/** wasi:filesystem's descriptors and streams over a fake file tree. */

import assert from "node:assert/strict";
import { WasiError } from "../../../../runtime/wasi/errno.ts";
import type { FileTree } from "../../../../runtime/wasi/files/file_tree.ts";
import { filesystemInterfaces } from "../../../../runtime/wasi/p2/filesystem.ts";
import { IoError } from "../../../../runtime/wasi/p2/io.ts";
import {
  entryOf,
  failing,
  FakeDirectory,
  FakeFile,
  fakeTree,
  onlyCall,
  statOf,
} from "../../../support/fake_tree.ts";

const FOLLOW = { symlinkFollow: true };

/** The interfaces, with the writable root as `root`. */
function setUp(answers: Partial<FileTree> = {}) {
  const fake = fakeTree(answers);
  const api = filesystemInterfaces(fake.tree);
  const { Descriptor, filesystemErrorCode } = api["wasi:filesystem/types"];
  const [root, readOnly] = api["wasi:filesystem/preopens"].getDirectories().map(([directory]) => directory);
  return { ...fake, api, Descriptor, filesystemErrorCode, root: root!, readOnly: readOnly! };
}

type SetUp = ReturnType<typeof setUp>;
type Descriptor = SetUp["root"];

/** Opens the file that the tree returns. */
function opened(file: FakeFile, flags: Parameters<Descriptor["openAt"]>[3] = { read: true, write: true }) {
  const it = setUp({ openAt: () => file });
  return { ...it, file, descriptor: it.root.openAt({}, "file", {}, flags) as Descriptor };
}

/** The error-code of an operation; `ok` without one. */
function codeOf(operation: () => unknown): unknown {
  try {
    operation();
    return "ok";
  } catch (error) {
    return error;
  }
}

const text = (bytes: unknown) => new TextDecoder().decode(bytes as Uint8Array);
const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("the preopens are the roots, with the plugin's names", () => {
  const { api } = setUp();
  const roots = api["wasi:filesystem/preopens"].getDirectories();
  assert.deepEqual(roots.map(([, guest]) => guest), ["/writable", "/read-only"]);
  assert.deepEqual(roots.map(([root]) => root.getFlags()), [{ read: true, mutateDirectory: true }, {
    read: true,
  }]);
});

Deno.test("each operation on a path passes its directory and arguments to the tree", () => {
  const it = setUp({ statAt: () => statOf(), readLinkAt: () => bytes("target") });
  const { root, writable } = it;
  const time = { tag: "timestamp", val: { seconds: 2n, nanoseconds: 3 } } as const;
  const calls: [() => unknown, unknown[]][] = [
    [() => root.createDirectoryAt("a"), ["createDirectoryAt", writable, "a"]],
    [() => root.statAt(FOLLOW, "a"), ["statAt", writable, "a", true]],
    [() => root.statAt({}, "a"), ["statAt", writable, "a", false]],
    [() => root.metadataHashAt(FOLLOW, "a"), ["statAt", writable, "a", true]],
    [() => root.linkAt({}, "a", root, "b"), ["linkAt", writable, "a", false, writable, "b"]],
    [() => root.readlinkAt("a"), ["readLinkAt", writable, "a"]],
    [() => root.removeDirectoryAt("a"), ["removeDirectoryAt", writable, "a"]],
    [() => root.renameAt("a", root, "b"), ["renameAt", writable, "a", writable, "b"]],
    [() => root.symlinkAt("target", "a"), ["symlinkAt", "target", writable, "a"]],
    [() => root.unlinkFileAt("a"), ["unlinkFileAt", writable, "a"]],
    [
      () => root.setTimesAt(FOLLOW, "a", time, { tag: "now" }),
      ["setTimesAt", writable, "a", true, 2_000_000_003n, "now"],
    ],
    [
      () => root.setTimes({ tag: "no-change" }, time),
      ["setTimes", writable, undefined, 2_000_000_003n],
    ],
  ];
  for (const [call, expected] of calls) {
    call();
    assert.deepEqual(onlyCall(it.calls), expected);
  }
});

Deno.test("open-at passes the flags that the component gives", () => {
  const it = setUp({ openAt: () => new FakeFile() });
  it.root.openAt(FOLLOW, "a", { create: true, exclusive: true }, { write: true });
  it.root.openAt({}, "a", { truncate: true, directory: true }, { read: true });
  const on = it.calls.map(([, , , options]) =>
    Object.entries(options as object).filter(([, on]) => on).map(([name]) => name).join(" ")
  );
  assert.deepEqual(on, ["follow create exclusive write", "truncate directory read"]);
});

Deno.test("a file is no directory, and a directory no file", () => {
  const { root, descriptor } = opened(new FakeFile());
  for (
    const operation of [
      () => descriptor.openAt({}, "a", {}, {}),
      () => descriptor.createDirectoryAt("a"),
      () => descriptor.readDirectory(),
      () => descriptor.unlinkFileAt("a"),
      () => root.renameAt("a", descriptor, "b"),
      () => root.linkAt({}, "a", descriptor, "b"),
    ]
  ) assert.equal(codeOf(operation), "not-directory");
  for (
    const operation of [
      () => root.read(1n, 0n),
      () => root.write(bytes("x"), 0n),
      () => root.readViaStream(0n),
      () => root.setSize(1n),
      () => root.advise(0n, 1n, "normal"),
    ]
  ) assert.equal(codeOf(operation), "is-directory");
});

Deno.test("errors have the names of wasi:filesystem, others end the plugin", () => {
  for (
    const [errno, code] of [
      ["no-entry", "no-entry"],
      ["not-permitted", "not-permitted"],
      ["not-capable", "not-permitted"],
      ["fault", "invalid"],
      ["too-many-open", "insufficient-memory"],
    ] as const
  ) {
    const it = setUp({ openAt: failing(errno), statAt: () => Promise.reject(new WasiError(errno)) });
    assert.equal(codeOf(() => it.root.openAt({}, "a", {}, {})), code);
    assert.equal(it.filesystemErrorCode(new IoError(new WasiError(errno))), code);
  }
  const defect = new TypeError("a defect");
  const it = setUp({
    openAt() {
      throw defect;
    },
  });
  assert.equal(codeOf(() => it.root.openAt({}, "a", {}, {})), defect);
  assert.equal(it.filesystemErrorCode(new IoError(defect)), undefined);
});

Deno.test("open-at and stat-at wait for content that the host generates", async () => {
  const it = setUp({
    openAt: () => Promise.resolve(new FakeFile("generated")),
    statAt: () => Promise.resolve(statOf({ size: 9n })),
  });
  const descriptor = await it.root.openAt({}, "a", {}, { read: true }) as Descriptor;
  assert.equal(text((descriptor.read(100n, 0n) as [Uint8Array, boolean])[0]), "generated");
  assert.equal((await it.root.statAt({}, "a") as { size: bigint }).size, 9n);
});

Deno.test("a failure of content that the host generates has a code, too", async () => {
  const it = setUp({ openAt: () => Promise.reject(new WasiError("access")) });
  const code = await (it.root.openAt({}, "a", {}, {}) as Promise<unknown>).catch((error) => error);
  assert.equal(code, "access");
});

Deno.test("a plugin has no more descriptors than the tree allows", () => {
  const files: FakeFile[] = [];
  const it = setUp({
    openAt: () => {
      files.push(new FakeFile());
      return files.at(-1)!;
    },
    maxOpen: 4,
  });
  const open = () => it.root.openAt({}, "a", {}, {}) as Descriptor;
  const first = open();
  open();
  assert.equal(codeOf(open), "insufficient-memory");
  assert.deepEqual(files.map(({ closed }) => closed), [0, 0, 1], "the file without a descriptor is closed");
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.equal(files[0]!.closed, 1);
  open();
  assert.equal(codeOf(open), "insufficient-memory", "dropping twice frees one");
});

Deno.test("an object that looks like a node is not one", () => {
  const { Descriptor } = setUp();
  const lookAlike = { kind: "directory", writable: true, close() {} } as unknown as FakeDirectory;
  assert.throws(() => new Descriptor(lookAlike), WasiError);
});

Deno.test("a read returns at most 1 MiB, and says where the file ends", () => {
  const { descriptor, file } = opened(new FakeFile("x".repeat(3 << 20)));
  const [part, ended] = descriptor.read(1n << 40n, 0n) as [Uint8Array, boolean];
  assert.deepEqual([part.length, ended], [1 << 20, false]);
  file.bytes = bytes("abc");
  assert.deepEqual(descriptor.read(10n, 1n), [bytes("bc"), false]);
  assert.deepEqual(descriptor.read(10n, 3n), [bytes(""), true]);
  assert.deepEqual(descriptor.read(0n, 0n), [bytes(""), true]);
});

Deno.test("streams read and write from an offset, or append", () => {
  const { descriptor, file } = opened(new FakeFile());
  const input = descriptor.readViaStream(6n) as { read(length: bigint): Uint8Array };
  assert.equal(text(input.read(2n)), "67");
  assert.equal(text(input.read(9n)), "89");
  assert.throws(() => input.read(1n));
  type Output = { checkWrite(): bigint; write(bytes: Uint8Array): void };
  const output = descriptor.writeViaStream(8n) as Output;
  for (const part of ["a", "bc"]) {
    output.checkWrite();
    output.write(bytes(part));
  }
  assert.equal(file.text, "01234567abc");
  const end = descriptor.appendViaStream() as Output;
  for (const part of ["d", "e"]) {
    end.checkWrite();
    end.write(bytes(part));
  }
  assert.equal(file.text, "01234567abcde");
});

Deno.test("streams need a file that is open for reading or writing", () => {
  const reader = opened(new FakeFile("", { writable: false })).descriptor;
  assert.equal(codeOf(() => reader.writeViaStream(0n)), "bad-descriptor");
  assert.equal(codeOf(() => reader.appendViaStream()), "bad-descriptor");
  const writer = opened(new FakeFile("", { readable: false })).descriptor;
  assert.equal(codeOf(() => writer.readViaStream(0n)), "bad-descriptor");
  assert.equal(codeOf(() => writer.appendViaStream()), "ok");
});

Deno.test("the integrity flags sync after each write, and only then", () => {
  for (
    const [flags, expected] of [
      [{}, []],
      [{ requestedWriteSync: true }, []],
      [{ dataIntegritySync: true }, [["sync", true]]],
      [{ fileIntegritySync: true }, [["sync", false]]],
    ] as const
  ) {
    const { descriptor, file } = opened(new FakeFile(), { write: true, ...flags });
    descriptor.read(1n, 0n);
    descriptor.write(bytes("x"), 0n);
    assert.deepEqual(file.calls, expected);
    const stream = descriptor.appendViaStream() as { checkWrite(): bigint; write(bytes: Uint8Array): void };
    stream.checkWrite();
    stream.write(bytes("y"));
    assert.deepEqual(file.calls, [...expected, ...expected]);
  }
});

Deno.test("a file passes on sizes, advice and syncs; a directory's sync succeeds", () => {
  const { descriptor, file, root } = opened(new FakeFile());
  descriptor.setSize(3n);
  descriptor.advise(1n, 2n, "will-need");
  descriptor.sync();
  descriptor.syncData();
  assert.deepEqual(file.calls, [["setSize", 3n], ["advise", 1n, 2n, 3], ["sync", false], ["sync", true]]);
  assert.equal(codeOf(() => root.sync()), "ok");
  assert.equal(codeOf(() => root.syncData()), "ok");
});

Deno.test("stat returns times in seconds and nanoseconds", () => {
  const { root, descriptor } = opened(new FakeFile("abc"));
  assert.deepEqual(descriptor.stat(), {
    type: "regular-file",
    linkCount: 3n,
    size: 3n,
    dataAccessTimestamp: { seconds: 5n, nanoseconds: 6 },
    dataModificationTimestamp: { seconds: 7n, nanoseconds: 8 },
    statusChangeTimestamp: { seconds: 9n, nanoseconds: 10 },
  });
  assert.equal(descriptor.getType(), "regular-file");
  assert.equal(root.getType(), "directory");
});

Deno.test("the flags of a file say how it was opened", () => {
  const flags = { read: true, write: true, dataIntegritySync: true };
  const { descriptor } = opened(new FakeFile("", { writable: false }), flags);
  assert.deepEqual(descriptor.getFlags(), {
    ...{ read: true, write: false, dataIntegritySync: true },
    ...{ fileIntegritySync: false, requestedWriteSync: false },
  });
});

Deno.test("the same file is the same object, with a hash of its content's state", () => {
  let modified = 1n;
  const it = setUp({ stat: (node) => statOf({ ino: node.kind === "file" ? 1n : 2n, modified }) });
  assert.equal(it.root.isSameObject(it.readOnly), true, "the fake's directories share an inode");
  const before = it.root.metadataHash();
  assert.deepEqual(it.root.metadataHash(), before);
  modified = 2n;
  assert.notDeepEqual(it.root.metadataHash(), before);
});

Deno.test("a listing skips nothing after a name that is not text", () => {
  const it = setUp({
    readDirectory: () => it.listing([entryOf("a"), entryOf(Uint8Array.of(0xff)), entryOf("b", "directory")]),
  });
  type Entries = { readDirectoryEntry(): unknown } & Disposable;
  const entries = it.root.readDirectory() as Entries;
  assert.deepEqual(entries.readDirectoryEntry(), { type: "regular-file", name: "a" });
  assert.equal(codeOf(() => entries.readDirectoryEntry()), "illegal-byte-sequence");
  assert.deepEqual(entries.readDirectoryEntry(), { type: "directory", name: "b" });
  assert.equal(entries.readDirectoryEntry(), undefined);
  assert.equal(it.openListings(), 1);
  entries[Symbol.dispose]();
  assert.equal(it.openListings(), 0);
});

Deno.test("a plugin has no more listings than the tree allows open files", () => {
  const it = setUp({ readDirectory: () => it.listing([]), maxOpen: 4 });
  const listings = Array.from({ length: 4 }, () => it.root.readDirectory() as Disposable);
  assert.equal(codeOf(() => it.root.readDirectory()), "insufficient-memory");
  listings[0]![Symbol.dispose]();
  listings[0]![Symbol.dispose]();
  it.root.readDirectory();
  assert.equal(codeOf(() => it.root.readDirectory()), "insufficient-memory");
});

Deno.test("dropping a descriptor cannot fail, whatever the host says", () => {
  const file = new FakeFile();
  file.close = failing("not-permitted");
  const { descriptor } = opened(file);
  assert.equal(codeOf(() => descriptor[Symbol.dispose]()), "ok");
});
