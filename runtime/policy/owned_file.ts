/**
 * Reads files that limit what a user may do, or that such a limit relies on. If the policy is the administrator's, nobody
 * else may be able to change the file, its directory, or anything on the way to it.
 */

import { isNowhere, parentOf } from "../base/host_path.ts";
import { DENO_PATHS, walkPath } from "../base/path_walk.ts";
import { POLICY_PATH } from "./policy_path.ts";

/** Size limit of such a file. Bytes. */
const MAX_SIZE = 1 << 20;

/**
 * Reads such a file; undefined if it does not exist. A dangling link counts as an unreadable file, not as absence. If
 * others than root can remove the file, its absence proves nothing, so that is an error too.
 *
 * @param policyPath the policy that relies on the file, or the file itself. It decides whether the file must be the
 * administrator's
 * @throws Error saying why the file cannot be used; Deno.errors
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
 * Who besides root can change the file at an absolute path, in words: through the file itself, a directory on the way, or a
 * directory on the way to a followed link. undefined if only root can, and on Windows, where krew-wasm does not check
 * owners.
 */
export function whyChangeable(path: string): string | undefined {
  if (Deno.build.os === "windows") return undefined;
  const { path: real, links } = walkPath(path, DENO_PATHS);
  const user = Deno.uid()!;
  const isOurs = user === 0 && !isSystemRoot();
  const places = new Set<string>([real]);
  for (let at of [parentOf(real), ...links.map(({ directory }) => directory)]) {
    for (; !places.has(at); at = parentOf(at)) places.add(at);
  }
  for (const at of places) {
    try {
      const state = Deno.lstatSync(at);
      if (isOurs && state.uid === 0) {
        return `${at} belongs to this user, who is root in a user namespace only`;
      }
      const why = ownerProblem(state, user);
      if (why !== undefined) return `${at} ${why}`;
    } catch {
      return `${at} can't be looked at`;
    }
  }
  return undefined;
}

/** @throws Error naming what others than root can change: the file, its directory, or something on the way to it */
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

/** The inode of the system's own user namespace (PROC_USER_INIT_INO of Linux's include/linux/proc_ns.h). */
const INITIAL_USER_NAMESPACE = 0xeffffffd;

/**
 * Whether this process is the system's root. In a user namespace (`unshare --map-root-user`), any user has the number 0.
 *
 * @param namespace the inode of the process's user namespace; undefined on a system without user namespaces
 */
export function isSystemRoot(namespace: () => number | null | undefined = userNamespace): boolean {
  if (Deno.uid() !== 0) return false;
  try {
    return (namespace() ?? INITIAL_USER_NAMESPACE) === INITIAL_USER_NAMESPACE;
  } catch {
    return false;
  }
}

// Without all permissions, Deno does not read files of /proc, but stat works.
function userNamespace(): number | null | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    return Deno.statSync("/proc/self/ns/user").ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** In a container, files of users from outside belong to this user (user_namespaces(7), overflowuid). */
const UNMAPPED = 65534;

/**
 * Why a file cannot limit a user: the user or another one can change it. undefined if only root can. In a container without
 * privileges, root's files belong to nobody. Pure.
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
