/**
 * Grants in files that move between machines: lock files and bundles. Paths in the user's home are written with `~`.
 * Reading resolves them on this machine; the resolved targets of the other machine are not written. Pure.
 */

import { isObject } from "../../runtime/base/strict_json.ts";
import { canonicalPath } from "../../runtime/base/canonical_path.ts";
import type { Grants } from "../../runtime/grants/grants.ts";
import { isSamePath, pathBelow } from "../../runtime/base/host_path.ts";
import { type GrantsForm, grantsFromJson, grantsToJson } from "../../runtime/grants/grants_json.ts";

/** Grants in their portable form. */
export function portableGrants(grants: Grants, home: string): Record<string, unknown> {
  const here = { ...grants, files: grants.files.map(({ real: _, ...grant }) => grant) };
  return mapPaths(grantsToJson(here), (path) => shortenHome(path, home)) as Record<string, unknown>;
}

/** Parses grants from their portable form. @throws Error with the field's path */
export function grantsFromPortable(json: unknown, home: string, form: GrantsForm, path = "grants"): Grants {
  const grants = grantsFromJson(mapPaths(json, (text) => expandHome(text, home)), form, path);
  grants.files.forEach(({ real }, index) => {
    if (real !== undefined) {
      throw new Error(`${path}.files[${index}].real is of another machine: it has to be null`);
    }
  });
  return grants;
}

/** Maps the paths in grants' JSON. Leaves malformed values for the parser to refuse. */
function mapPaths(json: unknown, map: (path: string) => string): unknown {
  if (!isObject(json)) return json;
  const { files, deny } = json;
  const mapped = (value: unknown) => typeof value === "string" ? map(value) : value;
  const each = (value: unknown) => Array.isArray(value) ? value.map(mapped) : value;
  return {
    ...json,
    ...(Array.isArray(files)
      ? {
        files: files.map((file) =>
          isObject(file) ? { ...file, ...pick(file, ["host", "guest"], mapped) } : file
        ),
      }
      : {}),
    ...(isObject(deny) ? { deny: { ...deny, ...pick(deny, ["read", "write"], each) } } : {}),
  };
}

function pick(
  from: Record<string, unknown>,
  fields: readonly string[],
  map: (value: unknown) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(
    fields.filter((field) => Object.hasOwn(from, field)).map((field) => [field, map(from[field])]),
  );
}

function shortenHome(path: string, home: string): string {
  if (isSamePath(path, home)) return "~";
  const below = pathBelow(path, home);
  return below === undefined ? path : `~/${below}`;
}

function expandHome(path: string, home: string): string {
  const expanded = path === "~" ? home : path.startsWith("~/") ? `${home}${path.slice(1)}` : path;
  return canonicalPath(expanded) ?? path;
}
