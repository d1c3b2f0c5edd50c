/** The commit that a binary was built from. The build replaces this file (scripts/compile.ts). */

/** The commit's hash, with `-dirty` behind if the sources had changes; undefined when krew-wasm runs from its sources. */
export const COMMIT: string | undefined = undefined;
