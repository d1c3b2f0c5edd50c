/** The files with the system's time zones, which every plugin may read. */

import { isWithin } from "../../base/host_path.ts";

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
