import assert from "node:assert/strict";
import { lockStore, waitingFor } from "../../../registry/store/store_lock.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

/** A process that takes the lock, says so, and keeps it until its stdin ends. */
function holder(path: string, task: string): Deno.ChildProcess {
  const lock = new URL("../../../registry/store/store_lock.ts", import.meta.url).href;
  const code = `
    import { lockStore } from ${JSON.stringify(lock)};
    await lockStore(${JSON.stringify(path)}, ${JSON.stringify(task)}, () => {});
    console.log("locked");
    await Deno.stdin.readable.pipeTo(new WritableStream());`;
  return new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", code],
    stdin: "piped",
    stdout: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
}

async function locked(child: Deno.ChildProcess): Promise<void> {
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assert.equal(new TextDecoder().decode(value).trim(), "locked");
  await reader.cancel();
}

Deno.test("a waiting process names the process that has the lock and its task", async () => {
  const directory = temporaryDirectory();
  const path = `${directory}/lock`;
  const child = holder(path, "pull ghcr.io/acme/foo:v1");
  await locked(child);
  const told = Promise.withResolvers<string>();
  const waiting = lockStore(path, "rm foo", told.resolve);
  assert.equal(
    await told.promise,
    `waiting for krew-wasm pull ghcr.io/acme/foo:v1 (process ${child.pid}) to finish`,
  );
  await child.stdin.close();
  (await waiting)[Symbol.dispose]();
  await child.status;
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("the lock of a killed process is free, whatever the file says", async () => {
  const directory = temporaryDirectory();
  const path = `${directory}/lock`;
  const child = holder(path, "pull x");
  await locked(child);
  child.kill("SIGKILL");
  await child.status;
  await child.stdin.close().catch(() => {});
  assert.match(Deno.readTextFileSync(path), new RegExp(`^${child.pid} pull x\n$`));
  using _lock = await lockStore(path, "rm x", () => {}); // a stale lock would make it wait forever
  assert.equal(Deno.readTextFileSync(path), `${Deno.pid} rm x\n`);
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("a reused process id in the lock file blocks nothing", async () => {
  const directory = temporaryDirectory();
  const path = `${directory}/lock`;
  for (
    const text of [`${Deno.pid} pull x\n`, "1 pull x\n", "999999999", "", "\x1b[2J", "x".repeat(1 << 20)]
  ) {
    Deno.writeTextFileSync(path, text);
    using _lock = await lockStore(path, "test", () => {}); // a wrongly detected lock would make it wait forever
    assert.equal(Deno.readTextFileSync(path), `${Deno.pid} test\n`);
  }
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("waitingFor() makes what it reads safe to print", () => {
  assert.equal(waitingFor("12 rm foo\n"), "waiting for krew-wasm rm foo (process 12) to finish");
  assert.equal(waitingFor("12\n"), "waiting for krew-wasm (process 12) to finish");
  for (const text of ["", "x", "12", "123456789012 x\n"]) {
    assert.equal(waitingFor(text), "waiting for another krew-wasm to finish");
  }
  assert.doesNotMatch(waitingFor("1 \x1b[2J\n"), /\x1b/);
});

Deno.test("takes a lock that came while the thread stood still", async () => {
  const directory = Deno.makeTempDirSync();
  for (let count = 0; count < 4; count++) {
    const coming = lockStore(`${directory}/lock`, "test", (line) => assert.fail(line));
    // The lock arrives long before this thread can notice, and the waiting message's timeout passes, too.
    for (const until = performance.now() + 250; performance.now() < until;);
    (await coming)[Symbol.dispose]();
  }
  Deno.removeSync(directory, { recursive: true });
});
