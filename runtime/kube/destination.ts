/**
 * The one rule for all doors: where a plugin's request may go. To the server of its cluster, at or below the server's
 * own path, and nowhere else. Pure.
 */

import { AppError } from "../errors.ts";
import { printable } from "../text.ts";

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
      `A plugin may reach the cluster's API server only, not "${shown(asked)}": ${why}`,
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
  // The server, or a proxy before it, may decode these and so see another path than the one that was allowed.
  if (/%(2e|2f|5c|00)/i.test(url.pathname) && hidesPath(url.pathname)) {
    refuse("its path hides a slash or dots");
  }
  if (/\/\//.test(url.pathname)) refuse("its path has two slashes in a row");
  url.hash = "";
  return url;
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

/** For an error: without a query, which may hold what is nobody's business, and without credentials. */
function shown(asked: string): string {
  return printable(asked.replace(/[?#].*$/s, "").replace(/\/\/[^/]*@/, "//…@"), 200);
}
