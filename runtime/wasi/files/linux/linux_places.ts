/** Finds the open directory and the last name of a path, for operations on names. */

import type { Overlay } from "../../../sandbox/types.ts";
import { isAbsence, WasiError } from "../../errno.ts";
import type { Place } from "../file_decisions.ts";
import type { GuestPath, Stat } from "../file_tree.ts";
import { HostNode } from "../host_node.ts";
import { MAX_LINKS } from "../resolve_by_name.ts";
import { bytesOf, isDots, join, nameOf, SLASH } from "./byte_paths.ts";
import { O_PATH } from "./call_numbers.ts";
import { refuseKernel } from "./linux_checks.ts";
import { identityOf, type OpenDirectory, type Root } from "./linux_nodes.ts";
import { onlyName, openPath, reach } from "./linux_resolve.ts";
import { type LinuxState, textOf, unlessMissing } from "./linux_state.ts";

/** A name in an open directory. Checks apply to this very directory, whatever its path becomes. */
export class LinuxPlace implements Place {
  readonly #state: LinuxState;

  /**
   * @param directory its descriptor
   * @param name as given, with slashes at its end, which require a directory
   * @param bare without those slashes
   */
  constructor(
    state: LinuxState,
    readonly grant: Root,
    readonly directory: number,
    readonly name: Uint8Array,
    readonly bare: Uint8Array,
  ) {
    this.#state = state;
  }

  /** Whether the name has slashes at its end. */
  get hasSlash(): boolean {
    return this.name.length > this.bare.length;
  }

  get text(): string {
    return textOf(this.bare);
  }

  directoryIdentity(): string {
    return identityOf(this.#state.kernel.glance(this.directory));
  }

  above(): Iterable<string> {
    return this.#state.host.above(this.directory);
  }

  aboveMounted(): Iterable<string> {
    return this.grant.hasMounts() ? this.#state.host.aboveMounted(this.directory, this.bare) : [];
  }

  file(): string | undefined {
    try {
      return identityOf(this.#state.kernel.statAt(this.directory, this.bare));
    } catch (error) {
      if (!isAbsence(error)) throw error;
      return undefined;
    }
  }

  verify(): void {
    const { kernel, decisions } = this.#state;
    if (!decisions.isEntangled(this.grant)) return;
    refuseKernel(this.#state, this.directory, kernel.glance(this.directory), true);
  }

  /** The attributes of the file with this name. @throws WasiError no-entry */
  stat(): Stat {
    return this.#state.kernel.statAt(this.directory, this.bare);
  }

  /** The same; undefined if there is none. */
  statIfThere(): Stat | undefined {
    return unlessMissing(() => this.stat());
  }

  /** The overlay with exactly this name, whether or not its file exists. */
  overlay(): Overlay | undefined {
    const { files, decisions } = this.#state;
    if (files.overlays.length === 0 || !decisions.isEntangled(this.grant)) return undefined;
    return decisions.now().overlayNamed(this.directoryIdentity(), this.text);
  }
}

/** Calls `use` with the place of a path's last name. `denied`: even in a denied directory. */
export function inParent<T>(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  use: (place: LinuxPlace) => T,
  denied = false,
): T {
  HostNode.check(from);
  const { root, fd } = from;
  const { kernel, decisions } = state;
  if (root.mount.only) {
    const found = onlyName(from, path);
    if (found === undefined) throw new WasiError(root.mount.write ? "busy" : "read-only");
    return use(new LinuxPlace(state, root, fd, found.name, found.bare));
  }
  const { parent, name, bare } = nameOf(path);
  if (bare.length === 2 && isDots(bare)) kernel.close(openPath(state, from, path, O_PATH, false));
  const flags = O_PATH | kernel.O_DIRECTORY;
  if (parent.length === 0) {
    // The starting directory could be denied itself.
    if (decisions.denies && !denied) kernel.close(reach(state, from, ".", flags, true));
    return use(new LinuxPlace(state, root, fd, name, bare));
  }
  const directory = reach(state, from, parent, flags, true, denied);
  try {
    return use(new LinuxPlace(state, root, directory, name, bare));
  } finally {
    kernel.close(directory);
  }
}

/**
 * Calls `use` with the end of a path. `use` throws `loop` at a link, which is then followed if wanted. The directory
 * stays open during the call, so that its checks stay valid.
 */
export function atEnd<T>(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  follow: boolean,
  use: (place: LinuxPlace) => T,
  denied = false,
): T {
  let at = bytesOf(path);
  for (let links = 0;; links++) {
    let target: Uint8Array | undefined;
    try {
      return inParent(state, from, at, (place) => {
        try {
          return use(place);
        } catch (error) {
          if (!(error instanceof WasiError && error.errno === "loop") || !follow) throw error;
          try {
            target = state.kernel.readLink(place.directory, place.bare);
          } catch {
            throw error;
          }
          throw error;
        }
      }, denied);
    } catch (error) {
      if (target === undefined || links >= MAX_LINKS) throw error;
    }
    if (target![0] === SLASH) throw new WasiError("not-permitted");
    const { parent, name, bare } = nameOf(at);
    at = join(parent, join(target!, name.subarray(bare.length)));
  }
}

/** The overlay for a path at which no file exists. `error`: the failure of an attempt to open it. */
export function missingOverlay(
  state: LinuxState,
  from: OpenDirectory,
  path: GuestPath,
  follow: boolean,
  error: WasiError,
): { readonly overlay: Overlay; readonly stat: Stat } | undefined {
  if (error.errno !== "no-entry" || state.files.overlays.length === 0) return undefined;
  try {
    return atEnd(state, from, path, follow, (place) => {
      if (place.statIfThere()?.type === "symbolic-link") throw new WasiError("loop");
      const overlay = place.hasSlash ? undefined : place.overlay();
      const stat: Stat = { ...state.kernel.stat(place.directory), type: "regular-file", links: 1n };
      return overlay && { overlay, stat };
    }, true);
  } catch (error) {
    if (error instanceof WasiError) return undefined;
    throw error;
  }
}
