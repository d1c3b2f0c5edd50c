/** The archive of a release for one platform: its name, and the program in it. */

import { AppError } from "../../runtime/base/errors.ts";
import { listTar } from "../fleet/tar.ts";

/** The name of an archive of a release. Pure. */
export function archiveName(
  version: string,
  { os, arch }: { readonly os: string; readonly arch: string } = Deno.build,
): string {
  const platform = `${os === "darwin" ? "macos" : os}-${arch === "x86_64" ? "x64" : "arm64"}`;
  return `krew-wasm-${version}-${platform}.${os === "windows" ? "zip" : "tar.gz"}`;
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
