/** A release: its version, where it lies, and its archives. */

import { archiveName } from "../../registry/release/platform_archive.ts";
import type { Target } from "./targets.ts";

/** A release. */
export interface Release {
  readonly version: string;
  /** `OWNER/REPO` on GitHub. */
  readonly repository: string;
  readonly archives: readonly ReleasedArchive[];
}

/** The archive of a platform. */
export interface ReleasedArchive {
  readonly target: Target;
  readonly name: string;
  /** Of the archive, in hex. */
  readonly sha256: string;
}

/** One sentence about krew-wasm, for package managers. */
export const SUMMARY =
  "Installs kubectl plugins written in WebAssembly from OCI registries and runs them sandboxed";

/** The address of krew-wasm's project. */
export function homepage({ repository }: Release): string {
  return `https://github.com/${repository}`;
}

/** The address of a file of a release. */
export function fileUrl(release: Release, file: string): string {
  return `${homepage(release)}/releases/download/v${release.version}/${file}`;
}

/** The archive of a platform. @throws Error if the release has none */
export function archiveOf(release: Release, os: Target["os"], arch: Target["arch"]): ReleasedArchive {
  const found = release.archives.find(({ target }) => target.os === os && target.arch === arch);
  if (!found) throw new Error(`the release has no archive for ${os}-${arch}`);
  return found;
}

/** The directory in an archive. */
export function archiveDirectory(target: Target, version: string): string {
  return archiveName(version, target).replace(/\.(?:tar\.gz|zip)$/, "");
}
