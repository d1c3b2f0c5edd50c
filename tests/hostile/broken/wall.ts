/** In place of runtime/sandbox/process_permissions.ts in a build that is made for tests: Deno's permissions are not given up. */

export { usesOfComponent, usesOfModule } from "../../../runtime/sandbox/process_permissions.ts?as-it-is";

/** Gives up nothing. */
export function giveUp(): void {}

/** Gives up nothing. */
export function giveUpRunning(): void {}
