/** A sequence that is produced once and can be read several times. */

/**
 * Returns a function that iterates over the same sequence each time. Each item is made once, when it is first needed.
 * After a failure the next reader starts again from the beginning.
 */
export function replayed<T>(make: () => AsyncIterable<T>): () => AsyncIterable<T> {
  let found: T[] = [];
  let source: AsyncIterator<T> | undefined;
  let ended = false;
  return async function* () {
    for (let at = 0;;) {
      if (at < found.length) {
        yield found[at++]!;
        continue;
      }
      if (ended) return;
      source ??= make()[Symbol.asyncIterator]();
      try {
        const next = await source.next();
        if (next.done) ended = true;
        else found.push(next.value);
      } catch (error) {
        [found, source] = [[], undefined];
        throw error;
      }
    }
  };
}
