/** The files of sdk/go/overlay: an asset in the binary, the directory itself in a checkout. */

import { readAsset } from "../compile/carried_assets.ts";

/** Name of the asset in the binary. It is JSON: texts by path. */
export const OVERLAY_ASSET = "go-overlay.json";

/** Texts by path below the overlay: `std/net/http/x.go`, `modules/golang.org/x/sys/unix/x.go`. */
export async function overlayFiles(): Promise<ReadonlyMap<string, string>> {
  try {
    const text = new TextDecoder().decode(await readAsset(OVERLAY_ASSET));
    return new Map(Object.entries(JSON.parse(text) as Record<string, string>));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return readOverlay(new URL("../../sdk/go/overlay/", import.meta.url));
  }
}

/** The Go files of the overlay's directory, in order. @throws errors of the file system */
export function readOverlay(root: URL): Map<string, string> {
  const files = new Map<string, string>();
  const visit = (path: string) => {
    for (const { name, isDirectory } of [...Deno.readDirSync(new URL(path, root))].sort(byName)) {
      if (isDirectory) visit(`${path}${name}/`);
      else if (name.endsWith(".go")) {
        files.set(`${path}${name}`.slice(2), Deno.readTextFileSync(new URL(`${path}${name}`, root)));
      }
    }
  };
  visit("./");
  return files;
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
