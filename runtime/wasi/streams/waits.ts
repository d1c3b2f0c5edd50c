/** Waiting for one of several. */

import type { Readiness } from "./streams.ts";

/** Who waits for what, as long as its wait is under way. */
const watchers = new WeakMap<Readiness, Set<() => void>>();

/**
 * Resolves when one of the list may be ready. One wait of each serves all who wait for it: a watch that is polled with a
 * timer for days leaves nothing behind at the stream that stays silent.
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
