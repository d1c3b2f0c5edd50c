/** Cleans up when a person or the system ends the process in the middle of a build. */

const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Does the work and cleans up. A signal that would end the process aborts the work instead. After the cleanup the
 * process ends by this signal, as its caller expects.
 *
 * @param abort its signal ends the work soon
 */
export async function cleaningUp<T>(
  work: () => Promise<T>,
  abort: AbortController,
  cleanUp: () => Promise<void>,
): Promise<T> {
  let ended: Deno.Signal | undefined;
  const handlers = SIGNALS.map((signal) => {
    const handler = () => {
      ended ??= signal;
      abort.abort();
    };
    Deno.addSignalListener(signal, handler);
    return [signal, handler] as const;
  });
  try {
    return await work();
  } finally {
    await cleanUp();
    for (const [signal, handler] of handlers) Deno.removeSignalListener(signal, handler);
    if (ended !== undefined) {
      Deno.kill(Deno.pid, ended);
      await new Promise<never>(() => {}); // until it arrives
    }
  }
}
