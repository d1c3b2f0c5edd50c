/** install.sh and install.ps1 of one release, with the digests of its archives. */

import { archiveOf, fileUrl, type Release } from "./release.ts";

/** The scripts by file name. */
export async function installScripts(release: Release): Promise<Map<string, string>> {
  const digests = release.archives.filter(({ target }) => target.os !== "windows").map(({ target, sha256 }) =>
    `    ${target.os}-${target.arch}) echo ${sha256} ;;`
  );
  const values: Readonly<Record<string, string>> = {
    "@VERSION@": release.version,
    "@DOWNLOADS@": fileUrl(release, "").replace(/\/$/, ""),
    "@DIGESTS@": digests.join("\n"),
    "@WINDOWS_SHA256@": archiveOf(release, "windows", "x64").sha256,
  };
  const scripts = new Map<string, string>();
  for (const name of ["install.sh", "install.ps1"]) {
    const text = await Deno.readTextFile(new URL(name, import.meta.url));
    scripts.set(name, text.replaceAll(/@[A-Z0-9_]+@/g, (word) => values[word] ?? word));
  }
  return scripts;
}
