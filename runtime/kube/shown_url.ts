/** URLs of a kubeconfig or the environment in messages. Pure. */

import { printable } from "../text.ts";

/**
 * A URL, or what was meant for one, without what may be a secret in it: user name and password, with a scheme before them or
 * without, query and fragment.
 */
export function shownUrl(text: string): string {
  const shown = text.replace(/[?#].*$/s, "").replace(/^((?:[a-z][a-z0-9+.-]*:)?\/*)[^/]*@/i, "$1…@");
  return printable(shown, 200);
}
