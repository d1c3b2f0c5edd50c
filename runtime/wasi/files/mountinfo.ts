/** Parses `/proc/self/mountinfo` (proc_pid_mountinfo(5)). Pure. */

import { latin1 } from "../../base/bytes.ts";

/** A mount. */
export interface Mountpoint {
  readonly id: bigint;
  /** `major:minor` of the file system. */
  readonly device: string;
  /** The mounted directory of the file system: `/` for the whole. */
  readonly root: string;
  /** The mount point. */
  readonly point: string;
}

/** The mounts in a text; other lines are ignored. */
export function parseMounts(text: string): Mountpoint[] {
  return text.split("\n").flatMap((line): Mountpoint[] => {
    const [, id, device, root, point] = /^(\d+) \d+ (\d+:\d+) (\S+) (\S+) /.exec(line) ?? [];
    if (id === undefined) return [];
    return [{ id: BigInt(id), device: device!, root: unescaped(root!), point: unescaped(point!) }];
  });
}

/**
 * Possible paths of a mount's root through other mounts of the same file system (mount --bind). Another mount may
 * cover such a path.
 */
export function otherPlaces(mount: Mountpoint, mounts: readonly Mountpoint[]): string[] {
  if (mount.root === "/") return [];
  return mounts.flatMap(({ device, root, point }) => {
    const holds = root === "/" || mount.root.startsWith(`${root}/`);
    if (device !== mount.device || root === mount.root || !holds) return [];
    const below = mount.root.slice(root === "/" ? 0 : root.length);
    return [`${point === "/" ? "" : point}${below}`];
  });
}

/** Decodes octal escapes of blanks, line ends and backslashes, byte by byte. */
function unescaped(text: string): string {
  if (!text.includes("\\")) return text;
  const bytes = new TextEncoder().encode(text);
  const plain: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const octal = bytes[at] === 0x5c ? /^[0-3][0-7]{2}$/.exec(latin1(bytes.subarray(at + 1, at + 4))) : null;
    plain.push(octal ? parseInt(octal[0], 8) : bytes[at]!);
    if (octal) at += 3;
  }
  return new TextDecoder().decode(Uint8Array.from(plain));
}
