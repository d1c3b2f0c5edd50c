/** Cleans up when a person or the system ends the process in the middle of a build. */

const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Does the work. A signal that would end the process first ends the children and cleans up; then the process ends by
 * the same signal, as its caller expects.
 *
 * @param children running programs; a terminal's Ctrl-C reaches them without this
 * @param cleanUp may be called while a child is ending; it does not throw
 */
export async function cleaningUp<T>(
  work: () => Promise<T>,
  children: ReadonlySet<Deno.ChildProcess>,
  cleanUp: () => Promise<void>,
): Promise<T> {
  let interrupted = false;
  const handlers = SIGNALS.map((signal) => {
    const handler = async () => {
      if (interrupted) return;
      interrupted = true;
      const ended = [...children].map((child) => {
        tryTo(() => child.kill("SIGTERM"));
        return child.status;
      });
      await Promise.all(ended);
      await cleanUp();
      stop();
      Deno.kill(Deno.pid, signal);
    };
    Deno.addSignalListener(signal, handler);
    return [signal, handler] as const;
  });
  const stop = () => {
    for (const [signal, handler] of handlers) Deno.removeSignalListener(signal, handler);
  };
  try {
    return await work();
  } catch (error) {
    // The failure comes from the signal. The handler ends this process.
    if (interrupted) await new Promise<never>(() => {});
    throw error;
  } finally {
    if (!interrupted) {
      stop();
      await cleanUp();
    }
  }
}

function tryTo(run: () => void): void {
  try {
    run();
  } catch { /* it has ended */ }
}
