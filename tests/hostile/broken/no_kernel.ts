/** In place of runtime/sandbox/kernel/restrict_run.ts in a build that is made for tests: a kernel that restricts nobody. */

/** There is none. */
export function kernelWall(): undefined {}

/** Restricts nothing. */
export function restrictRun(): void {}
