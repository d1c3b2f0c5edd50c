/** Memory that the host holds for a component's HTTP requests. A process runs one plugin. */

import { HostMemory, type Kept } from "../host_memory.ts";

/** The approximate size of a host object without its bytes. */
export const OBJECT = 100;

let memory = new HostMemory();

/** Memory to account for, until its end. */
export function keptMemory(): Kept {
  return memory.open();
}

/** Starts with no memory in use. */
export function resetMemory(): void {
  memory = new HostMemory();
}
