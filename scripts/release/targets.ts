/** The platforms of a release. Everything that a release contains is derived from this list. */

import type { Platform } from "../../registry/release/platform_archive.ts";

/** A platform that is released. */
export interface Target extends Platform {
  /** As `deno compile --target` and Rust name it. */
  readonly triple: string;
  /** The oldest system that is supported. `deno task release` checks that the binary does not need a newer one. */
  readonly needs: string;
}

/** All platforms. */
export const TARGETS: readonly Target[] = [
  { triple: "x86_64-unknown-linux-gnu", os: "linux", arch: "x64", needs: "glibc 2.27" },
  { triple: "aarch64-unknown-linux-gnu", os: "linux", arch: "arm64", needs: "glibc 2.27" },
  { triple: "x86_64-apple-darwin", os: "macos", arch: "x64", needs: "macOS 11.0" },
  { triple: "aarch64-apple-darwin", os: "macos", arch: "arm64", needs: "macOS 11.0" },
  { triple: "x86_64-pc-windows-msvc", os: "windows", arch: "x64", needs: "Windows 10" },
];

/** The name of a target's binary while a release is made. */
export function binaryName({ os, arch }: Target): string {
  return `krew-wasm-${os}-${arch}${os === "windows" ? ".exe" : ""}`;
}

/** The name of the program in archives and packages. */
export function programName({ os }: Target): string {
  return os === "windows" ? "krew-wasm.exe" : "krew-wasm";
}
