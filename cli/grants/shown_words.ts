/** Names, paths, ports and sizes as grants show them. Pure. */

import type { ListenGrant } from "../../runtime/grants/listen_grant.ts";
import { isRightToLeft, shownValue } from "../../runtime/sandbox/question.ts";

/** Joins words, and quotes those that could be read as several. */
export function listed(words: readonly string[]): string {
  return words.map((word) => /^[\w.:*/@+-]+$/.test(word) ? word : quoted(word)).join(", ");
}

/** A path, in quotes if its row could be misread. */
export function quotedPath(path: string): string {
  return /[\s"]/.test(path) || isRightToLeft(path) ? quoted(path) : path;
}

function quoted(text: string): string {
  return `"${shownValue(text).replaceAll('"', '\\"')}"`;
}

/** `port 8080`, `the ports 8080, 9090 and one that the system chooses`, `any port`. */
export function portsInWords(ports: ListenGrant): string {
  if (ports === "all") return "any port";
  const words = ports.map((port) => port === 0 ? "a port that the system chooses" : String(port));
  const named = ports.filter((port) => port !== 0).length;
  const [first = ""] = words;
  if (words.length === 1) return named === 0 ? first : `port ${first}`;
  const last = ports[0] === 0 ? words.shift() : words.pop();
  return `port${named > 1 ? "s" : ""} ${words.join(", ")} and ${last}`;
}

/** Bytes in binary units: `512 MiB`. */
export function formatMemory(bytes: number): string {
  for (const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]] as const) {
    if (bytes >= size) return `${Number((bytes / size).toFixed(1))} ${unit}`;
  }
  return `${bytes} B`;
}
