/** The User-Agent of a plugin's requests, by which audit logs tell plugins apart. Pure. */

import { USER_AGENT } from "../../base/version.ts";

/**
 * `kubectl-NAME/VERSION krew-wasm/VERSION`, in the form of RFC 9110, section 10.1.5.
 *
 * @param version the plugin's, from its artifact. Characters that no product's version has are left out
 */
export function pluginAgent(name: string, version: string | undefined): string {
  const [product, number] = [`kubectl-${name}`, version ?? ""].map((text) =>
    text.replaceAll(/[^\w.+-]/g, "")
  );
  return `${product}${number === "" ? "" : `/${number!.slice(0, 64)}`} ${USER_AGENT}`;
}
