/**
 * krew-wasm as a user has it: a binary (KREW_WASM_BINARY), or else the sources behind a launcher. It runs in its own HOME,
 * without the tester's environment.
 */

import { fileURLToPath } from "node:url";
import { shellQuoted } from "../../runtime/base/text.ts";
import { canBuildC, canBuildRust, CLANG_HINT, RUST_HINT } from "../../scripts/fixtures.ts";
import { findAssets } from "./envtest.ts";
import { findProgram, missing } from "./programs.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The absolute path of the compiled binary under test. */
export function binaryUnderTest(): string | undefined {
  const path = Deno.env.get("KREW_WASM_BINARY");
  if (!path) return undefined;
  return Deno.realPathSync(path.startsWith("/") ? path : `${root}${path}`);
}

/** The result of a command. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options for a command. */
export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

let denoDir: string | undefined;

/** An installation of krew-wasm. */
export class Product implements Disposable {
  /** The path of `krew-wasm` on PATH. */
  readonly command: string;
  readonly home: string;

  private constructor(home: string, command: string) {
    this.home = home;
    this.command = command;
  }

  /** `binary`: replaces the one under test. `within`: a directory on another file system. */
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

  /** Starts a program for a test that talks to it: its stdin and stdout are pipes, its stderr is the test's. */
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

  /** Runs any program to its end. */
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

  /** Runs a line of /bin/sh, with `krew-wasm` and the plugins on PATH. */
  shell(line: string, options: RunOptions = {}): Promise<Outcome> {
    return this.exec("/bin/sh", ["-c", line], options);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.home, { recursive: true });
  }
}

/** Whether to skip tests that need C programs. */
export function clangMissing(): boolean {
  return missing("clang for WebAssembly", canBuildC(), CLANG_HINT);
}

/** Whether to skip tests that need Rust programs. */
export function rustMissing(): boolean {
  return missing("Rust for WebAssembly", canBuildRust(), RUST_HINT);
}

/** Whether to skip tests that need kubectl. */
export function kubectlMissing(): boolean {
  const present = findProgram("kubectl") !== undefined || findAssets() !== undefined;
  return missing("kubectl", present, "https://kubernetes.io/docs/tasks/tools");
}

/** The directory of the control plane's own kubectl, after the user's PATH. */
function kubectlDirectory(): string {
  const kubectl = findProgram("kubectl") === undefined ? findAssets()?.kubectl : undefined;
  return kubectl === undefined ? "" : `:${kubectl.slice(0, kubectl.lastIndexOf("/"))}`;
}
