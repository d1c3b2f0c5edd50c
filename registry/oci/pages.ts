/**
 * Lists that a registry sends in pages (distribution-spec, "Listing Tags"). Each page names the next one in `Link` (RFC
 * 8288).
 */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import type { ApiRequest, Endpoint, RegistryAccess } from "./authorized_requests.ts";
import { type Task, whoOf } from "./registry_failure.ts";
import { shownOrigin } from "./redirect.ts";
import type { Answer } from "./answer.ts";

/** One link of a `Link` header: where it leads, and its parameters by lower-case name. */
export interface Link {
  readonly target: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * The pages of a list, fetched on demand. Read or discard each page before the next. The list ends with a page without
 * a next link. An empty or repeated page does not end it.
 *
 * @param path path of the first page
 * @param limit the most pages to fetch
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

/** The error for a missing later page: the list itself exists. */
function lostPage(error: unknown): unknown {
  if (!(error instanceof AppError)) return error;
  const isLack = error.code === "REGISTRY_NOT_FOUND" || error.code === "REGISTRY_UNSUPPORTED";
  return isLack ? new AppError("REGISTRY_PROTOCOL", error.message, { cause: error }) : error;
}

/**
 * The page that a `Link` header names as `rel="next"`, or without `rel` if it belongs to the same list. Only the path
 * and query of a URL on the registry's host count: a registry behind a gateway may not know its scheme, its port or its
 * path prefix.
 *
 * @throws AppError REGISTRY_PROTOCOL for a page on another host, or an invalid header
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

/** The links of a `Link` header, and its unparsed rest. Pure. */
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
      // The first of two equal parameters counts (RFC 8288, 3.3).
      parameters[name.toLowerCase()] ??= quoted?.replace(/\\(.)/g, "$1") ?? bare ?? "";
    }
    links.push({ target: found[1]!, parameters });
  }
}
