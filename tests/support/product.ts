/**
 * krew-wasm as its users have it: a binary (KREW_WASM_BINARY) or, without one, the sources behind a launcher; in a HOME of
 * its own, with nothing of the tester's environment.
 */

import { fileURLToPath } from "node:url";
import { shellQuoted } from "../../runtime/base/text.ts";
import { canBuildC, canBuildRust, CLANG_HINT, RUST_HINT } from "../../scripts/fixtures.ts";
import { findAssets } from "./envtest.ts";
import { findProgram, missing } from "./programs.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The compiled binary the tests are to use, absolute. */
export function binaryUnderTest(): string | undefined {
  const path = Deno.env.get("KREW_WASM_BINARY");
  if (!path) return undefined;
  return Deno.realPathSync(path.startsWith("/") ? path : `${root}${path}`);
}

/** What a command did. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command is run. */
export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

let denoDir: string | undefined;

/** An installation. */
export class Product implements Disposable {
  /** What is called `krew-wasm` on PATH. */
  readonly command: string;
  readonly home: string;

  private constructor(home: string, command: string) {
    this.home = home;
    this.command = command;
  }

  /** `binary`: another than the one under test. `within`: a directory of a file system of another kind. */
  static make(binary = binaryUnderTest(), within?: string): Product {
    const place = within === undefined ? {} : { dir: within };
    const home = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "krew-wasm-e2e-", ...place }));
    Deno.mkdirSync(`${home}/bin`);
    const command = `${home}/bin/krew-wasm`;
    if (binary) Deno.symlinkSync(binary, command);
    else {
      const words = [
        Deno.execPath(),
        "run",
        "--quiet",
        "--allow-all",
        "--no-check",
        "--no-prompt",
        `${root}main.ts`,
      ];
      Deno.writeTextFileSync(command, `#!/bin/sh\nexec ${words.map(shellQuoted).join(" ")} "$@"\n`, {
        mode: 0o755,
      });
    }
    return new Product(home, command);
  }

  get store(): string {
    return `${this.home}/.krew-wasm`;
  }

  /** The environment of its commands. */
  env(more: Record<string, string> = {}): Record<string, string> {
    denoDir ??= JSON.parse(
      new TextDecoder().decode(
        new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync().stdout,
      ),
    ).denoDir;
    const kept = ["DENO_TLS_CA_STORE", "NPM_CONFIG_REGISTRY"].flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    });
    return {
      ...Object.fromEntries(kept),
      HOME: this.home,
      PATH: `${this.store}/bin:${this.home}/bin:${Deno.env.get("PATH")}${kubectlDirectory()}`,
      DENO_DIR: denoDir!,
      ...more,
    };
  }

  /** Starts any program, for a test that talks to it: its stdin and stdout are pipes, its stderr is the test's. */
  start(
    program: string,
    args: readonly string[],
    { env, cwd = this.home, stderr = "inherit" }:
      & Omit<RunOptions, "stdin">
      & Pick<Deno.CommandOptions, "stderr"> = {},
  ): Deno.ChildProcess {
    return new Deno.Command(program, {
      args: [...args],
      clearEnv: true,
      env: this.env(env),
      cwd,
      stdin: "piped",
      stdout: "piped",
      stderr,
    }).spawn();
  }

  /** Runs any program. */
  async exec(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const child = this.start(program, args, { ...options, stderr: "piped" });
    const input = typeof options.stdin === "string"
      ? new TextEncoder().encode(options.stdin)
      : options.stdin ?? new Uint8Array();
    const writer = child.stdin.getWriter();
    const written = (async () => {
      try {
        if (input.length > 0) await writer.write(input);
        await writer.close();
      } catch { /* it does not read */ }
    })();
    const { code, stdout, stderr } = await child.output();
    await written;
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  }

  /** `krew-wasm ARGS` */
  run(...args: string[]): Promise<Outcome> {
    return this.exec(this.command, args);
  }

  /** A line for /bin/sh, where `krew-wasm` and the plugins are on PATH. */
  shell(line: string, options: RunOptions = {}): Promise<Outcome> {
    return this.exec("/bin/sh", ["-c", line], options);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.home, { recursive: true });
  }
}

/** Whether tests that need programs in C are left out. */
export function clangMissing(): boolean {
  return missing("clang for WebAssembly", canBuildC(), CLANG_HINT);
}

/** Whether tests that need programs in Rust are left out. */
export function rustMissing(): boolean {
  return missing("Rust for WebAssembly", canBuildRust(), RUST_HINT);
}

/** Whether tests that need kubectl are left out. */
export function kubectlMissing(): boolean {
  const present = findProgram("kubectl") !== undefined || findAssets() !== undefined;
  return missing("kubectl", present, "https://kubernetes.io/docs/tasks/tools");
}

/** The control plane's own kubectl, behind the user's. */
function kubectlDirectory(): string {
  const kubectl = findProgram("kubectl") === undefined ? findAssets()?.kubectl : undefined;
  return kubectl === undefined ? "" : `:${kubectl.slice(0, kubectl.lastIndexOf("/"))}`;
}
