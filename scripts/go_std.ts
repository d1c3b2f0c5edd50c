// deno-lint-ignore-file no-console -- a script prints to its user

/**
 * `deno task go-std [--krew-wasm=PATH] [PACKAGE...]`: runs the tests of Go's standard library with krew-wasm, built for
 * wasip1 by the Go on PATH. By default it takes all packages with tests. It prints a line for each package, and a last line
 * such as `245 packages: 21000 tests passed, 0 failed`. Takes half an hour.
 *
 * The tests may read all files, like in Go's own CI, and write to their private directory and /dev/null.
 */

import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";

/** Tests that can't pass, by package. They run and must fail. */
const IMPOSSIBLE: Readonly<Record<string, { readonly tests: RegExp; readonly why: string }>> = {
  "runtime/pprof": {
    tests: /^TestConvert(CPU|Mem)Profile/,
    why: "they read /proc/self/maps: the memory of krew-wasm's process is not a plugin's to see",
  },
};

interface Outcome {
  readonly passed: number;
  readonly skipped: number;
  readonly impossible: readonly string[];
  /** Names of failed tests, or other errors. */
  readonly failed: readonly string[];
}

async function go(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("go", {
    args,
    env: { GOOS: "wasip1", GOARCH: "wasm", GOFLAGS: "" },
  }).output();
  if (!success) throw new Error(`go ${args.join(" ")}: ${new TextDecoder().decode(stderr).slice(-1000)}`);
  return new TextDecoder().decode(stdout).trim();
}

/** Builds and runs a package's tests in the package's directory, which has their data. */
async function testPackage(name: string, binary: string, goroot: string, home: string): Promise<Outcome> {
  const wasm = `${home}/${name.replaceAll("/", "_")}.test`;
  try {
    await go("test", "-c", "-o", wasm, name);
    const { code, stdout, stderr } = await new Deno.Command(binary, {
      args: [
        ...["run", "--allow-read=/", "--allow-write=/dev/null", "--allow-env=*", wasm],
        ...["--", "-test.short", "-test.v", "-test.timeout=20m"],
      ],
      cwd: `${goroot}/src/${name}`,
      env: { HOME: home },
      stdin: "null",
    }).output();
    const output = new TextDecoder().decode(stdout);
    const named = (verdict: string) =>
      [...output.matchAll(new RegExp(`^\\s*--- ${verdict}: (\\S+)`, "gm"))].map(([, test]) => test!);
    const limit = IMPOSSIBLE[name];
    const fails = named("FAIL");
    const impossible = fails.filter((test) => limit?.tests.test(test));
    const failed = fails.filter((test) => !limit?.tests.test(test));
    if (limit && impossible.length === 0) failed.push(`${limit.tests} passes now: it is impossible no more`);
    if (code !== 0 && fails.length === 0) {
      failed.push(`exit code ${code}: ${(new TextDecoder().decode(stderr) || output).slice(-500)}`);
    }
    return { passed: named("PASS").length, skipped: named("SKIP").length, impossible, failed };
  } finally {
    await Deno.remove(wasm).catch(() => {});
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { "krew-wasm": { type: "string" } },
});
const binary = values["krew-wasm"] ?? fileURLToPath(new URL("../dist/krew-wasm", import.meta.url));
const goroot = await go("env", "GOROOT");
const tested = "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}";
const packages = positionals.length > 0
  ? positionals
  : (await go("list", "-f", tested, "std")).split("\n").filter((name) => name !== "");
const home = await Deno.makeTempDir({ prefix: "krew-wasm-go-std-" });
let [passed, failed, impossible] = [0, 0, 0];
try {
  for (const name of packages) {
    const outcome = await testPackage(name, binary, goroot, home);
    passed += outcome.passed;
    failed += outcome.failed.length;
    impossible += outcome.impossible.length;
    console.log(`${name}: ${outcome.passed} passed, ${outcome.skipped} skipped by Go`);
    if (outcome.impossible.length > 0) {
      console.log(`  can't pass: ${outcome.impossible.join(", ")}: ${IMPOSSIBLE[name]!.why}`);
    }
    for (const what of outcome.failed) console.log(`  FAILED ${what}`);
  }
} finally {
  await Deno.remove(home, { recursive: true });
}
const apart = impossible === 0 ? "" : ` (${impossible} more can't pass)`;
console.log(`${packages.length} packages: ${passed} tests passed, ${failed} failed${apart}`);
Deno.exit(failed === 0 ? 0 : 1);
