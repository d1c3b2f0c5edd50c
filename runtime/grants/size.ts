/** Sizes in the notation of Kubernetes and GNU programs. Pure. */

import { AppError } from "../base/errors.ts";
import { printable } from "../base/text.ts";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
};

/**
 * Parses a size in bytes: `512Mi`, `1.5GiB`, `64M` or `1000000`, as Kubernetes and GNU programs write it.
 *
 * @throws AppError GRANT_INVALID if the text is not a size, is below one WebAssembly page (64 KiB), or above 16 GiB
 */
export function parseSize(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]i?)?b?$/i.exec(text.trim());
  const bytes = match ? Math.floor(Number(match[1]) * UNITS[(match[2] ?? "").toLowerCase()]!) : NaN;
  if (!(bytes >= 65536 && bytes <= 16 * 2 ** 30)) {
    throw new AppError(
      "GRANT_INVALID",
      `${flag}="${printable(text, 50)}" is not a size from 64Ki to 16Gi, such as 512Mi`,
    );
  }
  return bytes;
}
