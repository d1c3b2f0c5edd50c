/** Places of changes in the tree by name, and whether a link took the place of a directory. */

import type { Mount } from "../../../sandbox/types.ts";
import { baseName, isWithin, parentOf } from "../../../base/host_path.ts";
import { WasiError } from "../../errno.ts";
import type { Grant, Place } from "../file_decisions.ts";
import { realPathOf } from "./deno_calls.ts";
import type { NamedHost } from "./named_host.ts";

/** A host path, free of links, as the place of a change. */
export class NamedPlace implements Place {
  readonly #host: NamedHost;
  readonly #directory: string;
  readonly text: string | undefined;

  constructor(host: NamedHost, readonly grant: Grant, readonly path: string) {
    this.#host = host;
    // The plugin can't change the name of a mount's root.
    const isRoot = path === grant.mount.host;
    this.#directory = isRoot ? path : parentOf(path);
    this.text = isRoot ? undefined : baseName(path);
  }

  directoryIdentity(): string {
    return this.#host.find(this.#directory)?.identity ?? "";
  }

  above(): Iterable<string> {
    return this.#host.above(this.#directory);
  }

  aboveMounted(): Iterable<string> {
    return this.#host.isElsewhere(this.path) ? this.#host.above(this.path) : [];
  }

  file(): string | undefined {
    return this.#host.find(this.path)?.identity;
  }

  verify(): void {
    if (!isPlain(this.#host, this.grant.mount, this.#directory)) throw new WasiError("access");
  }
}

/** Whether no link leads to a mount's directory: somebody may have added one since it was resolved. */
export function isPlain(host: NamedHost, mount: Mount, directory: string): boolean {
  for (let at = directory; isWithin(at, mount.host); at = parentOf(at)) {
    if (host.find(at)?.type !== "directory") return false;
    if (parentOf(at) === at) break;
  }
  return realPathOf(mount.host) === mount.host;
}
