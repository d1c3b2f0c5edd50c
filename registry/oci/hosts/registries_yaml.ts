/** The user's own file of registries, `registries.yaml` in the store. */

import { firstLineOf, messageOf } from "../../../runtime/base/errors.ts";
import {
  boolean,
  defaultTo,
  isObject,
  list,
  malformed,
  nullable,
  object,
  optional,
  type Reader,
  text,
  word,
} from "../../../runtime/base/strict_json.ts";
import { printable } from "../../../runtime/base/text.ts";
import type { HostFiles } from "./host_certificates.ts";
import { canonicalLocation, canonicalPrefix, type Mirror, type RegistryRule } from "./registry_rules.ts";
import { registriesInvalid } from "./settings_host.ts";

/** The whole configuration. */
export interface RegistriesConfig {
  readonly rules: readonly RegistryRule[];
  readonly tls: ReadonlyMap<string, HostFiles>;
}

const HINT = "krew-wasm help registries shows an example";

/**
 * Parses `registries.yaml`.
 *
 * @param path the file's path, for errors
 * @param directory base of relative paths
 * @throws AppError REGISTRIES_INVALID with the field's path
 */
export async function parseRegistriesFile(
  content: string,
  path: string,
  directory: string,
): Promise<RegistriesConfig> {
  let value: unknown;
  try {
    value = (await import("yaml")).parse(content, { maxAliasCount: 100 });
  } catch (error) {
    const why = firstLineOf(error).replace("; please use YAML.parseAllDocuments()", "");
    throw registriesInvalid(path, `it is not YAML: ${why}`, HINT);
  }
  return parseRegistriesYaml(value, path, directory);
}

/** The same from parsed YAML. Pure. @throws AppError REGISTRIES_INVALID with the field's path */
export function parseRegistriesYaml(value: unknown, path: string, directory: string): RegistriesConfig {
  try {
    const { registries } = WHOLE(value ?? {}, "");
    return configOf(registries ?? {}, directory);
  } catch (error) {
    throw registriesInvalid(path, messageOf(error), HINT);
  }
}

const anyObject: Reader<Record<string, unknown>> = (value, path) =>
  isObject(value) ? value : malformed(path, "is not a mapping");

const WHOLE = object<{ registries?: Record<string, unknown> | undefined }>({
  registries: optional(nullable(anyObject)) as Reader<Record<string, unknown>>,
});

const location: Reader<string> = (value, path) =>
  (typeof value === "string" ? canonicalLocation(value) : undefined) ??
    malformed(path, "is not HOST[:PORT][/PATH]");

const MIRROR = object<Omit<Mirror, "only" | "insecure"> & { only?: "digest" | "tag"; plainHttp: boolean }>({
  location,
  only: optional(word("digest", "tag")),
  plainHttp: defaultTo(boolean, false),
});

const mirror: Reader<Mirror> = (value, path) => {
  if (typeof value === "string") return { location: location(value, path), only: undefined, insecure: false };
  const { location: place, only, plainHttp } = MIRROR(value, path);
  return { location: place, only, insecure: plainHttp };
};

/** An entry of `registries`. */
interface Entry {
  readonly mirrors?: readonly Mirror[] | undefined;
  readonly location?: string;
  readonly blocked: boolean;
  readonly fallback: boolean;
  readonly plainHttp: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

const file = text(undefined, "is not a path");

const ENTRY = object<Entry>({
  mirrors: optional(nullable(list(mirror))) as Reader<Mirror[]>,
  location: optional(location),
  blocked: defaultTo(boolean, false),
  fallback: defaultTo(boolean, true),
  plainHttp: defaultTo(boolean, false),
  ca: optional(file),
  cert: optional(file),
  key: optional(file),
});

function configOf(registries: Record<string, unknown>, directory: string): RegistriesConfig {
  const rules: RegistryRule[] = [];
  const tls = new Map<string, HostFiles>();
  const spelled = new Map<string, string>();
  for (const [written, item] of Object.entries(registries)) {
    const where = `registries["${printable(written, 100)}"]`;
    const prefix = canonicalPrefix(written) ?? malformed(where, "is not HOST[:PORT][/PATH] or *.DOMAIN");
    const twin = spelled.get(prefix);
    if (twin !== undefined) malformed(where, `is the same as "${printable(twin, 100)}"`);
    spelled.set(prefix, written);
    const entry = ENTRY(item ?? {}, where);
    rules.push({
      prefix,
      location: entry.location,
      mirrors: entry.mirrors ?? [],
      blocked: entry.blocked,
      insecure: entry.plainHttp,
      fallback: entry.fallback,
      isUsers: true,
    });
    const files = filesOf(entry, where, directory);
    if (!files) continue;
    if (prefix.includes("/") || prefix.startsWith("*")) {
      throw new Error(`${where}: certificates belong to a host, without a path`);
    }
    tls.set(prefix, files);
  }
  return { rules, tls };
}

/** The certificate files of an entry; undefined if it names none. */
function filesOf({ ca, cert, key }: Entry, where: string, directory: string): HostFiles | undefined {
  if ((cert === undefined) !== (key === undefined)) malformed(where, "has only one of cert and key");
  if (ca === undefined && cert === undefined) return undefined;
  const absolute = (path: string) => /^(\/|[A-Za-z]:[\\/])/.test(path) ? path : `${directory}/${path}`;
  return {
    ...(ca === undefined ? {} : { ca: absolute(ca) }),
    ...(cert === undefined ? {} : { cert: absolute(cert), key: absolute(key!) }),
  };
}
