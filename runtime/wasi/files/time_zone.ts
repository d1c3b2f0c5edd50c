/** The files with the system's time zones, which every plugin may read. */

import { isWithin } from "../../base/host_path.ts";
import type { Mount } from "../../sandbox/types.ts";

/** The local time zone. On most systems it is a link to one of {@linkcode ZONES}. */
const LOCAL = "/etc/localtime";
/** Directories of time zones. */
const ZONES = [
  "/usr/share/zoneinfo",
  "/usr/share/lib/zoneinfo",
  "/etc/zoneinfo",
  "/var/db/timezone/zoneinfo",
];

/** All of these paths. */
export const TIME_ZONES: readonly string[] = Deno.build.os === "windows" ? [] : [LOCAL, ...ZONES];

/** Whether a path, free of links, is such a file or directory. */
export function isTimeZone(real: string): boolean {
  return TIME_ZONES.some((path) => path === LOCAL ? real === LOCAL : isWithin(real, path));
}

/** Whether a mount is a directory of time zones, or one of their files, for reading. */
export function isTimeZoneMount({ host, write, only, names }: Mount): boolean {
  const name = only?.[0];
  const real = name === undefined ? host : `${host}/${names?.get(name) ?? name}`;
  return !write && (only === undefined || only.length === 1) && isTimeZone(real);
}
