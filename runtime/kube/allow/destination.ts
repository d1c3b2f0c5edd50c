/**
 * The one rule for all doors: where a plugin's request may go. To the server of its cluster, at or below the server's
 * own path, and nowhere else. Pure.
 */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { shownUrl } from "../config/shown_url.ts";

/**
 * The URL to fetch for what a plugin asked: an absolute URL, or a path with optional query, which is taken below the
 * server's path. What reaches the server is the spelling that was checked here, not the plugin's.
 *
 * @param server the cluster's URL, http or https, without a trailing slash
 * @throws AppError DESTINATION_REFUSED naming what was asked
 */
export function destinationOf(server: string, asked: string): URL {
  const refuse = (why: string): never => {
    throw new AppError(
      "DESTINATION_REFUSED",
      `A plugin may reach the cluster's API server only, not "${shownUrl(asked)}": ${why}`,
    );
  };
  // URL parsers differ on these (WHATWG takes a backslash for a slash, drops tabs and newlines): nothing honest has them.
  if (/[\\\u0000-\u0020\u007f]/.test(asked)) refuse("it holds a character that no URL has");
  const base = new URL(server);
  const prefix = base.pathname.replace(/\/+$/, "");
  let url: URL;
  if (asked.startsWith("/")) {
    if (asked.startsWith("//")) refuse("its path begins with two slashes");
    url = parse(`${base.origin}${prefix}${asked}`) ?? refuse("it is not a URL");
    if (!sameSpelling(url, `${prefix}${asked}`)) refuse("its path leaves where it seems to lead");
  } else {
    const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^#]*)/i.exec(asked) ??
      refuse("it is neither a URL nor a path");
    const [, , authority = "", rest = ""] = match;
    if (authority.includes("@")) refuse("it carries credentials");
    url = parse(asked) ?? refuse("it is not a URL");
    if (url.protocol !== base.protocol) refuse(`the server speaks ${base.protocol.slice(0, -1)}`);
    // Another spelling of the same host (a trailing dot, an odd IPv4 notation) is refused, not guessed at.
    if (url.host !== base.host || !spelledAs(authority, url)) refuse(`the server is ${base.host}`);
    if (!sameSpelling(url, rest)) refuse("its path leaves where it seems to lead");
  }
  if (url.pathname !== prefix && !url.pathname.startsWith(`${prefix}/`)) {
    refuse(`the server's path is ${prefix}`);
  }
  const below = url.pathname.slice(prefix.length);
  // The server, or a proxy before it, may decode these and so see another path than the one that was allowed.
  if (/%(2e|2f|5c|00)/i.test(below) && hidesPath(below)) refuse("its path hides a slash or dots");
  if (/\/\//.test(below)) refuse("its path has two slashes in a row");
  // RFC 6750 2.3: as an Authorization header, it would say who asks, to a proxy or an authentication before the API server.
  if (/[?&;]access_token(?:[=&;]|$)/i.test(decoded(url.search))) refuse("its query carries credentials");
  url.hash = "";
  return url;
}

/** Where a raw socket may go: the host and port of the server, and the addresses its name was resolved to, once. */
export interface Endpoint {
  /** As in the server's URL: a name in lower case or an address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** Literal addresses, in the form that a URL gives them. */
  readonly addresses: readonly string[];
}

/** Host and port of a server. Its addresses are the resolver's to tell. */
export function endpointOf(server: string): Omit<Endpoint, "addresses"> {
  const { hostname, port, protocol } = new URL(server);
  return {
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port),
  };
}

/** A literal address in the form that a URL gives it; undefined for what is none. An odd notation is none. */
export function canonicalAddress(text: string): string | undefined {
  if (text.includes(":")) {
    if (!/^[0-9a-f:.]+$/i.test(text)) return undefined;
    return parse(`http://[${text}]/`)?.hostname.slice(1, -1);
  }
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && parse(`http://${text}/`)?.hostname === text
    ? text
    : undefined;
}

/**
 * The same rule for a raw socket: to the server's port at an address of the server's, nowhere else.
 *
 * @throws AppError DESTINATION_REFUSED naming what was asked
 */
export function checkSocket({ host, port, addresses }: Endpoint, address: string, asked: number): void {
  const canonical = canonicalAddress(address);
  if (canonical !== undefined && addresses.includes(canonical) && asked === port) return;
  const shownAddress = address.includes(":") ? `[${printable(address, 60)}]` : printable(address, 60);
  throw new AppError(
    "DESTINATION_REFUSED",
    `A plugin's socket may reach the cluster's API server only, not ${shownAddress}:${asked}: the server is ${
      host.includes(":") ? `[${host}]` : host
    }:${port}`,
  );
}

/**
 * The same rule for a name to resolve: the server's, in any case, and its addresses.
 *
 * @throws AppError DESTINATION_REFUSED naming what was asked
 */
export function checkName({ host, addresses }: Endpoint, name: string): readonly string[] {
  if (name.toLowerCase() === host) return addresses;
  const address = canonicalAddress(name);
  if (address !== undefined && addresses.includes(address)) return [address];
  throw new AppError(
    "DESTINATION_REFUSED",
    `A plugin may resolve the name of the cluster's API server only, not "${
      printable(name, 200)
    }": the server is ${host}`,
  );
}

/** Encoded slashes, backslashes, NULs and dot segments. An encoded dot inside a name is harmless. */
function hidesPath(path: string): boolean {
  return path.split("/").some((segment) => {
    if (/%(2f|5c|00)/i.test(segment)) return true;
    const decoded = segment.replace(/%2e/gi, ".");
    return decoded === "." || decoded === "..";
  });
}

/** Whether the parser left the path as it was written: it resolves dot segments, encoded ones too. */
function sameSpelling(url: URL, written: string): boolean {
  const path = written.replace(/[?#].*$/s, "") || "/";
  return !path.split("/").some((segment) => /^(\.|%2e){1,2}$/i.test(segment)) &&
    url.pathname.split("/").length === path.split("/").length;
}

/** With its escapes read; as it is where one of them is broken. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(/%([0-7][0-9a-f])/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  }
}

function spelledAs(authority: string, url: URL): boolean {
  const [, host = "", port = ""] = /^(.*?)(?::(\d*))?$/.exec(authority) ?? [];
  if (host.toLowerCase() !== url.hostname) return false;
  const standard = url.protocol === "https:" ? "443" : "80";
  return port === "" || port === standard ? url.port === "" : port === url.port;
}

function parse(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
