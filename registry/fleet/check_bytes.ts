/** Checks the stored bytes and compiled forms of plugins. */

import { exists } from "../../runtime/base/host_path.ts";
import { BINDGEN } from "../../runtime/store/bindgen.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { isCompiledIntact } from "../store/blobs.ts";
import { isIntact } from "../store/read_stripped.ts";
import { FIX, type Found } from "./findings.ts";

/** Compares everything stored with its digest. `earlier`: the receipts of earlier versions. */
export function examineBytes(
  layout: Layout,
  receipts: readonly Receipt[],
  earlier: readonly Receipt[],
  found: Found,
): void {
  const whole = new Map<string, boolean>();
  const isWhole = (digest: string, size?: number): boolean => {
    const known = whole.get(digest);
    if (known !== undefined) return known;
    const right = isIntact(layout.blob(digest), { digest, size });
    whole.set(digest, right);
    return right;
  };
  let stale = 0;
  let wrong = 0;
  for (const receipt of receipts) {
    const { name, digest, size, compiled, bindgen, manifestDigest, config } = receipt;
    if (!isWhole(digest, size)) {
      wrong++;
      found("digests", "error", `The stored WebAssembly of "${name}", ${digest}, is missing or changed`, {
        fix: FIX,
        repair: { kind: "pull", receipt },
      });
    } else if (bindgen !== BINDGEN) {
      stale++;
      found(
        "compiled",
        "warning",
        `"${name}" was compiled by another version; its next run compiles it anew`,
        {
          fix: FIX,
          repair: { kind: "compile", name },
        },
      );
      continue;
    }
    if (bindgen === BINDGEN && !isCompiledIntact(layout.compiledDir(digest, bindgen), compiled)) {
      wrong++;
      found("compiled", "error", `The compiled form of "${name}" is missing or changed`, {
        fix: FIX,
        ...(isWhole(digest, size) ? { repair: { kind: "compile", name } } : {}),
      });
    }
    for (const [what, each] of [["manifest", manifestDigest], ["config", config]] as const) {
      if (each === undefined || (!exists(layout.blob(each)) && what === "manifest" && config === undefined)) {
        continue;
      }
      if (isWhole(each)) continue;
      wrong++;
      found("digests", "warning", `The stored ${what} of "${name}", ${each}, is missing or changed`, {
        fix: FIX,
        repair: { kind: "pull", receipt },
      });
    }
  }
  for (const receipt of earlier) {
    const { name, digest, size } = receipt;
    if (isWhole(digest, size)) continue;
    wrong++;
    found(
      "digests",
      "warning",
      `An earlier version of "${name}", ${digest}, is missing or changed: no rollback to it`,
      { fix: FIX, repair: { kind: "earlier", receipt } },
    );
  }
  if (wrong === 0) found("digests", "ok", `${whole.size} stored digests are right`);
  if (stale === 0 && wrong === 0) found("compiled", "ok", "All compiled forms are of this version");
}
