// deno-lint-ignore-file no-console -- a script prints to its user

/**
 * `deno task packages [--check]`: records the digests of the binary's packages and of esbuild, the bundler, in
 * scripts/packages.json. It first fetches each package and compares it with the integrity in deno.lock. With --check it
 * fetches nothing, and compares the record with deno.lock and with node_modules. A build starts with this check
 * (scripts/compile.ts).
 */

import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { listTar } from "../registry/fleet/tar.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const RECORD = "scripts/packages.json";
/** Packages in the binary. Their dependencies are added. */
const BUNDLED = [
  ...["@bytecodealliance/jco", "@bytecodealliance/jco-transpile", "@bytecodealliance/preview2-shim"],
  ...["@commander-js/extra-typings", "@noble/ciphers", "@noble/curves", "@sigstore/bundle", "@sigstore/core"],
  ...[
    "@sigstore/protobuf-specs",
    "@sigstore/tuf",
    "@sigstore/verify",
    "commander",
    "diff",
    "fflate",
    "fuse.js",
    "smol-toml",
  ],
  "yaml",
];
/** Packages of which the binary has single files, without dependencies. */
const ALONE = /^@bytecodealliance\/|^@sigstore\/tuf@/;
/** Machines that build the binary. */
const ESBUILD = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64"];

interface Lock {
  readonly npm: Readonly<
    Record<string, { readonly integrity: string; readonly dependencies?: readonly string[] }>
  >;
  readonly specifiers: Readonly<Record<string, string>>;
}

/** The record: for each package the integrity in deno.lock and the digest of its files. */
export interface PackageRecord {
  readonly packages: Readonly<Record<string, { readonly integrity: string; readonly files: string }>>;
  /** SHA-256 of esbuild's executable file, by Deno's name of the platform. */
  readonly esbuild: {
    readonly version: string;
    readonly platforms: Readonly<Record<string, string>>;
  };
}

async function readLock(root: string): Promise<Lock> {
  return JSON.parse(await Deno.readTextFile(`${root}deno.lock`)) as Lock;
}

async function readRecord(root: string): Promise<PackageRecord> {
  return JSON.parse(await Deno.readTextFile(`${root}${RECORD}`)) as PackageRecord;
}

/** `name@version` without the suffix for peer dependencies. */
const bare = (id: string) => id.replace(/^(@?[^@]+@[^_]+)_.*$/, "$1");

/** The binary's packages according to deno.lock: `name@version` and integrity. */
function bundledOf(lock: Lock): Map<string, string> {
  const found = new Map<string, string>();
  const byName = (name: string) => {
    const ids = Object.keys(lock.npm).filter((id) => id === name || id.startsWith(`${name}@`));
    const wanted = Object.entries(lock.specifiers).find(([specifier]) =>
      specifier.startsWith(`npm:${name}@`)
    );
    const id = ids.length === 1 ? ids[0] : ids.find((id) => id === `${name}@${wanted?.[1]}`);
    if (id === undefined) throw new Error(`deno.lock has no ${name}, or more than one`);
    return id;
  };
  const add = (id: string) => {
    const { integrity, dependencies = [] } = lock.npm[id]!;
    if (found.has(bare(id))) return;
    found.set(bare(id), integrity);
    if (!ALONE.test(id)) { for (const each of dependencies) add(byName(each)); }
  };
  for (const name of BUNDLED) add(byName(name));
  return new Map([...found].sort(([a], [b]) => a < b ? -1 : 1));
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** One digest of all files and their names. */
function digestOf(files: ReadonlyMap<string, string>): string {
  const lines = [...files].sort(([a], [b]) => a < b ? -1 : 1).map(([name, digest]) => `${digest}  ${name}\n`);
  return sha256(new TextEncoder().encode(lines.join("")));
}

/** Fetches a package's files and checks the integrity in deno.lock. */
async function fetchPackage(id: string, integrity: string): Promise<Map<string, Uint8Array>> {
  const [, name = "", version = ""] = /^(@?[^@]+)@(.*)$/.exec(id) ?? [];
  const url = `https://registry.npmjs.org/${name}/-/${name.replace(/^@.*\//, "")}-${version}.tgz`;
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  const packed = new Uint8Array(await response.arrayBuffer());
  const found = `sha512-${createHash("sha512").update(packed).digest("base64")}`;
  if (found !== integrity) throw new Error(`${url} has the integrity ${found}, not deno.lock's ${integrity}`);
  const tar = new Uint8Array(
    await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")))
      .arrayBuffer(),
  );
  const files = new Map<string, Uint8Array>();
  for (const [path, { offset, size }] of listTar((at, length) => tar.subarray(at, at + length))) {
    // All files are in one directory, usually named `package`.
    files.set(path.replace(/^[^/]*\//, ""), tar.subarray(offset, offset + size));
  }
  return files;
}

/** Digests of the files below a directory, by their paths. */
function digestsBelow(directory: string, prefix = "", into = new Map<string, string>()): Map<string, string> {
  for (const { name, isDirectory, isFile } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) digestsBelow(path, `${prefix}${name}/`, into);
    else into.set(`${prefix}${name}`, isFile ? sha256(Deno.readFileSync(path)) : "a link");
  }
  return into;
}

/** The directory of a package in node_modules. */
function directoryOf(root: string, id: string): string {
  const name = id.replace(/(?<=.)@.*$/, "");
  return `${root}node_modules/.deno/${id.replace("/", "+")}/node_modules/${name}`;
}

/** The path from which `deno bundle` starts esbuild, and the esbuild that Deno would otherwise fetch. */
async function esbuildPlaces(): Promise<{ readonly directory: string; readonly platform: string }> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"], cwd: ROOT })
    .output();
  const { denoDir } = JSON.parse(new TextDecoder().decode(stdout)) as { denoDir: string };
  const { os, arch } = Deno.build;
  const platform = `${os === "windows" ? "win32" : os}-${arch === "x86_64" ? "x64" : "arm64"}`;
  return { directory: `${denoDir}/dl`, platform };
}

/** Copies esbuild from node_modules to where `deno bundle` starts it, because Deno ignores deno.lock. Checks it afterwards. */
export async function placeEsbuild(): Promise<() => Promise<void>> {
  const { esbuild: { version, platforms } } = await readRecord(ROOT);
  const { directory, platform } = await esbuildPlaces();
  const wanted = platforms[platform];
  if (wanted === undefined) throw new Error(`scripts/packages.json has no esbuild for ${platform}`);
  const own = platform.startsWith("win32") ? "esbuild.exe" : "bin/esbuild";
  const source = `${directoryOf(ROOT, `@esbuild/${platform}@${version}`)}/${own}`;
  const check = async () => {
    for await (const { name } of Deno.readDir(directory)) {
      if (!name.startsWith("esbuild-")) continue;
      for await (const file of Deno.readDir(`${directory}/${name}`)) {
        const path = `${directory}/${name}/${file.name}`;
        if (sha256(await Deno.readFile(path)) !== wanted) {
          throw new Error(
            `${path} is not the esbuild ${version} that is recorded; remove it, or: deno task packages`,
          );
        }
      }
    }
  };
  const bytes = await Deno.readFile(source);
  if (sha256(bytes) !== wanted) throw new Error(`${source} is not what is recorded: deno task packages`);
  // The names of Deno 2.6 and 2.9.
  for (const suffix of ["", "-1"]) {
    const place = `${directory}/esbuild-${version}${suffix}`;
    const target = `${place}/esbuild-${platform}`;
    await Deno.mkdir(place, { recursive: true });
    if (await Deno.stat(target).then(() => true, () => false)) continue;
    const staged = `${target}.${crypto.randomUUID()}`;
    await Deno.writeFile(staged, bytes, { mode: 0o755 });
    await Deno.rename(staged, target);
  }
  await check();
  return check;
}

/** Problems of the binary's packages in node_modules, compared with the record. */
export async function wrongPackages(root = ROOT): Promise<string[]> {
  const [lock, record] = await Promise.all([readLock(root), readRecord(root)]);
  const wrong: string[] = [];
  const bundled = bundledOf(lock);
  for (const id of Object.keys(record.packages)) if (!bundled.has(id)) wrong.push(`${id} is not bundled`);
  for (const [id, integrity] of bundled) {
    const recorded = record.packages[id];
    if (recorded?.integrity !== integrity) wrong.push(`${id} is not recorded with deno.lock's integrity`);
    else if (digestOf(digestsBelow(directoryOf(root, id))) !== recorded.files) {
      wrong.push(`node_modules has another ${id} than the registry`);
    }
  }
  for (const platform of Object.keys(record.esbuild.platforms)) {
    if (!lock.npm[`@esbuild/${platform}@${record.esbuild.version}`]) {
      wrong.push(`deno.lock has no esbuild for ${platform}`);
    }
  }
  return wrong;
}

async function makeRecord(): Promise<PackageRecord> {
  const lock = await readLock(ROOT);
  const packages: Record<string, { integrity: string; files: string }> = {};
  for (const [id, integrity] of bundledOf(lock)) {
    const files = await fetchPackage(id, integrity);
    const digests = new Map([...files].map(([path, bytes]) => [path, sha256(bytes)]));
    packages[id] = { integrity, files: digestOf(digests) };
  }
  const [, version = ""] =
    Object.entries(lock.specifiers).find(([name]) => name.startsWith("npm:esbuild@")) ?? [];
  const platforms: Record<string, string> = {};
  for (const platform of ESBUILD) {
    const id = `@esbuild/${platform}@${version}`;
    const files = await fetchPackage(id, lock.npm[id]!.integrity);
    platforms[platform] = sha256(files.get("bin/esbuild") ?? files.get("esbuild.exe")!);
  }
  return { packages, esbuild: { version, platforms } };
}

if (import.meta.main) {
  if (!Deno.args.includes("--check")) {
    await Deno.writeTextFile(`${ROOT}${RECORD}`, `${JSON.stringify(await makeRecord(), null, 2)}\n`);
  }
  const wrong = await wrongPackages();
  for (const line of wrong) console.error(`${line}: deno install, or deno task packages`);
  Deno.exit(wrong.length > 0 ? 1 : 0);
}
