/** Replaces runtime/sandbox/kernel/restrict_run.ts in a test build: the kernel restricts nothing. */

/** There is no wall. */
export function kernelWall(): undefined {}

/** Restricts nothing. */
export function restrictRun(): void {}
