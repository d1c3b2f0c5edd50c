/** The grant to accept connections from this machine: `--allow-listen`. Pure. */

import { AppError } from "../base/errors.ts";
import { list, malformed, type Reader } from "../base/strict_json.ts";
import { printable } from "../base/text.ts";

/** TCP ports on loopback. Port 0 stands for a port that the system chooses. */
export type ListenGrant = "all" | readonly number[];

/** The addresses at which a plugin may accept connections. Only programs of this machine reach them. */
export const LOOPBACK: readonly string[] = ["127.0.0.1", "::1"];

/** Most programs need one or two ports. */
const MAX_PORTS = 100;

/**
 * Parses comma-separated ports, or `*` for all.
 *
 * @throws AppError GRANT_INVALID
 */
export function parsePorts(texts: readonly string[], flag: string): ListenGrant {
  const words = texts.flatMap((text) => text.split(",")).map((word) => word.trim());
  if (words.includes("*")) return "all";
  for (const word of words) {
    if (!/^\d{1,5}$/.test(word) || !isPort(Number(word))) {
      throw new AppError("GRANT_INVALID", `${flag}: "${printable(word, 50)}" ${NO_PORT}`, {
        hint: "0 stands for a port that the system chooses, * for all ports",
      });
    }
  }
  if (words.length > MAX_PORTS) {
    throw new AppError("GRANT_INVALID", `${flag} lists ${words.length} ports; the most is ${MAX_PORTS}`);
  }
  return sorted(words.map(Number));
}

const NO_PORT = "is not a port from 0 to 65535";

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65535;
}

function sorted(ports: readonly number[]): readonly number[] {
  return [...new Set(ports)].sort((one, other) => one - other);
}

const readPort: Reader<number> = (value, path) => isPort(value) ? value : malformed(path, NO_PORT);
const readList = list(readPort, MAX_PORTS);

/** Reads a list of ports. */
export const readPorts: Reader<readonly number[]> = (value, path) =>
  Array.isArray(value) ? sorted(readList(value, path)) : malformed(path, "is not a list of ports");

/** Reads a list of ports, or `all`. */
export const readListen: Reader<ListenGrant> = (value, path) =>
  value === "all"
    ? value
    : Array.isArray(value)
    ? readPorts(value, path)
    : malformed(path, 'is neither "all" nor a list of ports');

/** Whether a grant covers a port. */
export function coversPort(grant: ListenGrant, port: number): boolean {
  return grant === "all" || grant.includes(port);
}

/** The ports of either. */
export function eitherListen(one: ListenGrant, other: ListenGrant): ListenGrant {
  if (one === "all" || other === "all") return "all";
  return sorted([...one, ...other]);
}

/** The ports of both. */
export function bothListen(one: ListenGrant, other: ListenGrant): ListenGrant {
  if (one === "all") return other;
  return other === "all" ? one : one.filter((port) => other.includes(port));
}
