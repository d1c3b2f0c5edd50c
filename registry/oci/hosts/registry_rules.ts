/** Which place has a repository: mirrors, relocations and blocks. Pure. */

import { AppError } from "../../../runtime/base/errors.ts";
import { canonicalHost } from "../../../runtime/base/reference.ts";
import { printable } from "../../../runtime/base/text.ts";
import { parseRegistry, type Reference } from "../mirrored_reference.ts";

/** A mirror. */
export interface Mirror {
  /** `HOST[:PORT][/PATH]`, which replaces the registry's prefix. */
  readonly location: string;
  /** Use it for digests or tags only; a mirror's tags may be old. */
  readonly only: "digest" | "tag" | undefined;
  /** Use plain HTTP if the mirror does not speak HTTPS. */
  readonly insecure: boolean;
}

/** The configuration of all repositories below a prefix. */
export interface RegistryRule {
  /** `HOST[:PORT][/PATH]` with a canonical host, or `*.DOMAIN`. */
  readonly prefix: string;
  /** Their real location. Default: the prefix. */
  readonly location: string | undefined;
  readonly mirrors: readonly Mirror[];
  readonly blocked: boolean;
  readonly insecure: boolean;
  /** Whether to ask the registry itself if no mirror has the content. */
  readonly fallback: boolean;
  /** Whether the rule is from the user's own file, or from a file that others than the administrator may change. */
  readonly isUsers: boolean;
}

const DOMAIN = /^\*(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+\.?$/;
const PATH = /^[a-z0-9._/-]+$/;

/** `HOST[:PORT][/PATH]` in its canonical form, as in references; undefined if it is invalid. Pure. */
export function canonicalLocation(text: string): string | undefined {
  const [host = "", ...path] = text.replace(/\/+$/, "").split("/");
  const registry = canonicalHost(host);
  if (registry === undefined || path.length > 0 && !PATH.test(path.join("/"))) return undefined;
  return [registry, ...path].join("/");
}

/** Like {@linkcode canonicalLocation}, but also accepts `*.DOMAIN`. Pure. */
export function canonicalPrefix(text: string): string | undefined {
  return DOMAIN.test(text) ? text.toLowerCase().replace(/\.$/, "") : canonicalLocation(text);
}

/** The rule for a repository: the longest matching prefix; of equal prefixes the first. Pure. */
export function ruleOf(
  rules: readonly RegistryRule[],
  { registry, repository }: Pick<Reference, "registry" | "repository">,
): RegistryRule | undefined {
  const name = `${registry}/${repository}`;
  let best: RegistryRule | undefined;
  for (const rule of rules) {
    const matches = rule.prefix.startsWith("*.")
      ? hostOf(registry).endsWith(rule.prefix.slice(1))
      : name === rule.prefix || name.startsWith(`${rule.prefix}/`);
    // A host name, even a short one, wins over a wildcard domain.
    if (matches && (!best || nearness(rule) > nearness(best))) best = rule;
  }
  return best;
}

function nearness({ prefix }: RegistryRule): number {
  return prefix.startsWith("*.") ? prefix.length : 1000 + prefix.length;
}

function hostOf(registry: string): string {
  return registry.replace(/:\d+$/, "");
}

/** A place that may have a repository. */
export interface Place {
  readonly registry: string;
  readonly repository: string;
  readonly insecure: boolean;
  /** The user's own configuration chose this place instead of the reference's. */
  readonly isUsers: boolean;
}

/**
 * The places of a repository, in the order to try. Pure.
 *
 * @throws AppError REGISTRY_FORBIDDEN if it is blocked
 */
export function placesOf(rule: RegistryRule | undefined, reference: Reference): Place[] {
  const { registry, repository, digest } = reference;
  if (!rule) return [{ registry, repository, insecure: false, isUsers: false }];
  if (rule.blocked) {
    throw new AppError(
      "REGISTRY_FORBIDDEN",
      `Pulling from ${printable(`${registry}/${repository}`, 300)} is blocked: ${rule.prefix}`,
      { hint: "registries.yaml, or containers' registries.conf, says so" },
    );
  }
  const rest = rule.prefix.startsWith("*.")
    ? `/${repository}`
    : `${registry}/${repository}`.slice(rule.prefix.length);
  const place = (location: string, insecure: boolean): Place => {
    const [host = "", ...path] = `${location}${rest}`.split("/");
    const there = { registry: parseRegistry(host), repository: path.join("/") };
    const same = there.registry === registry && there.repository === repository;
    return { ...there, insecure, isUsers: rule.isUsers && !same };
  };
  const asked = digest === undefined ? "tag" : "digest";
  const mirrors = rule.mirrors.filter(({ only }) => only === undefined || only === asked)
    .map(({ location, insecure }) => place(location, insecure));
  const own = rule.location === undefined || rule.prefix.startsWith("*.")
    ? { registry, repository, insecure: rule.insecure, isUsers: false }
    : place(rule.location, rule.insecure);
  return rule.fallback || mirrors.length === 0 ? [...mirrors, own] : mirrors;
}
