/** Whether a file is the administrator's alone: nobody else can change it, nor have its path lead elsewhere. */

import { parentOf } from "./host_path.ts";
import { DENO_PATHS, walkPath } from "./path_walk.ts";
import { ownerProblem } from "./owned_file.ts";

/**
 * Who beside root can change what is at an absolute path, in words: the file itself, a directory on the way there, or on the
 * way to a link that is followed. undefined for nobody, and on Windows, where owners are not looked at.
 */
export function whyChangeable(path: string): string | undefined {
  if (Deno.build.os === "windows") return undefined;
  const { path: real, links } = walkPath(path, DENO_PATHS);
  const places = new Set<string>([real]);
  for (let at of [parentOf(real), ...links.map(({ directory }) => directory)]) {
    for (; !places.has(at); at = parentOf(at)) places.add(at);
  }
  for (const at of places) {
    try {
      const why = ownerProblem(Deno.lstatSync(at), Deno.uid()!);
      if (why !== undefined) return `${at} ${why}`;
    } catch {
      return `${at} can't be looked at`;
    }
  }
  return undefined;
}
