/** The home directory that the system's accounts know of this user, whatever the environment says. */

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
    // A directory service's accounts; loaded for them alone.
    const { homedir } = (await import("node:os")).userInfo();
    return homedir ? hostPath(homedir) : undefined;
  } catch {
    return undefined;
  }
}

/** The home directory of a user in passwd(5). Pure. */
export function homeIn(passwd: string, user: number): string | undefined {
  for (const line of passwd.split("\n")) {
    const [, , uid, , , home] = line.split(":");
    if (uid === String(user) && home?.startsWith("/")) return home.replace(/(?<=.)\/+$/, "");
  }
  return undefined;
}

/** Whether a directory is this user's own. */
export function isOwn(directory: string): boolean {
  try {
    const { isDirectory, uid } = Deno.statSync(directory);
    return isDirectory && (Deno.build.os === "windows" || uid === Deno.uid());
  } catch {
    return false;
  }
}
