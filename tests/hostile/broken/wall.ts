/** Replaces runtime/sandbox/process_permissions.ts in a test build: the process keeps Deno's permissions. */

export {
  isOfSockets,
  usesOfComponent,
  usesOfModule,
} from "../../../runtime/sandbox/process_permissions.ts?as-it-is";

/** Gives up nothing. */
export function giveUp(): void {}

/** Gives up nothing. */
export function giveUpRunning(): void {}
