/** Whether a client's certificate and a key belong together. */

import { messageOf } from "../errors.ts";
import { printable } from "../text.ts";
import type { ClientCertificate } from "./connection.ts";

/** What is wrong with a certificate and its key, in words without either; undefined for nothing that can be found here. */
export async function pairProblem({ cert, key }: ClientCertificate): Promise<string | undefined> {
  const { X509Certificate, createPrivateKey, createPublicKey } = await import("node:crypto");
  try {
    const spki = { type: "spki", format: "der" } as const;
    const ofCertificate = new X509Certificate(cert).publicKey.export(spki);
    // node:crypto of Deno 2.6 can't read what stands before the key.
    const bare = key.replace(/-----BEGIN EC PARAMETERS-----[\s\S]*?-----END EC PARAMETERS-----\s*/, "");
    const ofKey = createPublicKey(createPrivateKey(bare)).export(spki);
    const same = (ofCertificate as Uint8Array).toString() === (ofKey as Uint8Array).toString();
    return same ? undefined : "its client-key is another's";
  } catch (error) {
    // It can't read Ed25519 certificates at all, which TLS can.
    if (/ed25519|unsupported|not implemented/i.test(messageOf(error))) return undefined;
    return printable(messageOf(error), 200);
  }
}
