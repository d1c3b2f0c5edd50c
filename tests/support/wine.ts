// deno-lint-ignore-file no-console -- a test that is left out says why
/** Where the binary for Windows can be tried: under Wine, by tests/support/wine.sh. */

import { fileURLToPath } from "node:url";
import { findProgram, missing } from "./programs.ts";

/** The script. */
export const WINE = fileURLToPath(new URL("wine.sh", import.meta.url));

/** The binary that tests of Windows try, as `KREW_WASM_WINDOWS_BINARY` names it; undefined where they are left out. */
export function windowsBinary(): string | undefined {
  const binary = Deno.env.get("KREW_WASM_WINDOWS_BINARY");
  if (!binary) return undefined;
  const programs = ["clang", "lld-link"].every((name) => findProgram(name, ["/usr/lib/llvm-14/bin"]));
  if (missing("Wine", programs && hasWine(), "Debian: apt-get install wine64 clang lld")) return undefined;
  if (mayMount()) return binary;
  console.warn("the binary for Windows is not tried: this container lets nobody mount anything (unshare -m)");
  return undefined;
}

function hasWine(): boolean {
  const { success, stdout } = new Deno.Command("dpkg", { args: ["-L", "wine64"], stderr: "null" })
    .outputSync();
  return success && /\/wine\/wine64$/m.test(new TextDecoder().decode(stdout));
}

function mayMount(): boolean {
  const flags = Deno.uid() === 0 ? ["--mount"] : ["--mount", "--map-root-user"];
  const args = [...flags, "mount", "--bind", "/etc/passwd", "/etc/passwd"];
  return new Deno.Command("unshare", { args, stdout: "null", stderr: "null" }).outputSync().success;
}
