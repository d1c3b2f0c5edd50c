/** The user's home directory from the system's accounts. The environment does not count. */

import { hostPath } from "./host_path.ts";

const ACCOUNTS = "/etc/passwd";

/** Absolute; undefined for a user without an account, as in some containers. */
export async function accountHome(): Promise<string | undefined> {
  const user = Deno.build.os === "windows" ? undefined : Deno.uid();
  try {
    if (user !== undefined) {
      const home = homeIn(Deno.readTextFileSync(ACCOUNTS), user!);
      if (home !== undefined) return home;
    }
  } catch { /* accounts may be kept elsewhere only */ }
  try {
    // Only accounts of a directory service need this import.
    const { homedir } = (await import("node:os")).userInfo();
    return homedir ? hostPath(homedir) : undefined;
  } catch {
    return undefined;
  }
}

/** The home directory of a user in the text of passwd(5). Pure. */
export function homeIn(passwd: string, user: number): string | undefined {
  for (const line of passwd.split("\n")) {
    const [, , uid, , , home] = line.split(":");
    if (uid === String(user) && home?.startsWith("/")) return home.replace(/(?<=.)\/+$/, "");
  }
  return undefined;
}

/** Whether this user owns a directory. */
export function isOwn(directory: string): boolean {
  try {
    const { isDirectory, uid } = Deno.statSync(directory);
    return isDirectory && (Deno.build.os === "windows" || uid === Deno.uid());
  } catch {
    return false;
  }
}
