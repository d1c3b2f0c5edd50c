/** Checks the links of plugins. */

import type { Layout } from "../../runtime/store/layout.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { type LinkTarget, linkTargetOf, ownerOfLink, reaches } from "../store/links.ts";
import { FIX, type Found, moveCommand } from "./findings.ts";

/** Checks the link of each plugin, and the one to krew-wasm. */
export function examineLinks(
  layout: Layout,
  receipts: readonly Receipt[],
  target: LinkTarget,
  found: Found,
): void {
  if (receipts.length === 0) return;
  const before = wrongLinks(layout, receipts);
  const windows = Deno.build.os === "windows";
  const self = windows ? `${layout.self}.cmd` : layout.self;
  if (!reaches(self)) {
    found("links", "error", `${self} leads nowhere: krew-wasm was moved`, {
      fix: FIX,
      repair: { kind: "link", name: "krew-wasm" },
    });
  } else if (
    !windows && target.kind === "binary" && !isSameFile(self, target.path)
  ) {
    found("links", "warning", `${self} leads to another krew-wasm, ${linkTargetOf(self) ?? "a launcher"}`, {
      fix: FIX,
      repair: { kind: "link", name: "krew-wasm" },
    });
  } else if (before.length === 0) found("links", "ok", "Each plugin has its link");
  for (const { name, path, foreign } of before) {
    found(
      "links",
      "error",
      foreign
        ? `${path} is not made by krew-wasm, and in the way of "${name}"`
        : `The link of "${name}", ${path}, is missing`,
      foreign
        ? { fix: `${moveCommand(path, `${path}.old`) ?? `move ${path} away`}; ${FIX}` }
        : { fix: FIX, repair: { kind: "link", name } },
    );
  }
}

function isSameFile(a: string, b: string): boolean {
  try {
    return Deno.realPathSync(a) === Deno.realPathSync(b);
  } catch {
    return false; // moved meanwhile
  }
}

function wrongLinks(layout: Layout, receipts: readonly Receipt[]) {
  return receipts.flatMap(({ name, completion }) => {
    const suffix = Deno.build.os === "windows" ? ".cmd" : "";
    const paths = [layout.link(name), ...(completion === undefined ? [] : [layout.completionLink(name)])];
    return paths.map((path) => `${path}${suffix}`).flatMap((path) => {
      const owner = ownerOfLink(layout, path);
      return owner === "us" ? [] : [{ name, path, foreign: owner === "others" }];
    });
  });
}
