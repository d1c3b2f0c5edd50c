/** The tags of a repository (distribution-spec, "Listing Tags"). */

import { AppError } from "../runtime/errors.ts";
import { printable } from "../runtime/text.ts";
import type { RegistryClient } from "./client.ts";
import type { Task } from "./failure.ts";
import type { Reference } from "./reference.ts";

const MAX_PAGE = 4 << 20;
const MAX_PAGES = 1000;
const PAGE_SIZE = 1000;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/**
 * All tags, in natural order: `v2` before `v10`. What is no tag by the specification is left out.
 *
 * @throws AppError REGISTRY_…, TOO_LARGE
 */
export async function listTags(client: RegistryClient, repository: Reference): Promise<string[]> {
  const tags = await client.fromAny(repository, "list the tags of", async (endpoint, task) => {
    const found = new Set<string>();
    const origin = new URL(endpoint.origin).origin;
    let next: URL | undefined = new URL(
      `/v2/${endpoint.repository}/tags/list?n=${PAGE_SIZE}`,
      endpoint.origin,
    );
    for (let page = 0; next !== undefined; page++) {
      if (page === MAX_PAGES) {
        throw new AppError("TOO_LARGE", `${task.failed}: there are more than ${MAX_PAGES} pages of them`);
      }
      const answer = await client.access.request(task, endpoint, next, { expect: [200] });
      const bytes = await answer.bytes(
        MAX_PAGE,
        () => new AppError("TOO_LARGE", `${task.failed}: the list is larger than ${MAX_PAGE} bytes`),
      );
      const before = found.size;
      for (const tag of parseTags(new TextDecoder().decode(bytes), task.failed)) found.add(tag);
      const link = nextPage(task, answer.header("link"), next, origin);
      // A page that brings nothing new would go on for ever.
      next = found.size > before ? link : undefined;
    }
    return [...found];
  });
  return tags.sort(new Intl.Collator("en", { numeric: true }).compare);
}

function parseTags(text: string, failed: string): string[] {
  let tags: unknown;
  try {
    tags = (JSON.parse(text) as { tags?: unknown } | null)?.tags ?? []; // null: a repository without tags
  } catch { /* told below */ }
  if (!Array.isArray(tags)) throw new AppError("REGISTRY_PROTOCOL", `${failed}: the registry sent no list`);
  return tags.filter((tag): tag is string => typeof tag === "string" && TAG.test(tag));
}

/** The page a `Link` header names (RFC 8288) as `rel="next"`. @throws AppError REGISTRY_PROTOCOL where it is elsewhere */
export function nextPage(task: Task, header: string | null, from: URL, origin: string): URL | undefined {
  const target = /<([^>]*)>\s*;[^,]*rel="?next"?/i.exec((header ?? "").slice(0, 8192))?.[1];
  const link = target === undefined ? null : URL.parse(target, from);
  if (link && link.origin !== origin) {
    throw new AppError(
      "REGISTRY_PROTOCOL",
      `${task.failed}: the list goes on at "${printable(link.origin, 200)}", another host`,
    );
  }
  return link ?? undefined;
}
