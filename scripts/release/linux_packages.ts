/** The configuration of nfpm, which makes the packages for Debian and Red Hat. */

import { stringify } from "yaml";
import { homepage, type Release, SUMMARY } from "./release.ts";
import type { Target } from "./targets.ts";

/** The formats. */
export const LINUX_FORMATS = ["deb", "rpm"] as const;

/**
 * nfpm's configuration.
 *
 * @param files the directory with the content of the target's archive
 */
export function nfpmConfig(release: Release, target: Target, files: string): string {
  const content = (src: string, dst: string, mode = 0o644) => ({
    src: `${files}/${src}`,
    dst,
    file_info: { mode },
  });
  return stringify({
    name: "krew-wasm",
    arch: target.arch === "x64" ? "amd64" : "arm64",
    platform: "linux",
    version: release.version,
    maintainer: `the authors of krew-wasm <${homepage(release)}>`,
    description: SUMMARY,
    homepage: homepage(release),
    license: "Apache-2.0",
    section: "utils",
    contents: [
      content("krew-wasm", "/usr/bin/krew-wasm", 0o755),
      { src: "krew-wasm", dst: "/usr/bin/kubectl-wasm", type: "symlink" },
      content("LICENSE", "/usr/share/doc/krew-wasm/copyright"),
      content("THIRD_PARTY_NOTICES.txt", "/usr/share/doc/krew-wasm/THIRD_PARTY_NOTICES.txt"),
      content("man/man1/*.1", "/usr/share/man/man1/"),
      content("completions/krew-wasm.bash", "/usr/share/bash-completion/completions/krew-wasm"),
      content("completions/_krew-wasm", "/usr/share/zsh/site-functions/_krew-wasm"),
      content("completions/krew-wasm.fish", "/usr/share/fish/vendor_completions.d/krew-wasm.fish"),
    ],
    overrides: {
      deb: { depends: ["libc6 (>= 2.27)", "libgcc-s1"] },
      rpm: { depends: ["glibc >= 2.27", "libgcc"] },
    },
  });
}
