/** Interprets the filter as the kernel does. */

import assert from "node:assert/strict";
import { seccompFilter, type SocketsKept } from "../../../../runtime/sandbox/kernel/seccomp.ts";

const PID = 4321;
const ALL: SocketsKept = { tcp: true, listens: true, names: true, unix: true };
const NONE: SocketsKept = { tcp: false, listens: false, names: false, unix: false };
const X86_64 = 0xc000003e;
const AARCH64 = 0xc00000b7;

/** The result of a call: "allow", or the errno. Classic BPF as seccomp defines it (Linux, kernel/seccomp.c). */
function run(
  filter: Uint8Array<ArrayBuffer>,
  call: { audit: number; number: number; args?: readonly (number | bigint)[] },
): "allow" | number {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, call.number, true);
  data.setUint32(4, call.audit, true);
  (call.args ?? []).forEach((argument, index) =>
    data.setBigUint64(16 + index * 8, BigInt.asUintN(64, BigInt(argument)), true)
  );
  const program = new DataView(filter.buffer);
  let accumulator = 0;
  for (let at = 0;; at++) {
    assert.ok(at * 8 < filter.length, "the program ends by a return");
    const [code, to, otherwise, value] = [
      program.getUint16(at * 8, true),
      program.getUint8(at * 8 + 2),
      program.getUint8(at * 8 + 3),
      program.getUint32(at * 8 + 4, true),
    ];
    const jump = (condition: boolean) => {
      at += condition ? to : otherwise;
    };
    if (code === 0x20) accumulator = data.getUint32(value, true);
    else if (code === 0x54) accumulator = (accumulator & value) >>> 0;
    else if (code === 0x15) jump(accumulator === value);
    else if (code === 0x25) jump(accumulator > value);
    else if (code === 0x45) jump((accumulator & value) !== 0);
    else if (code === 0x06) {
      if (value === 0x7fff0000) return "allow";
      assert.equal(value >>> 16, 5, "it returns an errno");
      return value & 0xffff;
    } else assert.fail(`instruction ${code.toString(16)}`);
  }
}

const EPERM = 1;
const EACCES = 13;
const ENOSYS = 38;

/** Call numbers of both architectures. */
const CALLS = {
  "x86_64": {
    ...{ read: 0, write: 1, openat: 257, openat2: 437, mmap: 9, mprotect: 10, futex: 202, exit_group: 231 },
    ...{ connect: 42, recvmsg: 47, socketpair: 53, epoll_wait: 232, getrandom: 318, utimensat: 280 },
    ...{ renameat2: 316, ftruncate: 77, flock: 73, landlock: 446, prctl: 157, execve: 59, execveat: 322 },
    ...{ ptrace: 101, truncate: 76, fchmodat: 268, mknodat: 259, listen: 50, unshare: 272 },
    ...{ bpf: 321, keyctl: 250, process_vm_writev: 311, mount: 165, userfaultfd: 323 },
    ...{ open_by_handle_at: 304, inotify: 254, shmat: 30, setxattr: 188 },
    ...{ socket: 41, clone: 56, kill: 62, tgkill: 234, tkill: 200, rt_tgsigqueueinfo: 297 },
    ...{ ioctl: 16, fcntl: 72, sendto: 44, sendmsg: 46, sendmmsg: 307, prlimit64: 302 },
  },
  aarch64: {
    ...{ read: 63, write: 64, openat: 56, openat2: 437, mmap: 222, mprotect: 226, futex: 98, exit_group: 94 },
    ...{ connect: 203, recvmsg: 212, socketpair: 199, epoll_wait: 22, getrandom: 278, utimensat: 88 },
    ...{ renameat2: 276, ftruncate: 46, flock: 32, landlock: 446, prctl: 167, execve: 221, execveat: 281 },
    ...{ ptrace: 117, truncate: 45, fchmodat: 53, mknodat: 33, listen: 201, unshare: 97 },
    ...{ bpf: 280, keyctl: 219, process_vm_writev: 271, mount: 40, userfaultfd: 282 },
    ...{ open_by_handle_at: 265, inotify: 27, shmat: 196, setxattr: 5 },
    ...{ socket: 198, clone: 220, kill: 129, tgkill: 131, tkill: 130, rt_tgsigqueueinfo: 240 },
    ...{ ioctl: 29, fcntl: 25, sendto: 206, sendmsg: 211, sendmmsg: 269, prlimit64: 261 },
  },
} as const;

for (
  const [arch, audit, other] of [["x86_64", X86_64, AARCH64], ["aarch64", AARCH64, X86_64]] as const
) {
  const calls = CALLS[arch];
  const asked = (name: keyof typeof calls, args: readonly (number | bigint)[] = [], kept = ALL) =>
    run(seccompFilter(arch, PID, kept), { audit, number: calls[name], args });

  Deno.test(`${arch}: allows the calls of the engine and of files`, () => {
    for (
      const name of [
        ...["read", "write", "openat", "openat2", "mmap", "mprotect", "futex", "exit_group", "connect"],
        ...["recvmsg", "socketpair", "epoll_wait", "getrandom", "utimensat", "renameat2", "ftruncate"],
        ...["flock", "landlock", "prctl"],
      ] as (keyof typeof calls)[]
    ) assert.equal(asked(name), "allow", name);
  });

  Deno.test(`${arch}: refuses calls for programs, processes and the system`, () => {
    for (
      const name of [
        ...["execve", "execveat", "ptrace", "truncate", "fchmodat", "mknodat", "unshare", "bpf"],
        ...["keyctl", "process_vm_writev", "mount", "userfaultfd", "open_by_handle_at", "inotify", "shmat"],
        ...["setxattr", "tkill"],
      ] as (keyof typeof calls)[]
    ) assert.equal(asked(name), EPERM, name);
    for (const number of [425, 426, 427]) { // io_uring
      assert.equal(run(seccompFilter(arch, PID, ALL), { audit, number }), EPERM);
    }
  });

  Deno.test(`${arch}: allows listening only to runs that accept connections`, () => {
    assert.equal(asked("listen"), "allow");
    assert.equal(asked("listen", [], { ...ALL, listens: false }), EPERM);
  });

  Deno.test(`${arch}: refuses other architectures' calls and newer calls`, () => {
    const filter = seccompFilter(arch, PID, ALL);
    assert.equal(run(filter, { audit: other, number: calls.read }), EPERM);
    assert.equal(run(filter, { audit: 0x40000003, number: 3 }), EPERM); // i386
    assert.equal(run(filter, { audit, number: 0x40000000 }), ENOSYS); // x32
    assert.equal(run(filter, { audit, number: 470 }), ENOSYS);
    assert.equal(run(filter, { audit, number: 0xffffffff }), ENOSYS);
  });

  Deno.test(`${arch}: allows new threads, refuses new processes`, () => {
    assert.equal(asked("clone", [0x3d0f00]), "allow"); // as pthread_create
    assert.equal(asked("clone", [0x1200011]), EPERM); // as fork
    assert.equal(run(seccompFilter(arch, PID, ALL), { audit, number: 435 }), ENOSYS); // clone3
  });

  Deno.test(`${arch}: allows signals and limits for the process itself only`, () => {
    for (const name of ["kill", "tgkill", "rt_tgsigqueueinfo"] as const) {
      assert.equal(asked(name, [PID, 9]), "allow");
      for (const target of [1, 0, -1, -PID, PID + 1]) assert.equal(asked(name, [target, 9]), EPERM);
    }
    assert.equal(asked("prlimit64", [0]), "allow");
    assert.equal(asked("prlimit64", [PID]), "allow");
    assert.equal(asked("prlimit64", [PID + 1]), EPERM);
  });

  Deno.test(`${arch}: refuses typing into the terminal and signals to owners`, () => {
    for (const request of [0x5401, 0x5402, 0x5413, 0x5421]) {
      assert.equal(asked("ioctl", [0, request]), "allow");
    }
    for (const request of [0x5412, 0x541c]) {
      assert.equal(asked("ioctl", [0, request]), EPERM);
      assert.equal(asked("ioctl", [0, 0xffffffff00000000n | BigInt(request)]), EPERM); // the kernel ignores the upper half
    }
    assert.equal(asked("fcntl", [0, 4]), "allow"); // F_SETFL
    for (const command of [8, 10, 15]) assert.equal(asked("fcntl", [0, command]), EPERM);
  });

  Deno.test(`${arch}: refuses to connect while sending`, () => {
    assert.equal(asked("sendto", [3, 0, 0, 0x4000]), "allow"); // MSG_NOSIGNAL
    assert.equal(asked("sendto", [3, 0, 0, 0x20004000]), EPERM);
    assert.equal(asked("sendmmsg", [3, 0, 0, 0x20000000]), EPERM);
    assert.equal(asked("sendmsg", [3, 0, 0x4000]), "allow");
    assert.equal(asked("sendmsg", [3, 0, 0x20000000]), EPERM);
  });

  Deno.test(`${arch}: allows only the sockets that the run needs`, () => {
    const socket = (kept: SocketsKept, ...args: number[]) => asked("socket", args, kept);
    const flags = 0x80800; // SOCK_CLOEXEC | SOCK_NONBLOCK
    const kinds = {
      tcp4: [2, 1 | flags, 6],
      tcp6: [10, 1, 0],
      mptcp: [2, 1, 262],
      sctp: [2, 1, 132],
      udp: [2, 2 | flags, 0],
      udp6: [10, 2, 17],
      icmp: [2, 2, 1],
      raw: [2, 3, 1],
      route: [16, 3 | flags, 0],
      audit: [16, 3, 9],
      unix: [1, 1 | flags, 0],
      packet: [17, 3, 0],
      vsock: [40, 1, 0],
      alg: [38, 5, 0],
    };
    const allowed = (kept: SocketsKept) =>
      Object.entries(kinds).filter(([, args]) => socket(kept, ...args) === "allow").map(([name]) => name);
    assert.deepEqual(allowed(NONE), []);
    assert.deepEqual(allowed({ ...NONE, tcp: true }), ["tcp4", "tcp6"]);
    assert.deepEqual(allowed({ ...NONE, tcp: true, names: true }), ["tcp4", "tcp6", "udp", "udp6", "route"]);
    assert.deepEqual(allowed(ALL), ["tcp4", "tcp6", "udp", "udp6", "route", "unix"]);
    assert.equal(socket(NONE, 2, 1, 0), EACCES);
  });
}
