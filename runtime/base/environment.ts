/** The process's environment. */

/**
 * All environment variables. On Windows, cmd.exe keeps the current directory of each drive in variables such as `=C:`. They
 * are left out: Deno can neither set nor delete them, and a plugin need not know these directories.
 */
export function environment(): Record<string, string> {
  const all = Deno.env.toObject();
  for (const name of Object.keys(all)) if (name.startsWith("=")) delete all[name];
  return all;
}
