// deno-lint-ignore-file no-console -- a script talks to who runs it

/** The real parts that tests use where they are: found, or skipped with a line that says how to get them. */

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
 * Whether a test has to be left out since a part is missing: says so once, with how to get it. Under `CI=true` nothing is
 * left out: a missing part is an error.
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
 * Other people's registry clients: where `.ci/clients` built them, where `go install` and `cargo install` put them, or on
 * PATH. undefined where one is not there, which is told and is no error, under CI neither: they are built from sources
 * that a machine may not get.
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
