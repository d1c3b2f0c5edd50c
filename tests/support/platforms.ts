// deno-lint-ignore-file no-console -- a test that is left out says why
/**
 * Machines of other platforms on this one: linux-arm64 under qemu, Windows under Wine. Each has its own home directory and a
 * binary named by an environment variable.
 */

import { fileURLToPath } from "node:url";
import { findProgram } from "./programs.ts";
import type { Outcome } from "./product.ts";
import { temporaryDirectory } from "./temporary.ts";
import { windowsBinary, WINE } from "./wine.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A machine with krew-wasm on it. */
export interface Platform {
  /** Runs krew-wasm. */
  krewWasm(...args: string[]): Promise<Outcome>;
  /** Runs an installed plugin as kubectl does. */
  kubectl(name: string, ...args: string[]): Promise<Outcome>;
  /** The user's home directory, as this machine names it. */
  home(): string;
  /** The same directory, as the platform's programs name it. */
  homeThere(): string;
  /** A path below the home directory, as a plugin names it. */
  guest(path: string): string;
}

async function outcome(
  program: string,
  args: readonly string[],
  env?: Record<string, string>,
): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    stdin: "null",
    ...(env ? { env, clearEnv: true } : {}),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replaceAll("\r\n", "\n");
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/**
 * linux-arm64: `KREW_WASM_ARM64_BINARY` names the binary, `KREW_WASM_QEMU` a directory with the files of Debian's packages
 * qemu-user (10 or later), libc6-arm64-cross and libgcc-s1-arm64-cross. Undefined without them.
 */
export function arm64(): Platform | undefined {
  const [binary, qemu] = [Deno.env.get("KREW_WASM_ARM64_BINARY"), Deno.env.get("KREW_WASM_QEMU")];
  if (!binary || !qemu || findProgram("qemu-aarch64", [`${qemu}/usr/bin`]) === undefined) {
    console.warn("the binary for linux-arm64 is not tried: no KREW_WASM_ARM64_BINARY, or no KREW_WASM_QEMU");
    return undefined;
  }
  const home = temporaryDirectory();
  const program = `${home}/krew-wasm`;
  Deno.copyFileSync(binary.startsWith("/") ? binary : `${root}${binary}`, program);
  // With the default model V8 14.5 panics in jco's transpiler.
  const env = { HOME: home, PATH: "/usr/bin:/bin", QEMU_CPU: "neoverse-v1" };
  const run = (path: string, args: readonly string[]) =>
    outcome(`${qemu}/usr/bin/qemu-aarch64`, ["-L", `${qemu}/usr/aarch64-linux-gnu`, path, ...args], env);
  return {
    krewWasm: (...args) => run(program, args),
    kubectl: (name, ...args) => run(`${home}/.krew-wasm/bin/kubectl-${name}`, args),
    home: () => home,
    homeThere: () => home,
    guest: (path) => `${home}/${path}`,
  };
}

/** Windows: `KREW_WASM_WINDOWS_BINARY` names the binary. Undefined where Wine cannot run it. */
export function windows(): Platform | undefined {
  const binary = windowsBinary();
  if (binary === undefined) return undefined;
  const directory = temporaryDirectory();
  const program = `${directory}/krew-wasm.exe`;
  Deno.copyFileSync(binary.startsWith("/") ? binary : `${root}${binary}`, program);
  const run = (path: string, args: readonly string[]) => outcome(WINE, [directory, path, ...args]);
  const user = () => {
    const users = [...Deno.readDirSync(`${directory}/prefix/drive_c/users`)];
    return users.find(({ name }) => name !== "Public")!.name;
  };
  return {
    krewWasm: (...args) => run(program, args),
    kubectl: (name, ...args) =>
      run("cmd", ["/c", `C:\\users\\${user()}\\.krew-wasm\\bin\\kubectl-${name}.cmd`, ...args]),
    home: () => `${directory}/prefix/drive_c/users/${user()}`,
    homeThere: () => `C:\\users\\${user()}`,
    guest: (path) => `/C:/users/${user()}/${path}`,
  };
}
