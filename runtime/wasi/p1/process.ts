/** preview1's arguments, environment, clocks, random numbers and sockets. */

import { CLOCK_RESOLUTION, monotonicNanoseconds, wallClockNow } from "../system_clocks.ts";
import { WasiError } from "../errno.ts";
import { fillRandom } from "../random_bytes.ts";
import { type Context, type Functions, SUCCESS } from "./p1_context.ts";
import type { Memory } from "./memory.ts";

const encoder = new TextEncoder();

/** The functions for one module. proc_exit is in preview1.ts. */
export function processFunctions({ sandbox, memory, descriptors }: Context): Functions {
  let args: Uint8Array[] | undefined;
  let env: Uint8Array[] | undefined;
  const argBytes = () => args ??= sandbox.args.map((arg) => encoder.encode(`${arg}\0`));
  const envBytes = () => env ??= sandbox.env.map(([name, value]) => encoder.encode(`${name}=${value}\0`));
  const notSocket = (fd: number) => {
    descriptors.get(fd);
    throw new WasiError("not-socket");
  };
  return {
    args_get: (pointers: number, buffer: number) => storeStrings(memory, argBytes(), pointers, buffer),
    args_sizes_get: (count: number, size: number) => storeSizes(memory, argBytes(), count, size),
    environ_get: (pointers: number, buffer: number) => storeStrings(memory, envBytes(), pointers, buffer),
    environ_sizes_get: (count: number, size: number) => storeSizes(memory, envBytes(), count, size),
    clock_res_get(id: number, result: number) {
      if (id < 0 || id > 3) throw new WasiError("invalid");
      memory.setUint64(result, CLOCK_RESOLUTION);
    },
    clock_time_get(id: number, _precision: bigint, result: number) {
      if (id < 0 || id > 3) throw new WasiError("invalid");
      // The process has one thread, so both CPU clocks are the same.
      if (id === 0) memory.setUint64(result, wallClockNow());
      else memory.setWhole(result, monotonicNanoseconds());
    },
    proc_raise() {
      throw new WasiError("unsupported");
    },
    random_get: (pointer: number, length: number) => fillRandom(memory.slice(pointer, length)),
    sched_yield: () => SUCCESS,
    sock_accept: notSocket,
    sock_recv: notSocket,
    sock_send: notSocket,
    sock_shutdown: notSocket,
  };
}

function storeSizes(
  memory: Memory,
  list: readonly Uint8Array[],
  countPointer: number,
  sizePointer: number,
): void {
  memory.setUint32(countPointer, list.length);
  memory.setUint32(sizePointer, list.reduce((sum, { length }) => sum + length, 0));
}

function storeStrings(memory: Memory, list: readonly Uint8Array[], pointers: number, buffer: number): void {
  for (const text of list) {
    memory.setUint32(pointers, buffer);
    memory.slice(buffer, text.length).set(text);
    pointers += 4;
    buffer += text.length;
  }
}
