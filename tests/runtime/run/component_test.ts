import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { AppError } from "../../../runtime/base/errors.ts";
import { ClosedPipe } from "../../../runtime/wasi/streams/stdio.ts";
import {
  buildC,
  buildTypeScript,
  componentOf,
  FakeCluster,
  lacksClang,
  programOf,
  runBytes,
  runProgram,
  sourceOf,
  testSandbox,
  wat,
} from "../../support/components.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

// jco starts timers when it is first imported, and its output leaves timers of 10 ms behind.
const jcoLeaves = { sanitizeOps: false, sanitizeResources: false };

/** A command with `body` and its imports. `run` returns the result of `body`: 0 for ok, 1 for an error. */
function command(body: string, version = "0.2.0"): Promise<Uint8Array<ArrayBuffer>> {
  return wat(`(component
    (import "wasi:cli/exit@${version}" (instance $exit
      (export "exit" (func (param "status" (result))))
      (export "exit-with-code" (func (param "status-code" u8)))))
    (core func $exit (canon lower (func $exit "exit")))
    (core func $code (canon lower (func $exit "exit-with-code")))
    (core module $m
      (import "host" "exit" (func $exit (param i32)))
      (import "host" "code" (func $code (param i32)))
      (func (export "run") (result i32) ${body}))
    (core instance $i (instantiate $m (with "host" (instance
      (export "exit" (func $exit)) (export "code" (func $code))))))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@${version}" (instance $command)))`);
}

Deno.test("runComponent() returns 0 and 1 for what run returns", jcoLeaves, async () => {
  assert.equal(await runBytes(await command("i32.const 0"), testSandbox()), 0);
  assert.equal(await runBytes(await command("i32.const 1"), testSandbox()), 1);
});

Deno.test("runComponent() returns the exact code of exit and of exit-with-code", jcoLeaves, async () => {
  assert.equal(await runBytes(await command("i32.const 0 call $exit i32.const 1"), testSandbox()), 0);
  assert.equal(await runBytes(await command("i32.const 1 call $exit i32.const 0"), testSandbox()), 1);
  for (const code of [0, 1, 33, 255]) {
    assert.equal(
      await runBytes(await command(`i32.const ${code} call $code i32.const 0`), testSandbox()),
      code,
    );
  }
});

Deno.test(
  "runComponent() ends at exit even if the plugin catches the exception",
  jcoLeaves,
  async () => {
    const bytes = await command(
      "(block $caught (try_table (catch_all $caught) (call $code (i32.const 9)))) i32.const 0",
    );
    assert.equal(await runBytes(bytes, testSandbox()), 9);
  },
);

Deno.test("runComponent() serves every version of WASI 0.2", jcoLeaves, async () => {
  for (const version of ["0.2.0", "0.2.6", "0.2.12", "0.2.99"]) {
    assert.equal(
      await runBytes(await command("i32.const 5 call $code i32.const 0", version), testSandbox()),
      5,
    );
  }
});

Deno.test("runComponent() throws a trap unchanged", jcoLeaves, async () => {
  await assert.rejects(
    async () => await runBytes(await command("unreachable"), testSandbox()),
    (error) => error instanceof WebAssembly.RuntimeError && error.message === "unreachable",
  );
});

Deno.test("runComponent() names a missing file", jcoLeaves, async () => {
  const { compilePlugin } = await import("../../../registry/compile/compile.ts");
  const { runComponent } = await import("../../../runtime/run/component.ts");
  const { kind, files } = await compilePlugin(await command("i32.const 0"));
  const program = {
    kind,
    files: ["plugin.js"],
    read: (name: string) => Promise.resolve(files.find((file) => file.name === name)!.bytes),
  };
  await assert.rejects(runComponent(program, testSandbox()), { code: "STORE_CORRUPT" });
});

Deno.test("runComponent() names a missing function", jcoLeaves, async () => {
  const bytes = await wat(`(component
    (import "wasi:random/random@0.2.0" (instance $e (export "get-random-u64" (func (result u64)))))
    (core func $f (canon lower (func $e "get-random-u64")))
    (core module $m (import "h" "f" (func $f (result i64))) (func (export "run") (result i32) (i32.wrap_i64 (call $f))))
    (core instance $i (instantiate $m (with "h" (instance (export "f" (func $f))))))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $command)))`);
  // A later krew-wasm with more functions could have compiled this.
  const program = await programOf(bytes);
  const later = {
    ...program,
    read: async (file: string) =>
      file === "plugin.js"
        ? new TextEncoder().encode(
          new TextDecoder().decode(await program.read(file)).replaceAll("getRandomU64", "getMoonPhase"),
        )
        : await program.read(file),
  };
  await assert.rejects(
    runProgram(later, testSandbox()),
    (error) =>
      error instanceof AppError && error.code === "PLUGIN_UNSUPPORTED" && /getMoonPhase/.test(error.message),
  );
});

Deno.test({
  ...jcoLeaves,
  name: "runComponent() passes arguments, environment, stdout and the exit code",
  ignore: lacksClang(),
  async fn() {
    const hello = await componentOf(await buildC("examples/hello/hello.c"));
    const sandbox = testSandbox({ args: ["kubectl-hello", "--env"], env: [["A", "1"], ["B", "x=y"]] });
    assert.equal(await runBytes(hello, sandbox), 0);
    assert.equal(sandbox.stdout.text(), "A=1\nB=x=y\n");
    // The adapter knows only success and failure.
    assert.equal(await runBytes(hello, testSandbox({ args: ["kubectl-hello", "--exit", "33"] })), 1);
    const wrong = testSandbox({ args: ["kubectl-hello", "--nonsense"] });
    assert.equal(await runBytes(hello, wrong), 1);
    assert.match(wrong.stderr.text(), /--nonsense/);
  },
});

Deno.test({
  ...jcoLeaves,
  name: "runComponent() passes 10 MB from stdin to stdout byte by byte",
  ignore: lacksClang(),
  async fn() {
    const bytes = new Uint8Array(10_000_003);
    for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 2654435761) >>> 24;
    const sandbox = testSandbox({ stdin: sourceOf(bytes) });
    assert.equal(await runBytes(await componentOf(await buildC("tests/fixtures/cat.c")), sandbox), 0);
    assert.equal(Buffer.compare(sandbox.stdout.bytes(), bytes), 0);
  },
});

Deno.test({
  ...jcoLeaves,
  name: "runComponent() ends when a pipe closes",
  ignore: lacksClang(),
  async fn() {
    const cat = await componentOf(await buildC("tests/fixtures/cat.c"));
    const sandbox = testSandbox({ stdin: sourceOf(new Uint8Array(100_000)) });
    sandbox.stdout.write = () => {
      throw new ClosedPipe();
    };
    await assert.rejects(runBytes(cat, sandbox), ClosedPipe);
  },
});

Deno.test({
  ...jcoLeaves,
  name: "runComponent() opens files of a mount and no others",
  ignore: lacksClang(),
  async fn() {
    const files = await componentOf(await buildC("tests/fixtures/files.c"));
    const directory = temporaryDirectory();
    try {
      await Deno.mkdir(`${directory}/in`);
      await Deno.writeTextFile(`${directory}/in/a`, "inside\n");
      await Deno.writeTextFile(`${directory}/out`, "outside\n");
      await Deno.symlink("../out", `${directory}/in/link`);
      const run = async (write: boolean, ...args: string[]) => {
        const sandbox = testSandbox({
          args: ["files", ...args],
          files: { mounts: [{ guest: `${directory}/in`, host: `${directory}/in`, write }] },
        });
        return { code: await runBytes(files, sandbox), text: sandbox.stdout.text() };
      };
      assert.deepEqual(await run(false, "read", `${directory}/in/a`), { code: 0, text: "inside\n" });
      for (const path of ["out", "in/../out", "in/link", "in/nothing"]) {
        assert.deepEqual(await run(true, "read", `${directory}/${path}`), { code: 1, text: "" }, path);
      }
      assert.equal((await run(false, "write", `${directory}/in/b`, "new")).code, 1);
      assert.equal((await run(true, "write", `${directory}/in/b`, "new")).code, 0);
      assert.equal(await Deno.readTextFile(`${directory}/in/b`), "new");
      assert.equal(
        (await run(true, "list", `${directory}/in`)).text.trim().split("\n").sort().join(),
        "a,b,link",
      );
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

Deno.test({
  ...jcoLeaves,
  name: "runComponent() waits for an overlay's content at open",
  ignore: lacksClang(),
  async fn() {
    const files = await componentOf(await buildC("tests/fixtures/files.c"));
    const directory = temporaryDirectory();
    try {
      await Deno.writeTextFile(`${directory}/config`, "secret\n");
      const sandbox = testSandbox({
        args: ["files", "read", `${directory}/config`],
        files: {
          mounts: [{ guest: directory, host: directory, write: true }],
          overlays: [{
            host: `${directory}/config`,
            content: async () => {
              await new Promise((resolve) => setTimeout(resolve, 0));
              return new TextEncoder().encode("redacted\n");
            },
          }],
        },
      });
      assert.equal(await runBytes(files, sandbox), 0);
      assert.equal(sandbox.stdout.text(), "redacted\n");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

const FETCH = `
import { getArguments } from "wasi:cli/environment@0.2.12";
import { getStdout } from "wasi:cli/stdout@0.2.12";
import { exitWithCode } from "wasi:cli/exit@0.2.12";

const print = (text) => getStdout().blockingWriteAndFlush(new TextEncoder().encode(text));

export const run = {
  async run() {
    const [, url, method = "GET", body] = getArguments();
    try {
      const response = await fetch(url, { method, ...(body ? { body } : {}) });
      print(\`status \${response.status}\\n\`);
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        print(\`chunk \${new TextDecoder().decode(value)}\\n\`);
      }
    } catch (error) {
      print(\`failed \${error}\\n\`);
      exitWithCode(7);
    }
  },
};
`;

Deno.test(
  "runComponent() runs a TypeScript plugin whose fetch reaches the cluster alone",
  jcoLeaves,
  async (t) => {
    const plugin = await buildTypeScript(FETCH);

    await t.step("a line of a watch arrives at once", async () => {
      let send!: (line: string) => void;
      let end!: () => void;
      const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
        start(controller) {
          send = (line) => controller.enqueue(new TextEncoder().encode(line));
          end = () => controller.close();
        },
      });
      const cluster = new FakeCluster(() => ({ status: 200, headers: [["content-type", "x/y"]], body }));
      const sandbox = testSandbox({ args: ["p", `${cluster.server}/api/v1/events?watch=1`], cluster });
      const ended = runBytes(plugin, sandbox);
      await sandbox.stdout.includes("status 200\n");
      for (const line of ["one", "two"]) {
        send(line);
        await sandbox.stdout.includes(`chunk ${line}\n`); // before the server sends more
      }
      end();
      assert.equal(await ended, 0);
      assert.equal(cluster.requests[0]!.url, `${cluster.server}/api/v1/events?watch=1`);
      assert.equal(cluster.requests[0]!.method.toUpperCase(), "GET");
    });

    await t.step("fetch sends a request's body", async () => {
      let seen = "";
      const cluster = new FakeCluster(async ({ body }) => {
        seen = await new Response(body ?? null).text();
        return { status: 201, headers: [], body: null };
      });
      const args = ["p", `${cluster.server}/api/v1/pods`, "POST", "x".repeat(300_000)];
      const sandbox = testSandbox({ args, cluster });
      assert.equal(await runBytes(plugin, sandbox), 0);
      assert.match(sandbox.stdout.text(), /^status 201\n/);
      assert.equal(seen, args[3]);
    });

    await t.step("a refused request is an error of fetch", async () => {
      const cluster = new FakeCluster(() => {
        throw new AppError("DESTINATION_REFUSED", "not the cluster");
      });
      const sandbox = testSandbox({ args: ["p", "https://elsewhere.test/"], cluster });
      assert.equal(await runBytes(plugin, sandbox), 7);
      assert.match(sandbox.stdout.text(), /^failed /);
      // wasi:http cannot express the reason to the plugin.
      assert.equal(sandbox.stderr.text(), "krew-wasm: not the cluster\n");
    });
  },
);

/** Requests the cluster and fails, after it has printed `words`. */
function failing(words: string): string {
  return `(component
    (import "krew-wasm:kubernetes/cluster@0.1.1" (instance $cluster
      (type $r (record (field "context" string) (field "server" string) (field "namespace" string)))
      (export "connection" (type $connection (eq $r)))
      (type $v (variant (case "no-cluster" string) (case "denied" string) (case "invalid" string)
        (case "credentials" string) (case "unreachable" string)))
      (export "error" (type $error (eq $v)))
      (export "current" (func (result (result $connection (error $error)))))))
    (import "wasi:io/error@0.2.0" (instance $errors (export "error" (type (sub resource)))))
    (alias export $errors "error" (type $io-error))
    (import "wasi:io/streams@0.2.0" (instance $streams
      (export "error" (type $e (eq $io-error)))
      (export "output-stream" (type $out (sub resource)))
      (type $s (variant (case "last-operation-failed" (own $e)) (case "closed")))
      (export "stream-error" (type $stream-error (eq $s)))
      (export "[method]output-stream.blocking-write-and-flush"
        (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
    (alias export $streams "output-stream" (type $output-stream))
    (import "wasi:cli/stderr@0.2.0" (instance $stderr
      (export "output-stream" (type $o (eq $output-stream)))
      (export "get-stderr" (func (result (own $o))))))
    (core module $libc (memory (export "memory") 1) (data (i32.const 512) "${words}")
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
    (core instance $libc (instantiate $libc))
    (core func $current (canon lower (func $cluster "current")
      (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $get (canon lower (func $stderr "get-stderr")))
    (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
      (memory (core memory $libc "memory"))))
    (core module $main
      (import "host" "current" (func $current (param i32)))
      (import "host" "get" (func $get (result i32)))
      (import "host" "write" (func $write (param i32 i32 i32 i32)))
      (func (export "run") (result i32)
        (call $current (i32.const 16))
        (call $write (call $get) (i32.const 512) (i32.const ${words.length}) (i32.const 64))
        i32.const 1))
    (core instance $main (instantiate $main (with "host" (instance
      (export "current" (func $current)) (export "get" (func $get)) (export "write" (func $write))))))
    (func $run (result (result)) (canon lift (core func $main "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $command)))`;
}

Deno.test(
  "prints why a silent plugin failed, and nothing twice",
  jcoLeaves,
  async () => {
    for (
      const [words, told] of [["", /^krew-wasm: There is no cluster \(set one\)\n$/], ["oh", /^oh$/]] as const
    ) {
      const sandbox = testSandbox();
      const refused = new AppError("NO_CLUSTER", "There is no cluster", { hint: "set one" });
      const code = await runBytes(await wat(failing(words)), {
        ...sandbox,
        cluster: () => Promise.reject(refused),
      });
      assert.equal(code, 1);
      assert.match(sandbox.stderr.text(), told);
    }
  },
);
