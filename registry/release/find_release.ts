/** Finds and downloads releases of krew-wasm itself, from the project's page on GitHub. */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { USER_AGENT } from "../../runtime/base/version.ts";

/** A place of releases. */
export interface ReleasePlace {
  /** `https://github.com/OWNER/REPO`, without a slash at the end. */
  readonly page: string;
}

const VERSION = /^\d{1,6}\.\d{1,6}\.\d{1,6}(?:-[0-9A-Za-z.]{1,40})?$/;
/** The largest archive. Bytes. */
const MAX_ARCHIVE = 1 << 28;
/** The longest time for one download, in milliseconds. */
const PATIENCE = 600_000;

/** Whether a text is a version of krew-wasm. Pure. */
export function isVersion(text: string): boolean {
  return VERSION.test(text);
}

/** Whether a version is newer than another, by SemVer's rules for numbers and prereleases. Pure. */
export function isNewer(one: string, other: string): boolean {
  const [[a, pre], [b, than]] = [one, other].map((version) => version.split(/-(.*)/s)) as [
    string[],
    string[],
  ];
  const [x, y] = [a!, b!].map((numbers) => numbers.split(".").map(Number)) as [number[], number[]];
  const at = [0, 1, 2].find((part) => x[part] !== y[part]);
  if (at !== undefined) return x[at]! > y[at]!;
  if (pre === undefined || than === undefined) return pre === undefined && than !== undefined;
  return pre.localeCompare(than, "en", { numeric: true }) > 0;
}

/**
 * The version of the newest release that is no prerelease. GitHub tells it by a redirect, without a limit of requests.
 *
 * @throws AppError SELF_UPDATE_FAILED
 */
export async function newestVersion({ page }: ReleasePlace): Promise<string> {
  const response = await request(`${page}/releases/latest`, "manual");
  await response.body?.cancel();
  const location = response.headers.get("location") ?? "";
  const [, version = ""] = /\/releases\/tag\/v([^/]+)$/.exec(location) ?? [];
  if (isVersion(version)) return version;
  throw new AppError(
    "SELF_UPDATE_FAILED",
    `${page}/releases/latest does not name a release (${response.status} ${printable(location, 200)})`,
  );
}

/** Downloads a file of a release. @throws AppError SELF_UPDATE_FAILED */
export async function downloadFile(
  { page }: ReleasePlace,
  version: string,
  name: string,
  show: (done: number, total: number) => void = () => {},
): Promise<Uint8Array<ArrayBuffer>> {
  const url = `${page}/releases/download/v${version}/${name}`;
  const response = await request(url, "follow");
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new AppError("SELF_UPDATE_FAILED", `${url} answers ${response.status}`);
  }
  const total = Number(response.headers.get("content-length") ?? 0);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let done = 0;
  try {
    for await (const part of response.body) {
      done += part.length;
      if (done > MAX_ARCHIVE) throw new Error(`it is larger than ${MAX_ARCHIVE} bytes`);
      parts.push(part);
      show(done, total);
    }
  } catch (error) {
    throw new AppError("SELF_UPDATE_FAILED", `Cannot download ${url}: ${messageOf(error)}`, { cause: error });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function request(url: string, redirect: "manual" | "follow"): Promise<Response> {
  try {
    return await fetch(url, {
      redirect,
      headers: { "user-agent": USER_AGENT },
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch (error) {
    throw new AppError("SELF_UPDATE_FAILED", `Cannot reach ${url}: ${messageOf(error)}`, { cause: error });
  }
}
