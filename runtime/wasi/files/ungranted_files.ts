/**
 * Handles paths outside of all mounts. A WASI program can name only paths below its preopens, so it gets the root,
 * `/`, which contains only the way to its mounts. If a plugin names another path there, a person may grant it.
 * Without a person the host records it, so that it can name the missing grant at exit. A granted path becomes one
 * more mount of the wrapped tree, with all of its rules.
 *
 * wasi-libc resolves relative and absolute paths alike, below the last preopen of `.` and `/`, and removes slashes
 * and dots at the front. So a path here may be relative or absolute.
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

/** A directory on the way to mounts, or a read-only mount in which a change may be asked for. */
class UngrantedDirectory extends HostNode implements DirectoryNode {
  readonly kind = "directory";
  /** Lets changes get as far as the permission request. */
  readonly writable = true;

  /**
   * `path`: absolute, as the plugin sees it. `under`: the directory's content. The current directory also stands for
   * the root; its `path` is "/".
   */
  constructor(readonly path: string, readonly under?: DirectoryNode, readonly mount?: Seen) {
    super();
  }

  close(): void {}
}

/** The node and path with which an operation continues. */
interface Route {
  readonly node: DirectoryNode;
  readonly path: GuestPath;
  /** Called after creating a directory that stays granted. */
  readonly made?: () => void;
}

/** What to create if nothing is there. */
type Making = "file" | "directory";

/** A mount with its absolute path for the plugin. */
interface Seen extends Mount {
  readonly node: DirectoryNode;
}

/** A tree that asks for paths without a grant. */
export class AskingTree implements FileTree {
  readonly roots: readonly { readonly guest: string; readonly node: DirectoryNode }[];
  readonly maxOpen: number;
  readonly needs: FileTree["needs"];
  readonly descriptors: FileTree["descriptors"];
  #tree: FileTree;
  #requests: FileRequests;
  #mounts: Seen[];
  /** The root mount, if everything is granted. */
  #root: Seen | undefined;
  /** Whether the root serves relative paths too, because the current directory is no root of its own. */
  readonly #servesRelative: boolean;

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
    this.#servesRelative = current.length === 0;
    const roots = [
      // Single files are reached from the root, so that the host can ask for files beside them, too.
      ...seen.filter(({ guest, only }) => guest !== "." && (root || !only)).map((mount) => ({
        guest: mount.guest,
        node: mount.write ? mount.node : new UngrantedDirectory(mount.guest, mount.node, mount),
      })),
      ...(root ? [] : [{ guest: "/", node: new UngrantedDirectory("/") }]),
    ];
    // First, because Zig and AssemblyScript take descriptor 3 for the current directory; if that is not granted, the
    // root serves. Last again, under another name for `.`: wasi-libc uses the last of `.` and `/`.
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
    throw new WasiError("access"); // the plugin must not know what else is there
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

  /** The route of a path: into a mount, to a directory on the way to one, or into a new mount that is granted now. */
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
    // Everything is granted, and the path is not below the root: create it in the current directory.
    if (under && this.#root && !this.#isThere(this.#root.node, text)) return { node: under, path };
    const absolute = normalized(`${from.path}/${text}`);
    const directory = /(?:^|\/)\.?$/.test(text);
    const isWay = this.#mounts.some(({ guest }) => isBelow(guest, absolute));
    // wasi-libc names paths from the root and from the current directory alike.
    const relative = from.path === "/" && (under || this.#servesRelative) && !(isWay && kind === "read");
    const found = this.#find(absolute) ??
      (relative ? this.#find(normalized(`${this.#requests.cwd}/${text}`)) : undefined);
    if (found) {
      const rest = found.rest + (directory && found.rest !== "." ? "/" : "");
      return kind === "read" || found.write
        ? { node: found.node, path: rest }
        : this.#changeIn(found, rest, making);
    }
    if (isWay) return new UngrantedDirectory(absolute);
    if (absolute === "/") return from;
    const host = this.#meant(absolute, from, text, kind);
    const real = host === undefined ? "" : realIn(this.#tree, host);
    const decision = host === undefined ? "no" : this.#ask(kind, host, real, making);
    // While a person decides, another plugin could change where the path leads.
    if (host === undefined || decision === "no" || realIn(this.#tree, host) !== real) {
      // A path below the current directory fails as it would without permission requests.
      if (under) return { node: under, path };
      throw new WasiError(kind === "write" ? "access" : "no-entry"); // the same error, whether or not something is there
    }
    const asked = { host, real, guest: guestPath(host), write: kind === "write", making };
    return this.#open(asked, decision, directory);
  }

  /** The route of a change in a read-only grant. */
  #changeIn(mount: Seen, path: string, making: Making): Route {
    const below = normalized(`/${path}`);
    const host = pathMeant(onHost(mount, below));
    const guest = below === "/" ? mount.guest : normalized(`${mount.guest}${below}`);
    // A path that leaves its directory or is impossible fails there.
    if (/(?:^|\/)\.\.(?:\/|$)/.test(path) || this.#tree.probe(parentOf(host)) === undefined) {
      return { node: mount.node, path };
    }
    const granted = this.#mounts.find((seen) => seen.write && isWithin(guest, seen.guest) && !seen.only);
    if (granted) return { node: granted.node, path: restOf(guest, granted.guest) };
    const real = realIn(this.#tree, host);
    const decision = this.#ask("write", host, real, making);
    // Fails there as read-only.
    if (decision === "no" || realIn(this.#tree, host) !== real) return { node: mount.node, path };
    return this.#open({ host, real, guest, write: true, making }, decision, /\/$/.test(path));
  }

  #ask(kind: AskedFile["kind"], path: string, real: string, making: Making): ReturnType<FileRequests["ask"]> {
    const directory = (this.#tree.probe(real)?.type ?? making) === "directory";
    return this.#requests.ask({ kind, path, real, directory });
  }

  /** Whether the first name of a path is in a directory, as far as the plugin sees. */
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
      if (error instanceof WasiError) return true; // it exists but is refused: the operation itself reports it
      throw error;
    }
  }

  /** The most specific mount for a path. */
  #find(absolute: string): (Seen & { readonly rest: string }) | undefined {
    let best: (Seen & { readonly rest: string }) | undefined;
    for (const seen of this.#mounts) {
      if (!isWithin(absolute, seen.guest)) continue;
      const rest = restOf(absolute, seen.guest);
      // A directory of single files shows only those, unless another mount shows all of it.
      const shows = !seen.only || seen.only.includes(rest.split("/")[0]!);
      if (!shows && (rest !== "." || best?.guest === seen.guest)) continue;
      if (!best || seen.guest.length >= best.guest.length) best = { ...seen, rest };
    }
    return best;
  }

  /** The host path: absolute, or below the current directory; undefined if nothing is there. */
  #meant(
    absolute: string,
    from: UngrantedDirectory,
    text: string,
    kind: AskedFile["kind"],
  ): string | undefined {
    const { cwd } = this.#requests;
    const candidates = [pathMeant(absolute)];
    if (from.path === "/" && !from.under && this.#servesRelative) {
      candidates.push(pathMeant(normalized(`${cwd}/${text}`)));
    }
    const there = candidates.find((path) => this.#tree.probe(path) !== undefined);
    if (there !== undefined || kind === "read") return there;
    // To create: in an existing directory, the current one first, then the root.
    return candidates.filter((path) => !from.under || parentOf(path) !== "/").findLast((path) =>
      this.#tree.probe(parentOf(path))?.type === "directory"
    );
  }

  /**
   * A mount for a granted path: the directory, or the single file in its directory. `real` is where the path led when
   * the person was asked.
   */
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

/** The real path, free of links. For a missing file, based on its directory. */
export function realIn(tree: FileTree, host: string): string {
  const parent = () => tree.probe(parentOf(host))?.real ?? parentOf(host);
  return tree.probe(host)?.real ?? joined(parent(), baseName(host));
}

/** Attributes of a directory that exists only for the plugin. */
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

/** Removes empty names, dots, and names before `..`. */
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

/** The host path in a mount. If a link was granted, the link's path, which the user knows. */
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
