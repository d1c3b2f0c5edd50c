/** Listings that read all entries at once. */

import { WasiError } from "../errno.ts";
import type { Entry, Listing } from "./file_tree.ts";
import type { HostMemory } from "../host_memory.ts";

/**
 * A listing of entries that the host keeps until it is closed.
 *
 * @param bytes the approximate size of the entries
 * @param memory shared by all listings of a plugin
 * @throws WasiError insufficient-memory
 */
export function keptListing(
  at: (index: number) => Entry | undefined,
  bytes: number,
  memory: HostMemory,
): Listing {
  if (!memory.fits(bytes)) throw new WasiError("insufficient-memory");
  const kept = memory.open();
  kept.grow(bytes);
  return { at, close: () => kept.end() };
}

/** The approximate memory of an entry with such a name, in bytes. */
export function sizeOfEntry(nameLength: number): number {
  return 100 + 2 * nameLength;
}
