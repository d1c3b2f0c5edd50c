/**
 * Decides which changes and denials apply to a file, whatever was granted. Both file trees ask here before they act, so
 * each rule stands once. A tree knows how to find a file: linux/ by descriptor, named/ by path. It describes a file by
 * its identity, and the place of a change by {@linkcode Place}.
 */

import type { Mount } from "../../sandbox/types.ts";
import { WasiError } from "../errno.ts";
import type { GuestPath, NodeType, Stat } from "./file_tree.ts";
import {
  type Change,
  type Entry,
  type Protected,
  type ProtectedFiles,
  Protection,
  type ProtectionHost,
} from "./protection.ts";

/** A granted tree. */
export interface Grant {
  readonly mount: Mount;
  /** Whether it contains something protected, or is inside of it; found out before the first change. */
  entangled?: boolean;
  /** Identities of its directory and of all directories above it. */
  above(): Iterable<string>;
  /** Whether there are mount points below its directory. */
  hasMounts(): boolean;
}

/** A name in a directory. A tree looks up only what a decision needs. */
export interface Place {
  readonly grant: Grant;
  /** The name as text, for comparisons with names that people write; undefined for the granted directory itself. */
  readonly text: string | undefined;
  /** The directory's identity. */
  directoryIdentity(): string;
  /** Identities of the directory and of all directories above it. */
  above(): Iterable<string>;
  /** If a mount point has this name: its identity, and those above its other places. Otherwise nothing. */
  aboveMounted(): Iterable<string>;
  /** The identity of the file with this name; undefined if there is none. */
  file(): string | undefined;
  /** Checks that the directory is none of the kernel's, and that no link has taken its place. @throws WasiError access */
  verify(): void;
}

/** What a path's resolution meets, by names below the starting directory. */
export interface Steps {
  /** Identities of the starting directory and of all directories above it. */
  above(): Iterable<string>;
  identity(names: readonly string[]): string | undefined;
  text(names: readonly string[]): string;
  /** As {@linkcode Place.aboveMounted}. */
  aboveMounted(names: readonly string[], file: string | undefined): Iterable<string>;
}

/** The decisions of one run. */
export class FileDecisions {
  /** Whether reading anything is denied. */
  readonly denies: boolean;
  #protection: Protection;

  constructor(files: ProtectedFiles, host: ProtectionHost) {
    this.#protection = new Protection(files, host);
    this.denies = this.#protection.denies;
  }

  /** The current protection. */
  now(): Protected {
    return this.#protection.now();
  }

  // What each operation needs. Each throws WasiError read-only without a grant to write, not-permitted for protected
  // files, and access for a directory that Place.verify() refuses.

  /** Checks the creation of a file that does not exist. */
  checkCreation(place: Place, made: "regular-file" | "directory" | "symbolic-link"): void {
    this.#checkName(place, made);
    refuseInPlaceOfFile(place.grant, made);
  }

  /** Checks a change of a file's content or attributes; without a file, of its name only. */
  checkContent(place: Place, entry: Entry | undefined): void {
    const now = this.#checkName(place);
    if (entry) this.#checkEntry(place, entry, "content", now);
  }

  /** Checks the removal of a file or directory. */
  checkRemoval(place: Place, entry: Entry): void {
    this.#checkEntry(place, entry, "name", this.#checkName(place));
  }

  /** Checks a move. `there` returns the file that it replaces, if there is one. */
  checkMove(source: Place, entry: Entry, target: Place, there: () => Entry | undefined): void {
    this.#checkEntry(source, entry, "name", this.#checkName(source));
    const now = this.#checkName(target);
    const replaced = there();
    if (replaced) this.#checkEntry(target, replaced, "name", now);
    refuseInPlaceOfFile(target.grant, entry.type);
  }

  /** Checks a hard link. It lets the plugin change the file's content by another name. */
  checkLink(source: Place, entry: Entry, target: Place): void {
    this.#checkEntry(source, entry, "content", this.#checkName(source));
    this.#checkName(target);
    refuseInPlaceOfFile(target.grant, "hard-link");
  }

  /** Checks a change of an open directory's attributes. `at` stands for any name in it. */
  checkDirectory(at: Place): void {
    this.#checkAbove(at);
  }

  /**
   * Checks a change of the attributes of a file that was opened for reading only. POSIX lets the owner set times
   * through any descriptor; a grant to read does not.
   *
   * @param above identities of the directories above it
   */
  checkOpenFile(grant: Grant, entry: Entry, above: () => Iterable<string>): void {
    if (!this.isEntangled(grant) && entry.links < 2n) return;
    const now = this.now();
    now.refuseEntry(entry, "content");
    now.refuseIn(above());
  }

  /** Returns the current protection; undefined if the change can't concern it. */
  #checkName(place: Place, made?: NodeType): Protected | undefined {
    const now = this.#checkAbove(place);
    if (now && place.text !== undefined) {
      now.refuseName(place.directoryIdentity(), place.text, made === "directory" ? made : undefined);
    }
    return now;
  }

  #checkAbove(place: Place): Protected | undefined {
    if (!place.grant.mount.write) throw new WasiError("read-only");
    place.verify();
    if (!this.isEntangled(place.grant)) return undefined;
    const now = this.now();
    now.refuseIn(place.above());
    return now;
  }

  /** @param now the result of {@linkcode #checkName} for the same place */
  #checkEntry(place: Place, entry: Entry, change: Change, now: Protected | undefined): void {
    // Elsewhere only a further name could lead to a protected file.
    if (!now && (entry.type === "directory" || entry.links < 2n)) return;
    (now ?? this.now()).refuseEntry(entry, change);
    now?.refuseIn(place.aboveMounted());
  }

  /** Whether a granted tree contains something protected or mount points, or is inside of something protected. */
  isEntangled(grant: Grant): boolean {
    return grant.entangled ??= grant.hasMounts() || this.now().concerns([...grant.above()]);
  }

  // Files that the plugin must not see

  /**
   * Refuses a denied name, whether or not a file exists.
   *
   * @param made it would be created or replaced
   * @throws WasiError as {@linkcode denied}
   */
  refuseDenied(place: Place, made: boolean): void {
    if (!this.denies || !this.isEntangled(place.grant) || place.text === undefined) return;
    const file = place.file();
    if (this.now().deniesAt(place.directoryIdentity(), place.text, file)) throw denied(place.grant, made);
  }

  /**
   * Whether an opened file is denied itself, through a directory above a single granted file, or through a further
   * name. Resolving has found out about the other directories.
   */
  deniesFile(grant: Grant, entry: Entry): boolean {
    if (!this.denies) return false;
    const now = this.now();
    return now.deniesFile(entry.identity) || now.deniesLinkOf(entry) ||
      grant.mount.only !== undefined && now.deniesIn(grant.above());
  }

  /** Which names a directory must not show; undefined if nothing is denied. */
  hiddenIn(directory: string): ((name: string, file: string | undefined) => boolean) | undefined {
    if (!this.denies) return undefined;
    const now = this.now();
    return (name, file) => now.deniesAt(directory, name, file);
  }

  /** Returns a function that tells whether a path, existing or not, is denied, or exempt from a denial above it. */
  denials(steps: Steps): (names: readonly string[]) => "denied" | "exempt" | undefined {
    const now = this.now();
    return (names) => {
      if (names.length === 0) return now.deniesIn(steps.above()) ? "denied" : undefined;
      const file = steps.identity(names);
      if (now.isExempt(file)) return "exempt";
      const isDenied = now.deniesAt(steps.identity(names.slice(0, -1)) ?? "", steps.text(names), file) ||
        now.deniesIn(steps.aboveMounted(names, file));
      return isDenied ? "denied" : undefined;
    };
  }

  /** A directory's attributes without its link count, which would reveal how many denied directories it has. */
  shown(stat: Stat, identity: string): Stat {
    if (stat.type !== "directory" || !this.denies) return stat;
    return this.now().hidesIn(identity) ? { ...stat, links: 1n, size: 0n } : stat;
  }
}

/** The error for a denied name. A missing file has the same, so that it does not reveal what exists. */
export function denied({ mount }: Grant, made: boolean): WasiError {
  return new WasiError(!made ? "no-entry" : mount.write ? "not-permitted" : "read-only");
}

/**
 * Refuses to replace a single granted file with a directory or link, which could lead a later run, or another
 * program, elsewhere.
 *
 * @param made the replacement: the type of the moved file, a link, or another name of a file
 * @throws WasiError not-permitted
 */
export function refuseInPlaceOfFile(
  { mount: { only, makesDirectory } }: Grant,
  made: NodeType | "hard-link",
): void {
  if (!only || made === "regular-file" || made === "directory" && makesDirectory) return;
  throw new WasiError("not-permitted");
}

/** Refuses changes of the directory of single granted files. @throws WasiError not-permitted */
export function refuseDirectoryOfFiles({ mount: { only } }: Grant): void {
  if (only) throw new WasiError("not-permitted");
}

/**
 * Refuses the target of a new link if it is absolute: it would lead the user's other programs to places where the
 * plugin may not go.
 *
 * @throws WasiError not-permitted; no-entry and invalid for no path
 */
export function checkLinkTarget(target: GuestPath): void {
  if (target.length === 0) throw new WasiError("no-entry");
  const [isAbsolute, hasZero] = typeof target === "string"
    ? [target.startsWith("/"), target.includes("\0")]
    : [target[0] === 0x2f, target.includes(0)];
  if (hasZero) throw new WasiError("invalid");
  if (isAbsolute) throw new WasiError("not-permitted");
}
