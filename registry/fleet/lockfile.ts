/**
 * `plugins.lock`: the plugins that `sync` installs on another machine. JSON, with a version. Each plugin is one entry,
 * sorted by name, so that version control shows small diffs. Pure.
 */

import { AppError } from "../../runtime/base/errors.ts";
import type { Grants } from "../../runtime/grants/grants.ts";
import { grantsToJson } from "../../runtime/grants/grants_json.ts";
import { digestProblem, repositoryOf } from "../../runtime/policy/provenance.ts";
import { repositoryName } from "../../runtime/base/reference.ts";
import { visibleJson } from "../../runtime/base/invisible.ts";
import { parsePluginName } from "../../runtime/base/names.ts";
import { DIGEST, type Receipt } from "../../runtime/store/receipt.ts";
import {
  list,
  nullable,
  object,
  optional,
  parsed,
  type Reader,
  text,
} from "../../runtime/base/strict_json.ts";
import { printable } from "../../runtime/base/text.ts";
import { duplicateName } from "../oci/json_text.ts";
import { grantsFromPortable, portableGrants } from "./portable_grants.ts";
import { formatReference, parseReference, type Reference } from "../oci/mirrored_reference.ts";

/** The version that krew-wasm writes. It also reads version 1. */
const LOCK_VERSION = 2;
/** The largest lock file. Bytes. */
export const MAX_LOCK = 16 << 20;

/** A plugin of a lock file. */
export interface LockedPlugin {
  readonly name: string;
  readonly reference: Reference;
  /** The manifest to install, even if the reference's tag has moved. */
  readonly manifestDigest: string;
  /** The index that the manifest was chosen from. The signature may be the index's. */
  readonly indexDigest?: string;
  /** Digest of the WebAssembly. */
  readonly digest: string;
  readonly grants: Grants;
}

/** Formats the lock file for the installed plugins. */
export function formatLock(receipts: readonly Receipt[], home: string): string {
  const plugins = [...receipts].sort((a, b) => a.name < b.name ? -1 : 1).map((receipt) => ({
    name: receipt.name,
    reference: receipt.reference,
    manifestDigest: receipt.manifestDigest,
    indexDigest: receipt.indexDigest ?? null,
    digest: receipt.digest,
    version: receipt.version ?? null,
    grants: portableGrants(receipt.grants, home),
  }));
  return `${visibleJson(JSON.stringify({ krewWasmLock: LOCK_VERSION, plugins }, null, 2))}\n`;
}

type Fields = Omit<LockedPlugin, "indexDigest"> & { indexDigest?: string | undefined; version?: unknown };

/** Reads a plugin of a lock file. Format 1 omits empty fields, format 2 has null. */
function pluginReader(home: string, version: number): Reader<Fields> {
  const former = version === 1;
  const digest = text(DIGEST, "is not a digest");
  const maybe = <T>(reader: Reader<T>) => (former ? optional(reader) : nullable(reader)) as Reader<never>;
  return object<Fields>({
    name: parsed(parsePluginName),
    reference: parsed(parseReference),
    manifestDigest: digest,
    indexDigest: maybe(digest),
    digest,
    version: maybe(text(/^[^]*$/)),
    grants: (value, path) => grantsFromPortable(value, home, former ? "former" : "present", path),
  });
}

/**
 * Parses a lock file. `shown` is its name, for errors.
 *
 * @throws AppError LOCK_INVALID with the field's path in its message
 */
export function parseLock(content: string, home: string, shown: string): LockedPlugin[] {
  const invalid = (what: string): never => {
    throw new AppError("LOCK_INVALID", `${printable(shown, 300)} is no lock file: ${what}`, {
      hint: "krew-wasm list -o lock writes one",
    });
  };
  let json: { krewWasmLock?: unknown } | null;
  try {
    json = JSON.parse(content);
  } catch {
    return invalid("it is not JSON");
  }
  // Of two equal keys a reader sees the first, a parser uses the last.
  const twice = duplicateName(content);
  if (twice !== undefined) return invalid(`it has "${printable(twice, 100)}" twice in one place`);
  const version = json?.krewWasmLock;
  if (Number.isSafeInteger(version) && (version as number) > LOCK_VERSION) {
    return invalid(`it has the version ${version}, this krew-wasm reads ${LOCK_VERSION} and older`);
  }
  if (version !== LOCK_VERSION && version !== 1) {
    return invalid(`krewWasmLock is missing or not ${LOCK_VERSION}`);
  }
  const whole = object<{ krewWasmLock: unknown; plugins: Fields[] }>({
    krewWasmLock: (value) => value,
    plugins: list(pluginReader(home, version)),
  });
  let plugins: Fields[];
  try {
    ({ plugins } = whole(json, ""));
  } catch (error) {
    return invalid((error as Error).message);
  }
  const names = new Set<string>();
  return plugins.map(({ indexDigest, version: _, ...plugin }, index) => {
    if (names.has(plugin.name)) invalid(`plugins[${index}].name: there are two of the name "${plugin.name}"`);
    names.add(plugin.name);
    const problem = digestProblem(plugin.reference, { ...plugin, indexDigest });
    if (problem !== undefined) invalid(`plugins[${index}].reference: ${problem}`);
    return { ...plugin, ...(indexDigest === undefined ? {} : { indexDigest }) };
  });
}

/** One step from the installed plugins to the locked ones. */
export type SyncStep =
  | { readonly kind: "keep"; readonly name: string }
  | { readonly kind: "install"; readonly name: string; readonly plugin: LockedPlugin }
  | {
    readonly kind: "replace";
    readonly name: string;
    readonly plugin: LockedPlugin;
    /** undefined: its receipt is broken. */
    readonly installed: Receipt | undefined;
  }
  /** The same bytes, with other grants or another tag of the same repository. */
  | {
    readonly kind: "change";
    readonly name: string;
    readonly plugin: LockedPlugin;
    readonly installed: Receipt;
  }
  /** Installed but not in the lock file: `--prune` removes it. */
  | { readonly kind: "extra"; readonly name: string };

/**
 * Plans the steps, ordered by name. Asks no registry, since the lock file has all digests.
 *
 * A plugin that the lock file takes from another repository is installed from there and verified, even if its bytes are
 * already here. The same goes for a plugin with an index digest that its receipt does not have.
 *
 * @param refused names of installed plugins that the policies refuse to run; they are verified again
 */
export function planSync(
  locked: readonly LockedPlugin[],
  receipts: readonly Receipt[],
  broken: readonly string[],
  refused: ReadonlySet<string> = new Set(),
): SyncStep[] {
  const installed = new Map(receipts.map((receipt) => [receipt.name, receipt]));
  const steps = locked.map((plugin): SyncStep => {
    const { name } = plugin;
    const receipt = installed.get(name);
    if (!receipt) {
      return broken.includes(name)
        ? { kind: "replace", name, plugin, installed: undefined }
        : { kind: "install", name, plugin };
    }
    if (
      receipt.manifestDigest !== plugin.manifestDigest || receipt.digest !== plugin.digest ||
      repositoryOf(receipt) !== repositoryName(plugin.reference) || refused.has(name) ||
      digestProblem(plugin.reference, receipt) !== undefined
    ) return { kind: "replace", name, plugin, installed: receipt };
    return sameGrants(receipt.grants, plugin.grants) &&
        receipt.reference === formatReference(plugin.reference)
      ? { kind: "keep", name }
      : { kind: "change", name, plugin, installed: receipt };
  });
  const wanted = new Set(locked.map(({ name }) => name));
  for (const name of [...installed.keys(), ...broken]) {
    if (!wanted.has(name)) steps.push({ kind: "extra", name });
  }
  return steps.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** Whether two grants have the same wording, in any field order. */
function sameGrants(a: Grants, b: Grants): boolean {
  return canonical(grantsToJson(inWords(a))) === canonical(grantsToJson(inWords(b)));
}

/** Grants without the resolved targets of their paths. */
function inWords(grants: Grants): Grants {
  return { ...grants, files: grants.files.map(({ host, guest, write }) => ({ host, guest, write })) };
}

function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_, each) =>
      typeof each === "object" && each !== null && !Array.isArray(each)
        ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => a < b ? -1 : 1))
        : each,
  );
}
