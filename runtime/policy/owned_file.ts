/**
 * Files that bound what a user may do, or that such a bound relies upon. Where they are the administrator's, nobody else may be
 * able to change them: not by themselves, by their directory, nor by what is on the way to where they lead.
 */

import { isNowhere, parentOf } from "../base/host_path.ts";
import { DENO_PATHS, walkPath } from "../base/path_walk.ts";
import { POLICY_PATH } from "./policy_path.ts";

/** No such file is larger. Bytes. */
const MAX_SIZE = 1 << 20;

/**
 * Such a file's text; undefined where there is none. What only is out of reach for a while, by a link that leads nowhere, is no
 * less a bound; and of a place where others than root may take it away, nobody can say that there never was one.
 *
 * @param policyPath of the policy that relies upon it, or that it is: whose files have to be the administrator's
 * @throws Error saying why it can't be used; Deno.errors
 */
export function readOwned(path: string, policyPath: string): string | undefined {
  const nowhere = isNowhere(path);
  if (!nowhere && leadsNowhere(path)) throw new Error("it, or its directory, is a link that leads nowhere");
  if (policyPath === POLICY_PATH && Deno.build.os !== "windows") refuseChangeable(path);
  if (nowhere) return undefined;
  if (Deno.statSync(path).size > MAX_SIZE) throw new Error("it is larger than 1 MiB");
  return Deno.readTextFileSync(path);
}

/** @throws as Deno.statSync, where it can't be looked at */
function leadsNowhere(path: string): boolean {
  try {
    Deno.statSync(path);
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}

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

/** @throws Error naming what others than root may change: the file, its directory, or what is on the way of links to it */
function refuseChangeable(path: string): void {
  const { path: real, found, links } = walkPath(path, DENO_PATHS);
  const directory = parentOf(path);
  const places = found ? [path, real, directory] : links.length > 0 ? [directory] : [];
  if (links.length > 0) {
    for (let at of [parentOf(real), ...links.map(({ directory }) => directory)]) {
      for (; !places.includes(at); at = parentOf(at)) places.push(at);
    }
  }
  for (const at of places) {
    for (const state of [Deno.lstatSync(at), Deno.statSync(at)]) {
      const why = ownerProblem(state, Deno.uid()!);
      if (why !== undefined) throw new Error(`${at} ${why}`);
    }
  }
}

/** Who files of users outside of a container belong to in it (user_namespaces(7), overflowuid). */
const UNMAPPED = 65534;

/**
 * Why a file can't bound what a user does: because the user, or another one, may change it. undefined where only root may.
 * In a container without rights of its own root's files are nobody's. Pure.
 */
export function ownerProblem(
  { uid, mode, isSymlink }: Pick<Deno.FileInfo, "uid" | "mode" | "isSymlink">,
  user: number,
): string | undefined {
  if (uid !== 0 && !(uid === UNMAPPED && user !== UNMAPPED)) return `belongs to the user ${uid}, not to root`;
  // A link has no mode of its own.
  if (isSymlink || ((mode ?? 0) & 0o022) === 0) return undefined;
  return `may be changed by others than root (mode ${((mode ?? 0) & 0o777).toString(8)})`;
}
