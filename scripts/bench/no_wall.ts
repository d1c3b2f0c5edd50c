/** In place of runtime/sandbox/process_permissions.ts in a build that is made to be measured: nothing is given up, and nothing read ahead for it. */

import type { Uses } from "../../runtime/sandbox/process_permissions.ts";

const NOTHING: Uses = { files: false, network: false, symlinks: false, throughDeno: false };

/** Nothing is used, so that nothing is made ready. */
export const usesOfModule = (): Uses => NOTHING;
/** The same of a component. */
export const usesOfComponent = (): Uses => NOTHING;
/** Nothing is given up. */
export const giveUp = (): void => {};
/** Nor is this. */
export const giveUpRunning = (): void => {};
