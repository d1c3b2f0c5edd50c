/** Directories for tests. */

const made: string[] = [];

/**
 * A new directory, under the path that the system knows it by. It is removed, with all that is in it, when the tests of the
 * file are over, whether they passed or not; a test may remove it before.
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
