import assert from "node:assert/strict";
import { downloadFile, isNewer, isVersion, newestVersion } from "../../../registry/release/find_release.ts";
import { Transport } from "../../../registry/oci/registry_transport.ts";
import { packageOwner } from "../../../registry/release/package_owner.ts";
import { archiveName, platformOf, programIn } from "../../../registry/release/platform_archive.ts";
import { tarGz, zip } from "../../../scripts/release/archive.ts";
import { TARGETS } from "../../../scripts/release/targets.ts";

Deno.test("versions are ordered as SemVer orders them", () => {
  const order = ["0.9.9", "0.10.0-rc.2", "0.10.0-rc.10", "0.10.0", "1.0.0"];
  order.forEach((version, at) => {
    for (const older of order.slice(0, at)) assert.ok(isNewer(version, older), `${version} ${older}`);
    for (const newer of order.slice(at)) assert.ok(!isNewer(version, newer), `${version} ${newer}`);
  });
});

Deno.test("only a plain version is a version", () => {
  for (const text of ["1.2.3", "1.2.3-rc.1"]) assert.ok(isVersion(text), text);
  for (const text of ["", "1.2", "v1.2.3", "1.2.3/../..", "1.2.3-*", "1.2.3 ", "1.2.3@x"]) {
    assert.ok(!isVersion(text), text);
  }
});

Deno.test("the newest release is what the page redirects to", async () => {
  let location = "/releases/tag/v1.2.3";
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(null, { status: 302, headers: { location } }),
  );
  const place = { page: `http://127.0.0.1:${server.addr.port}`, transport: new Transport({}) };
  assert.equal(await newestVersion(place), "1.2.3");
  for (location of ["/login", "/releases/tag/v1.2.3/evil", "/releases/tag/v../../x"]) {
    await assert.rejects(newestVersion(place), { code: "SELF_UPDATE_FAILED" }, location);
  }
});

Deno.test("a download follows redirects to HTTPS or to itself, and no others", async () => {
  let target = "/storage";
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) =>
      new URL(request.url).pathname === "/storage"
        ? new Response("bytes")
        : new Response(null, { status: 302, headers: { location: target } }),
  );
  const place = { page: `http://127.0.0.1:${server.addr.port}`, transport: new Transport({}) };
  assert.equal(new TextDecoder().decode(await downloadFile(place, "1.2.3", "x")), "bytes");
  for (
    const [to, code] of [
      ["http://storage.example/x", "REGISTRY_PROTOCOL"],
      ["file:///etc/passwd", "REGISTRY_PROTOCOL"],
      ["/again", "SELF_UPDATE_FAILED"],
    ] as const
  ) {
    target = to;
    await assert.rejects(downloadFile(place, "1.2.3", "x"), { code }, to);
  }
  await place.transport.close();
});

Deno.test("the archive of each platform is the one that a release has", () => {
  for (const target of TARGETS) {
    const [arch = "", , system = ""] = target.triple.split("-");
    const { os, arch: processor } = platformOf({ os: system, arch });
    assert.deepEqual([os, processor], [target.os, target.arch]);
    const extension = os === "windows" ? "zip" : "tar.gz";
    assert.equal(
      archiveName("1.2.3", platformOf({ os: system, arch })),
      `krew-wasm-1.2.3-${target.os}-${target.arch}.${extension}`,
    );
  }
});

Deno.test("the program is found in both kinds of archives", async () => {
  const bytes = new TextEncoder().encode("program");
  const entries = (program: string) => [
    { path: `krew-wasm-1.2.3/${program}`, bytes, executable: true },
    { path: "krew-wasm-1.2.3/man/krew-wasm", bytes: new Uint8Array(3) },
  ];
  const found = [
    await programIn("a.tar.gz", (await tarGz(entries("krew-wasm"))).slice()),
    await programIn("a.zip", zip(entries("krew-wasm.exe")).slice()),
  ];
  for (const program of found) assert.deepEqual(program, bytes);
  await assert.rejects(programIn("a.tar.gz", (await tarGz(entries("other"))).slice()), {
    code: "SELF_UPDATE_FAILED",
  });
});

Deno.test("a package manager is known by the program's path", async () => {
  const none = () => Promise.resolve(false);
  for (
    const [path, name] of [
      ["/home/me/.krew/store/wasm/v1.2.3/krew-wasm", "Krew"],
      ["/opt/homebrew/Cellar/krew-wasm/1.2.3/bin/krew-wasm", "Homebrew"],
      ["/usr/lib/node_modules/krew-wasm-linux-x64/krew-wasm", "npm"],
      ["C:\\Users\\me\\scoop\\apps\\krew-wasm\\1.2.3\\krew-wasm.exe", "Scoop"],
      ["C:\\Users\\me\\AppData\\Local\\Microsoft\\WinGet\\Packages\\x\\krew-wasm.exe", "winget"],
    ] as const
  ) {
    assert.equal((await packageOwner(path, none))?.name, name, path);
  }
  assert.equal(await packageOwner("/home/me/.local/bin/krew-wasm", none), undefined);
});

Deno.test("dpkg and rpm are asked for the program", async () => {
  const asked: string[] = [];
  const owner = await packageOwner("/usr/bin/krew-wasm", (program, args) => {
    asked.push(`${program} ${args.join(" ")}`);
    return Promise.resolve(program === "rpm");
  });
  assert.equal(owner?.name, "rpm");
  assert.deepEqual(asked, ["dpkg-query -S /usr/bin/krew-wasm", "rpm -qf /usr/bin/krew-wasm"]);
});
