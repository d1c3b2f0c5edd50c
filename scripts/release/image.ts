/**
 * A container image for CI jobs, as an OCI layout: the binary, the C library that it needs, the trusted authorities, and nothing
 * else. `skopeo copy oci:DIRECTORY docker://…` pushes it; no daemon is needed.
 */

import { digestOf } from "../../registry/oci/digest.ts";
import { type Entry, gzip, tar } from "./archive.ts";
import type { Target } from "./targets.ts";
import { homepage, type Release, SUMMARY } from "./release.ts";

/** What an image needs beside the binary. */
export interface ImageParts {
  readonly program: Uint8Array;
  /** The C library's files by absolute path. */
  readonly libraries: ReadonlyMap<string, Uint8Array>;
}

/** The C library on this machine, for an image of its own architecture: the loader, and what the binary links. */
export async function librariesHere(program: string): Promise<Map<string, Uint8Array>> {
  const { success, stdout } = await new Deno.Command("ldd", { args: [program] }).output();
  if (!success) throw new Error(`ldd ${program} failed`);
  const paths = [...new TextDecoder().decode(stdout).matchAll(/(\/\S+\.so\.\S+) \(0x/g)].map(([, path]) =>
    path!
  );
  const certificates = "/etc/ssl/certs/ca-certificates.crt";
  // Names of hosts are resolved by these two, which glibc loads when it needs them.
  const directory = paths.find((path) => path.includes("/libc.so."))?.replace(/[^/]*$/, "") ?? "/lib/";
  const more = ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"].map((name) =>
    `${directory}${name}`
  );
  const files = new Map<string, Uint8Array>();
  for (const path of [...paths, ...more, certificates]) {
    try {
      files.set(path, await Deno.readFile(path));
    } catch (error) {
      if (path !== certificates && !more.includes(path)) throw error;
    }
  }
  return files;
}

/** Writes the OCI layout of an image for one platform. */
export async function writeImage(
  release: Release,
  target: Target,
  { program, libraries }: ImageParts,
  directory: string,
): Promise<void> {
  const files: Entry[] = [
    { path: "usr/local/bin/krew-wasm", bytes: program, executable: true },
    {
      path: "etc/passwd",
      bytes: encode("root:x:0:0:root:/root:/\nkrew-wasm:x:65532:65532::/home/krew-wasm:/\n"),
    },
    { path: "home/krew-wasm/.keep", bytes: new Uint8Array() },
    ...[...libraries].map(([path, bytes]) => ({
      path: path.slice(1),
      bytes,
      executable: /\.so\./.test(path),
    })),
  ];
  await Deno.mkdir(`${directory}/blobs/sha256`, { recursive: true });
  const put = async (bytes: Uint8Array, mediaType: string) => {
    const digest = digestOf(bytes);
    await Deno.writeFile(`${directory}/blobs/${digest.replace(":", "/")}`, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const content = tar(files);
  const layers = [await put(await gzip(content), "application/vnd.oci.image.layer.v1.tar+gzip")];
  const config = await put(
    encode(JSON.stringify({
      architecture: target.arch === "x64" ? "amd64" : "arm64",
      os: "linux",
      config: {
        Entrypoint: ["/usr/local/bin/krew-wasm"],
        Env: ["PATH=/usr/local/bin", "HOME=/home/krew-wasm"],
        WorkingDir: "/home/krew-wasm",
        Labels: {
          "org.opencontainers.image.title": "krew-wasm",
          "org.opencontainers.image.description": SUMMARY,
          "org.opencontainers.image.version": release.version,
          "org.opencontainers.image.source": homepage(release),
          "org.opencontainers.image.licenses": "Apache-2.0",
        },
      },
      rootfs: { type: "layers", diff_ids: [digestOf(content)] },
    })),
    "application/vnd.oci.image.config.v1+json",
  );
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = await put(
    encode(JSON.stringify({ schemaVersion: 2, mediaType, config, layers })),
    mediaType,
  );
  await Deno.writeTextFile(`${directory}/oci-layout`, JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  const annotations = { "org.opencontainers.image.ref.name": release.version };
  await Deno.writeTextFile(
    `${directory}/index.json`,
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: [{ ...manifest, annotations }],
    }),
  );
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
