/** The tags of a repository (distribution-spec, "Listing Tags"). */

import { AppError } from "../../runtime/base/errors.ts";
import type { RegistryClient } from "./registry_client.ts";
import { type Task, whoOf } from "./registry_failure.ts";
import { pagesOf } from "./pages.ts";
import type { Reference } from "./mirrored_reference.ts";

const MAX_PAGE = 4 << 20;
const MAX_PAGES = 1000;
const PAGE_SIZE = 1000;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** A tag with signatures, on registries without the referrers API: not a version of a plugin. */
const OF_A_DIGEST = /^sha256-[0-9a-f]{64}(?:\.[a-z]+)?$/;

/**
 * The tags in natural order: `v2` before `v10`. Leaves out tags that the specification does not allow, and tags with
 * signatures.
 *
 * @param all whether to include tags with signatures
 * @throws AppError REGISTRY_…, TOO_LARGE
 */
export async function listTags(
  client: RegistryClient,
  reference: Reference,
  all = false,
): Promise<string[]> {
  const repository = { ...reference, tag: undefined, digest: undefined };
  const tags = await client.fromAny(repository, "list the tags of", async (endpoint, task) => {
    const found = new Set<string>();
    const path = `/v2/${endpoint.repository}/tags/list?n=${PAGE_SIZE}`;
    const request = () => ({ expect: [200] });
    for await (const answer of pagesOf(client.access, task, endpoint, path, MAX_PAGES, request)) {
      const bytes = await answer.bytes(
        MAX_PAGE,
        () => new AppError("TOO_LARGE", `${task.failed}: the list is larger than ${MAX_PAGE} bytes`),
      );
      for (const tag of parseTags(new TextDecoder().decode(bytes), task)) found.add(tag);
    }
    return [...found];
  });
  const shown = all ? tags : tags.filter((tag) => !OF_A_DIGEST.test(tag));
  return shown.sort(new Intl.Collator("en", { numeric: true }).compare);
}

/** The tags of one page. Some registries send null, or only the repository's name, for no tags. */
function parseTags(text: string, task: Task): string[] {
  let list: { name?: unknown; tags?: unknown } | null = null;
  try {
    list = JSON.parse(text);
  } catch { /* reported below */ }
  const isList = typeof list === "object" && list !== null &&
    ("tags" in list || typeof list.name === "string");
  const tags = isList ? list!.tags ?? [] : undefined;
  if (!Array.isArray(tags)) {
    throw new AppError("REGISTRY_PROTOCOL", `${task.failed}: ${whoOf(task)} sent no list`);
  }
  return tags.filter((tag): tag is string => typeof tag === "string" && TAG.test(tag));
}
