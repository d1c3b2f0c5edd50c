/** Splits a cluster's `server` into its location and its secrets. Pure. */

import { fromLatin1 } from "../../base/bytes.ts";
import { toBytes } from "../http/header_text.ts";
import { shownUrl } from "./shown_url.ts";

/** Basic credentials in a URL. */
export interface Userinfo {
  readonly username: string;
  readonly password: string;
}

/**
 * The server's URL by client-go's rules (rest.DefaultServerURL): a text without a scheme is a host that speaks plain
 * HTTP. A user name and a password in it are Basic credentials, as in net/http.
 */
export function serverOf(
  text: string,
  invalid: (what: string) => never,
): { server: string; userinfo: Userinfo | undefined } {
  const whole = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]/i.test(text);
  if (hasZone(text)) return invalid("has an IPv6 zone, which krew-wasm can't connect to: name the host");
  const url = URL.parse(whole ? text : `http://${text}`);
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:")) {
    return invalid(`is not an http or https URL: "${shownUrl(text)}"`);
  }
  if (!whole && url.pathname !== "/") return invalid("has a path but no scheme, http:// or https://");
  const userinfo = userinfoOf(url);
  if (userinfo === "broken") return invalid("has a user name or a password with a broken escape");
  // URL parses 127.1 and 0x7f000001 as an address; Go, and so kubectl, takes them for a host name.
  if (/^\d+(\.\d+){3}$/.test(url.hostname) && !text.includes(url.hostname)) {
    return invalid(`writes the address ${url.hostname} in another way`);
  }
  const path = joinedPath(text) ?? invalid("has a path with a broken escape");
  return { server: `${url.origin}${path}`, userinfo };
}

/** Whether the host of a URL is an IPv6 address with a zone (RFC 6874). */
export function hasZone(text: string): boolean {
  return /^(?:[a-z][a-z0-9+.-]*:\/\/)?(?:[^/?#]*@)?\[[^\]/?#]*%/i.test(text);
}

/**
 * A URL's path as client-go sends it: decoded, joined by Go's path.Join, and encoded again by net/url. Empty for the
 * root; undefined for a broken escape.
 */
function joinedPath(text: string): string | undefined {
  const [, path = ""] = /^(?:[a-z][a-z0-9+.-]*:\/\/)?[^/?#]*([^?#]*)/is.exec(text) ?? [];
  if (/%(?![0-9a-f]{2})/i.test(path)) return undefined;
  const bytes = fromLatin1(
    toBytes(path).replace(/%(..)/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))),
  );
  const encoded = Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte);
    return /[\w.~$&+,/:;=@-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
  const names: string[] = [];
  for (const name of encoded.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(`/${name}`);
  }
  return names.join("");
}

/** The decoded user name and password of a URL; undefined if it has neither. */
export function userinfoOf({ username, password }: URL): Userinfo | "broken" | undefined {
  if (username === "" && password === "") return undefined;
  try {
    return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    return "broken";
  }
}
