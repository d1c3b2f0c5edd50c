/**
 * What a plugin must not change, and what it must not see, whatever it was granted: krew-wasm's own files, kubeconfigs, what
 * was denied. They are described once, by their paths. What is at the end of a path, the links and directories on the way to
 * it, and the place of what is not there yet are then told by identity, so that no other name, spelling, link or mount leads
 * around them. Both file trees ask here.
 */

import { parentOf } from "../../base/host_path.ts";
import { type Found, type PathHost, type PathWalk, type Spot, walkPath } from "../../base/path_walk.ts";
import type { Files, Overlay } from "../../sandbox/types.ts";
import { WasiError } from "../errno.ts";

/** What is described: absolute paths of the host, as people write them. */
export type ProtectedFiles = Pick<
  Files,
  "overlays" | "protectedPaths" | "unprotectedPaths" | "deniedPaths" | "deniedWrites"
>;

/** A file system, with one question more. */
export interface ProtectionHost extends PathHost {
  /** Whether a file has a name in a directory, or below it, but not below what is `exempt`. */
  holds(directory: string, identity: string, exempt: ReadonlySet<string>): boolean;
  /** By how much a change's time may be too early, in milliseconds: clocks of file systems tick. */
  readonly tick: number;
  /** Gets ready to answer that of a directory which can't be looked at later. */
  lookAhead(directory: string, exempt: ReadonlySet<string>): void;
}

/** What is known of a file. */
export interface Entry {
  readonly identity: string;
  readonly type: string;
  readonly links: bigint;
}

/** Identities of a directory and of those above it, itself first. */
export type Above = () => Iterable<string>;

/** What is done to an entry: its content is changed, or its name goes, with all that is below it. */
export type Change = "content" | "name";

/** The protection of one run. */
export class Protection {
  /** Whether anything is denied to be read. */
  readonly denies: boolean;
  #files: ProtectedFiles;
  #host: ProtectionHost;
  #last: Protected | undefined;

  constructor(files: ProtectedFiles, host: ProtectionHost) {
    this.#files = files;
    this.#host = host;
    this.denies = (files.deniedPaths?.length ?? 0) > 0;
  }

  /** What holds at this moment: users, and other programs, move files while a plugin runs. */
  now(): Protected {
    if (!this.#last?.holds()) this.#last = new Protected(this.#files, this.#host);
    return this.#last;
  }
}

/** A name in a directory, for the sets. On case-insensitive file systems other spellings are the same name. */
function placeOf(directory: string, name: string): string {
  return `${directory} ${folded(name)}`;
}

/**
 * A name with all that file systems may take for no difference: case, Unicode's forms, characters that do not show (HFS+), dots
 * and blanks at the end (Windows). Where nothing is yet there is no identity to compare. Pure.
 */
export function folded(name: string): string {
  return name.normalize("NFKD").replace(/\p{Default_Ignorable_Code_Point}/gu, "").toUpperCase().toLowerCase()
    .replace(/[. ]+$/, "");
}

function deviceOf(identity: string): string {
  return identity.slice(0, identity.indexOf(":"));
}

/** The names that stand for what is at the end of a way: its own, and those of links to it. */
function namesOf({ spot, rest, links }: Pick<PathWalk, "spot" | "rest" | "links">): Spot[] {
  return [...(spot && rest.length === 0 ? [spot] : []), ...links.filter(({ last }) => last)];
}

/** What is protected at one moment. */
export class Protected {
  #host: ProtectionHost;
  /** Directories and files that can't be changed, with all below them; denied ones among them. */
  #guarded: readonly PathWalk[];
  #locked: readonly PathWalk[];
  #denied: readonly PathWalk[];
  #ends = new Set<string>();
  #deniedEnds = new Set<string>();
  #exempt: ReadonlySet<string>;
  #links = new Set<string>();
  #passed = new Set<string>();
  /** Names of protected things, and of what is missing on the way to them. */
  #names = new Map<string, "itself" | "on the way">();
  #deniedNames = new Set<string>();
  /** Directories that such a name is in. */
  #hiding = new Set<string>();
  #overlays = new Map<string, Overlay>();
  #overlayNames = new Map<string, Overlay>();
  /** The directories in which names were looked up, and what they were then. */
  #looked = new Map<string, Found>();
  /** Whether any later change in them shows by its time. */
  #settled: boolean;

  constructor(files: ProtectedFiles, host: ProtectionHost) {
    this.#host = host;
    const started = Date.now();
    const known = new Map<string, Found | undefined>();
    const once: PathHost = {
      // Ways have their beginnings in common.
      find(path) {
        if (!known.has(path)) known.set(path, host.find(path));
        return known.get(path);
      },
      readLink: (path) => host.readLink(path),
    };
    const walk = (path: string) => walkPath(path, once);
    this.#denied = (files.deniedPaths ?? []).map(walk);
    this.#locked = [...files.protectedPaths, ...(files.deniedWrites ?? [])].map(walk);
    this.#guarded = [...this.#denied, ...this.#locked];
    this.#exempt = new Set(files.unprotectedPaths.flatMap((path) => walk(path).found?.identity ?? []));
    for (const each of this.#guarded) this.#guard(each);
    for (const each of this.#denied) this.#hide(each);
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

  /** Whether all is as it was: no name has come or gone in any directory on the way. */
  holds(): boolean {
    if (!this.#settled) return false;
    for (const [directory, { identity, changed }] of this.#looked) {
      const found = this.#host.find(directory);
      if (found?.identity !== identity || found.changed !== changed) return false;
    }
    return true;
  }

  #guard({ found, spot, rest, links, passed }: PathWalk): void {
    if (found) this.#ends.add(found.identity);
    for (const { link } of links) this.#links.add(link);
    for (const identity of passed) this.#passed.add(identity);
    if (!spot) return;
    const place = placeOf(spot.above.at(-1)!, spot.name);
    if (rest.length === 0) this.#names.set(place, "itself");
    else if (!this.#names.has(place)) this.#names.set(place, "on the way");
  }

  /** The file itself, its name, and the links that are its name. */
  #hide({ found, spot, rest, links }: PathWalk): void {
    if (found) this.#deniedEnds.add(found.identity);
    for (const { link, last } of links) if (last) this.#deniedEnds.add(link);
    for (const { above, name } of namesOf({ spot, rest, links })) {
      this.#deniedNames.add(placeOf(above.at(-1)!, name));
      this.#hiding.add(above.at(-1)!);
    }
  }

  #lay(overlay: Overlay, walk: PathWalk): void {
    this.#guard(walk);
    if (walk.found) this.#overlays.set(walk.found.identity, overlay);
    for (const { above, name } of namesOf(walk)) {
      this.#overlayNames.set(placeOf(above.at(-1)!, name), overlay);
    }
  }

  // What must not be seen

  /** Whether a name, or what it stands for, is denied itself. */
  deniesAt(directory: string, name: string, identity: string | undefined): boolean {
    const place = placeOf(directory, name);
    // A kubeconfig that replaced another just now may have the number of a denied file that was.
    return this.#deniedNames.has(place) || this.deniesFile(identity) && !this.#overlayNames.has(place);
  }

  /** Whether a file is denied itself. */
  deniesFile(identity: string | undefined): boolean {
    return identity !== undefined && this.#deniedEnds.has(identity);
  }

  /** Whether a file is exempt from denials, as the plugin's own directory is. */
  isExempt(identity: string | undefined): boolean {
    return identity !== undefined && this.#exempt.has(identity);
  }

  /** Whether a directory is denied, by itself or by one above it. */
  deniesIn(above: Iterable<string>): boolean {
    return this.#isIn(above, this.#deniedEnds);
  }

  /** Whether a file has a further name below what is denied. */
  deniesLinkOf(entry: Entry): boolean {
    return this.#isLinkedIn(this.#denied, entry);
  }

  /** Whether a directory has a name in it that is denied, whether or not something is there. */
  hidesIn(directory: string): boolean {
    return this.#hiding.has(directory);
  }

  /** The overlay that shows for a file, whatever name it was reached by. */
  overlayOf(identity: string): Overlay | undefined {
    return this.#overlays.get(identity);
  }

  /** The overlay that has just this name, whether or not its file is there. */
  overlayNamed(directory: string, name: string): Overlay | undefined {
    return this.#overlayNames.get(placeOf(directory, name));
  }

  // What must not be changed

  /** Whether a change somewhere below a directory could be one of what is protected. */
  concerns(above: readonly string[]): boolean {
    const [directory] = above;
    return directory !== undefined && (this.#passed.has(directory) || this.#isIn(above, this.#ends));
  }

  /** @throws WasiError not-permitted: the directory, or one above it, can't be changed */
  refuseIn(above: Iterable<string>): void {
    if (this.#isIn(above, this.#ends)) refuse();
  }

  /**
   * Refuses a change of a name in a directory.
   *
   * @param made a directory may be made on the way to what is not there yet
   * @throws WasiError not-permitted
   */
  refuseName(directory: string, name: string, made?: "directory"): void {
    const known = this.#names.get(placeOf(directory, name));
    if (known === "itself" || known === "on the way" && made !== "directory") refuse();
  }

  /**
   * Refuses a change of what a name stands for: of what is protected, of a link on the way to it, of a directory above it, and
   * of the content of a file that has a further name in it.
   *
   * @throws WasiError not-permitted
   */
  refuseEntry(entry: Entry, change: Change): void {
    const { identity } = entry;
    if (this.#ends.has(identity) || this.#links.has(identity)) refuse();
    if (change === "name" ? this.#passed.has(identity) : this.#isLinkedIn(this.#guarded, entry)) refuse();
  }

  /**
   * Looks for files with further names below what is protected, while that may be looked at.
   *
   * @param granted identities of directories that are granted: a further name is on the same device
   * @param denied below what is denied, too
   */
  lookAhead(granted: readonly string[], denied: boolean): void {
    const devices = new Set(granted.map(deviceOf));
    for (const { path, found } of denied ? this.#guarded : this.#locked) {
      if (found?.type === "directory" && devices.has(deviceOf(found.identity))) {
        this.#host.lookAhead(path, this.#exempt);
      }
    }
  }

  #isIn(above: Iterable<string>, ends: ReadonlySet<string>): boolean {
    for (const identity of above) {
      if (this.#exempt.has(identity)) return false;
      if (ends.has(identity)) return true;
    }
    return false;
  }

  #isLinkedIn(walks: readonly PathWalk[], { identity, type, links }: Entry): boolean {
    if (type === "directory" || links < 2n) return false;
    return walks.some(({ path, found }) =>
      found?.type === "directory" && this.#host.holds(path, identity, this.#exempt)
    );
  }
}

function refuse(): never {
  throw new WasiError("not-permitted");
}
