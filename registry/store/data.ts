/** Puts a private directory aside while a plugin of another repository takes the name. Under the lock. */

import type { Layout } from "../../runtime/store/layout.ts";
import { readReceipt } from "../../runtime/store/read.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { removeDirectory } from "./disk.ts";
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

/** Puts directories back whose receipt was not written. emptyStage() removes the others. */
export function recoverData(layout: Layout): void {
  for (const file of namesIn(layout.stage)) {
    const [, name, hex] = ASIDE.exec(file) ?? [];
    if (name === undefined || installedAs(layout, name) === `sha256:${hex}`) continue;
    try {
      removeDirectory(layout.dataDir(name)); // made by a run in between, without content
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    Deno.renameSync(`${layout.stage}/${file}`, layout.dataDir(name));
  }
}

function installedAs(layout: Layout, name: string): string | undefined {
  try {
    return readReceipt(layout, name).manifestDigest;
  } catch {
    return undefined; // the plugin was removed: so is its directory
  }
}
