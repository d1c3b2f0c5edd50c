/**
 * Where the administrator's file is. Not to be changed from the environment: that is the user's. On Windows the folder that
 * %ProgramData% names on nearly every machine, for the same reason.
 */
export const POLICY_PATH = Deno.build.os === "windows"
  ? "C:/ProgramData/krew-wasm/policy.yaml"
  : "/etc/krew-wasm/policy.yaml";
