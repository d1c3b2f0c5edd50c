// deno-lint-ignore-file no-console -- a script talks to who runs it

/** Finds real programs for tests. If one is missing, prints how to get it and skips the tests. */

/** A program's path, or undefined. */
export function findProgram(
  name: string,
  directories: readonly (string | undefined)[] = [],
): string | undefined {
  const path = (Deno.env.get("PATH") ?? "").split(":");
  for (const directory of [...directories, ...path]) {
    if (!directory) continue;
    try {
      const info = Deno.statSync(`${directory}/${name}`);
      if (info.isFile && ((info.mode ?? 0) & 0o111) !== 0) return `${directory}/${name}`;
    } catch { /* not there */ }
  }
  return undefined;
}

const told = new Set<string>();

/**
 * Whether to skip a test because a part is missing. Prints once how to get the part. With `CI=true` a missing part is an
 * error.
 */
export function missing(part: string, present: boolean, how: string): boolean {
  if (present) return false;
  const text = `${part} is missing, tests that need it are skipped: ${how}`;
  if (Deno.env.get("CI") === "true") throw new Error(text);
  if (!told.has(part)) console.warn(text);
  told.add(part);
  return true;
}

/**
 * Finds other registry clients: built by `.ci/clients`, installed by `go install` or `cargo install`, or on PATH. Returns
 * undefined and prints a line if one is missing. Even in CI this does not fail, because the machine may be unable to get the sources.
 */
export function registryClient(name: string, how: string): string | undefined {
  const home = Deno.env.get("HOME");
  const found = findProgram(name, [
    Deno.env.get("KREW_WASM_CLIENTS"),
    Deno.env.get("GOBIN"),
    `${Deno.env.get("GOPATH") ?? `${home}/go`}/bin`,
    `${Deno.env.get("CARGO_HOME") ?? `${home}/.cargo`}/bin`,
  ]);
  if (found === undefined && !told.has(name)) {
    console.warn(`${name} is missing, tests that need it are skipped: ${how}`);
    told.add(name);
  }
  return found;
}
