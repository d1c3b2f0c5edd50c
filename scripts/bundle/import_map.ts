/**
 * Restricts what the binary may load as code. In a compiled program, `import()` reads any file of the machine as
 * JavaScript, WebAssembly or JSON, regardless of permissions. An import map comes first and cannot be bypassed.
 */

import { basename } from "node:path";

/** The target of forbidden imports: a scheme without a loader. */
const NOTHING = "blocked:///";

/**
 * Writes an import map beside a bundle that allows the bundle's files and nothing else. It also forbids other files in the
 * bundle's own directory, whose parent is writable for everybody.
 *
 * @param files names of the JavaScript files
 * @returns the map's path
 */
export async function writeImportMap(directory: string, files: Iterable<string>): Promise<string> {
  const own = [...files].map((file) => `./${basename(file)}`).sort();
  const path = `${directory}/own_files.json`;
  const imports = Object.fromEntries([...own.map((file) => [file, file]), ["file:///", NOTHING]]);
  await Deno.writeTextFile(path, JSON.stringify({ imports }));
  return path;
}
