/** Waits for one of several streams. */

import type { Readiness } from "./streams.ts";

/** The callbacks of each pending wait. */
const watchers = new WeakMap<Readiness, Set<() => void>>();

/**
 * Resolves when one of the list may be ready. All callers share one wait of each stream, so a watch that is polled
 * with a timer for days leaves nothing behind at a silent stream.
 */
export function whenAny(list: readonly Readiness[]): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      for (const each of list) watchers.get(each)?.delete(wake);
      resolve();
    };
    for (const each of list) watch(each, wake);
  });
}

function watch(readiness: Readiness, wake: () => void): void {
  const known = watchers.get(readiness);
  if (known) {
    known.add(wake);
    return;
  }
  const waiting = new Set([wake]);
  watchers.set(readiness, waiting);
  readiness.wait().then(() => {
    watchers.delete(readiness);
    for (const wake of [...waiting]) wake();
  });
}
