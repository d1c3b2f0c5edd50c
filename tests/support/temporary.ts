/** Temporary directories for tests. */

const made: string[] = [];

/**
 * Makes a directory and returns its real path. It is removed with its content after the tests of the file, whether they
 * passed or not. A test may remove it before.
 */
export function temporaryDirectory(): string {
  if (made.length === 0) addEventListener("unload", removeAll);
  const path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "kw-test-" }));
  made.push(path);
  return path;
}

function removeAll(): void {
  for (const path of made.splice(0)) {
    try {
      Deno.removeSync(path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
