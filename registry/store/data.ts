/** Puts a private directory aside while a plugin of another repository takes the name. Under the lock. */

import { exists } from "../../runtime/base/host_path.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { readReceipt } from "../../runtime/store/read.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { removeDirectory, storeFailed } from "./disk.ts";
import { namesIn } from "./sweep.ts";

/** Where a private directory waits until the receipt is written. The receipt's manifest digest is part of the name. */
export function dataAside(layout: Layout, { name, manifestDigest }: Receipt): string {
  return `${layout.stage}/data-${name}-${manifestDigest.slice("sha256:".length)}`;
}

const ASIDE = /^data-([a-z0-9-]+)-([0-9a-f]{64})$/;

/** Whether an entry of stage/ is a private directory that was put aside. */
export function isAside(name: string): boolean {
  return ASIDE.test(name);
}

/** Whether an entry of stage/ is a private directory whose receipt was not written, so that it is still needed. */
export function isWaiting(layout: Layout, file: string): boolean {
  const [, name, hex] = ASIDE.exec(file) ?? [];
  return name !== undefined && installedAs(layout, name) !== `sha256:${hex}`;
}

/**
 * Puts directories back whose receipt was not written. emptyStage() removes the others.
 *
 * @param warn gets a line for each directory that can't be put back. It stays for the next time
 */
export function recoverData(layout: Layout, warn: (line: string) => void): void {
  for (const file of namesIn(layout.stage)) {
    const [, name] = ASIDE.exec(file) ?? [];
    if (name === undefined || !isWaiting(layout, file)) continue;
    const data = layout.dataDir(name);
    try {
      if (exists(data)) removeDirectory(layout, data); // made by a run in between
      Deno.renameSync(`${layout.stage}/${file}`, data);
    } catch (error) {
      warn(`warning: ${storeFailed(`Cannot put ${data} back`, error).message}`);
    }
  }
}

function installedAs(layout: Layout, name: string): string | undefined {
  try {
    return readReceipt(layout, name).manifestDigest;
  } catch {
    return undefined; // the plugin was removed: so is its directory
  }
}
