// deno-lint-ignore-file no-console -- a script prints to its user

/**
 * `deno task release [--bin DIR] [--out DIR] [--repository OWNER/REPO]`: makes a release from the binaries that `.ci/targets`
 * built: archives, packages, manifests for package managers, SHA256SUMS, and a bill of materials. It needs nfpm for the packages
 * of Debian and Red Hat, and leaves them out without it.
 *
 * `deno task release notes TAG`: prints the notes of a tag's version.
 */

import { parseArgs } from "node:util";
import { createProgram } from "../cli/app.ts";
import { processContext } from "../cli/context.ts";
import { digestOf } from "../registry/oci/digest.ts";
import { archiveName, platformOf } from "../registry/release/platform_archive.ts";
import { VERSION } from "../runtime/base/version.ts";
import { findProgram } from "../runtime/base/program_path.ts";
import type { RunHost } from "../runtime/run/run.ts";
import { type Entry, tarGz, zip } from "./release/archive.ts";
import { compareVersions, readBinaryFormat } from "./release/binary_format.ts";
import { notices, type NpmPackage, npmPackages, sbom } from "./release/contents.ts";
import { librariesHere, writeImage } from "./release/image.ts";
import { installScripts } from "./release/install_scripts.ts";
import { LINUX_FORMATS, nfpmConfig } from "./release/linux_packages.ts";
import { manualPages } from "./release/manual.ts";
import { releaseNotes } from "./release/notes.ts";
import { platformFiles, platformPackage, wrapperFiles } from "./release/npm_wrapper.ts";
import { homebrewFormula, krewManifest, scoopManifest, wingetManifests } from "./release/package_managers.ts";
import { archiveDirectory, type Release, type ReleasedArchive } from "./release/release.ts";
import { binaryName, programName, type Target, TARGETS } from "./release/targets.ts";

const ROOT = new URL("..", import.meta.url);
const SHELLS = [["bash", "krew-wasm.bash"], ["zsh", "_krew-wasm"], ["fish", "krew-wasm.fish"], [
  "powershell",
  "krew-wasm.ps1",
]] as const;

/** Checks that a binary is what its target says, and needs no newer system. */
function checkBinary(target: Target, bytes: Uint8Array): void {
  const { os, arch, needs, signed } = readBinaryFormat(bytes);
  const name = binaryName(target);
  if (os !== target.os || arch !== target.arch) throw new Error(`${name} is for ${os}-${arch}`);
  const [version = ""] = needs.match(/[\d.]+$/) ?? [];
  const [most = ""] = target.needs.match(/[\d.]+$/) ?? [];
  if (compareVersions(version, most) > 0) throw new Error(`${name} needs ${needs}, not ${target.needs}`);
  if (os === "macos" && arch === "arm64" && !signed) throw new Error(`${name} has no signature`);
}

/** Files that are the same in all archives. */
async function commonFiles(packages: readonly NpmPackage[]): Promise<Entry[]> {
  const text = async (path: string, name: string): Promise<Entry> => ({
    path: name,
    bytes: await Deno.readFile(new URL(path, ROOT)),
  });
  const entries = [await text("LICENSE", "LICENSE"), await text("README.md", "README.md")];
  const add = (path: string, content: string) =>
    entries.push({ path, bytes: new TextEncoder().encode(content) });
  add("THIRD_PARTY_NOTICES.txt", notices(packages, Deno.version));
  let printed = "";
  const context = { ...processContext(), stdout: (text: string) => void (printed += text) };
  const program = createProgram(context, { code: 0 }, NO_RUN);
  for (const [name, page] of manualPages(program, VERSION)) add(`man/man1/${name}`, page);
  for (const [shell, file] of SHELLS) {
    printed = "";
    await createProgram(context, { code: 0 }, NO_RUN).parseAsync(["completion", shell], { from: "user" });
    add(`completions/${file}`, printed);
  }
  return entries;
}

function unused(): never {
  throw new Error("not used by a release");
}

/** No plugin runs here. */
const NO_RUN: RunHost = { recompile: unused, keep: unused, end: unused };

/** A file's SHA-256 in hex. */
function sha256(bytes: Uint8Array): string {
  return digestOf(bytes).slice("sha256:".length);
}

/** Makes the release's files. */
async function makeRelease(bin: string, out: string, repository: string): Promise<void> {
  await Deno.remove(out, { recursive: true }).catch(() => {});
  await Deno.mkdir(`${out}/manifests`, { recursive: true });
  const packages = await npmPackages();
  const common = await commonFiles(packages);
  const archives: ReleasedArchive[] = [];
  const programs = new Map<Target, Uint8Array>();
  for (const target of TARGETS) {
    const bytes = await Deno.readFile(`${bin}/${binaryName(target)}`);
    checkBinary(target, bytes);
    programs.set(target, bytes);
    const directory = archiveDirectory(target, VERSION);
    const entries = [{ path: programName(target), bytes, executable: true }, ...common].map((entry) => ({
      ...entry,
      path: `${directory}/${entry.path}`,
    }));
    const packed = target.os === "windows" ? zip(entries) : await tarGz(entries);
    const name = archiveName(VERSION, target);
    await Deno.writeFile(`${out}/${name}`, packed);
    archives.push({ target, name, sha256: sha256(packed) });
    console.log(`${name} (${(packed.length / 1e6).toFixed(1)} MB)`);
  }
  const release: Release = { version: VERSION, repository, archives };
  await writeManifests(release, out);
  await writeNpm(release, programs, out);
  await writeLinuxPackages(release, programs, common, out);
  await writeImages(release, programs, bin, out);
  await Deno.writeTextFile(
    `${out}/krew-wasm-${VERSION}.cdx.json`,
    sbom(VERSION, packages, Deno.version),
  );
  await writeSums(out);
}

async function writeManifests(release: Release, out: string): Promise<void> {
  for (const [name, text] of await installScripts(release)) {
    await Deno.writeTextFile(`${out}/${name}`, text, { mode: name.endsWith(".sh") ? 0o755 : 0o644 });
  }
  const manifests = new Map([
    ["krew/wasm.yaml", krewManifest(release)],
    ["homebrew/krew-wasm.rb", homebrewFormula(release)],
    ["scoop/krew-wasm.json", scoopManifest(release)],
    ...[...wingetManifests(release)].map(([name, text]) => [`winget/${name}`, text] as const),
  ]);
  for (const [name, text] of manifests) {
    await Deno.mkdir(`${out}/manifests/${name.replace(/\/.*/, "")}`, { recursive: true });
    await Deno.writeTextFile(`${out}/manifests/${name}`, text);
  }
}

async function writeNpm(
  release: Release,
  programs: ReadonlyMap<Target, Uint8Array>,
  out: string,
): Promise<void> {
  await Deno.mkdir(`${out}/npm`);
  for (const [target, program] of programs) {
    await Deno.writeFile(
      `${out}/npm/${platformPackage(target)}-${VERSION}.tgz`,
      await tarGz(platformFiles(release, target, program)),
    );
  }
  await Deno.writeFile(`${out}/npm/krew-wasm-${VERSION}.tgz`, await tarGz(wrapperFiles(release)));
}

async function writeLinuxPackages(
  release: Release,
  programs: ReadonlyMap<Target, Uint8Array>,
  common: readonly Entry[],
  out: string,
): Promise<void> {
  const nfpm = findProgram("nfpm");
  if (nfpm === undefined) return console.warn("without .deb and .rpm: nfpm is not on PATH");
  for (const [target, bytes] of programs) {
    if (target.os !== "linux") continue;
    const files = await Deno.makeTempDir({ prefix: "krew-wasm-package-" });
    try {
      for (const entry of [{ path: "krew-wasm", bytes, executable: true }, ...common]) {
        await Deno.mkdir(`${files}/${entry.path}`.replace(/[^/]*$/, ""), { recursive: true });
        await Deno.writeFile(`${files}/${entry.path}`, entry.bytes, {
          mode: entry.executable ? 0o755 : 0o644,
        });
      }
      await Deno.writeTextFile(`${files}/nfpm.yaml`, nfpmConfig(release, target, files));
      for (const format of LINUX_FORMATS) {
        const { success, stderr } = await new Deno.Command(nfpm, {
          args: ["package", "--config", `${files}/nfpm.yaml`, "--packager", format, "--target", `${out}/`],
          env: { SOURCE_DATE_EPOCH: "315532800" },
        }).output();
        if (!success) throw new Error(`nfpm: ${new TextDecoder().decode(stderr)}`);
      }
    } finally {
      await Deno.remove(files, { recursive: true });
    }
  }
}

/** The image for this machine's architecture: only its own C library is here. */
async function writeImages(
  release: Release,
  programs: ReadonlyMap<Target, Uint8Array>,
  bin: string,
  out: string,
): Promise<void> {
  const here = platformOf();
  for (const [target, program] of programs) {
    if (target.os !== "linux" || here.os !== "linux" || target.arch !== here.arch) continue;
    const libraries = await librariesHere(`${bin}/${binaryName(target)}`);
    await writeImage(release, target, { program, libraries }, `${out}/image-${target.arch}`);
  }
}

/** SHA256SUMS of the files that people download. */
async function writeSums(out: string): Promise<void> {
  const lines: string[] = [];
  for await (const { name, isFile } of Deno.readDir(out)) {
    if (isFile) lines.push(`${sha256(await Deno.readFile(`${out}/${name}`))}  ${name}\n`);
  }
  lines.sort((a, b) => a.slice(64) < b.slice(64) ? -1 : 1);
  await Deno.writeTextFile(`${out}/SHA256SUMS`, lines.join(""));
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      bin: { type: "string", default: "dist/bin" },
      out: { type: "string", default: "dist/release" },
      repository: { type: "string", default: Deno.env.get("GITHUB_REPOSITORY") ?? "OWNER/REPO" },
    },
  });
  if (positionals[0] === "notes") {
    const changelog = await Deno.readTextFile(new URL("CHANGELOG.md", ROOT));
    await Deno.stdout.write(new TextEncoder().encode(releaseNotes(changelog, positionals[1] ?? "", VERSION)));
  } else {
    await makeRelease(values.bin, values.out, values.repository);
  }
}
