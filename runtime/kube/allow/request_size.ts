/** How large a request may be without its body, by every door. Pure. */

import { AppError } from "../../base/errors.ts";

/** As Go's servers by default, which answer 431 to more; in bytes of the URL and of all headers. */
const MAX_HEAD = 1 << 20;

/** How many characters a request's URL and headers have. */
export function headSize(url: string, headers: readonly (readonly [name: string, value: string])[]): number {
  return headers.reduce((sum, [name, value]) => sum + name.length + value.length + 4, url.length);
}

/** Refuses what no API server takes. @throws AppError REQUEST_INVALID */
export function checkHeadSize(
  url: string,
  headers: readonly (readonly [name: string, value: string])[],
): void {
  const size = headSize(url, headers);
  if (size <= MAX_HEAD) return;
  throw new AppError(
    "REQUEST_INVALID",
    `The request's URL and headers have ${size} bytes, more than the ${MAX_HEAD} that an API server takes`,
  );
}
