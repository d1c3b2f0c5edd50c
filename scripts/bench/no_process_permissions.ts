/** Replaces runtime/sandbox/process_permissions.ts in a build for measurements. Gives nothing up and prepares nothing. */

import type { Uses } from "../../runtime/sandbox/process_permissions.ts";

const NOTHING: Uses = { files: false, network: false, symlinks: false, throughDeno: false };

/** Prepares nothing. */
export const usesOfModule = (): Uses => NOTHING;
/** Prepares nothing for a component. */
export const usesOfComponent = (): Uses => NOTHING;
/** Gives nothing up. */
export const giveUp = (): void => {};
/** Gives nothing up, either. */
export const giveUpRunning = (): void => {};
