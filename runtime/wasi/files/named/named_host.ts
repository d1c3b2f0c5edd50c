/** Answers protection.ts's questions on systems without openat, through Deno. */

import { isBelow, parentOf } from "../../../base/host_path.ts";
import { DENO_PATHS, type Found, foundOf } from "../../../base/path_walk.ts";
import { errnoOf, isAbsence, WasiError } from "../../errno.ts";
import { type Mountpoint, otherPlaces, parseMounts } from "../mountinfo.ts";
import type { ProtectionHost } from "../protection.ts";

/** How many files of a directory to look at ahead. */
const MAX_AHEAD = 20_000;

/** How long the path of a directory that is looked at may be, below the protected one. macOS allows paths of 1023 bytes. */
const MAX_BELOW = 600;

/** Looks at host paths through Deno. */
export class NamedHost implements ProtectionHost {
  /**
   * Files at paths, from the time when the process could look. A process that gave up reading
   * (runtime/sandbox/process_permissions.ts) can still look at files that its plugin may reach. The plugin can't
   * change the rest above those either.
   */
  #known = new Map<string, Found>();
  /** The targets of links, from the same time. */
  #targets = new Map<string, string | undefined>();
  /** The clock of some file systems has steps of two seconds. */
  readonly tick = 3000;
  /** Files with further names in directories that can't be listed later. */
  #linked = new Map<string, ReadonlySet<string> | "too many">();
  /** Other paths of mount roots (mount --bind), by mount point. Read once. */
  #elsewhere: ReadonlyMap<string, string>;
  #mountpoints: readonly string[];

  constructor() {
    const mounts = mountsHere();
    this.#mountpoints = mounts.map(({ point }) => point);
    this.#elsewhere = new Map(mounts.flatMap((mount): [string, string][] => {
      const identity = this.find(mount.point)?.identity;
      const place = otherPlaces(mount, mounts).find((path) =>
        identity !== undefined && this.find(path)?.identity === identity
      );
      return place === undefined ? [] : [[mount.point, place]];
    }));
  }

  /** Whether a path is a mount point whose root is also reachable elsewhere. */
  isElsewhere(path: string): boolean {
    return this.#elsewhere.has(path);
  }

  /** Whether there are mount points below a directory. */
  hasMountsBelow(directory: string): boolean {
    return this.#mountpoints.some((point) => isBelow(point, directory));
  }

  find(path: string): Found | undefined {
    try {
      const found = foundOf(Deno.lstatSync(path), path);
      this.#known.set(path, found);
      return found;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) return this.#known.get(path);
      return unlessAbsent(error, undefined);
    }
  }

  readLink(path: string): string | undefined {
    // Where a link may no longer be read, the plugin can't change it.
    if (Deno.permissions.querySync({ name: "read", path }).state !== "granted" && this.#targets.has(path)) {
      return this.#targets.get(path);
    }
    try {
      const target = DENO_PATHS.readLink(path);
      this.#targets.set(path, target);
      return target;
    } catch (error) {
      throw new WasiError(errnoOf(error));
    }
  }

  /** Identities of a directory and of those above it. The path must be free of links. */
  *above(directory: string): Generator<string> {
    for (let at = directory;; at = parentOf(at)) {
      const found = this.find(at);
      if (found) yield found.identity;
      const elsewhere = this.#elsewhere.get(at);
      if (elsewhere !== undefined) yield* this.above(elsewhere);
      if (parentOf(at) === at) return;
    }
  }

  holds(directory: string, identity: string, exempt: ReadonlySet<string>): boolean {
    const ahead = this.#linked.get(directory);
    if (ahead !== undefined) return ahead === "too many" || ahead.has(identity);
    return this.#filesOf(directory, exempt, Infinity)?.some((found) => found.identity === identity) ?? true;
  }

  lookAhead(directory: string, exempt: ReadonlySet<string>): void {
    const files = this.#filesOf(directory, exempt, MAX_AHEAD);
    const linked = files?.filter(({ links }) => links > 1).map(({ identity }) => identity);
    this.#linked.set(directory, linked && files!.length < MAX_AHEAD ? new Set(linked) : "too many");
  }

  /**
   * The files in and below a directory, up to a maximum. undefined if the tree is too deep, because then anything may be
   * further down: a plugin can nest directories without limit.
   */
  #filesOf(
    directory: string,
    exempt: ReadonlySet<string>,
    most: number,
  ): { readonly identity: string; readonly links: number }[] | undefined {
    const files: { identity: string; links: number }[] = [];
    const pending = [directory];
    for (let at = pending.pop(); at !== undefined && files.length < most; at = pending.pop()) {
      if (at.length > directory.length + MAX_BELOW) return undefined;
      for (const { name, isDirectory } of entriesOf(at)) {
        const path = `${at}/${name}`;
        const info = infoOf(path);
        if (!info || files.length >= most) continue;
        const { identity } = foundOf(info, path);
        if (exempt.has(identity)) continue;
        if (isDirectory) pending.push(path);
        else files.push({ identity, links: info.nlink ?? 1 });
      }
    }
    return files;
  }
}

function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    return unlessAbsent(error, undefined);
  }
}

/** Linux's mounts; none on other systems, or if Linux does not tell. */
function mountsHere(): Mountpoint[] {
  if (Deno.build.os !== "linux") return [];
  try {
    return parseMounts(Deno.readTextFileSync("/proc/self/mountinfo"));
  } catch (error) {
    return unlessAbsent(error, []); // without /proc
  }
}

function entriesOf(directory: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(directory)];
  } catch (error) {
    return unlessAbsent(error, []);
  }
}

/** Returns `nothing` for a missing or unreachable file. @throws WasiError if it is unknown whether a file exists */
function unlessAbsent<T>(error: unknown, nothing: T): T {
  if (isAbsence(error)) return nothing;
  throw new WasiError(errnoOf(error));
}
