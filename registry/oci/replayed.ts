/** What is come by one after the other and may be asked for again. */

/**
 * Hands out the same sequence as often as it is asked for; each item is made once, when it is first wanted. After a failure
 * the next who asks begins at the front.
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
