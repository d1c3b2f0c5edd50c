/**
 * What a binary may load as code. Deno has a compiled program's `import()` read any file of the machine, whatever the
 * program's permissions, as JavaScript, WebAssembly or JSON; an import map decides first, and has no way round it.
 */

import { basename } from "node:path";

/** The scheme that stands for what may not be loaded. No loader knows it. */
const NOTHING = "blocked:///";

/**
 * Writes an import map beside a bundle, which leaves nothing of the file system but the files of the bundle: not even
 * another in the directory that Deno shows it in, which lies in one that everybody writes to.
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
