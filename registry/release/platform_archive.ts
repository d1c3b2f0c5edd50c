/** The archive of a release for one platform: its name, and the program in it. */

import { AppError } from "../../runtime/base/errors.ts";
import { listTar } from "../fleet/tar.ts";

/** A platform in the words of a release. */
export interface Platform {
  readonly os: "linux" | "macos" | "windows";
  readonly arch: "x64" | "arm64";
}

/** The platform by Deno's words, which are also those of a target triple. Pure but for the default. */
export function platformOf(
  { os, arch }: { readonly os: string; readonly arch: string } = Deno.build,
): Platform {
  return {
    os: os === "darwin" ? "macos" : os === "windows" ? os : "linux",
    arch: arch === "x86_64" ? "x64" : "arm64",
  };
}

/** The name of an archive of a release. Pure. */
export function archiveName(version: string, { os, arch }: Platform): string {
  return `krew-wasm-${version}-${os}-${arch}.${os === "windows" ? "zip" : "tar.gz"}`;
}

/**
 * The program in an archive.
 *
 * @param name the archive's name, which tells its format
 * @throws AppError SELF_UPDATE_FAILED if there is none
 */
export async function programIn(
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const program = /\.zip$/.test(name) ? await fromZip(bytes) : await fromTar(bytes);
  if (program) return program;
  throw new AppError("SELF_UPDATE_FAILED", `${name} lacks the program`);
}

async function fromZip(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { unzipSync } = await import("fflate");
  const [program] = Object.values(
    unzipSync(bytes, { filter: ({ name }) => /^[^/]+\/krew-wasm\.exe$/.test(name) }),
  );
  return program?.slice();
}

async function fromTar(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const tar = new Uint8Array(await new Response(unpacked).arrayBuffer());
  for (const [path, { offset, size }] of listTar((at, length) => tar.subarray(at, at + length))) {
    if (/^[^/]+\/krew-wasm$/.test(path)) return tar.slice(offset, offset + size);
  }
  return undefined;
}
