/** URLs of a kubeconfig or the environment in messages. Pure. */

import { printable } from "../../base/text.ts";

/**
 * A URL, or a malformed one, without its possible secrets: user name and password (with or without a scheme before
 * them), query and fragment. A password may contain characters that end it for a URL parser: `http://me:a#b@proxy`.
 */
export function shownUrl(text: string): string {
  const [, scheme = "", rest = ""] = /^((?:[a-z][a-z0-9+.-]*:)?\/+|)(.*)$/is.exec(text) ?? [];
  const end = rest.search(/[/?#]|$/);
  const authority = rest.slice(0, end);
  if (!rest.slice(end).includes("@")) {
    return printable(
      scheme + authority.replace(/^.*@/s, "…@") + rest.slice(end).replace(/[?#].*$/s, ""),
      200,
    );
  }
  const host = /^[a-z]/i.test(scheme) && !authority.includes("@") && URL.canParse(scheme + authority);
  return printable(host ? `${scheme}${authority}/…` : `${scheme}…`, 200);
}
