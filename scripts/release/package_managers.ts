/** Manifests for package managers that download a release's archives: Krew, Homebrew, Scoop and winget. */

import { stringify } from "yaml";
import {
  archiveDirectory,
  archiveOf,
  fileUrl,
  homepage,
  type Release,
  type ReleasedArchive,
  SUMMARY,
} from "./release.ts";

const DESCRIPTION = `${SUMMARY}: no files, no network but the cluster's API server, no credentials.`;

/** Krew's manifest of the plugin `wasm`: `kubectl krew install wasm`, then `kubectl wasm …`. */
export function krewManifest(release: Release): string {
  const platform = (archive: ReleasedArchive) => {
    const { target: { os, arch }, name, sha256 } = archive;
    const program = os === "windows" ? "krew-wasm.exe" : "krew-wasm";
    const directory = archiveDirectory(archive.target, release.version);
    return {
      selector: {
        matchLabels: { os: os === "macos" ? "darwin" : os, arch: arch === "x64" ? "amd64" : "arm64" },
      },
      uri: fileUrl(release, name),
      sha256,
      files: [{ from: `${directory}/${program}`, to: "." }, { from: `${directory}/LICENSE`, to: "." }],
      bin: program,
    };
  };
  return stringify({
    apiVersion: "krew.googlecontainertools.github.com/v1alpha2",
    kind: "Plugin",
    metadata: { name: "wasm" },
    spec: {
      version: `v${release.version}`,
      homepage: homepage(release),
      shortDescription: "Run plugins written in WebAssembly, sandboxed",
      description: `${DESCRIPTION}\n`,
      caveats:
        "Put the plugins that it installs on your PATH: kubectl wasm doctor prints the line for your shell.\n",
      platforms: release.archives.map(platform),
    },
  }, { lineWidth: 0 });
}

/** A Homebrew formula. */
export function homebrewFormula(release: Release): string {
  const source = (os: "linux" | "macos", arch: "x64" | "arm64") => {
    const { name, sha256 } = archiveOf(release, os, arch);
    return `      url "${fileUrl(release, name)}"\n      sha256 "${sha256}"\n`;
  };
  const platform = (os: "linux" | "macos") =>
    `  on_${os} do
    on_intel do
${source(os, "x64")}    end
    on_arm do
${source(os, "arm64")}    end
  end
`;
  return `class KrewWasm < Formula
  desc "Runs kubectl plugins written in WebAssembly, sandboxed"
  homepage "${homepage(release)}"
  version "${release.version}"
  license "Apache-2.0"

${platform("macos")}
${platform("linux")}
  def install
    bin.install "krew-wasm"
    bin.install_symlink "krew-wasm" => "kubectl-wasm"
    man1.install Dir["man/man1/*.1"]
    bash_completion.install "completions/krew-wasm.bash" => "krew-wasm"
    zsh_completion.install "completions/_krew-wasm"
    fish_completion.install "completions/krew-wasm.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/krew-wasm version")
  end
end
`;
}

/** Scoop's manifest. */
export function scoopManifest(release: Release): string {
  const archive = archiveOf(release, "windows", "x64");
  const manifest = {
    version: release.version,
    description: SUMMARY,
    homepage: homepage(release),
    license: "Apache-2.0",
    architecture: {
      "64bit": {
        url: fileUrl(release, archive.name),
        hash: archive.sha256,
        extract_dir: archiveDirectory(archive.target, release.version),
      },
    },
    bin: ["krew-wasm.exe", ["krew-wasm.exe", "kubectl-wasm"]],
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** winget's three manifests by file name. */
export function wingetManifests(release: Release): Map<string, string> {
  const archive = archiveOf(release, "windows", "x64");
  const [owner = ""] = release.repository.split("/");
  const id = `${owner}.krew-wasm`;
  const common = { PackageIdentifier: id, PackageVersion: release.version };
  const manifest = (type: string, more: Readonly<Record<string, unknown>>) =>
    stringify({ ...common, ...more, ManifestType: type, ManifestVersion: "1.6.0" }, { lineWidth: 0 });
  const directory = archiveDirectory(archive.target, release.version);
  return new Map([
    [`${id}.yaml`, manifest("version", { DefaultLocale: "en-US" })],
    [
      `${id}.locale.en-US.yaml`,
      manifest("defaultLocale", {
        PackageLocale: "en-US",
        Publisher: owner,
        PackageName: "krew-wasm",
        License: "Apache-2.0",
        ShortDescription: SUMMARY,
        PackageUrl: homepage(release),
      }),
    ],
    [
      `${id}.installer.yaml`,
      manifest("installer", {
        MinimumOSVersion: "10.0.0.0",
        InstallerType: "zip",
        NestedInstallerType: "portable",
        NestedInstallerFiles: [{
          RelativeFilePath: `${directory}\\krew-wasm.exe`,
          PortableCommandAlias: "krew-wasm",
        }],
        Installers: [{
          Architecture: "x64",
          InstallerUrl: fileUrl(release, archive.name),
          InstallerSha256: archive.sha256.toUpperCase(),
        }],
      }),
    ],
  ]);
}
