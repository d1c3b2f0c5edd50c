/** What the operations of the Linux tree share. */

import type { Files } from "../../../sandbox/types.ts";
import { WasiError } from "../../errno.ts";
import type { HostMemory } from "../../host_memory.ts";
import type { FileDecisions } from "../file_decisions.ts";
import type { OverlayContents } from "../overlay.ts";
import type { Entry } from "../protection.ts";
import type { KernelFiles } from "../special_files.ts";
import type { Glance } from "./attribute_calls.ts";
import type { Kernel } from "./file_calls.ts";
import type { LinuxHost } from "./linux_host.ts";
import { identityOf } from "./linux_nodes.ts";

/** The state of an open tree. */
export interface LinuxState {
  readonly kernel: Kernel;
  readonly files: Files;
  readonly host: LinuxHost;
  readonly decisions: FileDecisions;
  readonly contents: OverlayContents;
  /** Memory of the open listings. */
  readonly listings: HostMemory;
  /** Devices that were looked at: the kernel's pseudo file system, or undefined. */
  readonly devices: Map<bigint, KernelFiles | undefined>;
  /** The last regular device. Most files are on the same one. */
  plainDevice: bigint | undefined;
  /** The file at each overlay and at each denied path at the last look. */
  seen: readonly (Glance | undefined)[];
}

/** Returns the result of `use`; if it throws, closes the descriptor. */
export function closeOnError<T>(kernel: Kernel, fd: number, use: () => T): T {
  try {
    return use();
  } catch (error) {
    kernel.close(fd);
    throw error;
  }
}

/** Returns the result of `look`; undefined if nothing is at the path. */
export function unlessMissing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof WasiError && error.errno === "no-entry") return undefined;
    throw error;
  }
}

/** A file for the decisions. Few of them need its identity. */
export function entryOf(glance: Glance): Entry {
  const { type, links } = glance;
  return {
    type,
    links,
    get identity() {
      return identityOf(glance);
    },
  };
}

/** A name as text, for comparisons with names that people write. */
export function textOf(name: Uint8Array): string {
  return new TextDecoder().decode(name);
}

/** A link to the path of an open file, by the name that the kernel knows. */
export function linkToOpen(fd: number): string {
  return `/proc/self/fd/${fd}`;
}
