/**
 * Landlock for all threads of the process. Before Linux 7.0 a thread restricts itself alone, and those that it makes later.
 * Deno's process has others by then: the engine's, and those on which files are read and names are found. They are sent a
 * signal, whose handler restricts the thread that it runs on, as glibc does for setuid and libpsx for capabilities.
 *
 * The handler is machine code, as no thread but one runs JavaScript. It finds what it needs in memory whose address comes
 * with the signal, and leaves its answer there.
 */

import type { Syscalls } from "./kernel_calls.ts";

/** Assembled from the comments; tests/runtime/sandbox/kernel/threads_test.ts compares them with what clang makes. */
export const HANDLERS: Readonly<Record<typeof Deno.build.arch, readonly number[]>> = {
  "x86_64": [
    ...[0x4c, 0x8b, 0x4e, 0x18], //             mov 24(%rsi), %r9        si_value of the siginfo_t: the slot
    ...[0xb8, 0x9d, 0x00, 0x00, 0x00], //       mov $157, %eax           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    ...[0xbf, 0x26, 0x00, 0x00, 0x00], //       mov $38, %edi
    ...[0xbe, 0x01, 0x00, 0x00, 0x00], //       mov $1, %esi
    ...[0x31, 0xd2], //                         xor %edx, %edx
    ...[0x45, 0x31, 0xd2], //                   xor %r10d, %r10d
    ...[0x45, 0x31, 0xc0], //                   xor %r8d, %r8d
    ...[0x0f, 0x05], //                         syscall
    ...[0xb8, 0xbe, 0x01, 0x00, 0x00], //       mov $446, %eax           landlock_restrict_self(slot.ruleset, 0)
    ...[0x41, 0x8b, 0x39], //                   mov (%r9), %edi
    ...[0x31, 0xf6], //                         xor %esi, %esi
    ...[0x0f, 0x05], //                         syscall
    ...[0x41, 0x89, 0x41, 0x04], //             mov %eax, 4(%r9)         slot.result
    0xc3, //                                    ret
    ...[0xb8, 0x0f, 0x00, 0x00, 0x00], //       mov $15, %eax            rt_sigreturn(): what it returns to
    ...[0x0f, 0x05], //                         syscall
  ],
  aarch64: [
    ...[0x29, 0x0c, 0x40, 0xf9], //             ldr x9, [x1, #24]
    ...[0xc0, 0x04, 0x80, 0xd2], //             mov x0, #38
    ...[0x21, 0x00, 0x80, 0xd2], //             mov x1, #1
    ...[0x02, 0x00, 0x80, 0xd2], //             mov x2, #0
    ...[0x03, 0x00, 0x80, 0xd2], //             mov x3, #0
    ...[0x04, 0x00, 0x80, 0xd2], //             mov x4, #0
    ...[0xe8, 0x14, 0x80, 0xd2], //             mov x8, #167
    ...[0x01, 0x00, 0x00, 0xd4], //             svc #0
    ...[0x20, 0x01, 0x40, 0xb9], //             ldr w0, [x9]
    ...[0x01, 0x00, 0x80, 0xd2], //             mov x1, #0
    ...[0xc8, 0x37, 0x80, 0xd2], //             mov x8, #446
    ...[0x01, 0x00, 0x00, 0xd4], //             svc #0
    ...[0x20, 0x05, 0x00, 0xb9], //             str w0, [x9, #4]
    ...[0xc0, 0x03, 0x5f, 0xd6], //             ret                      to the kernel's own rt_sigreturn
  ],
};
/** Where rt_sigreturn begins, where the kernel leaves that to the handler's owner. */
const RETURN_AT: Readonly<Record<typeof Deno.build.arch, number | undefined>> = {
  "x86_64": 46,
  aarch64: undefined,
};

const PAGE = 65536; // the largest that arm64 has
// <sys/mman.h>, <signal.h>
const PROT_READ_WRITE = 3;
const PROT_READ_EXECUTE = 5;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const SA_SIGINFO = 4;
const SA_RESTORER = 0x04000000;
const SA_RESTART = 0x10000000;
const SI_QUEUE = -1;
const SIGRTMAX = 64;
/** glibc keeps 32 and 33 for itself. */
const SIGRTMIN = 34;
const SIGSET = 8;

/** Where the structures are in the scratch memory. */
const ACTION_AT = 0;
const OLD_ACTION_AT = 64;
const SIGINFO_AT = 128;
/** No system's `siginfo_t` is larger. Bytes. */
const SIGINFO = 128;

/** A slot: the ruleset's descriptor, and the answer, which is this until there is one. Two numbers of 32 bits. */
const PENDING = 1;
const MAX_THREADS = 1024;

/** How long a thread may take, in milliseconds: one that hangs in the kernel (a dead network disk) takes no signal. */
const PATIENCE = 2000;

/** What became of the threads that were signalled. */
type State = "started" | "done" | "none left" | "late" | "refused";

/**
 * The other threads of the process. What it takes is there from the beginning, as long as the process lives: a thread that is
 * late may answer at any time.
 */
export class OtherThreads {
  #system: Syscalls;
  /** The process's threads, opened while they can be. */
  #tasks: number;
  /** The address of the handler. */
  #handler: bigint;
  #slots = new Int32Array(MAX_THREADS * 2);
  #slotsAt = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(this.#slots)));
  #late = false;

  private constructor(system: Syscalls, tasks: number, handler: bigint) {
    this.#system = system;
    this.#tasks = tasks;
    this.#handler = handler;
  }

  /** undefined where threads can't be seen, or no handler can be made. Takes the permission `ffi`. */
  static prepare(system: Syscalls): OtherThreads | undefined {
    const tasks = system.open("/proc/self/task", 0);
    const handler = tasks < 0 ? undefined : mapHandler(system);
    return handler === undefined ? undefined : new OtherThreads(system, tasks, handler);
  }

  /**
   * Restricts them by a ruleset. They begin at once; what is returned waits for them, and tells whether all are restricted: if
   * not, nothing is to be relied on.
   */
  restrict(ruleset: number): () => boolean {
    const signal = this.#late ? undefined : freeSignal(this.#system);
    if (signal === undefined || !this.#handle(signal, this.#handler)) return () => false;
    const signalled = new Map<number, number>();
    let state = this.#start(signal, ruleset, signalled);
    const deadline = performance.now() + PATIENCE;
    return () => {
      // Until there are no new ones, as one that was not restricted yet could make another.
      while (state === "started") {
        state = this.#wait(signalled, deadline);
        if (state === "done") state = this.#start(signal, ruleset, signalled);
      }
      // The handler of one that is late has to be there when it comes.
      this.#late = state === "late";
      if (!this.#late) this.#handle(signal, 0n); // SIG_DFL
      return state === "none left";
    };
  }

  #handle(signal: number, handler: bigint): boolean {
    const { view, address, numbers } = this.#system;
    const back = RETURN_AT[Deno.build.arch];
    const flags = SA_SIGINFO | SA_RESTART | (back === undefined ? 0 : SA_RESTORER);
    view.setBigUint64(ACTION_AT, handler, true);
    view.setBigUint64(ACTION_AT + 8, BigInt(flags), true);
    view.setBigUint64(ACTION_AT + 16, back === undefined ? 0n : this.#handler + BigInt(back), true);
    view.setBigUint64(ACTION_AT + 24, 0xffffffffffffffffn, true); // no other signal meanwhile
    return this.#system.call(numbers.rtSigaction, signal, address + BigInt(ACTION_AT), 0, SIGSET) === 0n;
  }

  /** Signals the threads that were not before; `signalled` has where the slot of each is. */
  #start(signal: number, ruleset: number, signalled: Map<number, number>): State {
    const threads = this.#system.names(this.#tasks)?.map(Number);
    const fresh = threads?.filter((id) => id > 0 && id !== Deno.pid && !signalled.has(id));
    if (fresh === undefined || signalled.size + fresh.length > MAX_THREADS) return "refused";
    for (const thread of fresh) {
      const slot = signalled.size * 2;
      signalled.set(thread, slot);
      this.#slots[slot] = ruleset;
      this.#slots[slot + 1] = PENDING;
      if (send(this.#system, thread, signal, this.#slotsAt + BigInt(slot * 4))) continue;
      if (isAlive(this.#system, thread)) return "refused"; // no more signals can be queued
      this.#slots[slot + 1] = 0;
    }
    return fresh.length === 0 ? "none left" : "started";
  }

  /** Waits for their answers. */
  #wait(signalled: ReadonlyMap<number, number>, deadline: number): State {
    for (const [thread, slot] of signalled) {
      for (let waits = 1; Atomics.load(this.#slots, slot + 1) === PENDING; waits++) {
        if (waits % 64 === 0 && !isAlive(this.#system, thread)) this.#slots[slot + 1] = 0;
        else if (performance.now() > deadline) return "late";
        else this.#system.call(this.#system.numbers.schedYield);
      }
      if (this.#slots[slot + 1] !== 0) return "refused";
    }
    return "done";
  }
}

/** A signal that nobody uses. */
function freeSignal(system: Syscalls): number | undefined {
  const old = system.address + BigInt(OLD_ACTION_AT);
  for (let signal = SIGRTMAX; signal >= SIGRTMIN; signal--) {
    if (system.call(system.numbers.rtSigaction, signal, 0, old, SIGSET) !== 0n) continue;
    if (system.view.getBigUint64(OLD_ACTION_AT, true) === 0n) return signal;
  }
  return undefined;
}

/** The handler in memory of its own, which is written first and executable then, never both. */
function mapHandler(system: Syscalls): bigint | undefined {
  const { mmap, mprotect } = system.numbers;
  const page = system.call(mmap, 0, PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (page < 0n) return undefined;
  const memory = Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(page)!, PAGE);
  new Uint8Array(memory).set(HANDLERS[Deno.build.arch]);
  // The kernel brings the instruction cache up to date when the page becomes executable.
  return system.call(mprotect, page, PAGE, PROT_READ_EXECUTE) === 0n ? page : undefined;
}

/** Sends a thread of this process a signal with a value. False where there is none of that number, and none can be queued. */
function send(system: Syscalls, thread: number, signal: number, value: bigint): boolean {
  const { address, scratch, view, numbers } = system;
  scratch.fill(0, SIGINFO_AT, SIGINFO_AT + SIGINFO);
  view.setInt32(SIGINFO_AT, signal, true);
  view.setInt32(SIGINFO_AT + 8, SI_QUEUE, true);
  view.setInt32(SIGINFO_AT + 16, Deno.pid, true);
  view.setBigUint64(SIGINFO_AT + 24, value, true);
  const info = address + BigInt(SIGINFO_AT);
  return system.call(numbers.rtTgsigqueueinfo, Deno.pid, thread, signal, info) === 0n;
}

/** Whether there is a thread of this number: signal 0 is sent to nobody. */
function isAlive(system: Syscalls, thread: number): boolean {
  return send(system, thread, 0, 0n);
}
