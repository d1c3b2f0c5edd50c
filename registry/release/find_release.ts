/** Finds and downloads releases of krew-wasm itself, from the project's page on GitHub. */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Answer } from "../oci/answer.ts";
import { MAX_REDIRECTS, redirectTarget } from "../oci/redirect.ts";
import type { Transport } from "../oci/registry_transport.ts";

/** A place of releases. */
export interface ReleasePlace {
  /** `https://github.com/OWNER/REPO`, without a slash at the end. */
  readonly page: string;
  readonly transport: Transport;
}

const VERSION = /^\d{1,6}\.\d{1,6}\.\d{1,6}(?:-[0-9A-Za-z.]{1,40})?$/;
/** The largest archive. Bytes. */
const MAX_ARCHIVE = 1 << 28;

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
 * The version of the newest release, without prereleases. GitHub's page redirects to it.
 *
 * @throws AppError SELF_UPDATE_FAILED
 */
export async function newestVersion(place: ReleasePlace): Promise<string> {
  const url = new URL(`${place.page}/releases/latest`);
  const answer = await send(place, url);
  await answer.discard();
  const location = answer.header("location") ?? "";
  const [, version = ""] = /\/releases\/tag\/v([^/]+)$/.exec(location) ?? [];
  if (isVersion(version)) return version;
  throw new AppError(
    "SELF_UPDATE_FAILED",
    `${url} does not name a release (${answer.status} ${printable(location, 200)})`,
  );
}

/**
 * Downloads a file of a release.
 *
 * @param show gets the bytes so far and in all
 * @throws AppError SELF_UPDATE_FAILED; REGISTRY_PROTOCOL for a redirect that is refused
 */
export async function downloadFile(
  place: ReleasePlace,
  version: string,
  name: string,
  show: (done: number, total: number) => void = () => {},
): Promise<Uint8Array<ArrayBuffer>> {
  const url = new URL(`${place.page}/releases/download/v${version}/${name}`);
  const answer = await followed(place, url);
  if (answer.status !== 200) {
    await answer.discard();
    throw new AppError("SELF_UPDATE_FAILED", `${url} answers ${answer.status}`);
  }
  const total = Number(answer.header("content-length") ?? 0);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let done = 0;
  try {
    for await (const part of answer.chunks()) {
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

/** Follows redirects by the rules for registries. GitHub sends downloads to its storage. */
async function followed(place: ReleasePlace, from: URL): Promise<Answer> {
  const task = { failed: `Cannot download ${from}`, registry: from.host };
  let url = from;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const answer = await send(place, url);
    if (![301, 302, 303, 307, 308].includes(answer.status)) return answer;
    await answer.discard();
    url = redirectTarget(task, url, answer.header("location"), url.host);
  }
  throw new AppError("SELF_UPDATE_FAILED", `${from} redirects more than ${MAX_REDIRECTS} times`);
}

async function send({ page, transport }: ReleasePlace, url: URL): Promise<Answer> {
  try {
    return await transport.send(url, { registry: new URL(page), headers: {} });
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError("SELF_UPDATE_FAILED", `Cannot reach ${url}: ${messageOf(error)}`, { cause: error });
  }
}
