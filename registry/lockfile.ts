/**
 * `plugins.lock`: what makes another machine the same. JSON, with a version; one plugin an entry, sorted by name, so that
 * a change is a small difference in version control. Pure.
 */

import { AppError } from "../runtime/errors.ts";
import { type Grants, grantsFromJson, grantsToJson } from "../runtime/grants.ts";
import { visibleJson } from "../runtime/invisible.ts";
import { parsePluginName } from "../runtime/names.ts";
import { DIGEST, type Receipt } from "../runtime/store/receipt.ts";
import { printable } from "../runtime/text.ts";
import { formatReference, parseReference, type Reference } from "./reference.ts";

/** The version of the lock file's format. */
const LOCK_VERSION = 1;
/** No lock file is larger. Bytes. */
export const MAX_LOCK = 16 << 20;

/** A plugin of a lock file. */
export interface LockedPlugin {
  readonly name: string;
  readonly reference: Reference;
  /** What is to be installed, whatever the reference's tag stands for. */
  readonly manifestDigest: string;
  /** The index that it was chosen from: it may be what is signed. */
  readonly indexDigest?: string;
  /** Of the WebAssembly. */
  readonly digest: string;
  readonly grants: Grants;
}

/** The lock file for what is installed. Paths in the user's home are written with `~`, for other machines. */
export function formatLock(receipts: readonly Receipt[], home: string): string {
  const plugins = [...receipts].sort((a, b) => a.name < b.name ? -1 : 1).map((receipt) => ({
    name: receipt.name,
    reference: receipt.reference,
    manifestDigest: receipt.manifestDigest,
    ...(receipt.indexDigest === undefined ? {} : { indexDigest: receipt.indexDigest }),
    digest: receipt.digest,
    ...(receipt.version === undefined ? {} : { version: receipt.version }),
    grants: mapStrings(grantsToJson(receipt.grants), (text) => shortenHome(text, home)),
  }));
  return `${visibleJson(JSON.stringify({ krewWasmLock: LOCK_VERSION, plugins }, null, 2))}\n`;
}

/**
 * A lock file's plugins. `shown` is its name, for errors.
 *
 * @throws AppError LOCK_INVALID, its message holds the field's path
 */
export function parseLock(text: string, home: string, shown: string): LockedPlugin[] {
  const invalid = (what: string): never => {
    throw new AppError("LOCK_INVALID", `${printable(shown, 300)} is no lock file: ${what}`, {
      hint: "krew-wasm list -o lock writes one",
    });
  };
  let json: { krewWasmLock?: unknown; plugins?: unknown } | null;
  try {
    json = JSON.parse(text);
  } catch {
    return invalid("it is not JSON");
  }
  const version = json?.krewWasmLock;
  if (Number.isSafeInteger(version) && (version as number) > LOCK_VERSION) {
    return invalid(`it has the version ${version}, this krew-wasm reads ${LOCK_VERSION}`);
  }
  if (version !== LOCK_VERSION) return invalid(`krewWasmLock is missing or not ${LOCK_VERSION}`);
  if (!Array.isArray(json?.plugins)) return invalid("plugins is missing or malformed");
  const names = new Set<string>();
  return json.plugins.map((entry: unknown, index): LockedPlugin => {
    const at = `plugins[${index}]`;
    if (typeof entry !== "object" || entry === null) return invalid(`${at} is not an object`);
    const { name, reference, manifestDigest, indexDigest, digest, grants } = entry as Record<string, unknown>;
    const field = <T>(path: string, parse: () => T): T => {
      try {
        return parse();
      } catch (error) {
        return invalid(`${at}.${path}: ${(error as Error).message}`);
      }
    };
    if (typeof name !== "string") return invalid(`${at}.name is missing or malformed`);
    const parsed = field("name", () => parsePluginName(name));
    if (names.has(parsed)) return invalid(`${at}.name: there are two of the name "${parsed}"`);
    names.add(parsed);
    if (typeof reference !== "string") return invalid(`${at}.reference is missing or malformed`);
    const checked = (value: unknown, path: string) =>
      typeof value === "string" && DIGEST.test(value)
        ? value
        : invalid(`${at}.${path} is missing or malformed`);
    return {
      name: parsed,
      reference: field("reference", () => parseReference(reference)),
      manifestDigest: checked(manifestDigest, "manifestDigest"),
      ...(indexDigest === undefined ? {} : { indexDigest: checked(indexDigest, "indexDigest") }),
      digest: checked(digest, "digest"),
      grants: field("grants", () => grantsFromJson(mapStrings(grants, (each) => expandHome(each, home)))),
    };
  });
}

/** One step on the way from what is installed to what is locked. */
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
  /** The same bytes, with other grants, or followed under another tag. */
  | {
    readonly kind: "change";
    readonly name: string;
    readonly plugin: LockedPlugin;
    readonly installed: Receipt;
  }
  /** Installed, and not in the lock file: removed with `--prune`. */
  | { readonly kind: "extra"; readonly name: string };

/** The steps, by name. No registry is asked: the lock file has all digests. */
export function planSync(
  locked: readonly LockedPlugin[],
  receipts: readonly Receipt[],
  broken: readonly string[],
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
    if (receipt.manifestDigest !== plugin.manifestDigest || receipt.digest !== plugin.digest) {
      return { kind: "replace", name, plugin, installed: receipt };
    }
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

/** Whether two grants are the same, in whatever order their fields came. */
function sameGrants(a: Grants, b: Grants): boolean {
  return canonical(grantsToJson(a)) === canonical(grantsToJson(b));
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

function mapStrings(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === "string") return map(value);
  if (Array.isArray(value)) return value.map((each) => mapStrings(each, map));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, mapStrings(each, map)]));
}

function shortenHome(text: string, home: string): string {
  return text === home ? "~" : text.startsWith(`${home}/`) ? `~${text.slice(home.length)}` : text;
}

function expandHome(text: string, home: string): string {
  return text === "~" ? home : text.startsWith("~/") ? `${home}${text.slice(1)}` : text;
}
