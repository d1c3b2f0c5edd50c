/** This program's version, as `krew-wasm version` and every User-Agent say it. */
export const VERSION = "0.1.0";

/** How krew-wasm names itself to registries and API servers. */
export const USER_AGENT = `krew-wasm/${VERSION}`;
