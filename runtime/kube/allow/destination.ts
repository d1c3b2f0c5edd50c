/**
 * Where a plugin's request may go, by every interface: only to its cluster's server, at or below the server's own
 * path. Pure.
 */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { shownUrl } from "../config/shown_url.ts";

/**
 * Resolves the URL that a plugin asked for: an absolute URL, or a path with an optional query below the server's
 * path. The result is the spelling that was checked here; the plugin's spelling never leaves.
 *
 * @param server the cluster's URL, http or https, without a trailing slash
 * @throws AppError DESTINATION_REFUSED with the URL that was asked for
 */
export function destinationOf(server: string, asked: string): URL {
  const refuse = (why: string): never => {
    throw new AppError(
      "DESTINATION_REFUSED",
      `A plugin may reach the cluster's API server only, not "${shownUrl(asked)}": ${why}`,
    );
  };
  // URL parsers disagree on these characters: WHATWG takes a backslash for a slash and drops tabs and newlines. No
  // honest client sends them.
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
    // Refuse other spellings of the same host, such as a trailing dot or an odd IPv4 notation.
    if (url.host !== base.host || !spelledAs(authority, url)) refuse(`the server is ${base.host}`);
    if (!sameSpelling(url, rest)) refuse("its path leaves where it seems to lead");
  }
  if (url.pathname !== prefix && !url.pathname.startsWith(`${prefix}/`)) {
    refuse(`the server's path is ${prefix}`);
  }
  const below = url.pathname.slice(prefix.length);
  // The server, or a proxy before it, may decode these and see a path other than the one that was checked.
  if (/%(2e|2f|5c|00)/i.test(below) && hidesPath(below)) refuse("its path hides a slash or dots");
  if (/\/\//.test(below)) refuse("its path has two slashes in a row");
  // RFC 6750 2.3: like an Authorization header, it authenticates the request to a proxy or to an authenticator before
  // the API server.
  if (/[?&;]access_token(?:[=&;]|$)/i.test(decoded(url.search))) refuse("its query carries credentials");
  url.hash = "";
  return url;
}

/** Where a raw socket may go: the server's host and port, and the addresses its name resolved to. */
export interface Endpoint {
  /** As in the server's URL: a lower-case name, or an address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** IP addresses in the form that a URL gives them. */
  readonly addresses: readonly string[];
}

/** Host and port of a server, without its addresses. */
export function endpointOf(server: string): Omit<Endpoint, "addresses"> {
  const { hostname, port, protocol } = new URL(server);
  return {
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port),
  };
}

/** An IP address in the form that a URL gives it; undefined for anything else, odd notations included. */
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
 * The same rule for a raw socket: only to the server's port at one of the server's addresses.
 *
 * @throws AppError DESTINATION_REFUSED with the address that was asked for
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
 * The same rule for a name to resolve: only the server's name, in any case, and its addresses.
 *
 * @throws AppError DESTINATION_REFUSED with the name that was asked for
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

/** Whether the path has encoded slashes, backslashes, NULs or dot segments. An encoded dot inside a name is harmless. */
function hidesPath(path: string): boolean {
  return path.split("/").some((segment) => {
    if (/%(2f|5c|00)/i.test(segment)) return true;
    const decoded = segment.replace(/%2e/gi, ".");
    return decoded === "." || decoded === "..";
  });
}

/** Whether the parser left the path as written. It resolves dot segments, encoded ones too. */
function sameSpelling(url: URL, written: string): boolean {
  const path = written.replace(/[?#].*$/s, "") || "/";
  return !path.split("/").some((segment) => /^(\.|%2e){1,2}$/i.test(segment)) &&
    url.pathname.split("/").length === path.split("/").length;
}

/** Percent-decoded text; the text itself if an escape is broken. */
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
