/**
 * The path of the administrator's policy. The environment cannot change it, because the user controls the environment. On
 * Windows it is therefore the usual value of %ProgramData%, not the variable.
 */
export const POLICY_PATH = Deno.build.os === "windows"
  ? "C:/ProgramData/krew-wasm/policy.yaml"
  : "/etc/krew-wasm/policy.yaml";
