/**
 * The kubeconfig that a plugin reads: the user's own clusters, contexts and namespaces, and users with worthless
 * credentials. It is built field by field from harmless values, so it cannot contain a secret.
 */

import { encodeBase64 } from "../../base/bytes.ts";
import { CONTEXT_0, der, ECDSA_SHA256, INTEGER, nameOf, pem, SEQUENCE, signDer, UTC_TIME } from "./der.ts";
import type { Kubeconfig } from "./kubeconfig.ts";
import { serverOf } from "./server_url.ts";

/** The credentials of every user in the redacted kubeconfig. */
export interface PlaceholderCredentials {
  readonly token: string;
  /** PEM. */
  readonly cert: string;
  /** PEM, PKCS#8. */
  readonly key: string;
}

/**
 * The redacted kubeconfig as JSON, which is also YAML. Every user has a certificate, a key and a token, because
 * plugins of 2022 refuse a user without a key.
 *
 * @param currentContext the host's choice, so that flags and file agree
 * @param caOf PEM of a cluster's CA, so that the file refers to no other
 */
export function formatRedactedKubeconfig(
  config: Kubeconfig,
  currentContext: string | undefined,
  caOf: (cluster: string) => string | undefined,
  { token, cert, key }: PlaceholderCredentials,
): string {
  const user = { "client-certificate-data": encodeBase64(cert), "client-key-data": encodeBase64(key), token };
  const defined = (fields: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== false));
  const redacted = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": currentContext ?? config.currentContext ?? "",
    preferences: {},
    clusters: [...config.clusters].map(([name, { entry }]) => {
      const ca = caOf(name);
      return {
        name,
        cluster: defined({
          server: entry.server === undefined ? undefined : shownServer(entry.server),
          "certificate-authority-data": ca === undefined ? undefined : certificatesOf(ca),
          "insecure-skip-tls-verify": entry.insecureSkipTlsVerify,
          "tls-server-name": entry.tlsServerName,
        }),
      };
    }),
    contexts: [...config.contexts].map(([name, { entry }]) => ({
      name,
      context: {
        cluster: entry.cluster ?? "",
        user: entry.user ?? "",
        ...defined({ namespace: entry.namespace }),
      },
    })),
    users: [...config.users.keys()].map((name) => ({ name, user })),
  };
  return `${JSON.stringify(redacted, null, 2)}\n`;
}

/** The server without user name, password, query and fragment; undefined if the text is not a URL. */
function shownServer(text: string): string | undefined {
  try {
    return serverOf(text, (what) => {
      throw new Error(what);
    }).server;
  } catch {
    return undefined;
  }
}

/** The certificates of a PEM text in base64, because a file may also contain a key; undefined if there are none. */
function certificatesOf(pem: string): string | undefined {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----/g);
  return certificates ? encodeBase64(`${certificates.join("\n")}\n`) : undefined;
}

/** New worthless credentials: the given token, a self-signed certificate and its key. */
export async function makePlaceholderCredentials(token: string): Promise<PlaceholderCredentials> {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(
    { name: "ECDSA", namedCurve: "P-256" },
    true,
    ["sign"],
  );
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  return {
    token,
    cert: pem("CERTIFICATE", await selfSigned(privateKey, spki)),
    key: pem("PRIVATE KEY", pkcs8),
  };
}

async function selfSigned(key: CryptoKey, spki: Uint8Array): Promise<Uint8Array> {
  const text = (value: string) => new TextEncoder().encode(value);
  const name = nameOf("krew-wasm placeholder");
  const serial = crypto.getRandomValues(new Uint8Array(8));
  serial[0] = (serial[0]! & 0x7f) | 0x40; // positive, and without leading zeros
  const validity = der(SEQUENCE, der(UTC_TIME, text("220101000000Z")), der(UTC_TIME, text("491231235959Z")));
  const version = der(CONTEXT_0, der(INTEGER, [2]));
  return await signDer(
    key,
    der(SEQUENCE, version, der(INTEGER, serial), ECDSA_SHA256, name, validity, name, spki),
  );
}
