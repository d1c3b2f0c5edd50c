/** The maximum size of a request without its body, for every interface. Pure. */

import { AppError } from "../../base/errors.ts";

/** Go's default: larger heads get a 431. Bytes of the URL and all headers. */
const MAX_HEAD = 1 << 20;

/** The number of characters in a request's URL and headers. */
export function headSize(url: string, headers: readonly (readonly [name: string, value: string])[]): number {
  return headers.reduce((sum, [name, value]) => sum + name.length + value.length + 4, url.length);
}

/** Refuses a head that no API server accepts. @throws AppError REQUEST_INVALID */
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
