/** Which package manager installed the program, by its path. */

/** A package manager's claim on a file. */
export interface PackageOwner {
  readonly name: string;
  /** The command that updates krew-wasm. */
  readonly update: string;
}

const BY_PATH: readonly (readonly [path: RegExp, owner: PackageOwner])[] = [
  [/\/\.krew\/store\/|\/krew\/store\//, { name: "Krew", update: "kubectl krew upgrade wasm" }],
  [/\/Cellar\/|\/homebrew\/|\/linuxbrew\//i, { name: "Homebrew", update: "brew upgrade krew-wasm" }],
  [/\/node_modules\//, { name: "npm", update: "npm install -g krew-wasm" }],
  [/\/scoop\/(?:apps|shims)\//i, { name: "Scoop", update: "scoop update krew-wasm" }],
  [/\/WinGet\//i, { name: "winget", update: "winget upgrade krew-wasm" }],
  [/^\/nix\/store\//, { name: "Nix", update: "your Nix configuration" }],
];

const BY_DATABASE: readonly (readonly [program: string, flag: string, owner: PackageOwner])[] = [
  ["dpkg-query", "-S", { name: "Debian's dpkg", update: "apt-get install --only-upgrade krew-wasm" }],
  ["rpm", "-qf", { name: "rpm", update: "dnf upgrade krew-wasm" }],
];

/**
 * The package manager that owns a program.
 *
 * @param path its real path
 * @param asks whether a program with these arguments succeeds
 */
export async function packageOwner(
  path: string,
  asks: (program: string, args: readonly string[]) => Promise<boolean> = succeeds,
): Promise<PackageOwner | undefined> {
  const [, owner] = BY_PATH.find(([pattern]) => pattern.test(path.replaceAll("\\", "/"))) ?? [];
  if (owner) return owner;
  for (const [program, flag, one] of BY_DATABASE) if (await asks(program, [flag, path])) return one;
  return undefined;
}

async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  try {
    const command = new Deno.Command(program, {
      args: [...args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    });
    return (await command.output()).success;
  } catch {
    return false; // there is no such program
  }
}
