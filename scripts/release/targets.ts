/** The platforms of a release. Everything that a release contains is derived from this list. */

/** A platform. */
export interface Target {
  /** As `deno compile --target` and Rust name it. */
  readonly triple: string;
  readonly os: "linux" | "macos" | "windows";
  readonly arch: "x64" | "arm64";
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

/** The name of a target's archive. */
export function archiveName(target: Target, version: string): string {
  return `krew-wasm-${version}-${target.os}-${target.arch}.${target.os === "windows" ? "zip" : "tar.gz"}`;
}
