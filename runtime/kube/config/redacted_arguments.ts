/** The arguments that a plugin is given: without what a user writes there for kubectl's connection flags, and it may not have. Pure. */

import { findFlags } from "./kubectl_flags.ts";
import { serverOf } from "./server_url.ts";

/** kubectl's flags whose value is a secret. */
const SECRET = new Set(["token", "password"]);

/**
 * The arguments with a stand-in for each secret, up to `--`: the values of `--token` and `--password`, and what of `--server` and
 * `--proxy-url` is not where they are.
 *
 * @param redacted a value that opens nothing, asked for where one is needed
 */
export function withoutSecrets(args: readonly string[], redacted: () => string): readonly string[] {
  const shown = [...args];
  for (const { name, value, index, prefix } of findFlags(args)) {
    if (!value) continue;
    if (SECRET.has(name)) shown[index] = prefix + redacted();
    else if (name === "server") shown[index] = prefix + shownServer(value);
    else if (name === "proxy-url") shown[index] = prefix + withoutUserinfo(value);
  }
  return shown;
}

/** The arguments with another file for kubectl's `--kubeconfig`, up to `--`. */
export function withKubeconfig(args: readonly string[], path: string): readonly string[] {
  const shown = [...args];
  for (const { name, value, index, prefix } of findFlags(args)) {
    if (name === "kubeconfig" && value) shown[index] = prefix + path;
  }
  return shown;
}

/** A server as it is written, unless that holds more than where it is. */
function shownServer(text: string): string {
  if (!/[@?#]/.test(text)) return text;
  try {
    return serverOf(text, (what) => {
      throw new Error(what);
    }).server;
  } catch {
    return "";
  }
}

/** A URL, or what was meant for one, without user name, password, query and fragment. */
function withoutUserinfo(text: string): string {
  return text.replace(/[?#].*$/s, "").replace(/^((?:[a-z][a-z0-9+.-]*:)?\/*)[^/]*@/i, "$1");
}

/** A random word that opens nothing, in the place of a token or a password. */
export function makePlaceholderToken(): string {
  const random = crypto.getRandomValues(new Uint8Array(24));
  return `krew-wasm-stand-in-${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
