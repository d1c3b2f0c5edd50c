/** krew-wasm's version, in `krew-wasm version` and in every User-Agent. */
export const VERSION = "0.1.0";

/** The User-Agent for registries and API servers. */
export const USER_AGENT = `krew-wasm/${VERSION}`;
