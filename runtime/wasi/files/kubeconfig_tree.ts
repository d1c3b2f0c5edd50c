/**
 * The files that a plugin finds where kubectl keeps its own. A plugin may write its kubeconfig: in place, or by
 * renaming another file over it, with client-go's lock file. These files are in memory, and the host makes the changes
 * in the user's files. The caches of client-go and the state of kubectx and kubens, in ~/.kube, are in the private
 * directory.
 *
 * Paths are compared as text: a link to the kubeconfig leads to the redacted file of the wrapped tree, which cannot
 * be written. So this tree decides nothing about the user's files.
 */

import type { KubeFiles } from "../../sandbox/types.ts";
import { baseName, parentOf, pathBelow } from "../../base/host_path.ts";
import { WasiError } from "../errno.ts";
import type { AnyFile, DirectoryNode, FileTree, GuestPath, NewTime, OpenOptions, Stat } from "./file_tree.ts";
import { normalized, textOf } from "./guest_paths.ts";
import type { MemoryFiles } from "./memory_files.ts";
import type { MaybePromise } from "../streams/streams.ts";
import { WrappedTree } from "./wrapped_tree.ts";

/** Opens a file that is renamed over the kubeconfig. */
const TO_READ: OpenOptions = {
  ...{ follow: false, create: false, exclusive: false, truncate: false, directory: false },
  ...{ read: true, write: false },
};

/** Names below ~/.kube that hold caches (client-go) or state (kubectx, kubens), and no data of other programs. */
const PRIVATE_NAMES: ReadonlySet<string> = new Set(["cache", "http-cache", "kubectx", "kubens"]);

/** Where an operation goes. */
interface Place {
  /** A directory of the wrapped tree, and the path below it. */
  readonly node: DirectoryNode;
  readonly path: GuestPath;
  /** Of the kubeconfig and of files that may become it: the name in memory. */
  readonly name?: string;
}

/** The tree with a kubeconfig that can be written. */
export class KubeconfigTree extends WrappedTree implements FileTree {
  #kube: KubeFiles;
  /** Absolute paths that a path below a root may mean. */
  #bases = new Map<DirectoryNode, readonly string[]>();
  #private: DirectoryNode | undefined;
  #memory: MemoryFiles | undefined;
  /** The kubeconfig's name and directory. */
  #name = "";
  #directory = "";

  constructor(tree: FileTree, kube: KubeFiles) {
    super(tree);
    this.#kube = kube;
    for (const { guest, node } of tree.roots) {
      // wasi-libc resolves relative and absolute paths alike (ungranted_files.ts).
      const current = guest === "." || guest === "./" || guest === "/";
      this.#bases.set(node, current ? ["/", kube.cwd] : [guest]);
      if (guest === kube.private) this.#private = node;
    }
    if (kube.kubeconfig !== undefined) {
      this.#name = baseName(kube.kubeconfig);
      this.#directory = parentOf(kube.kubeconfig);
    }
  }

  openAt(from: DirectoryNode, path: GuestPath, options: OpenOptions): MaybePromise<DirectoryNode | AnyFile> {
    const place = this.#placeOf(from, path);
    const { name } = place;
    const { create, write, truncate, directory } = options;
    if (name !== undefined && this.#memory) {
      if (create || this.#isInMemory(place)) return this.#memory.open(name, options);
    } else if (name !== undefined && (create || write || truncate) && !directory) {
      return this.#load().then((memory) => memory.open(name, options));
    }
    return this.tree.openAt(place.node, place.path, options);
  }

  statAt(from: DirectoryNode, path: GuestPath, follow: boolean): MaybePromise<Stat> {
    const place = this.#placeOf(from, path);
    if (this.#isInMemory(place)) return this.#memory!.stat(place.name);
    return this.tree.statAt(place.node, place.path, follow);
  }

  setTimesAt(
    from: DirectoryNode,
    path: GuestPath,
    follow: boolean,
    accessed: NewTime,
    modified: NewTime,
  ): void {
    const place = this.#placeOf(from, path);
    if (this.#isInMemory(place)) return;
    this.tree.setTimesAt(place.node, place.path, follow, accessed, modified);
  }

  createDirectoryAt(from: DirectoryNode, path: GuestPath): void {
    const place = this.#placeOf(from, path);
    if (this.#isInMemory(place)) throw new WasiError("exist");
    this.tree.createDirectoryAt(place.node, place.path);
  }

  removeDirectoryAt(from: DirectoryNode, path: GuestPath): void {
    const place = this.#placeOf(from, path);
    if (this.#isInMemory(place)) throw new WasiError("not-directory");
    this.tree.removeDirectoryAt(place.node, place.path);
  }

  unlinkFileAt(from: DirectoryNode, path: GuestPath): void {
    const place = this.#placeOf(from, path);
    if (this.#isInMemory(place)) return this.#memory!.unlink(place.name);
    this.tree.unlinkFileAt(place.node, place.path);
  }

  renameAt(from: DirectoryNode, path: GuestPath, to: DirectoryNode, newPath: GuestPath): void {
    const [source, target] = [this.#placeOf(from, path), this.#placeOf(to, newPath)];
    if (source.name === undefined && target.name === undefined) {
      return this.tree.renameAt(source.node, source.path, target.node, target.path);
    }
    // Programs that get this error copy the file instead.
    if (target.name === undefined || !this.#memory) throw new WasiError("cross-device");
    if (this.#isInMemory(source)) return this.#memory.rename(source.name, target.name);
    if (target.name !== this.#name || source.name !== undefined) throw new WasiError("cross-device");
    const file = this.tree.openAt(source.node, source.path, TO_READ);
    if (file instanceof Promise || file.kind === "directory") throw new WasiError("cross-device");
    this.#memory.replace(file); // the file stays if the host refuses its content
    this.tree.unlinkFileAt(source.node, source.path);
  }

  linkAt(from: DirectoryNode, path: GuestPath, follow: boolean, to: DirectoryNode, newPath: GuestPath): void {
    const [source, target] = [this.#placeOf(from, path), this.#placeOf(to, newPath)];
    if (source.name !== undefined || target.name !== undefined) throw new WasiError("not-permitted");
    this.tree.linkAt(source.node, source.path, follow, target.node, target.path);
  }

  symlinkAt(target: GuestPath, to: DirectoryNode, newPath: GuestPath): void {
    const place = this.#placeOf(to, newPath);
    if (this.#isInMemory(place)) throw new WasiError("exist");
    this.tree.symlinkAt(target, place.node, place.path);
  }

  readLinkAt(from: DirectoryNode, path: GuestPath): Uint8Array {
    const place = this.#placeOf(from, path);
    if (this.#isInMemory(place)) throw new WasiError("invalid");
    return this.tree.readLinkAt(place.node, place.path);
  }

  /** Whether an operation goes to memory: always for the kubeconfig, once the plugin writes it. */
  #isInMemory(place: Place): place is Place & { readonly name: string } {
    const { name } = place;
    return name !== undefined && this.#memory !== undefined &&
      (name === this.#name || this.#memory.has(name));
  }

  async #load(): Promise<MemoryFiles> {
    const [{ MemoryFiles }, writable] = await Promise.all([
      import("./memory_files.ts"),
      this.#kube.writable(),
    ]);
    return this.#memory ??= new MemoryFiles(this.#name, writable);
  }

  #placeOf(from: DirectoryNode, path: GuestPath): Place {
    const bases = this.#bases.get(from);
    const text = bases && textOf(path);
    for (const base of text === undefined ? [] : bases!) {
      const absolute = normalized(`${base}/${text}`);
      if (this.#name !== "" && parentOf(absolute) === this.#directory) {
        const name = baseName(absolute);
        if (name === this.#name || isCompanion(name, this.#name)) return { node: from, path, name };
      }
      const { home } = this.#kube;
      if (this.#private === undefined || home === undefined) continue;
      const below = pathBelow(absolute, home, false);
      if (below === undefined || !PRIVATE_NAMES.has(below.split("/", 1)[0]!)) continue;
      return { node: this.#private, path: `kube/${below}${text!.endsWith("/") ? "/" : ""}` };
    }
    return { node: from, path };
  }
}

/** Whether a name is client-go's lock file, or one that programs give to a file before they rename it. */
function isCompanion(name: string, kubeconfig: string): boolean {
  if (name === `${kubeconfig}.lock`) return true;
  if (/^\.?tmp[\w-]{4,}$/.test(name)) return true;
  const bare = name.startsWith(".") ? name.slice(1) : name;
  return bare.startsWith(kubeconfig) &&
    /^(?:~|[._-]?(?:te?mp|new|sw[px])\b.*|[._-]?\d{4,}.*|\.[\w-]{6,})$/i.test(
      bare.slice(kubeconfig.length),
    );
}
