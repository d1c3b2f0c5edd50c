/** Wrong usage, and streams that can't be written. */

import assert from "node:assert/strict";
import { runManager } from "../../cli/app.ts";
import type { Context } from "../../cli/context.ts";
import { processOutput } from "../../cli/terminal/output.ts";
import { nearest } from "../../runtime/base/nearest.ts";
import type { AppError } from "../../runtime/base/errors.ts";
import { layoutAt } from "../../runtime/store/layout.ts";
import { unusedHost } from "../support/unused_host.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/** Runs a command line with an empty store. */
async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const root = temporaryDirectory();
  Deno.mkdirSync(`${root}/.krew-wasm`, { mode: 0o700 });
  // Keep tests away from docker.io.
  Deno.writeTextFileSync(
    `${root}/.krew-wasm/registries.yaml`,
    "registries: { docker.io: { blocked: true } }\n",
  );
  const written = { stdout: "", stderr: "" };
  const context: Context = {
    stdout: (text) => void (written.stdout += text),
    stderr: (text) => void (written.stderr += text),
    env: (name) => name === "HOME" ? root : undefined,
    cwd: () => root,
    layout: () => layoutAt(`${root}/.krew-wasm`),
    now: () => new Date(0),
    policyPath: `${root}/policy.yaml`,
    stderrIsTerminal: false,
    verbose: false,
  };
  try {
    return { code: await runManager(args, unusedHost, context), ...written };
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("a wrong command line exits with 2, and shows the value and a hint", async () => {
  const cases: [args: string[], stderr: string][] = [
    [["pul"], 'error: Unknown command "pul"\nhint: did you mean pull?\n'],
    [["isntall", "x"], 'error: Unknown command "isntall"\nhint: did you mean install?\n'],
    [["uninstal"], 'error: Unknown command "uninstal"\nhint: did you mean uninstall?\n'],
    [
      ["nothing-like-it"],
      'error: Unknown command "nothing-like-it"\nhint: krew-wasm --help lists the commands\n',
    ],
    [["index", "ad"], 'error: Unknown command "ad" of krew-wasm index\nhint: did you mean add?\n'],
    [["help", "pul"], 'error: Unknown command "pul"\nhint: did you mean pull?\n'],
    [["help", "index", "ad"], 'error: Unknown command "ad" of krew-wasm index\nhint: did you mean add?\n'],
    [
      ["help", "pull", "list"],
      'error: Unknown command "list" of krew-wasm pull\n' +
      "hint: krew-wasm pull has none: krew-wasm pull --help\n",
    ],
    [["list", "--nohedaers"], 'error: Unknown option "--nohedaers"\nhint: did you mean --no-headers?\n'],
    [["list", "--zzzzzzzz"], 'error: Unknown option "--zzzzzzzz"\nhint: krew-wasm list --help\n'],
    [
      ["run", "--allow-raed=.", "x"],
      'error: Unknown option "--allow-raed=."\nhint: did you mean --allow-read?\n',
    ],
    [["pull"], "error: Missing required argument: references\nhint: krew-wasm pull --help\n"],
    [["index", "add"], "error: Missing required argument: reference\nhint: krew-wasm index add --help\n"],
    [
      ["list", "a", "b"],
      "error: Too many arguments: krew-wasm list takes none, not 2: a, b\nhint: krew-wasm list --help\n",
    ],
    [["list", "-o"], "error: --output needs a value\nhint: krew-wasm list --help\n"],
    [
      ["list", "-o", "jsn"],
      'error: --output="jsn" must be one of wide, json, yaml, name, lock\nhint: krew-wasm list --help\n',
    ],
    [
      ["pull", "--keep", "0", "x"],
      'error: --keep="0" is not a number from 1 to 999\nhint: krew-wasm pull --help\n',
    ],
    [
      ["completion", "tcsh"],
      'error: "tcsh" must be one of bash, zsh, fish, powershell\nhint: krew-wasm completion --help\n',
    ],
    [
      ["grants", "--allow-home"],
      "error: Name the plugin whose grants to change\nhint: krew-wasm grants NAME --help\n",
    ],
    [["delete", "x"], 'error: Unknown command "delete"\nhint: did you mean rm?\n'],
    [["describe"], 'error: Unknown command "describe"\nhint: did you mean info?\n'],
    [["repo", "add"], 'error: Unknown command "repo"\nhint: did you mean index?\n'],
    [["prune"], 'error: Unknown command "prune"\nhint: did you mean sync --prune?\n'],
    [["\x1b[2Jx"], 'error: Unknown command "\\x1b[2Jx"\nhint: krew-wasm --help lists the commands\n'],
    [
      ["list", "-o", "\x1b[2J\n"],
      'error: --output="\\x1b[2J\\n" must be one of wide, json, yaml, name, lock\n' +
      "hint: krew-wasm list --help\n",
    ],
  ];
  for (const [args, stderr] of cases) assert.deepEqual(await run(...args), { code: 2, stdout: "", stderr });
});

Deno.test("the help of every command fits into 80 columns", async () => {
  const { stdout } = await run("__complete", "--", "");
  const commands = stdout.split("\n").map((line) => line.split("\t")[0]!).filter((name) => name !== "");
  assert.ok(commands.length > 20, stdout);
  let columns = 80;
  try {
    columns = Math.max(columns, Math.min(Deno.consoleSize().columns, 120)); // help adapts to a real terminal
  } catch { /* none */ }
  const subcommands = ["bundle save", "bundle load", "index add", "index list", "index build", "index push"];
  for (const command of ["", ...commands, ...subcommands]) {
    const help = await run("help", ...command.split(" ").filter((word) => word !== ""));
    assert.match(
      help.stdout,
      command === "grants" ? /^GRANTS\n/ : /^Usage: /,
      `${command}: ${help.code} ${help.stderr}`,
    );
    for (const line of help.stdout.split("\n")) assert.ok(line.length <= columns, `${command}: ${line}`);
  }
});

Deno.test("every command that prints a table leaves out its header", async () => {
  for (const command of ["list", "outdated", "search", "grants", "log", "index list"]) {
    assert.match((await run(...command.split(" "), "--help")).stdout, / --no-headers /, command);
  }
  assert.match((await run("__complete", "--", "help", "")).stdout, /^exit-codes\t/m);
});

Deno.test("reports a missing file, and a directory in the place of a file", async () => {
  const directory = temporaryDirectory();
  const none = `${directory}/none`;
  try {
    const cases: [args: string[], message: string, code?: number][] = [
      [["sync"], "Cannot read"],
      [["bundle", "load"], "Cannot read"],
      [["push", "FILE", "127.0.0.1:1/x"], "Cannot push"],
      [["push", "x.wasm", "127.0.0.1:1/x", "--no-check", "--sign", "FILE"], "Cannot push"],
      [["index", "push", "FILE", "127.0.0.1:1/x"], "Cannot read"],
      [["run", "FILE"], "Cannot run", 125],
      [["pull", "127.0.0.1:1/x", "--allow-cluster=FILE/"], "Cannot read the rules in"],
      [["pull", "127.0.0.1:1/x", "--verify", "FILE"], "Cannot read the key"],
      [["pull", "127.0.0.1:1/x", "--trust-root", "FILE"], "Cannot read the trust root"],
    ];
    for (const [args, message, code = 1] of cases) {
      for (
        const [path, why] of [[directory, "it is a directory"], [none, "there is no such file"]] as const
      ) {
        if (path === directory && args[0] === "run") continue; // it is built
        const at = args.map((arg) => arg.replace("FILE", path));
        const { code: actual, stderr } = await run(...(at.join() === args.join() ? [...at, path] : at));
        assert.equal(actual, code, stderr);
        if (args.includes("x.wasm")) {
          assert.match(stderr, /^error: Cannot push "x.wasm": there is no such file/);
        } else {assert.ok(
            stderr.startsWith(`error: ${message} "`) && stderr.includes(`": ${why}\n`),
            stderr,
          );}
        assert.doesNotMatch(stderr, /os error|defect/);
      }
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("reads kubectl's spellings of options", async () => {
  const cases = [["-o", "json"], ["-ojson"], ["-o=json"], ["--output=json"], ["--output", "json"]];
  for (const words of cases) {
    const { code, stdout, stderr } = await run("list", ...words);
    assert.deepEqual([code, stderr, JSON.parse(stdout)], [0, "", { plugins: [] }], words.join(" "));
  }
  assert.match((await run("list", "-o=jsn")).stderr, /^error: --output="jsn" must be one of /);
  assert.match((await run("list", "-o=")).stderr, /^error: --output="" must be one of /);
  assert.match((await run("outdated", "-a=true", "-o=json")).stdout, /"plugins": \[\]/);
  assert.equal((await run("outdated", "--all=false")).code, 0);
});

Deno.test("warns of misspelt rules and of denied paths that do not exist", async () => {
  const { stderr } = await run(
    "pull",
    "127.0.0.1:1/x",
    "--allow-cluster=gte:pods",
    "--deny-cluster=list:pod",
    "--deny-read=/none/there",
  );
  assert.ok(stderr.includes('warning: "gte" is not a verb of Kubernetes; did you mean get?\n'), stderr);
  assert.ok(stderr.includes('warning: "pod" is not the plural that rules use; did you mean pods?\n'), stderr);
  assert.ok(stderr.includes("warning: /none/there does not exist\n"), stderr);
});

Deno.test("--verbose is accepted before and after every command", async () => {
  for (
    const words of [["-v", "list"], ["list", "-v"], ["list", "--verbose"], ["index", "list", "-v"], [
      "index",
      "-v",
    ]]
  ) {
    assert.equal((await run(...words)).code, 0, words.join(" "));
  }
});

Deno.test("a group without a command prints its help to stdout", async () => {
  for (const words of [[], ["index"], ["bundle"], ["-v"]]) {
    const { code, stdout, stderr } = await run(...words);
    assert.deepEqual([code, stderr], [0, ""], words.join(" "));
    assert.match(stdout, /^Usage: krew-wasm/);
  }
});

Deno.test("--version and help print the version and the help", async () => {
  const { code, stdout } = await run("--version");
  assert.equal(code, 0);
  assert.equal((await run("version")).stdout, stdout);
  assert.equal((await run("-V")).stdout, stdout);
  assert.match((await run("version", "-o", "yaml")).stdout, /^version: \d/);
  assert.equal((await run("help", "index", "add")).stdout, (await run("index", "add", "--help")).stdout);
  assert.equal((await run("help")).stdout, (await run("--help")).stdout);
});

Deno.test("outdated does not call plugins current that are not installed", async () => {
  const { code, stderr } = await run("outdated", "nope");
  assert.equal(code, 1);
  assert.doesNotMatch(stderr, /current/);
});

Deno.test("a bare name without an index is an error with a hint", async () => {
  const { code, stderr } = await run("pull", "no-such-plugin");
  assert.equal(code, 1);
  assert.match(stderr, /^error: .*no-such-plugin.*\nhint: no index was added to look "no-such-plugin" up in/);
  assert.match(
    (await run("pull", "no-such-plugin", "--index", "none")).stderr,
    /^error: No index "none" was added\n/,
  );
});

Deno.test("only a failing stdout is an error, and a closed pipe stays a closed pipe", () => {
  const failing = (error: Error) => ({
    writeSync(): number {
      throw error;
    },
  });
  const full = failing(
    Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" }),
  );
  const closed = failing(new Deno.errors.BrokenPipe("Broken pipe (os error 32)"));
  const one = processOutput({ stdout: full, stderr: full });
  assert.throws(
    () => one.stdout("x"),
    (error: AppError) =>
      error.code === "OUTPUT_FAILED" && error.message === "Cannot write to stdout: the disk is full",
  );
  one.stderr("x");
  const other = processOutput({ stdout: closed, stderr: closed });
  assert.throws(() => other.stdout("x"), Deno.errors.BrokenPipe);
  assert.throws(() => other.stderr("x"), Deno.errors.BrokenPipe);
});

Deno.test("nearest() finds misspellings, and nothing for unrelated words", () => {
  const words = ["list", "ls", "pull", "push", "uninstall", "install"];
  assert.deepEqual(nearest("lsit", words), ["list"]);
  assert.deepEqual(nearest("puhs", words), ["push"]);
  assert.deepEqual(nearest("unistall", words), ["uninstall"]);
  assert.deepEqual(nearest("frobnicate", words), []);
  assert.deepEqual(nearest("", words), []);
});
