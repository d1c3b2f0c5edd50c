/** Updates the indexes for a command. If a registry is down, the cached copy stays. */

import type { RegistryClient } from "../../registry/oci/registry_client.ts";
import {
  fetchIndex,
  indexUnknown,
  readIndexes,
  type StoredIndex,
  storeIndex,
} from "../../registry/fleet/index_file.ts";
import { type Offer, offersOf } from "../../registry/fleet/index_offers.ts";
import { timestamp } from "../../registry/oci/artifact.ts";
import { parseReference } from "../../registry/oci/mirrored_reference.ts";
import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { openTerminal, type Terminal } from "../../runtime/sandbox/controlling_terminal.ts";
import { Dialog } from "../../runtime/sandbox/dialog.ts";
import { mayPrompt } from "../../runtime/sandbox/prompt.ts";
import { nearest } from "../../runtime/base/nearest.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Context } from "../context.ts";
import { allOf } from "../each_plugin.ts";

/** All added indexes, or the named one. @throws AppError INDEX_UNKNOWN */
export function addedIndexes(context: Context, only: string | undefined): StoredIndex[] {
  const layout = context.layout();
  checkStore(layout);
  const { indexes, broken } = readIndexes(layout);
  for (const { error } of broken) context.stderr(`warning: ${printable(messageOf(error))}\n`);
  if (only === undefined) return indexes;
  const found = indexes.filter(({ name }) => name === only);
  if (found.length === 0) throw indexUnknown(only, indexes.map(({ name }) => name));
  return found;
}

/** Fetches each index. If that fails, it warns and keeps the cached copy. */
export async function freshIndexes(
  context: Context,
  client: RegistryClient,
  indexes: readonly StoredIndex[],
): Promise<StoredIndex[]> {
  return await allOf(indexes, 8, async (index) => {
    try {
      return await refreshIndex(context, client, index);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      context.stderr(`warning: ${error.message}; using "${index.name}" as of ${index.fetchedAt}\n`);
      return index;
    }
  });
}

/** Fetches an index and stores it if it changed. @throws AppError REGISTRY_…, INDEX_INVALID, STORE_… */
export async function refreshIndex(
  context: Context,
  client: RegistryClient,
  index: StoredIndex,
): Promise<StoredIndex> {
  const fetched = await fetchIndex(client, parseReference(index.reference), index);
  if (fetched.manifestDigest === index.manifestDigest) return index;
  const fresh: StoredIndex = {
    ...index,
    manifestDigest: fetched.manifestDigest,
    document: fetched.document,
    fetchedAt: timestamp(context.now()),
  };
  await storeIndex(context.layout(), fresh, true);
  return fresh;
}

/** Whether a word has the form of a name to look up in the indexes. */
export function isIndexName(text: string): boolean {
  return /^[a-z0-9]+([-_][a-z0-9]+)*$/.test(text) && text !== "localhost";
}

/**
 * Looks a name up in the indexes. If two indexes differ, it asks the user. Without a terminal it is an error.
 *
 * @throws AppError INDEX_UNKNOWN, NAME_AMBIGUOUS
 */
export function chooseOffer(
  context: Context,
  indexes: readonly StoredIndex[],
  text: string,
  prompt: boolean,
): Offer {
  const name = text.replaceAll("_", "-");
  const offers = offersOf(indexes, name);
  if (offers.length === 1) return offers[0]!;
  if (offers.length === 0) {
    const near = nearest(name, indexes.flatMap(({ document }) => document.plugins.map(({ name }) => name)));
    throw new AppError("INDEX_UNKNOWN", `No index offers a plugin "${printable(text, 100)}"`, {
      hint: near.length > 0
        ? `did you mean ${[...new Set(near)].join(" or ")}?`
        : `krew-wasm search ${name}; an image of docker.io is docker.io/library/${name}`,
    });
  }
  const terminal = prompt && mayPrompt(context.env) ? openTerminal(context.env) : undefined;
  if (!terminal) {
    throw new AppError(
      "NAME_AMBIGUOUS",
      `${offers.length} indexes offer a plugin "${name}": ${
        offers.map(({ index, plugin }) => `${index} (${printable(plugin.reference, 200)})`).join(", ")
      }`,
      { hint: `choose with --index ${offers[0]!.index}` },
    );
  }
  try {
    return askWhich(terminal, name, offers);
  } finally {
    terminal.close();
  }
}

/** Asks until the user enters a number. @throws AppError NAME_AMBIGUOUS without an answer; Interrupted */
function askWhich(terminal: Terminal, name: string, offers: readonly Offer[]): Offer {
  using dialog = Dialog.open(terminal);
  dialog?.say([
    `${offers.length} indexes offer a plugin "${name}":`,
    ...offers.map(({ index, plugin }, at) => {
      const what = plugin.description === undefined ? "" : `  ${printable(plugin.description, 100)}`;
      return `  ${at + 1}) ${index}  ${printable(plugin.reference, 500)}${what}`;
    }),
  ]);
  while (dialog) {
    const line = dialog.ask(`Which one? [1-${offers.length}] `);
    if (line === "odd") continue;
    const text = line === "end" ? "" : line.text.trim();
    const chosen = /^\d+$/.test(text) ? offers[Number(text) - 1] : undefined;
    if (chosen) return chosen;
    if (text === "") break;
  }
  throw new AppError("NAME_AMBIGUOUS", `Which plugin "${name}" is meant was not answered`);
}
