/**
 * Where the administrator's file is. Not to be changed from the environment: that is the user's. On Windows the folder that
 * %ProgramData% names on nearly every machine, for the same reason.
 */
export const POLICY_PATH = Deno.build.os === "windows"
  ? "C:/ProgramData/krew-wasm/policy.yaml"
  : "/etc/krew-wasm/policy.yaml";

/**
 * Whether there is no such file, nor a link in its place, or in its directory's, that leads nowhere now: a bound that is only
 * out of reach for a while is no less one.
 */
export function isNowhere(path: string): boolean {
  return [path, path.slice(0, path.lastIndexOf("/"))].every((each) => {
    try {
      const info = Deno.lstatSync(each);
      return each !== path && info.isDirectory;
    } catch (error) {
      return error instanceof Deno.errors.NotFound;
    }
  });
}
