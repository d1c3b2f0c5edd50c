/**
 * A release as people install it: by install.sh, Krew, npm, dpkg, rpm and as a container image. `KREW_WASM_RELEASE` names the
 * directory that `deno task release` made.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import record from "../../scripts/packages.json" with { type: "json" };
import { VERSION } from "../../runtime/base/version.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { findProgram, missing, registryClient } from "../support/programs.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const named = Deno.env.get("KREW_WASM_RELEASE");
const release = named === undefined
  ? undefined
  : Deno.realPathSync(named.startsWith("/") ? named : root + named);
const ARCH = Deno.build.arch === "x86_64" ? "x64" : "arm64";
const NAME = `krew-wasm-${VERSION}-linux-${ARCH}`;
const linux = Deno.build.os === "linux";

async function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    env: { PATH: Deno.env.get("PATH") ?? "", ...env },
    clearEnv: true,
    stdin: "null",
    ...(cwd === undefined ? {} : { cwd }),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function succeed(...args: Parameters<typeof run>): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  assert.equal(code, 0, `${args[0]} ${args[1].join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

/** Serves the files of a directory; `change` gives another answer. */
function serve(directory: string, change: (name: string) => Response | undefined = () => undefined) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const name = new URL(request.url).pathname.slice(1);
    const file = await Deno.open(`${directory}/${name}`).catch(() => undefined);
    const changed = change(name);
    if (changed) file?.close();
    return changed ?? (file ? new Response(file.readable) : new Response(null, { status: 404 }));
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function test(name: string, fn: () => void | Promise<void>, ignore = false): void {
  Deno.test({ name, ignore: release === undefined || !linux || ignore, fn });
}

/** Unpacks this machine's archive. */
async function unpacked(): Promise<string> {
  const directory = temporaryDirectory();
  await succeed("tar", ["-xzf", `${release}/${NAME}.tar.gz`, "-C", directory]);
  return `${directory}/${NAME}`;
}

test("SHA256SUMS has every file of a release", async () => {
  await succeed("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], {}, release);
  const listed = Deno.readTextFileSync(`${release}/SHA256SUMS`).trim().split("\n").map((line) =>
    line.slice(66)
  );
  const files = [...Deno.readDirSync(release!)].filter(({ isFile }) => isFile).map(({ name }) => name);
  assert.deepEqual(listed.sort(), files.filter((name) => name !== "SHA256SUMS").sort());
});

test("an archive has the program, licences, completions and manual pages", async () => {
  const directory = await unpacked();
  assert.match(await succeed(`${directory}/krew-wasm`, ["version"]), new RegExp(`^krew-wasm ${VERSION} `));
  const notices = Deno.readTextFileSync(`${directory}/THIRD_PARTY_NOTICES.txt`);
  const bill = JSON.parse(Deno.readTextFileSync(`${release}/krew-wasm-${VERSION}.cdx.json`));
  for (const id of Object.keys(record.packages)) {
    const [, name = "", version = ""] = /^(@?[^@]+)@(.*)$/.exec(id) ?? [];
    assert.ok(notices.includes(`${name} ${version}, `), id);
    assert.ok(
      bill.components.some((each: { purl: string }) => each.purl.endsWith(`${name.slice(1)}@${version}`)),
      id,
    );
  }
  assert.match(notices, /^Deno \d.*, MIT$/m);
  assert.equal(
    Deno.readTextFileSync(`${directory}/completions/krew-wasm.bash`),
    await succeed(`${directory}/krew-wasm`, ["completion", "bash"]),
  );
  const page = Deno.readTextFileSync(`${directory}/man/man1/krew-wasm-pull.1`);
  assert.match(page, /^\.TH KREW\\?-WASM\\?-PULL 1/);
});

test("manual pages have no errors for groff", async () => {
  const directory = `${await unpacked()}/man/man1`;
  for (const { name } of Deno.readDirSync(directory)) {
    const { stdout, stderr } = await run("groff", ["-man", "-Tutf8", "-ww", `${directory}/${name}`]);
    assert.equal(stderr, "", name);
    assert.match(stdout, /krew-wasm/);
  }
}, findProgram("groff") === undefined);

test("install.sh installs for one user, and removes it again", async () => {
  await using server = serve(release!);
  const home = temporaryDirectory();
  const env = { HOME: home, KREW_WASM_DOWNLOADS: server.url };
  const said = await succeed("sh", [`${release}/install.sh`], env);
  assert.match(said, /Installed krew-wasm .*\n.*PATH/);
  for (const name of ["krew-wasm", "kubectl-wasm"]) {
    assert.match(await succeed(`${home}/.local/bin/${name}`, ["version"], { HOME: home }), /^krew-wasm/);
  }
  // Again, over the program that is there.
  await succeed("sh", [`${release}/install.sh`], env);
  await succeed("sh", [`${release}/install.sh`, "--uninstall"], env);
  assert.deepEqual([...Deno.readDirSync(`${home}/.local/bin`)], []);
  assert.equal((await run("sh", [`${release}/install.sh`, "--uninstall"], env)).code, 1);
});

test("install.sh refuses other bytes than those of the release", async () => {
  await using server = serve(release!, (name) => name.endsWith(".gz") ? new Response("evil") : undefined);
  const home = temporaryDirectory();
  const { code, stderr } = await run("sh", [`${release}/install.sh`], {
    HOME: home,
    KREW_WASM_DOWNLOADS: server.url,
  });
  assert.equal(code, 1);
  assert.match(stderr, /is not what was released: its SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}/);
  assert.deepEqual([...Deno.readDirSync(home)], []);
});

test("install.sh says what is wrong with an old C library, and with options", async () => {
  const bin = temporaryDirectory();
  Deno.writeTextFileSync(`${bin}/getconf`, "#!/bin/sh\necho glibc 2.17\n", { mode: 0o755 });
  const old = await run("sh", [`${release}/install.sh`], {
    HOME: bin,
    PATH: `${bin}:${Deno.env.get("PATH")}`,
  });
  assert.deepEqual(
    [old.code, old.stderr],
    [1, "install.sh: krew-wasm needs glibc 2.27 or later, this system has 2.17\n"],
  );
  const wrong = await run("sh", [`${release}/install.sh`, "--here"], { HOME: bin });
  assert.match(wrong.stderr, /unknown option --here/);
  // A download that was cut off runs nothing.
  const text = Deno.readTextFileSync(`${release}/install.sh`);
  Deno.writeTextFileSync(`${bin}/cut.sh`, text.slice(0, text.lastIndexOf("main")));
  assert.deepEqual(await run("sh", [`${bin}/cut.sh`], { HOME: bin }), { code: 0, stdout: "", stderr: "" });
});

test("the action of GitHub installs krew-wasm for the steps that follow", async () => {
  await using server = serve(release!);
  const home = temporaryDirectory();
  const script = `${root}.github/actions/setup-krew-wasm/install.sh`;
  Deno.writeTextFileSync(`${home}/lock.json`, JSON.stringify({ krewWasmLock: 2, plugins: [] }));
  const env = {
    HOME: home,
    KREW_WASM_DOWNLOADS: server.url,
    GITHUB_PATH: `${home}/path`,
    VERSION,
    LOCK: `${home}/lock.json`,
  };
  await succeed("bash", [script], env);
  const [bin, plugins] = Deno.readTextFileSync(`${home}/path`).trim().split("\n");
  assert.equal(plugins, `${home}/.krew-wasm/bin`);
  assert.match(await succeed(`${bin}/krew-wasm`, ["version"], env), /^krew-wasm/);
  const wrong = await run("bash", [script], { ...env, VERSION: "1; touch evil" });
  assert.deepEqual([wrong.code, wrong.stdout], [1, '::error::"1; touch evil" is not a version\n']);
});

const krew = linux && release
  ? registryClient("krew", "go install sigs.k8s.io/krew/cmd/krew@v0.4.3")
  : undefined;
test("Krew installs kubectl wasm from an index, and it manages plugins", async () => {
  await using server = serve(release!);
  const home = temporaryDirectory();
  const env = { HOME: home, KREW_ROOT: `${home}/.krew`, PATH: `${Deno.env.get("PATH")}:${home}/.krew/bin` };
  const index = `${home}/.krew/index/default`;
  Deno.mkdirSync(`${index}/plugins`, { recursive: true });
  const manifest = Deno.readTextFileSync(`${release}/manifests/krew/wasm.yaml`);
  Deno.writeTextFileSync(
    `${index}/plugins/wasm.yaml`,
    manifest.replaceAll(/https:\/\/github\.com\/\S+?\/download\/v[^/]+/g, server.url),
  );
  await succeed("git", ["init", "--quiet", index], env);
  await succeed(krew!, ["install", "wasm", "--no-update-index"], env);
  assert.match(await succeed(`${home}/.krew/bin/kubectl-wasm`, ["version"], env), /^krew-wasm/);
  assert.equal(await succeed(`${home}/.krew/bin/kubectl-wasm`, ["list", "-o", "name"], env), "");
  await succeed(krew!, ["uninstall", "wasm"], env);
  assert.throws(() => Deno.lstatSync(`${home}/.krew/bin/kubectl-wasm`));
}, krew === undefined);

test("npm installs the package of this machine, and npx starts it", async () => {
  const home = temporaryDirectory();
  Deno.writeTextFileSync(`${home}/package.json`, '{"private":true}');
  const platform = `${release}/npm/krew-wasm-linux-${ARCH}-${VERSION}.tgz`;
  const flags = ["install", "--offline", "--no-audit", "--no-fund", "--omit=optional"];
  await succeed("npm", [...flags, platform, `${release}/npm/krew-wasm-${VERSION}.tgz`], { HOME: home }, home);
  assert.match(
    await succeed("npx", ["--no-install", "krew-wasm", "version"], { HOME: home }, home),
    /^krew-wasm/,
  );
  const wrong = await run("npx", ["--no-install", "krew-wasm", "nonsense"], { HOME: home }, home);
  assert.equal(wrong.code, 2);
  await Deno.remove(`${home}/node_modules/krew-wasm-linux-${ARCH}`, { recursive: true });
  const none = await run("npx", ["--no-install", "krew-wasm", "version"], { HOME: home }, home);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /there is no binary for linux/);
}, findProgram("npm") === undefined);

/** The package of a format in the release. */
function packageFile(extension: string): string | undefined {
  if (release === undefined) return undefined;
  const arch = ARCH === "x64" ? /amd64|x86_64/ : /arm64|aarch64/;
  const found = [...Deno.readDirSync(release)].find(({ name }) =>
    name.endsWith(extension) && arch.test(name)
  );
  return found && `${release}/${found.name}`;
}

const deb = packageFile(".deb");
test("dpkg installs and removes the package", async () => {
  const system = temporaryDirectory();
  Deno.mkdirSync(`${system}/var/lib/dpkg/updates`, { recursive: true });
  Deno.mkdirSync(`${system}/var/lib/dpkg/info`);
  for (const file of ["status", "available"]) Deno.writeTextFileSync(`${system}/var/lib/dpkg/${file}`, "");
  const flags = [`--root=${system}`, "--force-depends", "--force-not-root", "--log=/dev/null"];
  await succeed("dpkg", [...flags, "--install", deb!], { PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin` });
  for (const name of ["krew-wasm", "kubectl-wasm"]) {
    assert.match(await succeed(`${system}/usr/bin/${name}`, ["version"], { HOME: system }), /^krew-wasm/);
  }
  assert.ok(Deno.statSync(`${system}/usr/share/man/man1/krew-wasm.1`).isFile);
  await succeed("dpkg", [...flags, "--purge", "krew-wasm"], {
    PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin`,
  });
  assert.equal(findProgram("krew-wasm", [`${system}/usr/bin`]) === `${system}/usr/bin/krew-wasm`, false);
}, deb === undefined || findProgram("dpkg") === undefined || Deno.uid() !== 0);

const rpm = packageFile(".rpm");
test("rpm installs and removes the package", async () => {
  const system = temporaryDirectory();
  const flags = [`--root=${system}`, "--dbpath=/var/lib/rpm"];
  await succeed("rpm", [...flags, "--install", "--nodeps", rpm!]);
  assert.match(await succeed(`${system}/usr/bin/krew-wasm`, ["version"], { HOME: system }), /^krew-wasm/);
  await succeed("rpm", [...flags, "--erase", "krew-wasm"]);
  assert.throws(() => Deno.lstatSync(`${system}/usr/bin/krew-wasm`));
}, rpm === undefined || Deno.uid() !== 0 || findProgram("rpm") === undefined);

const skopeo =
  release === undefined || missing("skopeo", findProgram("skopeo") !== undefined, "apt-get install skopeo")
    ? undefined
    : "skopeo";
test("the container image is pushed without a daemon, and its content runs alone", async () => {
  await using registry = TestRegistry.start();
  const [directory, image] = [temporaryDirectory(), `docker://${registry.host}/tools/krew-wasm:v1`];
  await succeed(skopeo!, [
    "copy",
    "--insecure-policy",
    "--dest-tls-verify=false",
    `oci:${release}/image-${ARCH}:${VERSION}`,
    image,
  ], { HOME: directory });
  await succeed(skopeo!, [
    "copy",
    "--insecure-policy",
    "--src-tls-verify=false",
    image,
    `dir:${directory}/image`,
  ], {
    HOME: directory,
  });
  const { layers } = JSON.parse(Deno.readTextFileSync(`${directory}/image/manifest.json`));
  Deno.mkdirSync(`${directory}/root`);
  for (const { digest } of layers) {
    const layer = `${directory}/image/${digest.replace("sha256:", "")}`;
    await succeed("tar", ["-xzf", layer, "-C", `${directory}/root`]);
  }
  Deno.mkdirSync(`${directory}/root/proc`);
  const script = 'mount -t proc proc "$1/proc" && exec chroot "$1" /usr/local/bin/krew-wasm list -o name';
  const args = ["--mount", "sh", "-c", script, "sh", `${directory}/root`];
  const path = { PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin`, HOME: "/home/krew-wasm" };
  assert.equal(await succeed("unshare", args, path), "");
}, skopeo === undefined || Deno.uid() !== 0);

test("the manifests for package managers name files of the release", () => {
  const digests = new Map(
    Deno.readTextFileSync(`${release}/SHA256SUMS`).trim().split("\n").map((line) =>
      [line.slice(66), line.slice(0, 64)] as const
    ),
  );
  const isReleased = (url: string, sha256: string) => {
    const [, name = ""] = /\/releases\/download\/v[^/]+\/([^/]+)$/.exec(url) ?? [];
    assert.equal(sha256.toLowerCase(), digests.get(name), url);
  };
  const manifests = `${release}/manifests`;
  const { spec } = parse(Deno.readTextFileSync(`${manifests}/krew/wasm.yaml`));
  assert.equal(spec.platforms.length, 5);
  for (const { uri, sha256 } of spec.platforms) isReleased(uri, sha256);
  const scoop = JSON.parse(Deno.readTextFileSync(`${manifests}/scoop/krew-wasm.json`));
  isReleased(scoop.architecture["64bit"].url, scoop.architecture["64bit"].hash);
  const [winget] = [...Deno.readDirSync(`${manifests}/winget`)].filter(({ name }) =>
    name.includes("installer")
  );
  const { Installers: [installer] } = parse(Deno.readTextFileSync(`${manifests}/winget/${winget!.name}`));
  isReleased(installer.InstallerUrl, installer.InstallerSha256);
  const formula = Deno.readTextFileSync(`${manifests}/homebrew/krew-wasm.rb`);
  const sources = [...formula.matchAll(/url "([^"]+)"\n\s*sha256 "([^"]+)"/g)];
  assert.equal(sources.length, 4);
  for (const [, url, sha256] of sources) isReleased(url!, sha256!);
});
