/**
 * Files that are renewed while a plugin runs, read outside of the wall: tokens, certificates and keys that the kubeconfig
 * names. A plugin may write where one of them lies; a link that it leaves there must not have another file read.
 */

import { AppError } from "../../base/errors.ts";
import type { Syscalls } from "../kernel/kernel_calls.ts";
import { DENO_PATHS, walkPath } from "../../base/path_walk.ts";

/** A file, and the links that led to it before the plugin began, targets by path. Plain data. */
export interface RenewedFile {
  readonly path: string;
  readonly links: Readonly<Record<string, string>>;
}

const O_NOCTTY = 0o400;
/** A pipe that somebody put there is not waited for. */
const O_NONBLOCK = 0o4000;
/** No token, certificate or bundle of them is larger. Bytes. */
const MAX_SIZE = 16 << 20;

/** Looks at the way to a file. The file itself may not be there yet. */
export function renewedFile(path: string): RenewedFile {
  const links: Record<string, string> = {};
  walkPath(path, {
    ...DENO_PATHS,
    readLink(at) {
      const target = DENO_PATHS.readLink(at);
      if (target !== undefined) links[at] = target;
      return target;
    },
  });
  return { path, links };
}

/**
 * Reads it as it is now. Links on the way are those of before: one may lead elsewhere below its own directory, as in
 * volumes of Kubernetes (`..data` leads to another directory at each rotation), and no new ones are followed.
 *
 * @throws AppError CREDENTIALS_FAILED
 */
export function readRenewed({ path, links }: RenewedFile, system: Syscalls): string {
  const { path: real, found } = walkPath(path, {
    ...DENO_PATHS,
    readLink(at) {
      const target = DENO_PATHS.readLink(at);
      const known = Object.hasOwn(links, at) ? links[at] : undefined;
      // It is not followed then, and ends the way.
      if (target === undefined || known === undefined) return undefined;
      return target === known || staysBelow(target) ? target : undefined;
    },
  });
  const fd = system.openPlain(real, O_NOCTTY | O_NONBLOCK);
  if (fd < 0) {
    throw new AppError(
      "CREDENTIALS_FAILED",
      found === undefined
        ? "it is not there"
        : found.type === "link"
        ? "it leads elsewhere than when the plugin was started"
        : "it can't be opened",
    );
  }
  try {
    return new TextDecoder().decode(system.readAll(fd, MAX_SIZE));
  } finally {
    system.close(fd);
  }
}

function staysBelow(target: string): boolean {
  return !target.startsWith("/") && !target.split("/").includes("..");
}
