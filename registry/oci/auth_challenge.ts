/**
 * Parses what a registry asks for with a 401: the `WWW-Authenticate` header (RFC 9110 11.6.1; distribution's token
 * spec). Pure.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { shownOrigin } from "./redirect.ts";
import { isLocalAddress, isLoopback } from "./mirrored_reference.ts";

/** One challenge: scheme in lower case, parameters by lower-case name. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The challenges of a header. Malformed ones are skipped. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  const pattern = /([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))|(?=[\s,]|$))/g;
  for (const [, word = "", quoted, bare] of header.slice(0, 8192).matchAll(pattern)) {
    const value = quoted?.replace(/\\(.)/g, "$1") ?? bare;
    if (value === undefined) challenges.push({ scheme: word.toLowerCase(), parameters: {} });
    else if (challenges.length > 0) challenges.at(-1)!.parameters[word.toLowerCase()] = value;
  }
  return challenges;
}

/**
 * The URL of the token endpoint for a Bearer challenge.
 *
 * @param registry the registry's host and port: only a registry on this machine may name a realm with plain HTTP
 * @param scopes the scopes to ask for, whatever the registry suggests
 * @throws AppError REGISTRY_PROTOCOL
 */
export function tokenUrl(
  challenge: Challenge,
  registry: string,
  scopes: readonly string[],
  plainHttp: boolean,
): URL {
  const { realm, service } = challenge.parameters;
  const url = realm === undefined ? null : URL.parse(realm);
  if (!url || url.username !== "" || url.password !== "") {
    throw new AppError(
      "REGISTRY_PROTOCOL",
      `The registry ${registry} asks for a token from "${printable(realm ?? "", 200)}", which is not a URL`,
    );
  }
  const local = isLoopback(registry);
  // A registry behind a gateway may not know that its clients use HTTPS.
  if (
    url.protocol === "http:" && !local && !plainHttp &&
    url.hostname === new URL(`https://${registry}`).hostname
  ) {
    url.protocol = "https:";
    url.port = new URL(`https://${registry}`).port;
  }
  const secure = url.protocol === "https:" ||
    (url.protocol === "http:" && (local ? isLoopback(url.host) : plainHttp && url.host === registry));
  if (!secure) {
    throw new AppError(
      "REGISTRY_PROTOCOL",
      `The registry ${registry} asks for a token from ${
        printable(shownOrigin(url), 200)
      }, where credentials would not be safe`,
    );
  }
  if (!local && url.host !== registry && isLocalAddress(url.host)) {
    throw new AppError(
      "REGISTRY_PROTOCOL",
      `The registry ${registry} asks for a token from ${
        printable(shownOrigin(url), 200)
      }, an address of this machine`,
    );
  }
  if (service !== undefined) url.searchParams.set("service", service);
  url.searchParams.delete("scope");
  for (const scope of scopes) url.searchParams.append("scope", scope);
  return url;
}

/** Actions that a read-only token must not have. */
const CHANGES = ["push", "delete", "*"];

/**
 * The scopes that a challenge names; undefined if they equal `scopes`. For reading, other actions are left out: a token
 * must not allow more than its use needs.
 */
export function namedScopes({ parameters }: Challenge, scopes: readonly string[]): string[] | undefined {
  const changes = scopes.some((scope) => actionsOf(scope).some((action) => CHANGES.includes(action)));
  const named = (parameters.scope ?? "").split(/\s+/).filter((scope) => scope !== "").flatMap((scope) => {
    if (changes) return [scope];
    const actions = actionsOf(scope);
    const left = actions.filter((action) => !CHANGES.includes(action));
    if (left.length === actions.length) return [scope];
    return left.length === 0 ? [] : [`${scope.slice(0, scope.lastIndexOf(":"))}:${left.join(",")}`];
  }).slice(0, MAX_SCOPES);
  const set = (scopes: readonly string[]) => [...scopes].sort().join(" ");
  return named.length === 0 || set(named) === set(scopes) ? undefined : named;
}

/** The most scopes of a challenge. */
const MAX_SCOPES = 10;

/** The actions of a scope: `pull` and `push` for `repository:acme/foo:pull,push`. */
function actionsOf(scope: string): string[] {
  return scope.slice(scope.lastIndexOf(":") + 1).split(",");
}
