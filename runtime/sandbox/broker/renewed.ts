/**
 * Reads files outside of the kernel's restriction that are renewed during a run: tokens, certificates and keys that the
 * kubeconfig names. A plugin may write to their directory, but a link that it makes there must not lead to another file.
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
/** Does not wait for a pipe in the file's place. */
const O_NONBLOCK = 0o4000;
/** Size limit of tokens, certificates and bundles of them. Bytes. */
const MAX_SIZE = 16 << 20;

/** Records the way to a file, which may not exist yet. */
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
 * Reads the file as it is now, through the recorded links. A link may lead elsewhere below its own directory, as in
 * Kubernetes' volumes (`..data` changes at each rotation). New links are not followed.
 *
 * @throws AppError CREDENTIALS_FAILED
 */
export function readRenewed({ path, links }: RenewedFile, system: Syscalls): string {
  const { path: real, found } = walkPath(path, {
    ...DENO_PATHS,
    readLink(at) {
      const target = DENO_PATHS.readLink(at);
      const known = Object.hasOwn(links, at) ? links[at] : undefined;
      // An unknown link is not followed. The walk ends there.
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
