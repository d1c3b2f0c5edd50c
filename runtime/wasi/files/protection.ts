/**
 * Protects files that a plugin must not change or see, whatever was granted: krew-wasm's own files, kubeconfigs,
 * denied files. They are described once, by path. Then the file at the end of each path, the links and directories on
 * the way, and the places of missing files are recognised by identity. Another name, spelling, link or mount does not
 * help. Both file trees use it.
 */

import { parentOf } from "../../base/host_path.ts";
import { type Found, type PathHost, type PathWalk, walkPath } from "../../base/path_walk.ts";
import type { Files, Overlay } from "../../sandbox/types.ts";
import { WasiError } from "../errno.ts";
import type { NodeType } from "./file_tree.ts";
import { deviceOf, namesOf, outermost, placeOf } from "./protected_places.ts";

/** The protected files: absolute host paths, as people write them. */
export type ProtectedFiles = Pick<
  Files,
  "overlays" | "protectedPaths" | "unprotectedPaths" | "deniedPaths" | "deniedWrites"
>;

/** A file system that can also look for further names. */
export interface ProtectionHost extends PathHost {
  /** Whether a file has a name in or below a directory, outside of the `exempt` ones. */
  holds(directory: string, identity: string, exempt: ReadonlySet<string>): boolean;
  /** How much too early a change's time may be, in milliseconds: file systems' clocks tick. */
  readonly tick: number;
  /** Prepares `holds` for a directory that can't be read later. */
  lookAhead(directory: string, exempt: ReadonlySet<string>): void;
}

/** A file's attributes. */
export interface Entry {
  readonly identity: string;
  readonly type: NodeType;
  readonly links: bigint;
}

/** A change of an entry: of its content, or of its name, which moves or removes everything below it. */
export type Change = "content" | "name";

/** The protection of one run. */
export class Protection {
  /** Whether reading anything is denied. */
  readonly denies: boolean;
  #files: ProtectedFiles;
  #host: ProtectionHost;
  #last: Protected | undefined;

  constructor(files: ProtectedFiles, host: ProtectionHost) {
    this.#files = files;
    this.#host = host;
    this.denies = (files.deniedPaths?.length ?? 0) > 0;
  }

  /** The current protection: users and other programs move files during a run. */
  now(): Protected {
    if (!this.#last?.holds()) this.#last = new Protected(this.#files, this.#host);
    return this.#last;
  }
}

/** The protection at one moment. */
export class Protected {
  #host: ProtectionHost;
  /** The directories that can't be changed, and the denied ones, without those below another. */
  #locked: readonly PathWalk[];
  #denied: readonly PathWalk[];
  #ends = new Set<string>();
  #deniedEnds = new Set<string>();
  #exempt: ReadonlySet<string>;
  #links = new Set<string>();
  #passed = new Set<string>();
  /** Names of protected files, and of missing directories on the way to them. */
  #names = new Map<string, "itself" | "on the way">();
  #deniedNames = new Set<string>();
  /** Directories that contain such a name. */
  #hiding = new Set<string>();
  #overlays = new Map<string, Overlay>();
  #overlayNames = new Map<string, Overlay>();
  /** The directories that were searched, and their state then. */
  #looked = new Map<string, Found>();
  /** Whether their times would show any later change. */
  #settled: boolean;

  constructor(files: ProtectedFiles, host: ProtectionHost) {
    this.#host = host;
    const started = Date.now();
    const known = new Map<string, Found | undefined>();
    const once: PathHost = {
      // Paths share their beginnings.
      find(path) {
        if (!known.has(path)) known.set(path, host.find(path));
        return known.get(path);
      },
      readLink: (path) => host.readLink(path),
    };
    const walk = (path: string) => walkPath(path, once);
    const denied = (files.deniedPaths ?? []).map(walk);
    const locked = [...files.protectedPaths, ...(files.deniedWrites ?? [])].map(walk);
    this.#denied = outermost(denied);
    this.#locked = outermost(locked);
    this.#exempt = new Set(files.unprotectedPaths.flatMap((path) => walk(path).found?.identity ?? []));
    for (const each of [...denied, ...locked]) this.#protect(each);
    for (const each of denied) this.#hide(each);
    for (const overlay of files.overlays) this.#lay(overlay, walk(overlay.host));
    let settled = true;
    for (const directory of new Set([...known.keys()].map(parentOf))) {
      const found = known.get(directory);
      if (!found) continue;
      this.#looked.set(directory, found);
      settled &&= found.changed < started - host.tick;
    }
    this.#settled = settled;
  }

  /** Whether nothing has changed: no name came or went in any directory on the way. */
  holds(): boolean {
    if (!this.#settled) return false;
    for (const [directory, { identity, changed }] of this.#looked) {
      const found = this.#host.find(directory);
      if (found?.identity !== identity || found.changed !== changed) return false;
    }
    return true;
  }

  #protect({ found, spot, rest, links, passed }: PathWalk): void {
    if (found) this.#ends.add(found.identity);
    for (const { link } of links) this.#links.add(link);
    for (const identity of passed) this.#passed.add(identity);
    if (!spot) return;
    const place = placeOf(spot.above.at(-1)!, spot.name);
    if (rest.length === 0) this.#names.set(place, "itself");
    else if (!this.#names.has(place)) this.#names.set(place, "on the way");
  }

  /** Adds the file itself, its name, and the links that lead to it. */
  #hide({ found, spot, rest, links }: PathWalk): void {
    if (found) this.#deniedEnds.add(found.identity);
    for (const { link, last } of links) if (last) this.#deniedEnds.add(link);
    for (const { above, name } of namesOf({ spot, rest, links })) {
      this.#deniedNames.add(placeOf(above.at(-1)!, name));
      this.#hiding.add(above.at(-1)!);
    }
  }

  #lay(overlay: Overlay, walk: PathWalk): void {
    this.#protect(walk);
    if (walk.found) this.#overlays.set(walk.found.identity, overlay);
    for (const { above, name } of namesOf(walk)) {
      this.#overlayNames.set(placeOf(above.at(-1)!, name), overlay);
    }
  }

  // Files that the plugin must not see

  /** Whether a name, or the file with it, is denied itself. */
  deniesAt(directory: string, name: string, identity: string | undefined): boolean {
    const place = placeOf(directory, name);
    // A kubeconfig that replaced another just now may have the inode number of a denied file that was removed.
    return this.#deniedNames.has(place) || this.deniesFile(identity) && !this.#overlayNames.has(place);
  }

  /** Whether a file is denied itself. */
  deniesFile(identity: string | undefined): boolean {
    return identity !== undefined && this.#deniedEnds.has(identity);
  }

  /** Whether a file is exempt from denials, such as the plugin's own directory. */
  isExempt(identity: string | undefined): boolean {
    return identity !== undefined && this.#exempt.has(identity);
  }

  /** Whether a directory is denied, itself or through one above it. */
  deniesIn(above: Iterable<string>): boolean {
    return this.#isIn(above, this.#deniedEnds);
  }

  /** Whether a file has a further name below something denied. */
  deniesLinkOf(entry: Entry): boolean {
    return this.#isLinkedIn(entry, this.#denied);
  }

  /** Whether a directory contains a denied name, whether or not the file exists. */
  hidesIn(directory: string): boolean {
    return this.#hiding.has(directory);
  }

  /** The overlay for a file, whatever name led to it. */
  overlayOf(identity: string): Overlay | undefined {
    return this.#overlays.get(identity);
  }

  /** The overlay with exactly this name, whether or not its file exists. */
  overlayNamed(directory: string, name: string): Overlay | undefined {
    return this.#overlayNames.get(placeOf(directory, name));
  }

  // Files that the plugin must not change

  /** Whether a change somewhere below a directory could concern a protected file. */
  concerns(above: readonly string[]): boolean {
    const [directory] = above;
    return directory !== undefined && (this.#passed.has(directory) || this.#isIn(above, this.#ends));
  }

  /** @throws WasiError not-permitted if the directory, or one above it, can't be changed */
  refuseIn(above: Iterable<string>): void {
    if (this.#isIn(above, this.#ends)) refuse();
  }

  /**
   * Refuses a change of a protected name in a directory.
   *
   * @param made a directory may be created on the way to a missing file
   * @throws WasiError not-permitted
   */
  refuseName(directory: string, name: string, made?: "directory"): void {
    const known = this.#names.get(placeOf(directory, name));
    if (known === "itself" || known === "on the way" && made !== "directory") refuse();
  }

  /**
   * Refuses a change of a protected file, of a link on the way to it, of a directory above it, and of the content of
   * a file that has a further name below something protected.
   *
   * @throws WasiError not-permitted
   */
  refuseEntry(entry: Entry, change: Change): void {
    const { identity } = entry;
    if (this.#ends.has(identity) || this.#links.has(identity)) refuse();
    if (
      change === "name" ? this.#passed.has(identity) : this.#isLinkedIn(entry, this.#denied, this.#locked)
    ) refuse();
  }

  /**
   * Looks for files with further names below protected directories, while the process can still read them.
   *
   * @param granted identities of granted directories: a further name is on the same device
   * @param denied look below denied directories, too
   */
  lookAhead(granted: readonly string[], denied: boolean): void {
    const devices = new Set(granted.map(deviceOf));
    for (const { path, found } of denied ? [...this.#denied, ...this.#locked] : this.#locked) {
      if (devices.has(deviceOf(found!.identity))) this.#host.lookAhead(path, this.#exempt);
    }
  }

  #isIn(above: Iterable<string>, ends: ReadonlySet<string>): boolean {
    for (const identity of above) {
      if (this.#exempt.has(identity)) return false;
      if (ends.has(identity)) return true;
    }
    return false;
  }

  #isLinkedIn({ identity, type, links }: Entry, ...directories: readonly (readonly PathWalk[])[]): boolean {
    if (type === "directory" || links < 2n) return false;
    return directories.some((each) =>
      each.some(({ path }) => this.#host.holds(path, identity, this.#exempt))
    );
  }
}

function refuse(): never {
  throw new WasiError("not-permitted");
}
