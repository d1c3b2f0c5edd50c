/** Lists that a registry sends in pages (distribution-spec, "Listing Tags"): each names the next by `Link` (RFC 8288). */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import type { ApiRequest, Endpoint, RegistryAccess } from "./authorized_requests.ts";
import { type Task, whoOf } from "./registry_failure.ts";
import { shownOrigin } from "./redirect.ts";
import type { Answer } from "./registry_transport.ts";

/** One link of a `Link` header: where it leads, and its parameters by lower-case name. */
export interface Link {
  readonly target: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * The pages of a list, as they are asked for; each has to be read or discarded before the next. The list ends with a page
 * that names no other, and with nothing else: one that is empty, or repeats what was there, may have others behind it.
 *
 * @param path of the first page
 * @param limit the most pages that are asked for
 * @throws AppError REGISTRY_…, TOO_LARGE
 */
export async function* pagesOf(
  access: RegistryAccess,
  task: Task,
  endpoint: Endpoint,
  path: string,
  limit: number,
  request: (page: number) => ApiRequest,
): AsyncGenerator<Answer> {
  const asked = new Set<string>();
  let next: URL | undefined = new URL(path, endpoint.origin);
  for (let page = 0; next !== undefined; page++) {
    if (page === limit) throw new AppError("TOO_LARGE", `${task.failed}: there are more than ${limit} pages`);
    if (asked.has(next.href)) {
      throw new AppError("REGISTRY_PROTOCOL", `${task.failed}: the pages of the list lead in a circle`);
    }
    asked.add(next.href);
    const answer = await access.request(task, endpoint, next, request(page)).catch((error) => {
      throw page === 0 ? error : lostPage(error);
    });
    const header = answer.header("link");
    yield answer;
    next = nextPage(task, header, next, new URL(path, endpoint.origin));
  }
}

/** The error of a page that another one named: that a registry lacks it does not say that it lacks the list. */
function lostPage(error: unknown): unknown {
  if (!(error instanceof AppError)) return error;
  const isLack = error.code === "REGISTRY_NOT_FOUND" || error.code === "REGISTRY_UNSUPPORTED";
  return isLack ? new AppError("REGISTRY_PROTOCOL", error.message, { cause: error }) : error;
}

/**
 * The page that a `Link` header names as `rel="next"`, or as nothing where it is of the same list. Of a URL of the registry's own host path and query
 * count: one that stands behind a gateway may not know its own scheme and port, nor that its paths begin otherwise there.
 *
 * @throws AppError REGISTRY_PROTOCOL where it is on another host, or the header can't be read
 */
function nextPage(task: Task, header: string | null, from: URL, list: URL): URL | undefined {
  const { links, rest } = parseLinks(header ?? "");
  const link = links.find(({ target, parameters: { rel } }) =>
    rel === undefined
      ? URL.parse(target, from)?.pathname.endsWith(list.pathname)
      : rel.toLowerCase().split(/\s+/).includes("next")
  );
  if (link === undefined) {
    if (rest === "") return undefined;
    throw new AppError(
      "REGISTRY_PROTOCOL",
      `${task.failed}: ${whoOf(task)} names the next page by a Link header that can't be read: "${
        printable(rest, 200)
      }"`,
    );
  }
  const to = URL.parse(link.target, from);
  if (to === null) {
    throw new AppError(
      "REGISTRY_PROTOCOL",
      `${task.failed}: the list goes on at "${printable(link.target, 200)}", which is not a URL`,
    );
  }
  if (to.hostname !== list.hostname) {
    throw new AppError(
      "REGISTRY_PROTOCOL",
      `${task.failed}: the list goes on at "${printable(shownOrigin(to), 200)}", another host`,
    );
  }
  const path = to.pathname.endsWith(list.pathname) ? list.pathname : to.pathname;
  return new URL(path + to.search, list);
}

const MAX_HEADER = 65536;

/** The links of a `Link` header, and what of it can't be read. Pure. */
export function parseLinks(header: string): { readonly links: Link[]; readonly rest: string } {
  const links: Link[] = [];
  const text = header.slice(0, MAX_HEADER);
  const target = /[\s,]*<([^>]*)>/y;
  const parameter = /[\s;]*;\s*([^\s=;,"]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?/y;
  for (let end = 0;;) {
    const found = target.exec(text);
    if (!found) return { links, rest: header.slice(end).replace(/^[\s,;]+/, "") };
    end = target.lastIndex;
    const parameters: Record<string, string> = {};
    parameter.lastIndex = end;
    for (let one = parameter.exec(text); one; one = parameter.exec(text)) {
      end = target.lastIndex = parameter.lastIndex;
      const [, name = "", quoted, bare] = one;
      // Of a name that comes twice the first counts (RFC 8288, 3.3).
      parameters[name.toLowerCase()] ??= quoted?.replace(/\\(.)/g, "$1") ?? bare ?? "";
    }
    links.push({ target: found[1]!, parameters });
  }
}
