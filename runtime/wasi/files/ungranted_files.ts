/**
 * Files outside of all mounts. A program can name only what is below a directory it was given, so it is given the root, `/`,
 * in which nothing is but the way to its mounts. What it names there and is not granted, a person may grant; without one it
 * is noted, so that the missing grant can be told. What is granted is one more mount of the tree behind, with all of its rules.
 *
 * wasi-libc looks relative and absolute paths up alike, below `.` or `/`, whichever it was given last, and cuts slashes and
 * dots off their front: a path here may be of either kind.
 */

import type { AskedFile, FileRequests, Files, Mount } from "../../sandbox/types.ts";
import { baseName, guestPath, isBelow, isWithin, parentOf, pathMeant } from "../../base/host_path.ts";
import { WasiError } from "../errno.ts";
import { HostNode } from "./host_node.ts";
import type {
  AnyFile,
  DirectoryNode,
  FileTree,
  GuestPath,
  Listing,
  NewTime,
  OpenOptions,
  Probed,
  Stat,
} from "./file_tree.ts";
import type { MaybePromise } from "../streams/streams.ts";

/** A directory on the way to mounts, or a mount that can be read only, where a change may be asked for. */
class UngrantedDirectory extends HostNode implements DirectoryNode {
  readonly kind = "directory";
  /** So that changes get as far as the question. */
  readonly writable = true;

  /**
   * `path`: absolute, as the plugin sees it. `under`: what is there; for the directory the user stands in, which stands for
   * the root as well, with `path` "/".
   */
  constructor(readonly path: string, readonly under?: DirectoryNode, readonly mount?: Seen) {
    super();
  }

  close(): void {}
}

/** Where an operation goes on. */
interface Route {
  readonly node: DirectoryNode;
  readonly path: GuestPath;
  /** Called when a directory was made there that stays granted. */
  readonly made?: () => void;
}

/** What is to be made where nothing is. */
type Making = "file" | "directory";

/** A mount by where the plugin sees it. */
interface Seen extends Mount {
  readonly node: DirectoryNode;
}

/** A tree that asks for files that are not granted. */
export class AskingTree implements FileTree {
  readonly roots: readonly { readonly guest: string; readonly node: DirectoryNode }[];
  readonly maxOpen: number;
  readonly needs: FileTree["needs"];
  readonly descriptors: FileTree["descriptors"];
  #tree: FileTree;
  #requests: FileRequests;
  #mounts: Seen[];
  /** The root of all, where that is granted. */
  #root: Seen | undefined;

  constructor(tree: FileTree, files: Files, requests: FileRequests) {
    this.#tree = tree;
    this.#requests = requests;
    this.needs = tree.needs;
    this.descriptors = tree.descriptors;
    this.maxOpen = Math.min(tree.maxOpen, requests.descriptors);
    const seen = tree.roots.map(({ guest, node }, index): Seen => {
      return { ...files.mounts[index]!, guest, node };
    });
    this.#mounts = seen.filter(({ guest }) => guest !== ".");
    this.#root = this.#mounts.find(({ guest, only }) => guest === "/" && !only);
    const root = seen.some(({ guest }) => guest === "/");
    const current = seen.filter(({ guest }) => guest === ".").map(({ node }) =>
      new UngrantedDirectory("/", node)
    );
    const roots = [
      // Single files are found from the root, so that what is beside them is asked for as well.
      ...seen.filter(({ guest, only }) => guest !== "." && (root || !only)).map((mount) => ({
        guest: mount.guest,
        node: mount.write ? mount.node : new UngrantedDirectory(mount.guest, mount.node, mount),
      })),
      ...(root ? [] : [{ guest: "/", node: new UngrantedDirectory("/") }]),
    ];
    // First: Zig and AssemblyScript take descriptor 3 for the directory the user stands in; where that is not granted, the
    // root leads there. Last, under another name that wasi-libc reads as `.`: of these and the root it takes the last.
    this.roots = current.length > 0
      ? [
        ...current.map((node) => ({ guest: ".", node })),
        ...roots,
        ...current.map((node) => ({ guest: "./", node })),
      ]
      : [...roots.filter(({ guest }) => guest === "/"), ...roots.filter(({ guest }) => guest !== "/")];
  }

  lookAhead(): void {
    this.#tree.lookAhead();
  }

  mount(mount: Mount): DirectoryNode {
    return this.#tree.mount(mount);
  }

  probe(host: string): Probed | undefined {
    return this.#tree.probe(host);
  }

  openAt(from: DirectoryNode, path: GuestPath, options: OpenOptions): MaybePromise<DirectoryNode | AnyFile> {
    if (!(from instanceof UngrantedDirectory)) return this.#tree.openAt(from, path, options);
    const kind = options.write || options.create || options.truncate ? "write" : "read";
    const route = this.#route(from, path, kind);
    if (route instanceof UngrantedDirectory) {
      if (options.create || options.write || options.truncate) throw new WasiError("is-directory");
      return route;
    }
    return this.#tree.openAt(route.node, route.path, options);
  }

  stat(node: DirectoryNode | AnyFile): Stat {
    if (!(node instanceof UngrantedDirectory)) return this.#tree.stat(node);
    return node.under ? this.#tree.stat(node.under) : synthetic(node.path);
  }

  statAt(from: DirectoryNode, path: GuestPath, follow: boolean): MaybePromise<Stat> {
    if (!(from instanceof UngrantedDirectory)) return this.#tree.statAt(from, path, follow);
    const route = this.#route(from, path, "read");
    return route instanceof UngrantedDirectory
      ? this.stat(route)
      : this.#tree.statAt(route.node, route.path, follow);
  }

  setTimes(node: DirectoryNode | AnyFile, accessed: NewTime, modified: NewTime): void {
    if (!(node instanceof UngrantedDirectory)) return this.#tree.setTimes(node, accessed, modified);
    if (!node.under) throw new WasiError("read-only");
    this.#tree.setTimes(node.under, accessed, modified);
  }

  setTimesAt(
    from: DirectoryNode,
    path: GuestPath,
    follow: boolean,
    accessed: NewTime,
    modified: NewTime,
  ): void {
    const route = this.#change(from, path);
    this.#tree.setTimesAt(route.node, route.path, follow, accessed, modified);
  }

  createDirectoryAt(from: DirectoryNode, path: GuestPath): void {
    const route = this.#change(from, path, "exist", "directory");
    this.#tree.createDirectoryAt(route.node, route.path);
    route.made?.();
  }

  readDirectory(node: DirectoryNode): Listing {
    if (!(node instanceof UngrantedDirectory)) return this.#tree.readDirectory(node);
    if (node.under) return this.#tree.readDirectory(node.under);
    throw new WasiError("access"); // what else is there is not for the plugin to know
  }

  removeDirectoryAt(from: DirectoryNode, path: GuestPath): void {
    const route = this.#change(from, path);
    this.#tree.removeDirectoryAt(route.node, route.path);
  }

  unlinkFileAt(from: DirectoryNode, path: GuestPath): void {
    const route = this.#change(from, path, "is-directory");
    this.#tree.unlinkFileAt(route.node, route.path);
  }

  renameAt(from: DirectoryNode, path: GuestPath, to: DirectoryNode, newPath: GuestPath): void {
    const source = this.#change(from, path);
    const target = this.#change(to, newPath);
    this.#tree.renameAt(source.node, source.path, target.node, target.path);
  }

  linkAt(from: DirectoryNode, path: GuestPath, follow: boolean, to: DirectoryNode, newPath: GuestPath): void {
    const source = this.#change(from, path);
    const target = this.#change(to, newPath);
    this.#tree.linkAt(source.node, source.path, follow, target.node, target.path);
  }

  symlinkAt(target: GuestPath, to: DirectoryNode, newPath: GuestPath): void {
    const route = this.#change(to, newPath, "exist");
    this.#tree.symlinkAt(target, route.node, route.path);
  }

  readLinkAt(from: DirectoryNode, path: GuestPath): Uint8Array {
    const route = this.#route(from, path, "read");
    if (route instanceof UngrantedDirectory) throw new WasiError("invalid");
    return this.#tree.readLinkAt(route.node, route.path);
  }

  #change(
    from: DirectoryNode,
    path: GuestPath,
    directory: "exist" | "is-directory" | "read-only" = "read-only",
    making: Making = "file",
  ): Route {
    const route = this.#route(from, path, "write", making);
    if (route instanceof UngrantedDirectory) throw new WasiError(directory);
    return route;
  }

  [Symbol.dispose](): void {
    this.#tree[Symbol.dispose]();
  }

  /** Where a path leads: into a mount, to a directory on the way to one, or, if it is granted now, into a new one. */
  #route(
    from: DirectoryNode,
    path: GuestPath,
    kind: AskedFile["kind"],
    making: Making = "file",
  ): Route | UngrantedDirectory {
    if (!(from instanceof UngrantedDirectory)) return { node: from, path };
    const text = textOf(path);
    if (text === undefined) {
      if (from.under) return { node: from.under, path };
      throw new WasiError("no-entry");
    }
    if (text.startsWith("/")) throw new WasiError("not-permitted");
    const { under } = from;
    if (from.mount) {
      return kind === "read" ? { node: from.mount.node, path } : this.#changeIn(from.mount, text, making);
    }
    if (under && this.#isThere(under, text)) return { node: under, path };
    // Where all is granted: what is not in the root either is meant to be made where the user stands.
    if (under && this.#root && !this.#isThere(this.#root.node, text)) return { node: under, path };
    const absolute = normalized(`${from.path}/${text}`);
    const directory = /(?:^|\/)\.?$/.test(text);
    // A file that was granted by itself is found from the directory the user stands in, too.
    const found = this.#find(absolute) ??
      (from.path === "/" ? this.#find(normalized(`${this.#requests.cwd}/${text}`)) : undefined);
    if (found) {
      const rest = found.rest + (directory && found.rest !== "." ? "/" : "");
      return kind === "read" || found.write
        ? { node: found.node, path: rest }
        : this.#changeIn(found, rest, making);
    }
    if (this.#mounts.some(({ guest }) => isBelow(guest, absolute))) return new UngrantedDirectory(absolute);
    if (absolute === "/") return from;
    const host = this.#meant(absolute, from, text, kind);
    const real = host === undefined ? "" : realIn(this.#tree, host);
    const decision = host === undefined ? "no" : this.#ask(kind, host, real, making);
    // While a person thinks, another plugin could make it lead elsewhere.
    if (host === undefined || decision === "no" || realIn(this.#tree, host) !== real) {
      // What is named below the user's own directory fails there as it would without questions.
      if (under) return { node: under, path };
      throw new WasiError(kind === "write" ? "access" : "no-entry"); // the same, whatever is there
    }
    const asked = { host, real, guest: guestPath(host), write: kind === "write", making };
    return this.#open(asked, decision, directory);
  }

  /** A change in what is granted to be read only. */
  #changeIn(mount: Seen, path: string, making: Making): Route {
    const below = normalized(`/${path}`);
    const host = pathMeant(onHost(mount, below));
    const guest = below === "/" ? mount.guest : normalized(`${mount.guest}${below}`);
    // As for any path that leaves its directory, or can't be: that is told there.
    if (/(?:^|\/)\.\.(?:\/|$)/.test(path) || this.#tree.probe(parentOf(host)) === undefined) {
      return { node: mount.node, path };
    }
    const granted = this.#mounts.find((seen) => seen.write && isWithin(guest, seen.guest) && !seen.only);
    if (granted) return { node: granted.node, path: restOf(guest, granted.guest) };
    const real = realIn(this.#tree, host);
    const decision = this.#ask("write", host, real, making);
    // Read-only, it says.
    if (decision === "no" || realIn(this.#tree, host) !== real) return { node: mount.node, path };
    return this.#open({ host, real, guest, write: true, making }, decision, /\/$/.test(path));
  }

  #ask(kind: AskedFile["kind"], path: string, real: string, making: Making): ReturnType<FileRequests["ask"]> {
    const directory = (this.#tree.probe(real)?.type ?? making) === "directory";
    return this.#requests.ask({ kind, path, real, directory });
  }

  /** Whether the first name of a path is in a directory, as far as it shows. */
  #isThere(under: DirectoryNode, path: string): boolean {
    const first = path.split("/").find((name) => name !== "" && name !== ".");
    if (first === undefined || first === "..") return true;
    try {
      this.#tree.statAt(under, first, false);
      return true;
    } catch (error) {
      if (error instanceof WasiError && (error.errno === "no-entry" || error.errno === "not-directory")) {
        return false;
      }
      if (error instanceof WasiError) return true; // there, and refused: it is told there
      throw error;
    }
  }

  /** The most specific mount that a path is in. */
  #find(absolute: string): (Seen & { readonly rest: string }) | undefined {
    let best: (Seen & { readonly rest: string }) | undefined;
    for (const seen of this.#mounts) {
      if (!isWithin(absolute, seen.guest)) continue;
      const rest = restOf(absolute, seen.guest);
      // A directory of single files shows those, if nothing shows all of it.
      const shows = !seen.only || seen.only.includes(rest.split("/")[0]!);
      if (!shows && (rest !== "." || best?.guest === seen.guest)) continue;
      if (!best || seen.guest.length >= best.guest.length) best = { ...seen, rest };
    }
    return best;
  }

  /** The host's path that is meant: as it stands, or below the directory the user stands in. undefined: nothing is there. */
  #meant(
    absolute: string,
    from: UngrantedDirectory,
    text: string,
    kind: AskedFile["kind"],
  ): string | undefined {
    const { cwd } = this.#requests;
    const candidates = [pathMeant(absolute)];
    if (from.path === "/" && !from.under) candidates.push(pathMeant(normalized(`${cwd}/${text}`)));
    const there = candidates.find((path) => this.#tree.probe(path) !== undefined);
    if (there !== undefined || kind === "read") return there;
    // To be made: in a directory that is there, the user's own before the root of all.
    return candidates.filter((path) => !from.under || parentOf(path) !== "/").findLast((path) =>
      this.#tree.probe(parentOf(path))?.type === "directory"
    );
  }

  /** A mount for what was granted: the directory, or the one file in its own. `real` is where it led when it was asked for. */
  #open(
    { host, real, guest, write, making }: Pick<Mount, "host" | "guest" | "write"> & {
      readonly real: string;
      readonly making: Making;
    },
    decision: "once" | "stay",
    directory: boolean,
  ): Route {
    const there = this.#tree.probe(real);
    const name = baseName(guest);
    const through = real === host ? {} : { through: [host] };
    const whole: Mount = { guest, host: real, write, ...through };
    const single: Mount = {
      ...{ guest: parentOf(guest), host: parentOf(real), write, only: [name] },
      ...{ names: new Map([[name, baseName(real)]]), ...through },
    };
    const stays = (mount: Mount, node?: DirectoryNode) => {
      if (decision === "stay") this.#mounts.push({ ...mount, node: node ?? this.#tree.mount(mount) });
    };
    if (there?.type === "directory") {
      const node = this.#tree.mount(whole);
      stays(whole, node);
      return { node, path: "." };
    }
    const path = directory ? `${name}/` : name;
    if (!there && making === "directory") {
      const node = this.#tree.mount({ ...single, makesDirectory: true });
      return { node, path, made: () => stays(whole) };
    }
    const node = this.#tree.mount(single);
    stays(single, node);
    return { node, path };
  }
}

/** Where a path of the host's leads, free of links; of what is not there yet, the directory that it would be in. */
export function realIn(tree: FileTree, host: string): string {
  const parent = () => tree.probe(parentOf(host))?.real ?? parentOf(host);
  return tree.probe(host)?.real ?? joined(parent(), baseName(host));
}

/** What is told of a directory that is made up. */
function synthetic(path: string): Stat {
  let hash = 0xcbf29ce484222325n; // FNV-1a
  for (const byte of new TextEncoder().encode(path)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return {
    type: "directory",
    dev: 0n,
    ino: hash,
    links: 1n,
    size: 0n,
    accessed: 0n,
    modified: 0n,
    changed: 0n,
  };
}

function textOf(path: GuestPath): string | undefined {
  if (typeof path === "string") return path;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(path);
  } catch {
    return undefined;
  }
}

/** Without empty names, dots, and what `..` takes back. */
function normalized(path: string): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    if (name === "..") names.pop();
    else names.push(name);
  }
  return `/${names.join("/")}`;
}

function restOf(path: string, root: string): string {
  return path === root ? "." : path.slice(root === "/" ? 1 : root.length + 1);
}

function joined(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

/** What the host calls a path in a mount: of what was granted by a link, the link, which is what its user knows. */
function onHost(mount: Mount, below: string): string {
  if (!mount.only) {
    const host = mount.through?.[0] ?? mount.host;
    return below === "/" ? host : joined(host, normalized(below).slice(1));
  }
  if (below === "/") return mount.host;
  const [first = "", ...rest] = normalized(below).slice(1).split("/");
  const link = mount.through?.find((path) => baseName(path) === first);
  return [link ?? joined(mount.host, mount.names?.get(first) ?? first), ...rest].join("/");
}
