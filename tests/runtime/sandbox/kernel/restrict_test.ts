/** Operations that the kernel refuses to a restricted process, on each of its threads. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Restriction } from "../../../../runtime/sandbox/kernel/restrict.ts";
import { landlockMissing } from "../../../support/landlock.ts";
import type { Order, Report } from "../../../support/restricted.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

const NOTHING: Restriction = { paths: [], ports: [], listen: undefined, names: false, unix: false };

/** A port that was free a moment ago. */
function freePort(): Deno.NetAddr {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr;
}

/** Starts a process that restricts itself and then tries operations. */
async function tryIn(
  restriction: Restriction,
  attempts: Readonly<Record<string, string>>,
  ports?: readonly number[],
): Promise<Report> {
  const names = Object.keys(attempts);
  const order: Order = {
    restriction,
    ...(ports ? { ports } : {}),
    attempts: names.map((name) => name.split(" ")) as unknown as Order["attempts"],
  };
  const probe = fileURLToPath(new URL("../../../support/restricted.ts", import.meta.url));
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-all", probe, JSON.stringify(order)],
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.ok(text.startsWith("{"), new TextDecoder().decode(stderr));
  const report = JSON.parse(text) as Report;
  assert.deepEqual(Object.fromEntries(names.map((name, index) => [name, report.results[index]])), attempts);
  return report;
}

const DENIED = "PermissionDenied";

Deno.test("a process that keeps nothing", { ignore: landlockMissing() }, async (t) => {
  const directory = temporaryDirectory();
  Deno.writeTextFileSync(`${directory}/secret.json`, "{}");
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using _socket = Deno.listen({ transport: "unix", path: `${directory}/socket` });
  await using child = startSleep();
  await t.step("reads no file on any thread or worker", async () => {
    const { standing } = await tryIn(NOTHING, {
      [`read ${directory}/secret.json`]: DENIED,
      [`readLater ${directory}/secret.json`]: DENIED,
      [`import ${directory}/secret.json`]: "TypeError",
      [`worker ${directory}/secret.json`]: DENIED,
      [`readElsewhere ${directory}/secret.json`]: DENIED,
      ...(Deno.build.arch === "x86_64" ? { [`readEverywhere ${directory}/secret.json`]: DENIED } : {}),
      [`list ${directory}`]: DENIED,
      "read /proc/self/environ": DENIED,
    });
    assert.equal(standing, "full");
  });
  await t.step("changes nothing", async () => {
    await tryIn(NOTHING, {
      [`write ${directory}/new`]: DENIED,
      [`append ${directory}/secret.json`]: DENIED,
      [`make ${directory}/new`]: DENIED,
      [`remove ${directory}/secret.json`]: DENIED,
      [`rename ${directory}/secret.json ${directory}/x`]: DENIED,
      [`link ${directory}/secret.json ${directory}/x`]: DENIED,
      [`symlink secret.json ${directory}/x`]: DENIED,
      [`truncate ${directory}/secret.json`]: DENIED,
      [`chmod ${directory}/secret.json`]: DENIED,
    });
  });
  await t.step("starts no program, and touches no other process", async () => {
    const other = String(child.pid);
    await tryIn(NOTHING, {
      "run /bin/true": DENIED,
      "call 59/221 /bin/true 0 0": "EPERM", // execve
      "call 56/220 17 0 0 0 0": "EPERM", // clone: a process
      [`kill ${other}`]: DENIED,
      [`call 101/117 16 ${other} 0 0`]: "EPERM", // ptrace: PTRACE_ATTACH
      [`call 310/270 ${other} $ 0 $ 0 0`]: "EPERM", // process_vm_readv
      [`call 434 ${other} 0`]: "EPERM", // pidfd_open
      [`call 302/261 ${other} 7 0 $`]: "EPERM", // prlimit64
      "call 425 1 $": "EPERM", // io_uring_setup
      "call 16/29 0 21522 x": "EPERM", // ioctl: TIOCSTI
    });
  });
  await t.step("reaches nothing by any kind of socket", async () => {
    await tryIn(NOTHING, {
      [`connect 127.0.0.1 ${listener.addr.port}`]: DENIED,
      [`connectUnix ${directory}/socket`]: DENIED,
      "listen": DENIED,
      "call 41/198 2 2 0": "EACCES", // socket: UDP
    });
  });
  await t.step("still computes, and reads metadata of files", async () => {
    await tryIn(NOTHING, { "compute": "ok", [`stat ${directory}/secret.json`]: "ok" });
  });
});

Deno.test("a process keeps the listed access", { ignore: landlockMissing() }, async (t) => {
  const directory = temporaryDirectory();
  for (const name of ["read", "write", "other"]) {
    Deno.mkdirSync(`${directory}/${name}/sub`, { recursive: true });
    Deno.writeTextFileSync(`${directory}/${name}/file`, "x");
  }
  using allowed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await t.step("directories for reading and for writing", async () => {
    await tryIn({
      ...NOTHING,
      paths: [{ path: `${directory}/read`, access: "read" }, { path: `${directory}/write`, access: "write" }],
    }, {
      [`read ${directory}/read/file`]: "ok",
      [`list ${directory}/read/sub`]: "ok",
      [`append ${directory}/read/file`]: DENIED,
      [`write ${directory}/read/new`]: DENIED,
      [`write ${directory}/write/new`]: "ok",
      [`make ${directory}/write/made`]: "ok",
      [`rename ${directory}/write/new ${directory}/write/made/new`]: "ok",
      [`symlink ../other/file ${directory}/write/link`]: "ok",
      [`read ${directory}/write/link`]: DENIED,
      [`link ${directory}/other/file ${directory}/write/hard`]: "Error", // EXDEV,
      [`rename ${directory}/write/made/new ${directory}/other/new`]: DENIED,
      [`remove ${directory}/write/made/new`]: "ok",
      [`remove ${directory}/write/made`]: "ok",
      [`call 133/33 ${directory}/write/pipe 4480 0`]: "EPERM", // mknod: a pipe
      [`read ${directory}/other/file`]: DENIED,
    });
  });
  await t.step("listening at the listed ports", async () => {
    const { port } = freePort();
    const elsewhere = port === 65535 ? 1024 : port + 1;
    const attempts = (own: string, chosen: string, another: string) => ({
      [`listen ${port}`]: own,
      "listen 0": chosen,
      [`listen ${elsewhere}`]: another,
    });
    await tryIn({ ...NOTHING, listen: [port] }, attempts("ok", DENIED, DENIED));
    await tryIn({ ...NOTHING, listen: [0, port] }, attempts("ok", "ok", DENIED));
    await tryIn({ ...NOTHING, listen: "all" }, { [`listen ${port}`]: "ok", "listen 0": "ok" });
    const connected = `connect 127.0.0.1 ${allowed.addr.port}`;
    await tryIn({ ...NOTHING, listen: [port] }, { [connected]: DENIED });
  });
  await t.step("single files and no others", async () => {
    await tryIn({
      ...NOTHING,
      paths: [{ path: `${directory}/read/file`, access: "read" }, {
        path: `${directory}/other/file`,
        access: "write",
      }],
    }, {
      [`read ${directory}/read/file`]: "ok",
      [`append ${directory}/read/file`]: DENIED,
      [`append ${directory}/other/file`]: "ok",
      [`write ${directory}/other/file`]: "ok",
      [`write ${directory}/other/new`]: DENIED,
      [`remove ${directory}/other/file`]: DENIED,
      [`list ${directory}/other`]: DENIED,
    });
  });
  await t.step("the record's directory: files are added and rotated", async () => {
    await tryIn({ ...NOTHING, paths: [{ path: `${directory}/other`, access: "log" }] }, {
      [`write ${directory}/other/log`]: "ok",
      [`rename ${directory}/other/log ${directory}/other/log.1`]: "ok",
      [`make ${directory}/other/directory`]: DENIED,
    });
  });
  await t.step("a directory to remove empty directories from", async () => {
    await tryIn({ ...NOTHING, paths: [{ path: directory, access: "remove" }] }, {
      [`remove ${directory}/read/sub`]: "ok",
      [`remove ${directory}/read/file`]: DENIED,
    });
  });
  await t.step("a missing path is no error", async () => {
    const { standing } = await tryIn({
      ...NOTHING,
      paths: [{ path: `${directory}/nothing`, access: "read" }],
    }, {});
    assert.equal(standing, "full");
  });
  await t.step("ports", async () => {
    const { port } = allowed.addr;
    await tryIn({ ...NOTHING, ports: [port] }, {
      [`connect 127.0.0.1 ${port}`]: "ok",
      [`connect 127.0.0.1 ${other.addr.port}`]: DENIED,
      "listen": DENIED,
      "call 41/198 2 2 0": "EACCES", // socket: UDP
      "call 41/198 2 1 262": "EACCES", // socket: MPTCP
      "call 41/198 2 3 1": "EACCES", // socket: raw
    });
  });
  await t.step("one remaining port; files can still be moved", async () => {
    const ports = [allowed.addr.port, other.addr.port];
    Deno.writeTextFileSync(`${directory}/write/file`, "x");
    await tryIn({ ...NOTHING, ports, paths: [{ path: `${directory}/write`, access: "write" }] }, {
      [`connect 127.0.0.1 ${ports[0]}`]: "ok",
      [`connect 127.0.0.1 ${ports[1]}`]: DENIED,
      [`rename ${directory}/write/file ${directory}/write/sub/file`]: "ok",
      [`readLater ${directory}/write/sub/file`]: "ok",
    }, [ports[0]!]);
  });
  await t.step("names", async () => {
    const { port } = allowed.addr;
    const paths: Restriction["paths"] = [{ path: "/etc/hosts", access: "read" }, {
      path: "/etc/nsswitch.conf",
      access: "read",
    }];
    await tryIn({ ...NOTHING, paths, ports: [port], names: true }, {
      [`connect localhost ${port}`]: "ok",
      [`connect localhost ${other.addr.port}`]: DENIED,
    });
  });
});

/** A process of another program, as a target for signals. */
function startSleep(): AsyncDisposable & { readonly pid: number } {
  const child = new Deno.Command("sleep", { args: ["60"], stdin: "null" }).spawn();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}
