/** Removes from a plugin's arguments the secrets in kubectl's connection flags. Pure. */

import { findFlags } from "./kubectl_flags.ts";
import { serverOf } from "./server_url.ts";

/** kubectl's flags whose value is a secret. */
const SECRET = new Set(["token", "password"]);

/**
 * The arguments, up to `--`, with a placeholder for the values of `--token` and `--password`, and with only the
 * location of `--server` and `--proxy-url`.
 *
 * @param redacted returns a worthless value; called only if one is needed
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

/** Replaces the value of kubectl's `--kubeconfig`, up to `--`. */
export function withKubeconfig(args: readonly string[], path: string): readonly string[] {
  const shown = [...args];
  for (const { name, value, index, prefix } of findFlags(args)) {
    if (name === "kubeconfig" && value) shown[index] = prefix + path;
  }
  return shown;
}

/** A server as written, if it contains nothing but its location. */
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

/** A URL, or a malformed one, without user name, password, query and fragment. */
function withoutUserinfo(text: string): string {
  return text.replace(/[?#].*$/s, "").replace(/^((?:[a-z][a-z0-9+.-]*:)?\/*)[^/]*@/i, "$1");
}

/** A random worthless word that takes the place of a token or a password. */
export function makePlaceholderToken(): string {
  const random = crypto.getRandomValues(new Uint8Array(24));
  return `krew-wasm-placeholder-${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
