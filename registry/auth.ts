/** What a registry asks for with a 401: the `WWW-Authenticate` header (RFC 9110 11.6.1; distribution's token spec). Pure. */

import { AppError } from "../runtime/errors.ts";
import { printable } from "../runtime/text.ts";
import { isLocalAddress, isLoopback } from "./reference.ts";

/** One challenge: scheme in lower case, parameters by lower-case name. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The challenges of a header, which may hold several. What can't be read is passed over. */
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
 * @param registry host and port of who asked: only a registry on this machine may name a realm on plain HTTP
 * @param scopes what is needed, which is what is asked for, whatever the registry suggests
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
  const secure = url.protocol === "https:" ||
    (url.protocol === "http:" && (local ? isLoopback(url.host) : plainHttp && url.host === registry));
  if (!secure) {
    throw new AppError(
      "REGISTRY_PROTOCOL",
      `The registry ${registry} asks for a token from ${
        printable(url.origin, 200)
      }, where credentials would not be safe`,
    );
  }
  if (!local && url.host !== registry && isLocalAddress(url.host)) {
    throw new AppError(
      "REGISTRY_PROTOCOL",
      `The registry ${registry} asks for a token from ${
        printable(url.origin, 200)
      }, an address of this machine`,
    );
  }
  if (service !== undefined) url.searchParams.set("service", service);
  url.searchParams.delete("scope");
  for (const scope of scopes) url.searchParams.append("scope", scope);
  return url;
}
