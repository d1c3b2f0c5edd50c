/** Finds plugins in indexes, by name or by a word. */

import type { IndexedPlugin } from "./index_document.ts";
import type { StoredIndex } from "./index_file.ts";

/** A plugin with the index that offers it. */
export interface Offer {
  readonly index: string;
  readonly plugin: IndexedPlugin;
}

/** The offers for a name. The same reference in two indexes is one offer. Pure. */
export function offersOf(indexes: readonly StoredIndex[], name: string): Offer[] {
  const offers = indexes.flatMap((index) =>
    index.document.plugins.filter((plugin) => plugin.name === name).map((plugin) => ({
      index: index.name,
      plugin,
    }))
  );
  return offers.filter((offer, at) =>
    offers.findIndex(({ plugin }) => plugin.reference === offer.plugin.reference) === at
  );
}

/**
 * Searches for a word, best match first: names before descriptions, one wrong letter allowed. Without a word, all
 * offers by name.
 */
export async function searchOffers(
  indexes: readonly StoredIndex[],
  word: string | undefined,
): Promise<Offer[]> {
  const offers = indexes.flatMap((index) =>
    index.document.plugins.map((plugin) => ({ index: index.name, plugin }))
  );
  if (word === undefined || word.trim() === "") {
    return offers.sort((a, b) => a.plugin.name < b.plugin.name ? -1 : a.plugin.name > b.plugin.name ? 1 : 0);
  }
  const { default: Fuse } = await import("fuse.js");
  const fuse = new Fuse(offers, {
    keys: [{ name: "plugin.name", weight: 3 }, { name: "plugin.description", weight: 1 }],
    threshold: 0.35,
    ignoreLocation: true,
    minMatchCharLength: 2,
  });
  return fuse.search(word.slice(0, 32)).map(({ item }) => item); // the library's own limit for fuzzy words
}
