/** Draws a run's memory and lag. Pure. */

/** One timed event. */
export interface Sample {
  /** Its number. */
  readonly events: number;
  /** Time since the start. */
  readonly seconds: number;
  /** Time from sending to printing, in milliseconds. */
  readonly lag: number;
  /** Memory of the plugin's process, in MiB. */
  readonly memory: number;
}

const [WIDTH, HEIGHT, LEFT, GAP] = [800, 200, 60, 40];

/** An SVG of both over the number of events. */
export function drawing(title: string, samples: readonly Sample[]): string {
  // Draw the largest point of each group, so that no peak is lost.
  const size = Math.max(1, Math.ceil(samples.length / WIDTH));
  const groups = Array.from(
    { length: Math.ceil(samples.length / size) },
    (_, index) => samples.slice(index * size, (index + 1) * size),
  );
  const plot = (name: string, unit: string, top: number, value: (sample: Sample) => number) => {
    const highest = samples.reduce((most, sample) => Math.max(most, value(sample)), 0) || 1;
    const points = groups.map((group, index) => {
      const most = group.reduce((most, sample) => Math.max(most, value(sample)), 0);
      const x = LEFT + index / Math.max(1, groups.length - 1) * WIDTH;
      return `${x.toFixed(1)},${(top + HEIGHT - most / highest * HEIGHT).toFixed(1)}`;
    });
    return `<text x="${LEFT}" y="${top - 8}">${name}, at most ${highest.toFixed(1)} ${unit}</text>
<rect x="${LEFT}" y="${top}" width="${WIDTH}" height="${HEIGHT}" fill="none" stroke="#ccc"/>
<polyline points="${points.join(" ")}" fill="none" stroke="#36c"/>`;
  };
  const last = samples.at(-1);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDTH + GAP}" height="${
    2 * HEIGHT + 4 * GAP
  }" font-family="sans-serif" font-size="12">
<text x="${LEFT}" y="20" font-size="14">${title}: ${last?.events ?? 0} events in ${
    Math.round(last?.seconds ?? 0)
  } s</text>
${plot("memory", "MiB", GAP + 20, ({ memory }) => memory)}
${plot("lag", "ms", 2 * GAP + 20 + HEIGHT, ({ lag }) => lag)}
</svg>
`;
}
