/** The arguments that a plugin is given: without the secrets that a user writes there for kubectl's connection flags. Pure. */

import { findFlags } from "./flags.ts";
import { serverOf } from "./server_url.ts";

/** kubectl's flags whose value is a secret. */
const SECRET = new Set(["token", "password"]);

/**
 * The arguments with a stand-in for each secret, up to `--`: the values of `--token` and `--password`, and what of `--server` is
 * not where the server is.
 *
 * @param standIn a value that opens nothing, asked for where one is needed
 */
export function withoutSecrets(args: readonly string[], standIn: () => string): readonly string[] {
  const shown = [...args];
  for (const { name, value, index, prefix } of findFlags(args)) {
    if (!value) continue;
    if (SECRET.has(name)) shown[index] = prefix + standIn();
    else if (name === "server") shown[index] = prefix + shownServer(value);
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

/** A random word that opens nothing, in the place of a token or a password. */
export function makeStandInToken(): string {
  const random = crypto.getRandomValues(new Uint8Array(24));
  return `krew-wasm-stand-in-${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
