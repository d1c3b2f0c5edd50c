/** Operations that the second wall refuses, each in its own process. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { usesOfComponent, usesOfModule } from "../../../runtime/sandbox/process_permissions.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const module = (...imports: string[]) =>
  usesOfModule(
    imports.map((text) => {
      const [module = "", name = ""] = text.split(" ");
      return { module, name };
    }),
    true,
  );

Deno.test("a module uses what it imports; an unknown import counts as the network", () => {
  const p1 = (name: string) => `wasi_snapshot_preview1 ${name}`;
  assert.deepEqual(module(p1("fd_write"), p1("proc_exit")), {
    files: false,
    throughDeno: true,
    network: false,
    listens: false,
    symlinks: false,
  });
  assert.deepEqual(module(p1("path_open")), {
    files: true,
    throughDeno: true,
    network: false,
    listens: false,
    symlinks: false,
  });
  assert.deepEqual(module("wasi_unstable path_symlink"), {
    files: true,
    throughDeno: true,
    network: false,
    listens: false,
    symlinks: true,
  });
  assert.deepEqual(module(p1("sock_accept"), p1("sock_recv")).network, false);
  assert.deepEqual(module(p1("sock_open")).network, true);
  assert.deepEqual(module(p1("sock_open")).listens, false);
  for (const name of ["sock_listen", "sock_listen_v2"]) assert.deepEqual(module(p1(name)).listens, true);
  assert.deepEqual(module("wasi-outbound-http request").network, true);
  assert.deepEqual(module("anything path_open").network, true);
});

Deno.test("a component's unknown import counts as the network", () => {
  assert.deepEqual(usesOfComponent(["wasi:cli/stdout", "wasi:io/streams"], true), {
    files: false,
    throughDeno: true,
    network: false,
    listens: false,
    symlinks: false,
  });
  assert.equal(usesOfComponent(["wasi:filesystem/preopens"], false).files, true);
  assert.equal(usesOfComponent(["wasi:sockets/tcp"], false).listens, true);
  for (const name of ["wasi:http/types", "wasi:sockets/tcp", "krew-wasm:kubernetes/cluster", "other:x/y"]) {
    assert.equal(usesOfComponent([name], false).network, true, name);
  }
});

const PROBE = `
import { giveUp, giveUpRunning } from ${
  JSON.stringify(new URL("../../../runtime/sandbox/process_permissions.ts", import.meta.url).href)
};
import { makeSymlink } from ${
  JSON.stringify(new URL("../../../runtime/base/symlink.ts", import.meta.url).href)
};
const [directory, keep] = [Deno.args[0], JSON.parse(Deno.args[1])];
const paths = (list) => list.map((path) => path.replace("DIR", directory));
giveUp({ ...keep, read: paths(keep.read), write: paths(keep.write) });
if (Deno.args[2]) giveUpRunning();
const can = {};
const attempt = async (name, run) => {
  try { await run(); can[name] = true; } catch (error) { can[name] = error.name === "NotCapable" ? false : error.message; }
};
await attempt("readInside", () => Deno.readTextFileSync(directory + "/in/a"));
await attempt("readOutside", () => Deno.readTextFileSync(directory + "/out/a"));
await attempt("readAround", () => Deno.readTextFileSync(directory + "/in/../out/a"));
await attempt("writeInside", () => Deno.writeTextFileSync(directory + "/in/b", "b"));
await attempt("writeOutside", () => Deno.writeTextFileSync(directory + "/out/b", "b"));
await attempt("moveOut", () => Deno.renameSync(directory + "/in/a", directory + "/out/c"));
await attempt("linkIn", () => Deno.linkSync(directory + "/out/a", directory + "/in/c"));
await attempt("symlink", () => makeSymlink("b", directory + "/in/link"));
await attempt("run", () => new Deno.Command("true").outputSync());
await attempt("env", () => Deno.env.get("HOME"));
await attempt("secret", () => { if (Deno.env.get("AWS_SECRET_ACCESS_KEY") === undefined) throw new Deno.errors.NotCapable(); });
await attempt("uid", () => Deno.uid());
await attempt("ffi", () => Deno.dlopen("libc.so.6", {}).close());
await attempt("net", async () => { const l = Deno.listen({ hostname: "127.0.0.1", port: 0 }); l.close(); });
console.log(JSON.stringify(can));
`;

async function canAfter(keep: Record<string, unknown>, flags: readonly string[] = [], ...more: string[]) {
  const directory = temporaryDirectory();
  try {
    for (const name of ["in", "out"]) {
      Deno.mkdirSync(`${directory}/${name}`);
      Deno.writeTextFileSync(`${directory}/${name}/a`, name);
    }
    Deno.writeTextFileSync(`${directory}/probe.mjs`, PROBE);
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-check",
        "--no-prompt",
        ...(flags.length > 0 ? flags : [
          "--allow-read=/",
          "--allow-write=/",
          "--allow-env",
          "--allow-net",
          "--allow-run",
          "--allow-sys",
          "--allow-ffi",
        ]),
        `${directory}/probe.mjs`,
        directory,
        JSON.stringify(keep),
        ...more,
      ],
      env: { AWS_SECRET_ACCESS_KEY: "s3cret" },
      cwd: fileURLToPath(new URL("../../..", import.meta.url)),
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert.ok(text.startsWith("{"), new TextDecoder().decode(stderr));
    return JSON.parse(text) as Record<string, boolean>;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

const NOTHING = {
  readInside: false,
  readOutside: false,
  readAround: false,
  writeInside: false,
  writeOutside: false,
  moveOut: false,
  linkIn: false,
  symlink: false,
  run: false,
  env: false,
  secret: false,
  uid: false,
  ffi: false,
  net: false,
};
const keep = { read: [], write: [], network: false, run: false, symlinks: false };
const unix = { ignore: Deno.build.os === "windows" };

Deno.test("a process without permissions can do nothing", unix, async () => {
  assert.deepEqual(await canAfter(keep), NOTHING);
});

Deno.test(
  "a process that keeps a directory reads and changes nothing else",
  unix,
  async () => {
    assert.deepEqual(await canAfter({ ...keep, read: ["DIR/in"] }), { ...NOTHING, readInside: true });
    const write = { ...NOTHING, readInside: true, writeInside: true };
    assert.deepEqual(await canAfter({ ...keep, read: ["DIR/in"], write: ["DIR/in"] }), write);
    const links = { read: ["DIR/in"], write: ["DIR/in"], symlinks: true };
    if (Deno.build.os === "linux") {
      assert.deepEqual(await canAfter({ ...keep, ...links }), { ...write, symlink: true });
    }
  },
);

Deno.test(
  "a process that keeps the network deletes its environment",
  unix,
  async () => {
    assert.deepEqual(await canAfter({ ...keep, network: true }), { ...NOTHING, env: true, net: true });
  },
);

Deno.test(
  "a process keeps run until the user needs no credential plugin",
  unix,
  async () => {
    const before = await canAfter({ ...keep, network: true, run: true });
    assert.deepEqual(before, { ...NOTHING, env: true, net: true, run: true, secret: true });
    const after = await canAfter({ ...keep, network: true, run: true }, [], "then");
    assert.deepEqual(after, { ...NOTHING, env: true, net: true });
  },
);

Deno.test(
  "permissions without paths stay, all others are given up",
  unix,
  async () => {
    const files = {
      ...NOTHING,
      readInside: true,
      readOutside: true,
      readAround: true,
      writeInside: true,
      writeOutside: true,
      moveOut: true,
      linkIn: "x",
      symlink: true,
    };
    for (
      const can of [
        await canAfter({ ...keep, symlinks: true }, ["--allow-all"]),
        await canAfter({ ...keep, read: ["/"], write: ["/"], symlinks: true }),
      ]
    ) assert.deepEqual({ ...can, linkIn: "x" }, files);
  },
);
