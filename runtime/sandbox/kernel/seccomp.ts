/**
 * The filter of system calls (seccomp), for what Landlock cannot restrict. The process can start no programs or processes,
 * touch no other process, change files only through open descriptors, and make only sockets that lead to the cluster. Pure.
 *
 * Follows Linux, Documentation/userspace-api/seccomp_filter.rst and include/uapi/linux/{filter,seccomp}.h; numbers from
 * arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
 */

/** The numbers of an architecture. A missing call is undefined. */
interface Architecture {
  /** AUDIT_ARCH_… of include/uapi/linux/audit.h. */
  readonly audit: number;
  readonly denied: readonly number[];
  readonly clone: number;
  readonly fcntl: number;
  readonly ioctl: number;
  readonly kill: number;
  readonly listen: number;
  readonly prlimit64: number;
  readonly rtTgsigqueueinfo: number;
  readonly sendmmsg: number;
  readonly sendmsg: number;
  readonly sendto: number;
  readonly socket: number;
  readonly tgkill: number;
}

/** Calls with the same number on all architectures. */
const DENIED_EVERYWHERE: readonly number[] = [
  ...[424, 434, 438, 440, 448], // pidfd_send_signal, pidfd_open, pidfd_getfd, process_madvise, process_mrelease
  ...[425, 426, 427], // io_uring_setup, io_uring_enter, io_uring_register: no filter sees their operations
  ...[428, 429, 430, 431, 432, 433], // open_tree, move_mount, fsopen, fsconfig, fsmount, fspick
  ...[442, 443, 467], // mount_setattr, quotactl_fd, open_tree_attr
  ...[452, 463, 466, 469], // fchmodat2, setxattrat, removexattrat, file_setattr
];
const CLONE3 = 435;
/** The last call of Linux 6.18, file_setattr. Newer calls fail as on an older kernel. */
const NEWEST = 469;

const ARCHITECTURES: Readonly<Record<typeof Deno.build.arch, Architecture>> = {
  "x86_64": {
    audit: 0xc000003e,
    denied: [
      ...[57, 58, 59, 322], // fork, vfork, execve, execveat
      ...[101, 310, 311, 312, 256, 279], // ptrace, process_vm_readv, process_vm_writev, kcmp, migrate_pages, move_pages
      ...[200, 129], // tkill, rt_sigqueueinfo
      ...[248, 249, 250], // add_key, request_key, keyctl
      ...[321, 298, 323], // bpf, perf_event_open, userfaultfd
      ...[165, 166, 155, 161, 308, 272], // mount, umount2, pivot_root, chroot, setns, unshare
      ...[175, 313, 176, 246, 320, 169, 167, 168, 163, 179], // modules, kexec, reboot, swap, acct, quotactl
      ...[170, 171, 164, 227, 159, 305], // sethostname, setdomainname, the clock
      ...[172, 173, 154, 103, 153, 135], // iopl, ioperm, modify_ldt, syslog, vhangup, personality
      ...[212, 180, 134, 136, 139, 156], // lookup_dcookie, nfsservctl, uselib, ustat, sysfs, _sysctl
      ...[303, 304, 300, 301, 253, 254, 294], // files by handle, fanotify, inotify
      ...[90, 91, 268, 92, 93, 94, 260], // chmod, fchmod, fchmodat, chown, fchown, lchown, fchownat
      ...[188, 189, 190, 197, 198, 199], // extended attributes
      ...[76, 133, 259], // truncate, mknod, mknodat
      ...[29, 30, 31, 64, 65, 66, 220, 68, 69, 70, 71, 240, 241], // shared memory, semaphores and queues of System V and POSIX
    ],
    clone: 56,
    fcntl: 72,
    ioctl: 16,
    kill: 62,
    listen: 50,
    prlimit64: 302,
    rtTgsigqueueinfo: 297,
    sendmmsg: 307,
    sendmsg: 46,
    sendto: 44,
    socket: 41,
    tgkill: 234,
  },
  aarch64: {
    audit: 0xc00000b7,
    denied: [
      ...[221, 281], // execve, execveat
      ...[117, 270, 271, 272, 238, 239], // ptrace, process_vm_readv, process_vm_writev, kcmp, migrate_pages, move_pages
      ...[130, 138], // tkill, rt_sigqueueinfo
      ...[217, 218, 219], // add_key, request_key, keyctl
      ...[280, 241, 282], // bpf, perf_event_open, userfaultfd
      ...[40, 39, 41, 51, 268, 97], // mount, umount2, pivot_root, chroot, setns, unshare
      ...[105, 273, 106, 104, 294, 142, 224, 225, 89, 60], // modules, kexec, reboot, swap, acct, quotactl
      ...[161, 162, 170, 112, 171, 266], // sethostname, setdomainname, the clock
      ...[116, 58, 92], // syslog, vhangup, personality
      ...[18, 42], // lookup_dcookie, nfsservctl
      ...[264, 265, 262, 263, 26, 27], // files by handle, fanotify, inotify
      ...[52, 53, 54, 55], // fchmod, fchmodat, fchownat, fchown
      ...[5, 6, 7, 14, 15, 16], // extended attributes
      ...[45, 33], // truncate, mknodat
      ...[194, 195, 196, 190, 191, 192, 193, 186, 187, 188, 189, 180, 181], // shared memory, semaphores, queues
    ],
    clone: 220,
    fcntl: 25,
    ioctl: 29,
    kill: 129,
    listen: 201,
    prlimit64: 261,
    rtTgsigqueueinfo: 240,
    sendmmsg: 269,
    sendmsg: 211,
    sendto: 206,
    socket: 198,
    tgkill: 131,
  },
};

/** CLONE_THREAD makes a thread, not a process. */
const CLONE_THREAD = 0x10000;
/**
 * TIOCSTI and TIOCLINUX type into the terminal, TIOCCONS takes over the console, TIOCSETD loads modules. FIOSETOWN and
 * SIOCSPGRP make the kernel signal other processes. The kernel looks at 32 bits.
 */
const DENIED_IOCTLS = [0x5412, 0x541c, 0x541d, 0x5423, 0x8901, 0x8902];
/** F_SETOWN, F_SETSIG, F_SETOWN_EX: make the kernel signal other processes. */
const DENIED_FCNTLS = [8, 10, 15];
/** MSG_FASTOPEN connects without connect(2), whose ports are restricted. */
const MSG_FASTOPEN = 0x20000000;

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_TYPE = 0xf;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const NETLINK_ROUTE = 0;

const EPERM = 1;
const EACCES = 13;
const ENOSYS = 38;

/** The sockets that a process may make. */
export interface SocketsKept {
  readonly tcp: boolean;
  /** Accept connections. */
  readonly listens: boolean;
  /** For resolving names: UDP, and the kernel's tables of addresses. */
  readonly names: boolean;
  /** Sockets in the file system, for name services that need one. */
  readonly unix: boolean;
}

// BPF_LD|BPF_W|BPF_ABS, BPF_ALU|BPF_AND, BPF_RET, BPF_JMP with BPF_JEQ, BPF_JGT and BPF_JSET, all with BPF_K.
const LOAD = 0x20;
const AND = 0x54;
const RETURN = 0x06;
const IF_EQUAL = 0x15;
const IF_GREATER = 0x25;
const IF_ANY_SET = 0x45;

// struct seccomp_data; the lower half of 64-bit arguments.
const NUMBER_AT = 0;
const ARCHITECTURE_AT = 4;
const argumentAt = (index: number) => 16 + 8 * index;

const ALLOW = 0x7fff0000; // SECCOMP_RET_ALLOW
const refuse = (errno: number) => 0x00050000 | errno; // SECCOMP_RET_ERRNO

/**
 * The filter of a process: an array of `struct sock_filter`.
 *
 * @param pid the process itself, whose threads may signal each other
 */
export function seccompFilter(
  arch: typeof Deno.build.arch,
  pid: number,
  sockets: SocketsKept,
): Uint8Array<ArrayBuffer> {
  const numbers = ARCHITECTURES[arch];
  const program = new Program();
  program.add(LOAD, ARCHITECTURE_AT);
  program.add(IF_EQUAL, numbers.audit, undefined, "denied"); // 32-bit calls
  program.add(LOAD, NUMBER_AT);
  program.add(IF_GREATER, NEWEST, "unknown"); // x32's numbers are larger, too
  program.add(IF_EQUAL, CLONE3, "unknown"); // a filter cannot see its flags; the C library falls back to clone
  const listen = sockets.listens ? [] : [numbers.listen];
  for (const number of [...DENIED_EVERYWHERE, ...numbers.denied, ...listen]) {
    program.add(IF_EQUAL, number, "denied");
  }
  const { clone, fcntl, ioctl, kill, prlimit64, rtTgsigqueueinfo, tgkill } = numbers;
  const blocks: readonly (readonly [label: string, numbers: readonly number[]])[] = [
    ["socket", [numbers.socket]],
    ["clone", [clone]],
    ["itself", [kill, tgkill, rtTgsigqueueinfo]],
    ["limit", [prlimit64]],
    ["ioctl", [ioctl]],
    ["fcntl", [fcntl]],
    ["send", [numbers.sendto, numbers.sendmmsg]],
    ["message", [numbers.sendmsg]],
  ];
  for (const [label, of] of blocks) for (const number of of) program.add(IF_EQUAL, number, label);
  program.label("allowed").add(RETURN, ALLOW);
  program.label("denied").add(RETURN, refuse(EPERM));
  program.label("unknown").add(RETURN, refuse(ENOSYS));

  program.label("clone").add(LOAD, argumentAt(0)).add(IF_ANY_SET, CLONE_THREAD, "allow", "deny");
  program.label("limit").add(LOAD, argumentAt(0)).add(IF_EQUAL, 0, "allow").add(
    IF_EQUAL,
    pid,
    "allow",
    "deny",
  );
  program.label("itself").add(LOAD, argumentAt(0)).add(IF_EQUAL, pid, "allow", "deny");
  program.label("ioctl").add(LOAD, argumentAt(1));
  for (const request of DENIED_IOCTLS) program.add(IF_EQUAL, request, "deny");
  program.add(RETURN, ALLOW);
  program.label("fcntl").add(LOAD, argumentAt(1));
  for (const command of DENIED_FCNTLS) program.add(IF_EQUAL, command, "deny");
  program.add(RETURN, ALLOW);
  program.label("message").add(LOAD, argumentAt(2)).add(IF_ANY_SET, MSG_FASTOPEN, "deny", "allow");
  program.label("send").add(LOAD, argumentAt(3)).add(IF_ANY_SET, MSG_FASTOPEN, "deny", "allow");

  program.label("socket").add(LOAD, argumentAt(0));
  if (sockets.unix) program.add(IF_EQUAL, AF_UNIX, "allow");
  if (sockets.names) program.add(IF_EQUAL, AF_NETLINK, "netlink");
  if (sockets.tcp || sockets.names) {
    program.add(IF_EQUAL, AF_INET, "internet").add(IF_EQUAL, AF_INET6, "internet");
  }
  program.add(RETURN, refuse(EACCES));
  if (sockets.tcp || sockets.names) {
    program.label("internet").add(LOAD, argumentAt(1)).add(AND, SOCK_TYPE);
    if (sockets.tcp) program.add(IF_EQUAL, SOCK_STREAM, "tcp");
    if (sockets.names) program.add(IF_EQUAL, SOCK_DGRAM, "udp");
    program.add(RETURN, refuse(EACCES));
  }
  // Landlock's ports do not apply to other protocols (MPTCP, SCTP).
  const withProtocol = (label: string, protocols: readonly number[]) => {
    program.label(label).add(LOAD, argumentAt(2));
    for (const protocol of protocols) program.add(IF_EQUAL, protocol, "allow");
    program.add(RETURN, refuse(EACCES));
  };
  if (sockets.tcp) withProtocol("tcp", [0, IPPROTO_TCP]);
  if (sockets.names) {
    withProtocol("udp", [0, IPPROTO_UDP]);
    withProtocol("netlink", [NETLINK_ROUTE]);
  }
  program.label("allow").add(RETURN, ALLOW);
  program.label("deny").add(RETURN, refuse(EPERM));
  return program.assemble();
}

/** A program with named jump targets. Jumps go forwards, over at most 255 instructions. */
class Program {
  /** For each instruction: code, operand, and the targets if its condition holds and if not. undefined is the next one. */
  #parts: (number | string | undefined)[] = [];
  #labels = new Map<string, number>();

  add(code: number, value: number, to?: string, otherwise?: string): this {
    this.#parts.push(code, value, to, otherwise);
    return this;
  }

  /** Names the next instruction. */
  label(name: string): this {
    this.#labels.set(name, this.#parts.length / 4);
    return this;
  }

  assemble(): Uint8Array<ArrayBuffer> {
    const parts = this.#parts;
    const words = new Uint32Array(parts.length / 2);
    for (let at = 0; at < parts.length; at += 4) {
      // struct sock_filter: a code of 16 bits, two jumps of 8, an operand of 32
      const [to, otherwise] = [this.#over(at / 4, parts[at + 2]), this.#over(at / 4, parts[at + 3])];
      words[at / 2] = (parts[at] as number) | (to << 16) | (otherwise << 24);
      words[at / 2 + 1] = parts[at + 1] as number;
    }
    return new Uint8Array(words.buffer);
  }

  /** The number of instructions to jump over. */
  #over(index: number, label: number | string | undefined): number {
    if (label === undefined) return 0;
    const over = (this.#labels.get(label as string) ?? -1) - index - 1;
    if (over < 0 || over > 255) throw new Error(`no jump from ${index} to "${label}"`);
    return over;
  }
}
