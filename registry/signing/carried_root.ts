/** The trusted root of the public sigstore instance that krew-wasm carries, from sigstore's TUF package. */

/** See the file's comment. */
export interface CarriedRoot {
  /** trusted_root.json */
  readonly text: string;
  /** Version of the TUF root that signed it. */
  readonly version: number;
  /** Its expiry date. */
  readonly expires: string;
}

/** Reads it. Loads the package for that. */
export async function readCarriedRoot(): Promise<CarriedRoot> {
  const seeds = (await import("@sigstore/tuf/seeds.json", { with: { type: "json" } })).default as Record<
    string,
    { "root.json": string; targets: Record<string, string> }
  >;
  const seed = seeds["https://tuf-repo-cdn.sigstore.dev"];
  const decode = (encoded = "") => new TextDecoder().decode(Uint8Array.fromBase64(encoded));
  const { signed } = JSON.parse(decode(seed?.["root.json"])) as {
    signed: { version: number; expires: string };
  };
  return {
    text: decode(seed?.targets["trusted_root.json"]),
    version: signed.version,
    expires: signed.expires,
  };
}

/** A sentence with its age and with the way to a newer one, for a signer that it does not know. Pure. */
export function describeCarried({ version, expires }: Omit<CarriedRoot, "text">, now: Date): string {
  const until = new Date(expires);
  const day = until.toISOString().slice(0, "2026-01-02".length);
  return `the trust root is the public sigstore's that krew-wasm carries (version ${version}, ${
    until > now ? `good until ${day}` : `which expired on ${day}`
  }): a newer krew-wasm has a newer one, and \`cosign trusted-root create --with-default-services\` writes one ` +
    "for --trust-root";
}
