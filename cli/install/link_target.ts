/** What `bin/krew-wasm` leads to. */

import { delimiter } from "node:path";
import { fileURLToPath } from "node:url";
import type { LinkTarget } from "../../registry/store/links.ts";
import { hostPath, realPath } from "../../runtime/base/host_path.ts";

/** What a link of this process's making starts. `bin` is the store's, whose own link is nothing to lead to. */
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
 * The name by which a binary is found on PATH, where it is: a package manager keeps that one at each upgrade, whereas the
 * real path has a version in it.
 */
export function stablePath(binary: string, path: string, bin: string): string {
  const file = Deno.build.os === "windows" ? "krew-wasm.exe" : "krew-wasm";
  for (const entry of path.split(delimiter)) {
    const directory = hostPath(entry).replace(/(?<=.)\/+$/, "");
    if (!/^(\/|[A-Za-z]:\/)/.test(directory) || directory === bin) continue;
    try {
      if (realPath(`${directory}/${file}`) === binary) return `${directory}/${file}`;
    } catch { /* not there */ }
  }
  return binary;
}
