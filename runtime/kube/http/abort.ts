/** Time limits and abort signals. Pure. */

/** Waits for a promise until the signal aborts. @throws the signal's reason */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  promise.catch(() => {}); // avoids an unhandled rejection after the signal
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", abort));
}

/** Whether an error is a timeout. */
export function isTimeout(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 6; cause = cause.cause, depth++) {
    if (cause instanceof DOMException && cause.name === "TimeoutError") return true;
  }
  return false;
}
