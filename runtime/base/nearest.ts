/** Finds the words closest to a misspelt one. Pure. */

/** Maximum number of edits between a misspelt word and a suggestion. */
const MAX_EDITS = 3;

/** The words closest to `word`, if they are close enough for its length. */
export function nearest(word: string, words: readonly string[]): string[] {
  const near = words.map((each) => ({ each, distance: edits(word, each) }))
    .filter(({ each, distance }) =>
      distance <= MAX_EDITS && distance < 0.6 * Math.max(word.length, each.length)
    );
  const best = Math.min(...near.map(({ distance }) => distance));
  return near.filter(({ distance }) => distance === best).map(({ each }) => each);
}

/** The edit distance with swaps of neighbours (optimal string alignment). */
function edits(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > MAX_EDITS) return Infinity;
  let before: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1];
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        row[j] = Math.min(row[j]!, before[j - 2]! + 1);
      }
    }
    [before, last] = [last, row];
  }
  return last[to.length]!;
}
