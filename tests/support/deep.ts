/** Nests directories deeper than a path can say. */

/** Makes directories in each other below an existing directory. From the innermost out, so no path is too long. */
export function nestDirectories(directory: string, depth: number): void {
  const [inner, outer] = [`${directory}/d`, `${directory}/next`];
  Deno.mkdirSync(inner);
  Deno.writeTextFileSync(`${inner}/file`, "");
  for (let level = 1; level < depth; level++) {
    Deno.mkdirSync(outer);
    Deno.renameSync(inner, `${outer}/d`);
    Deno.renameSync(outer, inner);
  }
}
