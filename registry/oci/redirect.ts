/** Decides which redirects of registries and token servers to follow. Pure. */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { type Task, whoOf } from "./registry_failure.ts";
import { isLocalAddress, isLoopback } from "./mirrored_reference.ts";

/** The most redirects to follow. */
export const MAX_REDIRECTS = 5;

/**
 * The target of a redirect, or the location of an upload.
 *
 * @param location the header; null if it is missing
 * @param who names the server that redirects
 * @throws AppError REGISTRY_PROTOCOL for a refused target
 */
export function redirectTarget(
  task: Task,
  from: URL,
  location: string | null,
  who = whoOf(task),
): URL {
  let to = location === null ? null : URL.parse(location, from);
  // A registry behind a gateway may not know that its clients use HTTPS.
  if (to?.protocol === "http:" && from.protocol === "https:" && to.hostname === from.hostname) {
    to = new URL(to.pathname + to.search, from.origin);
  }
  const refuse = (why: string): never => {
    throw new AppError(
      "REGISTRY_PROTOCOL",
      `${task.failed}: ${who} redirects to "${
        printable(to ? shownOrigin(to) : location ?? "", 200)
      }", ${why}`,
    );
  };
  if (!to) return refuse("which is not a URL");
  if (to.username || to.password) return refuse("with credentials in it");
  const local = isLoopback(from.host);
  if (
    to.protocol === "http:"
      ? !(local && isLoopback(to.host)) && to.origin !== from.origin
      : to.protocol !== "https:"
  ) {
    return refuse("which is not HTTPS");
  }
  // A registry elsewhere must not redirect to this machine or to a cloud's metadata service.
  if (to.origin !== from.origin && isLocalAddress(to.host) && !(local && isLoopback(to.host))) {
    return refuse("an address of this machine");
  }
  return to;
}

/** Scheme, host and port of a URL; only the scheme if it has no host. */
export function shownOrigin(url: URL): string {
  return url.host === "" ? url.protocol : `${url.protocol}//${url.host}`;
}
