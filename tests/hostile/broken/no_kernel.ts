/** Replaces runtime/sandbox/kernel/restrict_run.ts in a test build: the kernel restricts nothing. */

/** The kernel can restrict nothing. */
export function kernelCalls(): undefined {}

/** Restricts nothing. */
export function restrictRun(): void {}
