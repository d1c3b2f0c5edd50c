/** What the operations of the tree by name share. */

import type { Files, Mount } from "../../../sandbox/types.ts";
import type { HostMemory } from "../../host_memory.ts";
import type { FileDecisions } from "../file_decisions.ts";
import type { OverlayContents } from "../overlay.ts";
import type { NamedHost } from "./named_host.ts";

/** The state of an open tree. */
export interface NamedState {
  readonly files: Files;
  readonly host: NamedHost;
  readonly decisions: FileDecisions;
  readonly contents: OverlayContents;
  /** Memory of the open listings. */
  readonly listings: HostMemory;
}

/** The host path of names below a mount. */
export function pathIn(mount: Mount, names: readonly string[]): string {
  if (names.length === 0) return mount.host;
  const first = mount.names?.get(names[0]!);
  if (first !== undefined) names = [first, ...names.slice(1)];
  return mount.host.endsWith("/") ? mount.host + names.join("/") : `${mount.host}/${names.join("/")}`;
}

/** Whether the last name is `.` or `..`, which can't be created, moved or removed. */
export function endsInDots(path: string): boolean {
  return /(^|\/)\.\.?\/*$/.test(path);
}
