/**
 * The patterns of policy rules, and the subjects that they match. Patterns are normalized like references (reference.ts). A
 * pattern that no reference can match is an error: a rule that never applies would be a limit that does not exist. Pure.
 */

import {
  canonicalHost,
  DOCKER_HUB_NAMES,
  formatReference,
  isHost,
  type Reference,
  REPOSITORY_PART,
} from "../base/reference.ts";
import { printable } from "../base/text.ts";

/** Where a plugin comes from, for policy rules. */
export type Subject =
  | {
    readonly kind: "registry";
    readonly reference: Reference;
    /** The reference that this mirror copies, if it is a mirror that the user set up. */
    readonly mirrorOf?: Reference;
  }
  /** A plugin from a bundle, which claims the reference without proof. */
  | { readonly kind: "bundle"; readonly reference: Reference }
  /** A file that runs without installing: its absolute path. */
  | { readonly kind: "file"; readonly path: string };

/** A parsed pattern. */
export interface Pattern {
  matches(subject: Subject): boolean;
}

/** The subject for a reference. */
export function subjectOf(reference: Reference): Subject & { kind: "registry" } {
  return { kind: "registry", reference };
}

/** A subject's name for messages. */
export function subjectName(subject: Subject): string {
  if (subject.kind === "file") return `file://${subject.path}`;
  return `${subject.kind === "bundle" ? "bundle://" : ""}${formatReference(subject.reference)}`;
}

/**
 * A registry as policy rules name it. Rules treat the ports 80 and 443 as the host itself, because one redirects to the
 * other.
 *
 * @param host canonical
 */
export function hostInRules(host: string): string {
  const name = host.replace(/:(?:80|443)$/, "");
  return (DOCKER_HUB_NAMES as readonly string[]).includes(name) ? "docker.io" : name;
}

/** An entry of `registries` that accepts plugins whose registry only a bundle claims. */
export const ANY_BUNDLE = "bundle://";

/** An entry of `registries`, as {@linkcode hostInRules}, or {@linkcode ANY_BUNDLE}. @throws Error */
export function parseRegistryName(text: string): string {
  if (text === ANY_BUNDLE) return text;
  const host = canonicalHost(asciiHost(text));
  if (host !== undefined) return hostInRules(host);
  const shown = `"${printable(text, 150)}"`;
  if (/[*/]/.test(text)) {
    throw new Error(
      `${shown} is not HOST[:PORT]: rules tell repositories and patterns, with a last one that denies the rest`,
    );
  }
  throw new Error(`${shown} is not HOST[:PORT]`);
}

/** @throws Error saying why no reference can match */
export function parsePattern(text: string): Pattern {
  const expression = expressionOf(canonicalPattern(text));
  return {
    matches: (subject) => spellingsOf(subject).some((spelling) => expression.test(spelling)),
  };
}

/** `*` matches anything within one part, `**` anything. */
function expressionOf(pattern: string): RegExp {
  const source = pattern.split(/(\*\*|\*)/).map((part) =>
    part === "**" ? ".*" : part === "*" ? "[^/]*" : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
  ).join("");
  return new RegExp(`^${source}$`, "s");
}

/** All spellings of a subject that a pattern with a `*` in its host may match. */
function spellingsOf(subject: Subject): string[] {
  if (subject.kind === "file") return [`file://${subject.path}`];
  const { kind, reference } = subject;
  const host = hostInRules(reference.registry);
  const names: readonly string[] = host === "docker.io" ? DOCKER_HUB_NAMES : [host];
  const repository = host === "docker.io" ? dockerRepository(reference.repository) : reference.repository;
  const hosts = names.flatMap((name) => /:\d+$/.test(name) ? [name] : [name, `${name}:443`, `${name}:80`]);
  return hosts.map((each) => `${kind === "bundle" ? "bundle://" : ""}${each}/${repository}`);
}

function dockerRepository(repository: string): string {
  return repository.includes("/") ? repository : `library/${repository}`;
}

/** A pattern in the form for matching. @throws Error */
export function canonicalPattern(text: string): string {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1];
  if (scheme === undefined) return repositoryPattern(text, text);
  const rest = text.slice(scheme.length + "://".length);
  if (scheme === "bundle") return `bundle://${repositoryPattern(rest, text)}`;
  if (scheme !== "file") throw never(text, "a rule names no scheme but file:// and bundle://");
  if (!/^(?:\/|\*|[A-Za-z]:\/)/.test(rest)) {
    throw never(text, "file:// is followed by an absolute path, or a *");
  }
  if (/\/\/|\/\.{1,2}(?:\/|$)|.\/$/.test(rest)) {
    throw never(text, "paths are matched without //, /./, /../ and a slash at the end");
  }
  return text;
}

function repositoryPattern(text: string, whole: string): string {
  if (text.startsWith("**")) { // the pattern covers the host too
    checkPath(text.replace(/:(?:\d+|\*+)(?=\/)/g, "").replace(/[\[\]]/g, ""), whole);
    return text;
  }
  const slash = text.indexOf("/");
  if (slash < 0) {
    throw never(whole, `it names no repository; all of a registry is ${printable(text, 100)}/**`);
  }
  const [host, path] = [text.slice(0, slash), text.slice(slash + 1)];
  checkPath(path, whole);
  const registry = host.includes("*") ? hostPattern(host, whole) : literalHost(host, path, whole);
  const parts = path.split("/");
  const short = registry === "docker.io" && parts.length === 1 && !path.includes("**");
  return `${registry}/${short ? `library/${path}` : path}`;
}

function literalHost(text: string, path: string, whole: string): string {
  const host = asciiHost(text);
  if (host !== "" && !isHost(host)) {
    const hint = printable(`docker.io/${text}/${path}`, 150);
    throw never(whole, `it names no registry; a repository of Docker Hub is ${hint}`);
  }
  const canonical = canonicalHost(host);
  if (canonical === undefined) throw never(whole, `"${printable(text, 100)}" is not a registry's host`);
  return hostInRules(canonical);
}

/** A host with a `*` in it, as canonical as possible. */
function hostPattern(text: string, whole: string): string {
  const host = text.toLowerCase().replace(/\.(?=:|$)/, "").replace(/:0+(?=\d)/, ":");
  if (!/^[a-z0-9.*-]+(?::[0-9*]+)?$|^\[[0-9a-f:.*]+\](?::[0-9*]+)?$/.test(host)) {
    throw never(whole, `"${printable(text, 100)}" is not a registry's host, nor a pattern of one`);
  }
  return host;
}

/** Allows only the characters of a repository's name, and `*`. */
function checkPath(path: string, whole: string): void {
  if (/[:@]/.test(path)) throw never(whole, "tag and digest don't count: leave them out");
  if (/[A-Z]/.test(path)) throw never(whole, "repositories are lower-case");
  for (const part of path.split("/")) {
    if (part === "") throw never(whole, "it has a slash too many");
    if (part.includes("*") ? /^[a-z0-9._*-]+$/.test(part) : REPOSITORY_PART.test(part)) continue;
    throw never(whole, `"${printable(part, 100)}" is not a part of a repository's name`);
  }
}

/** Encodes an internationalized name for the network. ASCII, and text that is not a name, stays unchanged. */
function asciiHost(text: string): string {
  if (/^[\x00-\x7f]*$/.test(text) || !/^[\p{L}\p{M}\p{N}.-]+(?::\d+)?$/u.test(text)) return text;
  return URL.parse(`https://${text}/`)?.host ?? text;
}

function never(pattern: string, why: string): Error {
  return new Error(`"${printable(pattern, 200)}" can never match: ${why}`);
}
