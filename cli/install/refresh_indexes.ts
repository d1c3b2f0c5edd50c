/** The indexes as commands use them: looked at anew, with the cached copy where a registry is down. */

import type { RegistryClient } from "../../registry/oci/registry_client.ts";
import {
  fetchIndex,
  indexUnknown,
  type Offer,
  offersOf,
  readIndexes,
  type StoredIndex,
  storeIndex,
} from "../../registry/fleet/index_file.ts";
import { parseReference } from "../../registry/oci/mirrored_reference.ts";
import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { Dialog, mayPrompt, openTerminal, type Terminal } from "../../runtime/sandbox/prompt.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Context } from "../context.ts";
import { allOf } from "../each_plugin.ts";

/** The indexes that were added, or the one that is named. @throws AppError INDEX_UNKNOWN */
export function addedIndexes(context: Context, only: string | undefined): StoredIndex[] {
  const layout = context.layout();
  checkStore(layout);
  const { indexes, broken } = readIndexes(layout);
  for (const { error } of broken) context.stderr(`warning: ${printable(messageOf(error))}\n`);
  if (only === undefined) return indexes;
  const found = indexes.filter(({ name }) => name === only);
  if (found.length === 0) throw indexUnknown(only);
  return found;
}

/** Each index as its registry has it now; one that can't be had is as it was, and told. */
export async function freshIndexes(
  context: Context,
  client: RegistryClient,
  indexes: readonly StoredIndex[],
): Promise<StoredIndex[]> {
  const layout = context.layout();
  return await allOf(indexes, 8, async (index) => {
    try {
      const fetched = await fetchIndex(client, parseReference(index.reference), index);
      if (fetched.manifestDigest === index.manifestDigest) return index;
      const fresh: StoredIndex = {
        ...index,
        manifestDigest: fetched.manifestDigest,
        document: fetched.document,
        fetchedAt: context.now().toISOString().replace(/\.\d+Z$/, "Z"),
      };
      await storeIndex(layout, fresh, true);
      return fresh;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      context.stderr(`warning: ${error.message}; using "${index.name}" as of ${index.fetchedAt}\n`);
      return index;
    }
  });
}

/** Whether a word can only be a plugin's name, where there are indexes to look it up in. */
export function isIndexName(text: string): boolean {
  return /^[a-z0-9]+([-_][a-z0-9]+)*$/.test(text) && text !== "localhost";
}

/**
 * What an index offers under a name. Two that offer different things: the user is asked, and without a terminal told.
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
    throw new AppError("INDEX_UNKNOWN", `No index offers a plugin "${printable(text, 100)}"`, {
      hint: `krew-wasm search ${name}; an image of docker.io is docker.io/library/${name}`,
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

/** Asks until a number is given. @throws AppError NAME_AMBIGUOUS when there is no answer; Interrupted */
function askWhich(terminal: Terminal, name: string, offers: readonly Offer[]): Offer {
  using dialog = Dialog.open(terminal);
  dialog?.say([
    `${offers.length} indexes offer a plugin "${name}":`,
    ...offers.map(({ index, plugin }, at) => {
      const what = plugin.description === undefined ? "" : `  ${printable(plugin.description, 100)}`;
      return `  ${at + 1}) ${index}  ${printable(plugin.reference, 500)}${what}`;
    }),
  ]);
  for (let settled = false; dialog; settled = true) {
    const line = dialog.ask(`Which one? [1-${offers.length}] `, settled);
    if (line === "odd") continue;
    const text = line === "end" ? "" : line.text.trim();
    const chosen = /^\d+$/.test(text) ? offers[Number(text) - 1] : undefined;
    if (chosen) return chosen;
    if (text === "") break;
  }
  throw new AppError("NAME_AMBIGUOUS", `Which plugin "${name}" is meant was not answered`);
}
