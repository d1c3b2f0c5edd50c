/**
 * What a tag follows. Pure.
 *
 * - `v1`, `1.2`: a track: the newest version with that number, `v1.9.3` but not `v2.0.0`, and no pre-release.
 * - `v1.2.3`, `1.2.3-rc.1`: one version, which should never move.
 * - `latest`, `main`: a moving tag, which the publisher may move at any time.
 */

/** A tag that contains a version. */
interface Version {
  /** One to three numbers. */
  readonly numbers: readonly number[];
  readonly pre: string | undefined;
}

const VERSION = /^v?(\d{1,9})(?:\.(\d{1,9})(?:\.(\d{1,9})(?:-([0-9A-Za-z.-]+))?)?)?$/;

/** What a tag follows. */
export type TrackKind = "track" | "version" | "moving";

/** See the file's comment. */
export function trackKind(tag: string): TrackKind {
  const version = parseVersion(tag);
  return version === undefined ? "moving" : version.numbers.length < 3 ? "track" : "version";
}

/** The newest version on a tag's track; undefined if there is none. */
export function newestOnTrack(track: string, tags: readonly string[]): string | undefined {
  const wanted = parseVersion(track)?.numbers ?? [];
  return newest(tags, (version) => wanted.every((number, index) => version.numbers[index] === number));
}

/** The newest version of all, without pre-releases. */
export function newestVersion(tags: readonly string[]): string | undefined {
  return newest(tags, () => true);
}

/** Compares two tags with full versions: negative if `a` is older, NaN if a tag has no version. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parseVersion(a), parseVersion(b)];
  if (left?.numbers.length !== 3 || right?.numbers.length !== 3) return NaN;
  for (let index = 0; index < 3; index++) {
    const difference = left.numbers[index]! - right.numbers[index]!;
    if (difference !== 0) return difference;
  }
  return comparePre(left.pre, right.pre);
}

function newest(tags: readonly string[], fits: (version: Version) => boolean): string | undefined {
  let best: string | undefined;
  for (const tag of tags) {
    const version = parseVersion(tag);
    if (version?.numbers.length !== 3 || version.pre !== undefined || !fits(version)) continue;
    if (best === undefined || compareVersions(tag, best) > 0) best = tag;
  }
  return best;
}

function parseVersion(tag: string): Version | undefined {
  const [whole, major, minor, patch, pre] = VERSION.exec(tag) ?? [];
  if (whole === undefined) return undefined;
  return { numbers: [major, minor, patch].filter((part) => part !== undefined).map(Number), pre };
}

/**
 * SemVer 2.0.0, 11: compares identifier by identifier; numbers sort before words, pre-releases before their release.
 */
function comparePre(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === undefined || b === undefined) return a === undefined ? 1 : -1;
  const [left, right] = [a.split("."), b.split(".")];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const [one, other] = [left[index], right[index]];
    if (one === other) continue;
    if (one === undefined || other === undefined) return one === undefined ? -1 : 1;
    const numeric = [/^\d+$/.test(one), /^\d+$/.test(other)];
    if (numeric[0] && numeric[1]) {
      const difference = Number(one) - Number(other);
      if (difference !== 0) return difference;
    } else if (numeric[0] !== numeric[1]) return numeric[0] ? -1 : 1;
    else return one < other ? -1 : 1;
  }
  return 0;
}
