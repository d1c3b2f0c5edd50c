/** Runs the user's own `go`. */

import { AppError } from "../../runtime/base/errors.ts";
import { makeSymlink } from "../../runtime/base/symlink.ts";
import { startProgram } from "../../runtime/base/program_path.ts";

/** The oldest Go with a standard library that the overlay fits. */
const OLDEST = 24;
const DOWNLOAD = "install Go 1.24 or later: https://go.dev/dl";

/** The result of running `go`. */
export interface GoResult {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `go` in a directory, with additional variables. */
export type Go = (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<GoResult>;

/**
 * Makes a function that runs `go`.
 *
 * @param program a path, or a name to find in PATH
 * @param signal ends a running program, and starts no other
 * @param always variables for each run
 * @throws AppError GO_UNUSABLE if `go` is not found
 */
export function goIn(
  cwd: string,
  signal?: AbortSignal,
  program = "go",
  always: Readonly<Record<string, string>> = {},
): Go {
  return async (args, env = {}) => {
    signal?.throwIfAborted();
    let child: Deno.ChildProcess;
    try {
      child = startProgram(program, {
        args: [...args],
        cwd,
        env: { ...always, ...env },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new AppError("GO_UNUSABLE", "Cannot find go in PATH", { hint: DOWNLOAD, cause: error });
    }
    // go removes its temporary files when it is interrupted.
    const end = () => {
      try {
        child.kill("SIGINT");
      } catch { /* it has ended */ }
    };
    signal?.addEventListener("abort", end);
    const { success, stdout, stderr } = await child.output();
    signal?.removeEventListener("abort", end);
    signal?.throwIfAborted();
    const decoder = new TextDecoder();
    return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  };
}

/** Values from `go env`. */
export interface GoEnvironment {
  readonly GOROOT: string;
  readonly GOVERSION: string;
  readonly GOMODCACHE: string;
  readonly GOFLAGS: string;
  /** The file, or empty. */
  readonly GOMOD: string;
  readonly GOWORK: string;
}

/** @throws AppError GO_UNUSABLE if `go` fails or is too old */
export async function goEnvironment(go: Go): Promise<GoEnvironment> {
  const names = ["GOROOT", "GOVERSION", "GOMODCACHE", "GOFLAGS", "GOMOD", "GOWORK"];
  const { success, stdout, stderr } = await go(["env", "-json", ...names]);
  if (!success) throw new AppError("GO_UNUSABLE", `Cannot use go: ${stderr.trim().split("\n").at(-1)}`);
  const env = JSON.parse(stdout) as GoEnvironment;
  checkVersion(env.GOVERSION);
  return env;
}

/**
 * A Go whose standard library accepts an overlay. Go accepts no overlay below the module cache, where a downloaded
 * toolchain is, but it does through a link from elsewhere.
 *
 * @param root a directory of the build's own
 * @param signal as for {@linkcode goIn}
 */
export function overlayable(
  go: Go,
  env: GoEnvironment,
  directory: string,
  root: string,
  signal?: AbortSignal,
): { readonly go: Go; readonly env: GoEnvironment } {
  const cache = `${env.GOMODCACHE.replace(/[\\/]$/, "")}/`.replaceAll("\\", "/");
  if (!env.GOROOT.replaceAll("\\", "/").startsWith(cache)) return { go, env };
  const link = `${root}/goroot`;
  if (Deno.build.os === "windows") Deno.symlinkSync(env.GOROOT, link, { type: "junction" });
  else makeSymlink(env.GOROOT, link);
  const program = `${env.GOROOT}/bin/go${Deno.build.os === "windows" ? ".exe" : ""}`;
  const always = { GOROOT: link, GOTOOLCHAIN: "local" };
  return { go: goIn(directory, signal, program, always), env: { ...env, GOROOT: link } };
}

/** @param version like `go1.26.8` or `devel go1.28-abcdef` @throws AppError GO_UNUSABLE */
export function checkVersion(version: string): void {
  const [, major = "0", minor = "0"] = /go(\d+)\.(\d+)/.exec(version) ?? [];
  if (Number(major) > 1 || Number(major) === 1 && Number(minor) >= OLDEST) return;
  throw new AppError("GO_UNUSABLE", `Cannot build with ${version}: plugins need Go 1.24 or later`, {
    hint: DOWNLOAD,
  });
}
