/** Which special files, and which files of the kernel, a plugin may use. */

import assert from "node:assert/strict";
import type { NodeType } from "../../../../runtime/wasi/files/file_tree.ts";
import {
  isSpecial,
  kernelFilesAt,
  refuseKernelFile,
  refuseSpecial,
} from "../../../../runtime/wasi/files/special_files.ts";
import { errnoOf } from "../../../support/file_trees.ts";

Deno.test("a plugin opens no special file, except harmless devices", () => {
  const open = (type: NodeType, named = false, harmless = false) =>
    errnoOf(() => refuseSpecial(type, named, () => harmless));
  for (const type of ["block-device", "character-device", "fifo", "socket", "unknown"] as const) {
    assert.ok(isSpecial(type), type);
    assert.equal(open(type), "access", type);
  }
  for (const type of ["regular-file", "directory", "symbolic-link"] as const) {
    assert.ok(!isSpecial(type), type);
    assert.equal(open(type), "ok", type);
  }
  assert.equal(open("character-device", false, true), "ok");
  assert.equal(open("block-device", false, true), "access");
});

Deno.test("a pipe or socket can be granted by its own name, a device cannot", () => {
  for (const [type, errno] of [["fifo", "ok"], ["socket", "ok"], ["block-device", "access"]] as const) {
    assert.equal(errnoOf(() => refuseSpecial(type, true, () => false)), errno, type);
  }
});

/** The result for a host path, as the tree by name asks. */
const read = (path: string, changes = false) =>
  errnoOf(() => {
    const kind = kernelFilesAt(path);
    if (kind) refuseKernelFile(kind, () => path, changes);
  });

Deno.test("a plugin reads no process, no kernel memory and no debugging interface", () => {
  for (
    const path of [
      "/proc/1/environ",
      "/proc/self/task/7/mem",
      "/proc/1",
      "/proc/kcore",
      "/proc/kmsg",
      "/proc/vmcore",
      "/proc/kpageflags",
      "/sys/kernel/debug/x",
      "/sys/kernel/tracing/trace",
      "/sys/fs/bpf/map",
      "/sys/fs/pstore/dmesg",
    ]
  ) assert.equal(read(path), "access", path);
});

Deno.test("a plugin reads other files of the kernel, and changes none", () => {
  for (const path of ["/proc/meminfo", "/proc/sys/kernel/hostname", "/sys/class/net/eth0/mtu"]) {
    assert.equal(read(path), "ok", path);
    assert.equal(read(path, true), "access", path);
  }
  assert.equal(read("/home/me/proc/1/environ", true), "ok");
});

Deno.test("a file of processes without a path is refused", () => {
  assert.equal(errnoOf(() => refuseKernelFile("proc", () => "socket:[7]", false)), "access");
  assert.equal(errnoOf(() => refuseKernelFile("state", () => "socket:[7]", false)), "ok");
});
