/**
 * What a plugin finds where kubectl keeps its files. It may write its kubeconfig: in place, or by renaming another
 * file over it, with client-go's lock file. These files are in memory, and the host makes the changes in the user's
 * files. The caches of client-go and the state of kubectx and kubens, in ~/.kube, are in the private directory.
 *
 * Paths are compared as text: a link to the kubeconfig leads to the redacted file of the wrapped tree, which cannot
 * be written. So this tree decides nothing about the user's files.
 */

import type { KubeFiles } from "../../sandbox/types.ts";
import { baseName, isBelow, parentOf } from "../../base/host_path.ts";
import { WasiError } from "../errno.ts";
import type { AnyFile, DirectoryNode, FileTree, GuestPath, NewTime, OpenOptions, Stat } from "./file_tree.ts";
import { normalized, textOf } from "./guest_paths.ts";
import type { MemoryFiles } from "./memory_files.ts";
import type { MaybePromise } from "../streams/streams.ts";
import { WrappedTree } from "./wrapped_tree.ts";

/** The largest file that may be renamed over the kubeconfig. Bytes. */
const MAX_MOVED = 8 << 20;

/** Names below ~/.kube that hold caches (client-go) or state (kubectx, kubens), and no data of other programs. */
const PRIVATE_NAMES: ReadonlySet<string> = new Set(["cache", "http-cache", "kubectx", "kubens"]);

/** Where an operation goes: a file in memory, or another directory of the wrapped tree. */
type Place = { readonly name: string } | { readonly node: DirectoryNode; readonly path: GuestPath };

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
    if ("node" in place) return this.tree.openAt(place.node, place.path, options);
    const { name } = place;
    const changes = options.write || options.truncate || options.create;
    if (this.#memory) {
      const made = this.#memory.has(name) || options.create || name === this.#name;
      return made ? this.#memory.open(name, options) : this.tree.openAt(from, path, options);
    }
    if (!changes || options.directory) return this.tree.openAt(from, path, options);
    return this.#load().then((memory) => memory.open(name, options));
  }

  statAt(from: DirectoryNode, path: GuestPath, follow: boolean): MaybePromise<Stat> {
    const place = this.#placeOf(from, path);
    if ("node" in place) return this.tree.statAt(place.node, place.path, follow);
    return this.#isInMemory(place.name)
      ? this.#memory!.stat(place.name)
      : this.tree.statAt(from, path, follow);
  }

  setTimesAt(
    from: DirectoryNode,
    path: GuestPath,
    follow: boolean,
    accessed: NewTime,
    modified: NewTime,
  ): void {
    const place = this.#placeOf(from, path);
    if ("node" in place) return this.tree.setTimesAt(place.node, place.path, follow, accessed, modified);
    if (!this.#isInMemory(place.name)) this.tree.setTimesAt(from, path, follow, accessed, modified);
  }

  createDirectoryAt(from: DirectoryNode, path: GuestPath): void {
    const place = this.#placeOf(from, path);
    if ("node" in place) return this.tree.createDirectoryAt(place.node, place.path);
    if (this.#isInMemory(place.name)) throw new WasiError("exist");
    this.tree.createDirectoryAt(from, path);
  }

  removeDirectoryAt(from: DirectoryNode, path: GuestPath): void {
    const place = this.#placeOf(from, path);
    if ("node" in place) return this.tree.removeDirectoryAt(place.node, place.path);
    if (this.#isInMemory(place.name)) throw new WasiError("not-directory");
    this.tree.removeDirectoryAt(from, path);
  }

  unlinkFileAt(from: DirectoryNode, path: GuestPath): void {
    const place = this.#placeOf(from, path);
    if ("node" in place) return this.tree.unlinkFileAt(place.node, place.path);
    if (this.#isInMemory(place.name)) return this.#memory!.unlink(place.name);
    this.tree.unlinkFileAt(from, path);
  }

  renameAt(from: DirectoryNode, path: GuestPath, to: DirectoryNode, newPath: GuestPath): void {
    const [source, target] = [this.#placeOf(from, path), this.#placeOf(to, newPath)];
    if ("node" in source && "node" in target) {
      return this.tree.renameAt(source.node, source.path, target.node, target.path);
    }
    // Programs that get this error copy the file instead.
    if ("node" in target || !this.#memory) throw new WasiError("cross-device");
    if ("name" in source && this.#isInMemory(source.name)) {
      return this.#memory.rename(source.name, target.name);
    }
    if (target.name !== this.#name || "name" in source) throw new WasiError("cross-device");
    const content = this.#read(source.node, source.path);
    this.#memory.replace(content); // the file stays if the host refuses its content
    this.tree.unlinkFileAt(source.node, source.path);
  }

  linkAt(from: DirectoryNode, path: GuestPath, follow: boolean, to: DirectoryNode, newPath: GuestPath): void {
    const [source, target] = [this.#placeOf(from, path), this.#placeOf(to, newPath)];
    if ("name" in source || "name" in target) throw new WasiError("not-permitted");
    this.tree.linkAt(source.node, source.path, follow, target.node, target.path);
  }

  symlinkAt(target: GuestPath, to: DirectoryNode, newPath: GuestPath): void {
    const place = this.#placeOf(to, newPath);
    if ("node" in place) return this.tree.symlinkAt(target, place.node, place.path);
    if (this.#isInMemory(place.name)) throw new WasiError("exist");
    this.tree.symlinkAt(target, to, newPath);
  }

  readLinkAt(from: DirectoryNode, path: GuestPath): Uint8Array {
    const place = this.#placeOf(from, path);
    if ("node" in place) return this.tree.readLinkAt(place.node, place.path);
    if (this.#isInMemory(place.name)) throw new WasiError("invalid");
    return this.tree.readLinkAt(from, path);
  }

  /** Whether operations on this name go to memory: always for the kubeconfig, once the plugin writes it. */
  #isInMemory(name: string): boolean {
    return this.#memory !== undefined && (name === this.#name || this.#memory.has(name));
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
        if (name === this.#name || isCompanion(name, this.#name)) return { name };
      }
      const { home } = this.#kube;
      if (this.#private === undefined || home === undefined || !isBelow(absolute, home, false)) continue;
      const below = absolute.slice(home.length + 1);
      if (!PRIVATE_NAMES.has(below.split("/", 1)[0]!)) continue;
      return { node: this.#private, path: `kube/${below}${text!.endsWith("/") ? "/" : ""}` };
    }
    return { node: from, path };
  }

  #read(node: DirectoryNode, path: GuestPath): Uint8Array {
    const file = this.tree.openAt(node, path, {
      ...{ follow: false, create: false, exclusive: false, truncate: false, directory: false },
      ...{ read: true, write: false },
    });
    if (file instanceof Promise || file.kind === "directory") throw new WasiError("cross-device");
    try {
      const size = Number(file.size());
      if (file.type !== "regular-file" || size > MAX_MOVED) throw new WasiError("cross-device");
      const bytes = new Uint8Array(size);
      let at = 0;
      for (let count = -1; count !== 0 && at < size; at += count) {
        count = file.readAt(bytes.subarray(at), BigInt(at));
      }
      return bytes.subarray(0, at);
    } finally {
      file.close();
    }
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
