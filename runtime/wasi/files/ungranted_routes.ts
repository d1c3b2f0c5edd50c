/** Finds where a plugin's path leads: into a mount, to a directory on the way to one, or to a grant by a person. */

import type { AskedFile, FileRequests, Mount } from "../../sandbox/types.ts";
import { baseName, guestPath, isBelow, isWithin, parentOf, pathMeant } from "../../base/host_path.ts";
import { WasiError } from "../errno.ts";
import type { DirectoryNode, FileTree, GuestPath } from "./file_tree.ts";
import { HostNode } from "./host_node.ts";
import { normalized, restOf, textOf } from "./guest_paths.ts";
import { onHost, realIn } from "./ungranted_paths.ts";

/** A directory on the way to mounts, or a read-only mount in which a change may be asked for. */
export class UngrantedDirectory extends HostNode implements DirectoryNode {
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
export interface Route {
  readonly node: DirectoryNode;
  readonly path: GuestPath;
  /** Called after creating a directory that stays granted. */
  readonly made?: () => void;
}

/** What to create if nothing is there. */
export type Making = "file" | "directory";

/** A mount with its absolute path for the plugin. */
export interface Seen extends Mount {
  readonly node: DirectoryNode;
}

/** The mounts of a run, with those that a person adds. */
export class Routes {
  #tree: FileTree;
  #requests: FileRequests;
  #mounts: Seen[];
  /** The root mount, if everything is granted. */
  #root: Seen | undefined;
  /** Whether relative paths reach the root, because the current directory is not among the mounts. */
  readonly #servesRelative: boolean;

  constructor(tree: FileTree, requests: FileRequests, seen: readonly Seen[]) {
    this.#tree = tree;
    this.#requests = requests;
    this.#mounts = seen.filter(({ guest }) => guest !== ".");
    this.#root = this.#mounts.find(({ guest, only }) => guest === "/" && !only);
    this.#servesRelative = !seen.some(({ guest }) => guest === ".");
  }

  /** The route of a path: into a mount, to a directory on the way to one, or into a new mount that is granted now. */
  route(
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

  /** The route of a change. `directory`: the error for a directory that exists only for the plugin. */
  change(
    from: DirectoryNode,
    path: GuestPath,
    directory: "exist" | "is-directory" | "read-only" = "read-only",
    making: Making = "file",
  ): Route {
    const route = this.route(from, path, "write", making);
    if (route instanceof UngrantedDirectory) throw new WasiError(directory);
    return route;
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
