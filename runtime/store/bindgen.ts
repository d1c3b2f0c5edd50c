/**
 * The version of the compiler that makes a plugin's compiled form: ours (the first number, raised when what
 * registry/compile/compile.ts makes changes), and jco's. A receipt of another version is compiled anew at its next run.
 */
export const BINDGEN = "9-jco0.15.0";
