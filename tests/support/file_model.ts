/**
 * A POSIX file system in memory, simple enough to check by reading. Tests compare the real file trees with it. Errors have
 * WASI's names.
 */

/** An entry of the model. */
export type Item = ModelFile | ModelDirectory | ModelLink;
export interface ModelFile {
  readonly kind: "file";
  content: string;
  links: number;
}
export interface ModelDirectory {
  readonly kind: "directory";
  readonly entries: Map<string, Item>;
}
export interface ModelLink {
  readonly kind: "link";
  readonly target: string;
}

/** An operation failed. */
export class ModelError extends Error {
  constructor(readonly errno: string) {
    super(errno);
  }
}

function fail(errno: string): never {
  throw new ModelError(errno);
}

/** An empty directory. */
export function emptyDirectory(): ModelDirectory {
  return { kind: "directory", entries: new Map() };
}

interface Found {
  /** The directory of the last name, and the directories above it, from where the path starts. */
  readonly parents: ModelDirectory[];
  /** The last name; `.` or `..` unchanged. */
  readonly name: string;
  readonly item: Item | undefined;
  /** The path ended in a slash. */
  readonly slash: boolean;
}

/** Linux's limit. */
const MAX_LINKS = 40;

/** Follows a path from a directory, and never leaves that directory. */
function resolve(base: ModelDirectory, path: string, follow: boolean): Found {
  if (path === "") fail("no-entry");
  if (path.includes("\0")) fail("invalid");
  if (path.startsWith("/")) fail("not-permitted");
  let parents = [base];
  const names = path.split("/").filter((name) => name !== "");
  let slash = path.endsWith("/");
  let links = 0;
  for (;;) {
    const name = names.shift()!;
    const directory = parents.at(-1)!;
    const last = names.length === 0;
    if (name === "." || name === "..") {
      if (name === ".." && parents.length === 1) fail("not-permitted");
      if (name === "..") parents = parents.slice(0, -1);
      if (last) return { parents, name, item: parents.at(-1)!, slash };
      continue;
    }
    const item = directory.entries.get(name);
    if (item === undefined) {
      if (!last) fail("no-entry");
      return { parents, name, item, slash };
    }
    if (item.kind === "link" && (!last || follow || slash)) {
      if (++links > MAX_LINKS) fail("loop");
      if (item.target.startsWith("/")) fail("not-permitted");
      names.unshift(...item.target.split("/").filter((part) => part !== ""));
      if (last && item.target.endsWith("/")) slash = true;
      continue;
    }
    if (last) {
      if (slash && item.kind !== "directory") fail("not-directory");
      return { parents, name, item, slash };
    }
    if (item.kind !== "directory") fail("not-directory");
    parents = [...parents, item];
  }
}

/** The directory of a path's last name. The last name is not followed. */
function parentOf(base: ModelDirectory, path: string): Found {
  if (path === "") fail("no-entry");
  if (path.includes("\0")) fail("invalid");
  if (path.startsWith("/")) fail("not-permitted");
  const slash = path.endsWith("/");
  const bare = path.replace(/\/+$/, "");
  const found = resolve(base, bare, false);
  return { ...found, slash };
}

const isDots = (name: string) => name === "." || name === "..";

/** How a file is opened. */
export interface ModelOpen {
  readonly follow: boolean;
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly truncate: boolean;
  readonly directory: boolean;
  readonly write: boolean;
}

/** Opens a file or directory. Changes at most a file's length. */
export function open(base: ModelDirectory, path: string, options: ModelOpen): ModelFile | ModelDirectory {
  const { write, truncate, directory } = options;
  const create = options.create && !directory;
  const { parents, name, item, slash } = resolve(
    base,
    path,
    options.follow && !(options.create && options.exclusive),
  );
  if (item === undefined) {
    if (!create) fail("no-entry");
    if (slash) fail("is-directory");
    const file: ModelFile = { kind: "file", content: "", links: 1 };
    parents.at(-1)!.entries.set(name, file);
    return file;
  }
  if (options.create && options.exclusive) fail("exist");
  if (item.kind === "link") fail(directory ? "not-directory" : "loop");
  if (item.kind === "directory") {
    if (write || truncate || create) fail("is-directory");
    return item;
  }
  if (directory) fail("not-directory");
  if (truncate) item.content = "";
  return item;
}

/** The item at a path. */
export function stat(base: ModelDirectory, path: string, follow: boolean): Item {
  return resolve(base, path, follow).item ?? fail("no-entry");
}

/** The target of a link. */
export function readLink(base: ModelDirectory, path: string): string {
  const item = stat(base, path, false);
  return item.kind === "link" ? item.target : fail("invalid");
}

/** Makes a directory. */
export function makeDirectory(base: ModelDirectory, path: string): void {
  const { parents, name, item } = parentOf(base, path);
  if (item) fail("exist");
  parents.at(-1)!.entries.set(name, emptyDirectory());
}

/** Removes an empty directory. */
export function removeDirectory(base: ModelDirectory, path: string): void {
  const { parents, name, item } = parentOf(base, path);
  if (!item) fail("no-entry");
  if (name === ".") fail("invalid");
  if (name === "..") fail("not-empty");
  if (item.kind !== "directory") fail("not-directory");
  if (item.entries.size > 0) fail("not-empty");
  parents.at(-1)!.entries.delete(name);
}

/** Removes anything but a directory. */
export function unlink(base: ModelDirectory, path: string): void {
  const { parents, name, item, slash } = parentOf(base, path);
  if (!item) fail("no-entry");
  if (item.kind === "directory") fail("is-directory");
  if (slash) fail("not-directory");
  if (item.kind === "file") item.links--;
  parents.at(-1)!.entries.delete(name);
}

function holds(directory: ModelDirectory, wanted: ModelDirectory): boolean {
  return directory === wanted ||
    [...directory.entries.values()].some((item) => item.kind === "directory" && holds(item, wanted));
}

/** Renames, also over an existing item. */
export function rename(from: ModelDirectory, path: string, to: ModelDirectory, newPath: string): void {
  const source = parentOf(from, path);
  const target = parentOf(to, newPath);
  const { item } = source;
  if (!item) fail("no-entry");
  if (isDots(source.name) || isDots(target.name)) fail("busy");
  const there = target.item;
  if (item.kind !== "directory" && (source.slash || target.slash)) fail("not-directory");
  const into = target.parents.at(-1)!;
  if (item.kind === "directory" && holds(item, into)) fail("invalid");
  if (there?.kind === "directory" && holds(there, source.parents.at(-1)!)) fail("not-empty");
  if (there === item) return;
  if (there && there.kind !== "directory" && item.kind === "directory") fail("not-directory");
  if (there?.kind === "directory" && item.kind !== "directory") fail("is-directory");
  if (there?.kind === "directory" && there.entries.size > 0) fail("not-empty");
  if (there?.kind === "file") there.links--;
  source.parents.at(-1)!.entries.delete(source.name);
  into.entries.set(target.name, item);
}

/** Makes a hard link. */
export function link(from: ModelDirectory, path: string, to: ModelDirectory, newPath: string): void {
  const source = parentOf(from, path);
  const target = parentOf(to, newPath);
  const { item } = source;
  if (!item) fail("no-entry");
  if (source.slash && item.kind !== "directory") fail("not-directory");
  if (item.kind === "directory") fail("not-permitted");
  if (target.item) fail("exist");
  if (target.slash) fail("no-entry");
  if (item.kind === "file") item.links++;
  target.parents.at(-1)!.entries.set(target.name, item);
}

/** Makes a symbolic link. */
export function symlink(target: string, to: ModelDirectory, newPath: string): void {
  if (target === "") fail("no-entry");
  if (target.startsWith("/")) fail("not-permitted");
  const { parents, name, item, slash } = parentOf(to, newPath);
  if (item) fail("exist");
  if (slash) fail("no-entry");
  parents.at(-1)!.entries.set(name, { kind: "link", target });
}

/** A directory with everything below it, as plain data. */
export function contents(directory: ModelDirectory): Record<string, unknown> {
  return Object.fromEntries(
    [...directory.entries].sort(([a], [b]) => a < b ? -1 : 1).map(([name, item]) => [
      name,
      item.kind === "directory"
        ? contents(item)
        : item.kind === "link"
        ? `-> ${item.target}`
        : `= ${item.content}`,
    ]),
  );
}
