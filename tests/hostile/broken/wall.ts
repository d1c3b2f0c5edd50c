/** In place of runtime/wall.ts in a build that is made for tests: Deno's permissions are not given up. */

export { usesOfComponent, usesOfModule } from "../../../runtime/wall.ts?as-it-is";

/** Gives up nothing. */
export function giveUp(): void {}

/** Gives up nothing. */
export function giveUpRunning(): void {}
