/**
 * Applies Landlock to all threads of the process. Before Linux 7.0 a thread restricts only itself and the threads that it
 * makes later. Deno's process already has others: the engine's, and those that read files and resolve names. krew-wasm
 * sends them a signal, whose handler restricts the thread that it runs on. glibc does this for setuid, and libpsx for
 * capabilities.
 *
 * The handler is machine code, because only one thread runs JavaScript. The signal carries the address of its data. The
 * handler writes its answer there.
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
/** The offset of rt_sigreturn on architectures where the program provides it. */
const RETURN_AT: Readonly<Record<typeof Deno.build.arch, number | undefined>> = {
  "x86_64": 46,
  aarch64: undefined,
};

const PAGE = 65536; // The largest page size of arm64
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

/** Offsets of the structures in the scratch memory. */
const ACTION_AT = 0;
const OLD_ACTION_AT = 64;
const SIGINFO_AT = 128;
/** The largest `siginfo_t`. Bytes. */
const SIGINFO = 128;

/** A slot has two 32-bit numbers: the ruleset's descriptor, and the answer, which is PENDING at first. */
const PENDING = 1;
const MAX_THREADS = 1024;

/** Timeout for a thread, in milliseconds: a thread that hangs in the kernel (a dead network disk) takes no signal. */
const PATIENCE = 2000;

/** The state of the signalled threads. */
type State = "started" | "done" | "none left" | "late" | "refused";

/**
 * The other threads of the process. Its memory lives as long as the process, because a late thread may answer at any time.
 */
export class OtherThreads {
  #system: Syscalls;
  /** The process's list of threads, opened before this is forbidden. */
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

  /** undefined if threads are not visible, or if no memory can be mapped for the handler. Needs the permission `ffi`. */
  static prepare(system: Syscalls): OtherThreads | undefined {
    const tasks = system.open("/proc/self/task", 0);
    const handler = tasks < 0 ? undefined : mapHandler(system);
    return handler === undefined ? undefined : new OtherThreads(system, tasks, handler);
  }

  /**
   * Starts to restrict the threads by a ruleset. The result waits for them and says whether all are restricted. If not, do
   * not rely on the ruleset.
   */
  restrict(ruleset: number): () => boolean {
    const signal = this.#late ? undefined : freeSignal(this.#system);
    if (signal === undefined || !this.#handle(signal, this.#handler)) return () => false;
    const signalled = new Map<number, number>();
    let state = this.#start(signal, ruleset, signalled);
    const deadline = performance.now() + PATIENCE;
    return () => {
      // Repeat while new threads appear: one without the restriction could have made another.
      while (state === "started") {
        state = this.#wait(signalled, deadline);
        if (state === "done") state = this.#start(signal, ruleset, signalled);
      }
      // A late thread still needs the handler.
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
    view.setBigUint64(ACTION_AT + 24, 0xffffffffffffffffn, true); // block other signals meanwhile
    return this.#system.call(numbers.rtSigaction, signal, address + BigInt(ACTION_AT), 0, SIGSET) === 0n;
  }

  /** Signals the threads that were not signalled before; `signalled` holds the slot of each. */
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
      if (isAlive(this.#system, thread)) return "refused"; // the queue of signals is full
      this.#slots[slot + 1] = 0;
    }
    return fresh.length === 0 ? "none left" : "started";
  }

  /** Waits for the threads' answers. */
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

/** A signal number that nothing else uses. */
function freeSignal(system: Syscalls): number | undefined {
  const old = system.address + BigInt(OLD_ACTION_AT);
  for (let signal = SIGRTMAX; signal >= SIGRTMIN; signal--) {
    if (system.call(system.numbers.rtSigaction, signal, 0, old, SIGSET) !== 0n) continue;
    if (system.view.getBigUint64(OLD_ACTION_AT, true) === 0n) return signal;
  }
  return undefined;
}

/** Maps memory for the handler: first writable, then executable, never both. */
function mapHandler(system: Syscalls): bigint | undefined {
  const { mmap, mprotect } = system.numbers;
  const page = system.call(mmap, 0, PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (page < 0n) return undefined;
  const memory = Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(page)!, PAGE);
  new Uint8Array(memory).set(HANDLERS[Deno.build.arch]);
  // The kernel updates the instruction cache when the page becomes executable.
  return system.call(mprotect, page, PAGE, PROT_READ_EXECUTE) === 0n ? page : undefined;
}

/** Sends a signal with a value to a thread of this process. False if the thread does not exist or the queue is full. */
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

/** Whether a thread exists: signal 0 is not delivered. */
function isAlive(system: Syscalls, thread: number): boolean {
  return send(system, thread, 0, 0n);
}
