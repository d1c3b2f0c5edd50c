/** Where a binary comes from. The build replaces this file (scripts/compile.ts). */

/** The commit's hash, with `-dirty` behind if the sources had changes; undefined when krew-wasm runs from its sources. */
export const COMMIT: string | undefined = undefined;

/** The project on GitHub that released it, `OWNER/REPO`; undefined for a build of one's own. */
export const REPOSITORY: string | undefined = undefined;
