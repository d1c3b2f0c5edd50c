/** A cluster's `server`: where it is, apart from what may be secret in how it is written. Pure. */

import { shownUrl } from "./shown_url.ts";

/** Basic credentials that stand in a URL. */
export interface Userinfo {
  readonly username: string;
  readonly password: string;
}

/**
 * The server's URL by client-go's rules (rest.DefaultServerURL): what names no scheme is a host, spoken to in plain HTTP.
 * A user name and a password in it are Basic credentials, as in net/http.
 */
export function serverOf(
  text: string,
  invalid: (what: string) => never,
): { server: string; userinfo: Userinfo | undefined } {
  const whole = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]/i.test(text);
  const url = URL.parse(whole ? text : `http://${text}`);
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:")) {
    return invalid(`is not an http or https URL: "${shownUrl(text)}"`);
  }
  if (!whole && url.pathname !== "/") return invalid("has a path but no scheme, http:// or https://");
  const userinfo = userinfoOf(url);
  if (userinfo === "broken") return invalid("has a user name or a password with a broken escape");
  // URL takes 127.1 and 0x7f000001 for an address; Go, and so kubectl, for a name that nobody has.
  if (/^\d+(\.\d+){3}$/.test(url.hostname) && !text.includes(url.hostname)) {
    return invalid(`writes the address ${url.hostname} in another way`);
  }
  // As path.Join of Go: one slash for several.
  return { server: `${url.origin}${url.pathname.replace(/\/{2,}/g, "/").replace(/\/$/, "")}`, userinfo };
}

/** The user name and password of a URL, decoded; undefined for none. */
export function userinfoOf({ username, password }: URL): Userinfo | "broken" | undefined {
  if (username === "" && password === "") return undefined;
  try {
    return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    return "broken";
  }
}
