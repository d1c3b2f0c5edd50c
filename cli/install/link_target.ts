/** Chooses the target of the link `bin/krew-wasm`. */

import { fileURLToPath } from "node:url";
import type { LinkTarget } from "../../registry/store/links.ts";
import { hostPath, realPath } from "../../runtime/base/host_path.ts";
import { pathDirectories } from "./on_path.ts";

/** The target for new links. Ignores the store's own link in `bin`. */
export function linkTarget(env: (name: string) => string | undefined, bin: string): LinkTarget {
  if (Deno.build.standalone) {
    return { kind: "binary", path: stablePath(hostPath(Deno.execPath()), env("PATH") ?? "", bin) };
  }
  const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
  return {
    kind: "launcher",
    command: [Deno.execPath(), "run", "--quiet", "--allow-all", "--no-prompt", main],
  };
}

/**
 * The binary's path on PATH, if it is there. A package manager keeps that path at each upgrade, but the real path may
 * contain a version.
 */
export function stablePath(binary: string, path: string, bin: string): string {
  const file = Deno.build.os === "windows" ? "krew-wasm.exe" : "krew-wasm";
  for (const directory of pathDirectories(path)) {
    if (!/^(\/|[A-Za-z]:\/)/.test(directory) || directory === bin) continue;
    try {
      if (realPath(`${directory}/${file}`) === binary) return `${directory}/${file}`;
    } catch { /* not there */ }
  }
  return binary;
}
